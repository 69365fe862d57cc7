// Streams, events, marks and graphs of emulated devices. Work is done when it is queued; what a
// device would refuse is an error.
#include "simt/emulated_device.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "simt/emulated_memory.hpp"
#include "simt/machine.hpp"

namespace epi::core {
namespace {

/// All devices of the process; ranks that are threads share them.
struct Devices {
  std::mutex mutex;
  int count = 2;
  DeviceProperties properties{.name = "emulated device",
                              .major = 8,
                              .minor = 0,
                              .multiprocessors = 4,
                              .shared_bytes = 101376,
                              .l2_bytes = std::size_t{4} << 20U,
                              .memory_bytes = std::size_t{1} << 30U,
                              .bus_id = ""};
  std::map<std::byte*, std::size_t> pinned;  ///< begin and bytes
};

Devices& devices() {
  static Devices& all = *new Devices;  // never destroyed: owners of memory may be static too
  return all;
}

void require_device(int index) {
  if (index >= 0 && index < devices().count) return;
  throw DeviceError(fmt::format("there is no emulated device {}, only {}", index, devices().count));
}

bool is_pinned(const void* address) {
  const std::lock_guard lock(devices().mutex);
  for (const auto& [begin, bytes] : devices().pinned) {
    if (address >= begin && address < begin + bytes) return true;
  }
  return false;
}

// --- streams

struct EmulatedStream;

/// How much of each stream's work lies before a point. By number: addresses come again.
using Clock = std::map<std::uint64_t, std::uint64_t>;

std::uint64_t next_number() {
  static std::atomic<std::uint64_t> made{0};
  return ++made;
}

/// Work of streams while it is recorded, in the order in which it was queued.
struct Recording {
  const EmulatedStream* origin;
  std::vector<std::function<void()>> work;
  std::set<EmulatedStream*> streams;
};

struct EmulatedStream {
  explicit EmulatedStream(int on) : device(on) {}
  int device;
  std::uint64_t number = next_number();
  Recording* recording = nullptr;  ///< the one that it takes part in
  std::uint64_t queued = 0;
  Clock before;  ///< what its next work waits for
};

struct EmulatedEvent {
  Recording* recording = nullptr;
  Clock before;
  double time_s = 0;
};

/// Of this thread of the host: only one at a time.
thread_local std::unique_ptr<Recording> recording_here;

EmulatedStream& stream_of(void* stream) {
  return *static_cast<EmulatedStream*>(stream);
}

/// What would break a recording, as a device's driver says it.
void refuse_while_recording(const char* what) {
  if (recording_here == nullptr) return;
  throw DeviceError(fmt::format("{}: operation not permitted when stream is capturing", what));
}

/// Does the work now, or when the graph is launched.
void queue(void* stream, std::function<void()> work) {
  if (stream == nullptr) {
    refuse_while_recording("work on the default stream");
    return work();
  }
  EmulatedStream& queue = stream_of(stream);
  queue.before[queue.number] = ++queue.queued;
  if (queue.recording == nullptr) return work();
  queue.recording->work.push_back(std::move(work));
}

double now_s() {
  using Steady = std::chrono::steady_clock;
  return std::chrono::duration<double>(Steady::now().time_since_epoch()).count();
}

}  // namespace

namespace emulated {

void set_device_count(int count) {
  devices().count = count;
}

void set_properties(const DeviceProperties& properties) {
  devices().properties = properties;
}

std::size_t allocated_bytes() {
  std::size_t sum = 0;
  for (int i = 0; i < devices().count; ++i) sum += used(i);
  return sum;
}

void queue(void* stream, std::function<void()> work, const char* name) {
  core::queue(stream, [work = std::move(work), name] {
    const Access access;
    work();
    const std::string where = overrun();
    if (where.empty()) return;
    throw LogicError(fmt::format("{} wrote device memory {} of an allocation", name, where));
  });
}

bool recording() {
  return recording_here != nullptr;
}

}  // namespace emulated

int cuda_device_count() {
  return devices().count;
}

std::string cuda_missing() {
  return devices().count > 0 ? "" : "no emulated device";
}

DeviceProperties cuda_properties(int index) {
  require_device(index);
  DeviceProperties properties = devices().properties;
  properties.bus_id = fmt::format("emulated:{:02x}", index);
  return properties;
}

std::size_t cuda_free_bytes(int index) {
  require_device(index);
  return devices().properties.memory_bytes - emulated::used(index);
}

namespace device_backend {

void* allocate(Device device, std::size_t bytes) {
  require_device(device.index);
  refuse_while_recording("cudaMalloc");
  const std::size_t free = cuda_free_bytes(device.index);
  std::byte* const memory = bytes > free ? nullptr : emulated::allocate(device.index, bytes);
  if (memory == nullptr) {
    throw DeviceError(out_of_memory(device.index, bytes, free));
  }
  return memory;
}

void release(Device, void* memory) noexcept {
  emulated::release(static_cast<std::byte*>(memory));
}

void copy(void* to, const void* from, std::size_t bytes, void* stream) {
  core::queue(stream, [=] {
    std::memmove(emulated::reach(to, bytes), emulated::reach(from, bytes), bytes);
  });
}

void fill_zero(void* to, std::size_t bytes, void* stream) {
  core::queue(stream, [=] { std::memset(emulated::reach(to, bytes), 0, bytes); });
}

std::shared_ptr<void> make_stream(Device device, Priority) {
  require_device(device.index);
  return std::make_shared<EmulatedStream>(device.index);
}

std::shared_ptr<void> record_event(void* stream) {
  auto event = std::make_shared<EmulatedEvent>();
  if (stream == nullptr) return event;
  event->recording = stream_of(stream).recording;
  event->before = stream_of(stream).before;
  event->time_s = now_s();
  return event;
}

void wait_event(void* stream, void* event) {
  if (stream == nullptr) return;
  EmulatedStream& waiting = stream_of(stream);
  const EmulatedEvent& point = *static_cast<EmulatedEvent*>(event);
  if (point.recording != nullptr && waiting.recording == nullptr) {
    waiting.recording = point.recording;
    point.recording->streams.insert(&waiting);
  }
  if (point.recording != waiting.recording) {
    throw DeviceError("cudaStreamWaitEvent: dependency created on uncaptured work");
  }
  for (const auto& [other, count] : point.before) {
    waiting.before[other] = std::max(waiting.before[other], count);
  }
}

void synchronize_stream(void* stream) {
  if (stream == nullptr) return refuse_while_recording("cudaStreamSynchronize");
  if (stream_of(stream).recording != nullptr) refuse_while_recording("cudaStreamSynchronize");
}

void synchronize_event(void* event) {
  if (static_cast<EmulatedEvent*>(event)->recording != nullptr) {
    refuse_while_recording("cudaEventSynchronize");
  }
}

void* allocate_pinned(std::size_t bytes) {
  refuse_while_recording("cudaHostAlloc");
  constexpr std::size_t kPage = 4096;
  void* const memory = std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
  if (memory == nullptr) throw DeviceError("cudaHostAlloc failed: out of memory");
  const std::lock_guard lock(devices().mutex);
  devices().pinned[static_cast<std::byte*>(memory)] = bytes;
  return memory;
}

void release_pinned(void* memory) noexcept {
  const std::lock_guard lock(devices().mutex);
  devices().pinned.erase(static_cast<std::byte*>(memory));
  std::free(memory);
}

std::shared_ptr<void> make_mark(Device device) {
  require_device(device.index);
  return std::make_shared<EmulatedEvent>();
}

void set_mark(void* mark, void* stream) {
  queue(stream, [mark] { static_cast<EmulatedEvent*>(mark)->time_s = now_s(); });
}

double seconds_between(void* earlier, void* later) {
  return static_cast<EmulatedEvent*>(later)->time_s - static_cast<EmulatedEvent*>(earlier)->time_s;
}

void begin_graph(void* stream) {
  refuse_while_recording("cudaStreamBeginCapture");
  recording_here = std::make_unique<Recording>();
  recording_here->origin = &stream_of(stream);
  recording_here->streams.insert(&stream_of(stream));
  stream_of(stream).recording = recording_here.get();
}

std::shared_ptr<void> end_graph(void* stream) {
  const std::unique_ptr<Recording> recorded = std::move(recording_here);
  if (recorded == nullptr || recorded->origin != &stream_of(stream)) {
    throw DeviceError("cudaStreamEndCapture: the stream is not the one that began to capture");
  }
  bool joined = true;
  Clock& before = stream_of(stream).before;
  for (EmulatedStream* other : recorded->streams) {
    joined = joined && before[other->number] == other->queued;
    other->recording = nullptr;
  }
  if (!joined) {
    throw DeviceError(
        "cudaStreamEndCapture: capturing stream has unjoined work "
        "(cudaErrorStreamCaptureUnjoined)");
  }
  return std::make_shared<std::vector<std::function<void()>>>(std::move(recorded->work));
}

void launch_graph(void* graph, void* stream) {
  queue(stream, [graph] {
    for (const auto& work : *static_cast<std::vector<std::function<void()>>*>(graph)) work();
  });
}

}  // namespace device_backend
}  // namespace epi::core

