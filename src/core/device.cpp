#include "core/device.hpp"

#include <fmt/format.h>

#include <chrono>

namespace epi::core {
namespace {

/// "12.3 GiB", or smaller units for what is less than one.
std::string size_text(std::size_t bytes) {
  constexpr double kKi = 1024.0;
  const auto size = static_cast<double>(bytes);
  if (size >= kKi * kKi * kKi) return fmt::format("{:.1f} GiB", size / (kKi * kKi * kKi));
  if (size >= kKi * kKi) return fmt::format("{:.1f} MiB", size / (kKi * kKi));
  return fmt::format("{} bytes", bytes);
}

}  // namespace

std::string out_of_memory(int index, std::size_t asked, std::size_t free) {
  const DeviceProperties gpu = cuda_properties(index);
  return fmt::format(
      "out of memory on GPU {} ({}): {} were asked for and {} of {} are free; make micro_batch "
      "smaller, turn recomputation on (--dry-run shows the plan), or see in nvidia-smi who else "
      "uses the GPU",
      index, gpu.name, size_text(asked), size_text(free), size_text(gpu.memory_bytes));
}

Stream::Stream(Device device, Priority priority) : device_(device) {
  if (device.kind == DeviceKind::cuda) native_ = device_backend::make_stream(device, priority);
}

void Stream::wait(const Event& event) {
  if (native_ && event.native() != nullptr) {
    device_backend::wait_event(native_.get(), event.native());
  }
}

void Stream::synchronize() {
  if (native_) device_backend::synchronize_stream(native_.get());
}

Event Event::record(const Stream& stream) {
  Event event;
  if (stream.native() != nullptr) event.native_ = device_backend::record_event(stream.native());
  return event;
}

void Event::synchronize() const {
  if (native_) device_backend::synchronize_event(native_.get());
}

Mark::Mark(Device device) {
  if (device.kind == DeviceKind::cuda) native_ = device_backend::make_mark(device);
}

void Mark::set(const Stream& stream) {
  if (native_) return device_backend::set_mark(native_.get(), stream.native());
  using Clock = std::chrono::steady_clock;
  host_s_ = std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

void Mark::synchronize() const {
  if (native_) device_backend::synchronize_event(native_.get());
}

double Mark::seconds_since(const Mark& earlier) const {
  if (native_) return device_backend::seconds_between(earlier.native_.get(), native_.get());
  return host_s_ - earlier.host_s_;
}

void Graph::begin(Stream& stream) {
  if (stream.native() != nullptr) device_backend::begin_graph(stream.native());
}

Graph Graph::end(Stream& stream) {
  Graph graph;
  if (stream.native() != nullptr) graph.native_ = device_backend::end_graph(stream.native());
  return graph;
}

void Graph::launch(Stream& stream) const {
  if (native_) device_backend::launch_graph(native_.get(), stream.native());
}

}  // namespace epi::core
