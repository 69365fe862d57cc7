// CUDA devices through the runtime API; every call is checked once, here. A thread has a current
// device, in which it makes streams, events and memory: functions that make something choose it.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <utility>

#include "core/device.hpp"
#include "core/error.hpp"

namespace epi::core {
namespace {

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // so that a later check of a launch does not report it again
  throw DeviceError(fmt::format("{} failed: {} ({})", call, cudaGetErrorString(status),
                                cudaGetErrorName(status)));
}

cudaStream_t stream_of(void* stream) {
  return static_cast<cudaStream_t>(stream);
}
cudaEvent_t event_of(void* event) {
  return static_cast<cudaEvent_t>(event);
}

/// The device of a stream. Toolkits before 12.8 can't tell; there it is taken to be the thread's
/// current one, which making the stream has chosen.
int device_of(void* stream) {
  int device = 0;
#if CUDART_VERSION >= 12080
  check(cudaStreamGetDevice(stream_of(stream), &device), "cudaStreamGetDevice");
#else
  (void)stream;
  check(cudaGetDevice(&device), "cudaGetDevice");
#endif
  return device;
}

/// Chooses a device for this thread until the end of the scope.
class OnDevice {
 public:
  explicit OnDevice(int index) {
    check(cudaGetDevice(&before_), "cudaGetDevice");
    if (index != before_) check(cudaSetDevice(index), "cudaSetDevice");
  }
  ~OnDevice() { (void)cudaSetDevice(before_); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int before_ = 0;
};

/// Free and all bytes of the current device.
std::pair<std::size_t, std::size_t> memory_now() {
  std::size_t free = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return {free, total};
}

}  // namespace

int cuda_device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    (void)cudaGetLastError();
    return 0;
  }
  return count;
}

std::string cuda_missing() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  (void)cudaGetLastError();
  if (status == cudaSuccess && count > 0) return "";
  int driver = 0;
  int runtime = 0;
  (void)cudaDriverGetVersion(&driver);
  (void)cudaRuntimeGetVersion(&runtime);
  const auto version = [](int v) { return fmt::format("{}.{}", v / 1000, v % 1000 / 10); };
  if (driver == 0) {
    return "no NVIDIA driver is loaded on this machine: install one, or use device = \"cpu\"";
  }
  if (status == cudaErrorInsufficientDriver || driver / 1000 < runtime / 1000) {
    return fmt::format(
        "the NVIDIA driver serves CUDA {} and this build needs {}: update the driver, build with "
        "an older toolkit (12.8 at least), or use device = \"cpu\"",
        version(driver), version(runtime));
  }
  return fmt::format(
      "no CUDA device is visible ({}): look at nvidia-smi, at CUDA_VISIBLE_DEVICES and at what the "
      "job was given (Slurm: --gpus), or use device = \"cpu\"",
      cudaGetErrorString(status));
}

DeviceProperties cuda_properties(int index) {
  const int count = cuda_device_count();
  if (count == 0) throw DeviceError(cuda_missing());
  if (index < 0 || index >= count) {
    throw DeviceError(fmt::format(
        "there is no CUDA device {}: this process sees {} (CUDA_VISIBLE_DEVICES, Slurm: --gpus)",
        index, count));
  }
  cudaDeviceProp p{};
  check(cudaGetDeviceProperties(&p, index), "cudaGetDeviceProperties");
  char bus_id[32] = {};
  check(cudaDeviceGetPCIBusId(bus_id, sizeof(bus_id), index), "cudaDeviceGetPCIBusId");
  return {.name = p.name,
          .major = p.major,
          .minor = p.minor,
          .multiprocessors = p.multiProcessorCount,
          .shared_bytes = p.sharedMemPerBlockOptin,
          .l2_bytes = static_cast<std::size_t>(p.l2CacheSize),
          .memory_bytes = p.totalGlobalMem,
          .bus_id = bus_id};
}

std::size_t cuda_free_bytes(int index) {
  const OnDevice on(index);
  return memory_now().first;
}

namespace device_backend {

void* allocate(Device device, std::size_t bytes) {
  check(cudaSetDevice(device.index), "cudaSetDevice");
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    throw DeviceError(out_of_memory(device.index, bytes, memory_now().first));
  }
  check(status, "cudaMalloc");
  return memory;
}

