// Devices, streams and events: where memory lies and in which order work on it happens.
// On the CPU all work is finished when its call returns, so streams and events cost nothing.
// Which back end carries CUDA devices is chosen by the file that CMake compiles:
// device_cuda.cpp where a toolkit was found, device_host.cpp (which refuses them) elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

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

/// Why cuda_device_count() is 0, and what to do: this build, the driver (too old: both versions),
/// or no device. "" where there are devices.
[[nodiscard]] std::string cuda_missing();

/// What kernels and logs need to know of a CUDA device.
struct DeviceProperties {
  std::string name;          ///< "NVIDIA H200"
  int major = 0, minor = 0;  ///< compute capability
  int multiprocessors = 0;
  std::size_t shared_bytes = 0;  ///< of one block at most, with the opt-in
  std::size_t l2_bytes = 0;
  std::size_t memory_bytes = 0;
  std::string bus_id;  ///< PCI address: two ranks with the same one share a GPU
};
/// DeviceError when there is no such device.
[[nodiscard]] DeviceProperties cuda_properties(int index);
/// Bytes that could be allocated there now. DeviceError.
[[nodiscard]] std::size_t cuda_free_bytes(int index);
/// What is said when `asked` bytes don't fit into the `free` bytes of device `index`: which GPU,
/// how much of how much is free, and what to do.
[[nodiscard]] std::string out_of_memory(int index, std::size_t asked, std::size_t free);

class Event;

/// Which of the streams with work ready a device serves first.
enum class Priority : std::uint8_t { ordinary, high };

/// A queue of work on one device. Move-only owner. Throws DeviceError if it can't be made.
class Stream {
 public:
  /// A new queue; on the CPU it holds nothing and costs nothing.
  explicit Stream(Device device, Priority priority = Priority::ordinary);

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

/// A point in a stream's work whose time can be read; the same object marks point after point, also
/// from within a recorded graph. On the CPU it reads the clock at once.
class Mark {
 public:
  explicit Mark(Device device);
  /// Here, after all work queued in `stream` so far.
  void set(const Stream& stream);
  /// Blocks the host until that point is reached; true at once for a mark that was never set.
  void synchronize() const;
  /// Seconds on the device from `earlier` to this; both must have been reached.
  [[nodiscard]] double seconds_since(const Mark& earlier) const;

 private:
  std::shared_ptr<void> native_;
  double host_s_ = 0.0;
};

/// Work of a stream recorded once and queued again as a whole: a CUDA graph. Move-only.
class Graph {
 public:
  /// Whether work on this device can be recorded; the CPU's is done when its call returns.
  [[nodiscard]] static bool records(Device device) { return device.kind == DeviceKind::cuda; }
  /// From now on work queued in `stream` (and in streams that wait for its events) is recorded, not
  /// run. Nothing of this thread may wait for the device until `end`.
  static void begin(Stream& stream);
  /// What was recorded since. DeviceError when something that can't be recorded was queued.
  static Graph end(Stream& stream);
  /// Queues all of it.
  void launch(Stream& stream) const;

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
/// Queues zeroing; without a `stream` it is done on return. DeviceError.
void fill_zero(void* to, std::size_t bytes, void* stream);
/// A stream that does not wait for the default one; freed with its last owner. DeviceError.
[[nodiscard]] std::shared_ptr<void> make_stream(Device device, Priority priority);
/// An event after all work queued in `stream`; freed with its last owner. DeviceError.
[[nodiscard]] std::shared_ptr<void> record_event(void* stream);
/// Work queued in `stream` from now on waits for `event`; the host does not. DeviceError.
void wait_event(void* stream, void* event);
/// Blocks the host. DeviceError also for what earlier work in the stream met.
void synchronize_stream(void* stream);
/// Blocks the host until the event is reached. DeviceError.
void synchronize_event(void* event);
/// Host memory that devices copy from and to without a detour (page-locked). DeviceError.
[[nodiscard]] void* allocate_pinned(std::size_t bytes);
/// Gives it back; errors are dropped.
void release_pinned(void* memory) noexcept;
/// An event whose time can be read. DeviceError.
[[nodiscard]] std::shared_ptr<void> make_mark(Device device);
/// Puts it after all work queued in `stream`. DeviceError.
void set_mark(void* mark, void* stream);
/// Seconds between two marks that were reached. DeviceError.
[[nodiscard]] double seconds_between(void* earlier, void* later);
/// See Graph. DeviceError.
void begin_graph(void* stream);
[[nodiscard]] std::shared_ptr<void> end_graph(void* stream);
void launch_graph(void* graph, void* stream);
}  // namespace device_backend

}  // namespace epi::core
