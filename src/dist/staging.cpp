// Device to host and back through a stream of its own: waits, so the caller needs no event.
#include "dist/staging.hpp"

namespace epi::dist {
namespace {

bool on_host(const core::ConstView& view) {
  return view.device().kind == core::DeviceKind::cpu;
}

}  // namespace

void CopyLane::copy(const core::View& to, const core::ConstView& from) {
  const core::Device device = on_host(to) ? from.device() : to.device();
  if (!stream_ || stream_->device() != device) stream_.emplace(device);
  core::copy(to.slice(0, to.size()), from.slice(0, from.size()), *stream_);
  stream_->synchronize();
}

core::View Staging::host_twin(const core::ConstView& view) {
  if (buffer_.bytes() < view.bytes()) buffer_ = core::Buffer::pinned(view.bytes());
  return {buffer_.data(), view.dtype(), {view.size()}, core::kCpu};
}

core::ConstView Staging::load(const core::ConstView& view) {
  if (on_host(view)) return view;
  const core::View host = host_twin(view);
  lane_.copy(host, view);
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
  if (!on_host(view)) lane_.copy(view, host_twin(view));
}

}  // namespace epi::dist
