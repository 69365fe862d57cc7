// Devices, streams and events: where memory lies and in which order work on it happens.
// On the CPU all work is finished when its call returns, so streams and events cost nothing.
// Which back end carries CUDA devices is chosen by the file that CMake compiles:
// device_cuda.cpp where a toolkit was found, device_host.cpp (which refuses them) elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace epi::core {

enum class DeviceKind : std::uint8_t { cpu, cuda };

struct Device {
  DeviceKind kind = DeviceKind::cpu;
  int index = 0;
  friend bool operator==(const Device&, const Device&) = default;
};

inline constexpr Device kCpu{};

/// Number of CUDA devices that this build can use; 0 without CUDA or without a driver.
[[nodiscard]] int cuda_device_count();

class Event;

/// A queue of work on one device. Move-only owner. Throws DeviceError if it can't be made.
class Stream {
 public:
  /// A new queue; on the CPU it holds nothing and costs nothing.
  explicit Stream(Device device);

  /// The device whose work it orders; ops refuse streams of another device.
  [[nodiscard]] Device device() const { return device_; }
  /// The back end's own handle (`cudaStream_t`); null on the CPU.
  [[nodiscard]] void* native() const { return native_.get(); }
  /// Work queued from now on starts after `event`; does not block the host.
  void wait(const Event& event);
  /// Blocks the host until all queued work is done.
  void synchronize();

 private:
  Device device_;
  std::shared_ptr<void> native_;
};

/// A point in a stream's work. A default event is already done.
class Event {
 public:
  /// Already done: for "after nothing in particular".
  Event() = default;
  /// The point after all work queued in `stream` so far.
  static Event record(const Stream& stream);
  /// The back end's own handle (`cudaEvent_t`); null on the CPU and for a default event.
  [[nodiscard]] void* native() const { return native_.get(); }
  /// Blocks the host until that point is reached.
  void synchronize() const;

 private:
  std::shared_ptr<void> native_;
};

namespace device_backend {
// What a back end provides for CUDA devices; the CPU never gets here.
[[nodiscard]] void* allocate(Device device, std::size_t bytes);
/// Gives memory of `allocate` back; errors are dropped, since destructors call it.
void release(Device device, void* memory) noexcept;
/// Queues a copy between any two places, host memory included. DeviceError.
void copy(void* to, const void* from, std::size_t bytes, void* stream);
/// Queues zeroing; a null `stream` is the default one. DeviceError.
void fill_zero(void* to, std::size_t bytes, void* stream);
/// A stream that does not wait for the default one; freed with its last owner. DeviceError.
[[nodiscard]] std::shared_ptr<void> make_stream(Device device);
/// An event after all work queued in `stream`; freed with its last owner. DeviceError.
[[nodiscard]] std::shared_ptr<void> record_event(void* stream);
/// Work queued in `stream` from now on waits for `event`; the host does not. DeviceError.
void wait_event(void* stream, void* event);
/// Blocks the host. DeviceError also for what earlier work in the stream met.
void synchronize_stream(void* stream);
/// Blocks the host until the event is reached. DeviceError.
void synchronize_event(void* event);
}  // namespace device_backend

}  // namespace epi::core