void release(Device device, void* memory) noexcept {
  (void)cudaSetDevice(device.index);
  (void)cudaFree(memory);
}

void copy(void* to, const void* from, std::size_t bytes, void* stream) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_of(stream)), "cudaMemcpyAsync");
}

void fill_zero(void* to, std::size_t bytes, void* stream) {
  if (bytes == 0) return;
  check(cudaMemsetAsync(to, 0, bytes, stream_of(stream)), "cudaMemsetAsync");
  // Our streams don't wait for the default one, so nobody else would order it before their work.
  if (stream == nullptr) check(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
}

std::shared_ptr<void> make_stream(Device device, Priority priority) {
  check(cudaSetDevice(device.index), "cudaSetDevice");
  int lowest = 0;
  int highest = 0;
  check(cudaDeviceGetStreamPriorityRange(&lowest, &highest), "cudaDeviceGetStreamPriorityRange");
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking,
                                     priority == Priority::high ? highest : lowest),
        "cudaStreamCreateWithPriority");
  return {stream, [](void* s) { (void)cudaStreamDestroy(stream_of(s)); }};
}

std::shared_ptr<void> record_event(void* stream) {
  const OnDevice on(device_of(stream));  // an event is recorded in streams of its own device only
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  std::shared_ptr<void> owner(event, [](void* e) { (void)cudaEventDestroy(event_of(e)); });
  check(cudaEventRecord(event, stream_of(stream)), "cudaEventRecord");
  return owner;
}

void wait_event(void* stream, void* event) {
  check(cudaStreamWaitEvent(stream_of(stream), event_of(event)), "cudaStreamWaitEvent");
}

void synchronize_stream(void* stream) {
  check(cudaStreamSynchronize(stream_of(stream)), "cudaStreamSynchronize");
}

void synchronize_event(void* event) {
  check(cudaEventSynchronize(event_of(event)), "cudaEventSynchronize");
}

void* allocate_pinned(std::size_t bytes) {
  void* memory = nullptr;
  check(cudaHostAlloc(&memory, bytes, cudaHostAllocPortable), "cudaHostAlloc");
  return memory;
}

void release_pinned(void* memory) noexcept {
  (void)cudaFreeHost(memory);
}

std::shared_ptr<void> make_mark(Device device) {
  check(cudaSetDevice(device.index), "cudaSetDevice");
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), "cudaEventCreate");
  return {event, [](void* e) { (void)cudaEventDestroy(event_of(e)); }};
}

// While a graph is recorded the mark must become a node that is set anew at every launch.
void set_mark(void* mark, void* stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream_of(stream), &status), "cudaStreamIsCapturing");
  const unsigned flags =
      status == cudaStreamCaptureStatusActive ? cudaEventRecordExternal : cudaEventRecordDefault;
  check(cudaEventRecordWithFlags(event_of(mark), stream_of(stream), flags),
        "cudaEventRecordWithFlags");
}

double seconds_between(void* earlier, void* later) {
  float milliseconds = 0.0F;
  check(cudaEventElapsedTime(&milliseconds, event_of(earlier), event_of(later)),
        "cudaEventElapsedTime");
  return double{milliseconds} * 1e-3;
}

// Thread-local: other ranks of this process may allocate meanwhile.
void begin_graph(void* stream) {
  check(cudaStreamBeginCapture(stream_of(stream), cudaStreamCaptureModeThreadLocal),
        "cudaStreamBeginCapture");
}

std::shared_ptr<void> end_graph(void* stream) {
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream_of(stream), &graph), "cudaStreamEndCapture");
  const std::shared_ptr<void> recorded(
      graph, [](void* g) { (void)cudaGraphDestroy(static_cast<cudaGraph_t>(g)); });
  cudaGraphExec_t executable = nullptr;
  // Otherwise all kernels would have the priority of the stream that the graph is launched in.
  check(cudaGraphInstantiate(&executable, graph, cudaGraphInstantiateFlagUseNodePriority),
        "cudaGraphInstantiate");
  return {executable, [](void* e) { (void)cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(e)); }};
}

void launch_graph(void* graph, void* stream) {
  check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), stream_of(stream)), "cudaGraphLaunch");
}

}  // namespace device_backend
}  // namespace epi::core
