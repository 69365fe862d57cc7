// The build without CUDA: no such device exists, and asking for one says so.
#include "core/device.hpp"
#include "core/error.hpp"

namespace epi::core {
namespace {

[[noreturn]] void refuse() {
  throw DeviceError(cuda_missing());
}

}  // namespace

int cuda_device_count() {
  return 0;
}

std::string cuda_missing() {
  return "this build has no CUDA: rebuild with the preset `cuda` on a machine with the CUDA "
         "toolkit, "
         "or use device = \"cpu\"";
}

DeviceProperties cuda_properties(int) {
  refuse();
}

std::size_t cuda_free_bytes(int) {
  refuse();
}

namespace device_backend {
void* allocate(Device, std::size_t) {
  refuse();
}
void release(Device, void*) noexcept {}
void copy(void*, const void*, std::size_t, void*) {
  refuse();
}
void fill_zero(void*, std::size_t, void*) {
  refuse();
}
std::shared_ptr<void> make_stream(Device, Priority) {
  refuse();
}
std::shared_ptr<void> record_event(void*) {
  refuse();
}
void wait_event(void*, void*) {
  refuse();
}
void synchronize_stream(void*) {
  refuse();
}
void synchronize_event(void*) {
  refuse();
}
void* allocate_pinned(std::size_t) {
  refuse();
}
void release_pinned(void*) noexcept {}
std::shared_ptr<void> make_mark(Device) {
  refuse();
}
void set_mark(void*, void*) {
  refuse();
}
double seconds_between(void*, void*) {
  refuse();
}
void begin_graph(void*) {
  refuse();
}
std::shared_ptr<void> end_graph(void*) {
  refuse();
}
void launch_graph(void*, void*) {
  refuse();
}
}  // namespace device_backend

}  // namespace epi::core
