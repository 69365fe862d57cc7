#include "core/device.hpp"

namespace epi::core {

Stream::Stream(Device device) : device_(device) {
  if (device.kind == DeviceKind::cuda) native_ = device_backend::make_stream(device);
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

}  // namespace epi::core