namespace epi::kernels::simt::twin {

void launch(const cuda::Launch& shape, void* stream, std::function<void()> thread_body) {
  core::require(
      shape.shared_bytes <= core::devices().properties.shared_bytes,
      fmt::format("a block of this device has {} bytes of shared memory at most, a kernel "
                  "asks for {}",
                  core::devices().properties.shared_bytes, shape.shared_bytes));
  core::emulated::queue(
      stream, [shape, body = std::move(thread_body)] { run_kernel(shape, body); }, "a kernel");
}

void refuse_host_pointers(const void* parameter, std::size_t bytes) {
  // Programs, heaps and stacks lie above this; sanitizers map nearly all below for themselves.
  constexpr std::uintptr_t kLowest = 0x500000000000U, kHighest = std::uintptr_t{1} << 47U;
  constexpr std::uintptr_t kPage = 4096;
  for (std::size_t at = 0; at + sizeof(void*) <= bytes; at += sizeof(void*)) {
    std::uintptr_t word;
    std::memcpy(&word, static_cast<const std::byte*>(parameter) + at, sizeof word);
    if (word < kLowest || word >= kHighest) continue;
    auto* const address = reinterpret_cast<void*>(word);
    unsigned char resident;
    const bool mapped = ::mincore(reinterpret_cast<void*>(word / kPage * kPage), 1, &resident) == 0;
    if (!mapped || core::emulated::is_device_memory(address) || core::is_pinned(address)) continue;
    throw core::LogicError(
        fmt::format("a kernel is given an address in host memory, in byte {} of a parameter", at));
  }
}

}  // namespace epi::kernels::simt::twin
