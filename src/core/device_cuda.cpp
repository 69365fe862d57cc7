// CUDA devices through the runtime API; every call is checked once, here.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "core/device.hpp"
#include "core/error.hpp"

namespace epi::core {
namespace {

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // clears a sticky error, so that the next call reports its own
  throw DeviceError(fmt::format("{} failed: {} ({})", call, cudaGetErrorString(status),
                                cudaGetErrorName(status)));
}

cudaStream_t stream_of(void* stream) {
  return static_cast<cudaStream_t>(stream);
}
cudaEvent_t event_of(void* event) {
  return static_cast<cudaEvent_t>(event);
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

namespace device_backend {

void* allocate(Device device, std::size_t bytes) {
  check(cudaSetDevice(device.index), "cudaSetDevice");
  void* memory = nullptr;
  check(cudaMalloc(&memory, bytes), "cudaMalloc");
  return memory;
}

void release(Device device, void* memory) noexcept {
  (void)cudaSetDevice(device.index);
  (void)cudaFree(memory);
}

void copy(void* to, const void* from, std::size_t bytes, void* stream) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_of(stream)), "cudaMemcpyAsync");
}

void fill_zero(void* to, std::size_t bytes, void* stream) {
  check(cudaMemsetAsync(to, 0, bytes, stream_of(stream)), "cudaMemsetAsync");
}

std::shared_ptr<void> make_stream(Device device) {
  check(cudaSetDevice(device.index), "cudaSetDevice");
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  return {stream, [](void* s) { (void)cudaStreamDestroy(stream_of(s)); }};
}

std::shared_ptr<void> record_event(void* stream) {
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

}  // namespace device_backend
}  // namespace epi::core
