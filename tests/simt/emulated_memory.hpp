// The memory of emulated devices: pages that only work of a device may touch. Host code that reads
// or writes them faults.
#pragma once

#include <cstddef>
#include <string>

namespace epi::core::emulated {

/// Poisoned, aligned to 256 bytes, between guard zones. Null without memory.
[[nodiscard]] std::byte* allocate(int device, std::size_t bytes);
void release(std::byte* memory);
/// Bytes that are allocated on a device.
[[nodiscard]] std::size_t used(int device);
/// Whether an address lies in memory of a device, now or once.
[[nodiscard]] bool is_device_memory(const void* address);
/// Where copies reach so many bytes that begin at an address, of a device (LogicError unless they
/// lie in one allocation) or of the host.
[[nodiscard]] std::byte* reach(const void* address, std::size_t bytes);
/// What was written outside of allocations, "past 40 bytes"; empty if nothing.
[[nodiscard]] std::string overrun();

/// While one lives, the memory of devices may be touched.
class Access {
 public:
  Access();
  ~Access();
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;
};

}  // namespace epi::core::emulated
