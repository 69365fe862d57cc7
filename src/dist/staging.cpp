// Device to host and back through a stream of its own: waits, so the caller needs no event.
#include "dist/staging.hpp"

namespace epi::dist {
namespace {

bool on_host(const core::ConstView& view) {
  return view.device().kind == core::DeviceKind::cpu;
}

void copy_now(const core::View& to, const core::ConstView& from, core::Device device) {
  core::Stream stream(device);
  core::copy(to, from, stream);
  stream.synchronize();
}

core::View flat(const core::View& view) {
  return view.slice(0, view.size());
}

}  // namespace

core::View Staging::host_twin(const core::ConstView& view) {
  if (buffer_.bytes() < view.bytes()) buffer_ = core::Buffer(core::kCpu, view.bytes());
  return {buffer_.data(), view.dtype(), {view.size()}, core::kCpu};
}

core::ConstView Staging::load(const core::ConstView& view) {
  if (on_host(view)) return view;
  const core::View host = host_twin(view);
  copy_now(host, view.slice(0, view.size()), view.device());
  return host;
}

core::View Staging::load(const core::View& view) {
  if (on_host(view)) return view;
  (void)load(core::ConstView(view));
  return host_twin(view);
}

core::View Staging::reserve(const core::View& view) {
  return on_host(view) ? view : host_twin(view);
}

void Staging::store(const core::View& view) {
  if (!on_host(view)) copy_now(flat(view), host_twin(view), view.device());
}

}  // namespace epi::dist
