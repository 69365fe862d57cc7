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
  explicit Stream(Device device);

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
  Event() = default;
  /// The point after all work queued in `stream` so far.
  static Event record(const Stream& stream);
  [[nodiscard]] void* native() const { return native_.get(); }
  /// Blocks the host until that point is reached.
  void synchronize() const;

 private:
  std::shared_ptr<void> native_;
};

namespace device_backend {
// What a back end provides for CUDA devices; the CPU never gets here.
[[nodiscard]] void* allocate(Device device, std::size_t bytes);
void release(Device device, void* memory) noexcept;
void copy(void* to, const void* from, std::size_t bytes, void* stream);
void fill_zero(void* to, std::size_t bytes, void* stream);
[[nodiscard]] std::shared_ptr<void> make_stream(Device device);
[[nodiscard]] std::shared_ptr<void> record_event(void* stream);
void wait_event(void* stream, void* event);
void synchronize_stream(void* stream);
void synchronize_event(void* event);
}  // namespace device_backend

}  // namespace epi::core
