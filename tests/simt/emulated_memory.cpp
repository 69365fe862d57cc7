#include "simt/emulated_memory.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>

#include "core/error.hpp"
#include "simt/machine.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace epi::core::emulated {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kGuard = 256;  // as cudaMalloc's alignment
constexpr std::byte kGuardByte{0xA5};
constexpr int kPoison = 0xff;
constexpr std::size_t kSpace = std::size_t{1} << 36U;  // addresses, not memory

struct Allocation {
  int device;
  std::size_t bytes;  ///< as asked for
  std::size_t pages;  ///< in bytes
};

/// One file of memory, mapped twice.
struct Memory {
  Memory();
  std::mutex mutex;
  std::byte* begin = nullptr;  ///< where devices see it: closed but for Access
  std::byte* end = nullptr;    ///< of the highest page that was ever given out
  std::byte* alias = nullptr;  ///< the same bytes, always open: for copies and guards
  int accesses = 0;
  std::map<std::byte*, Allocation> allocations;  ///< by the address that was given out
};

/// Never destroyed: owners of device memory may be static too.
Memory& memory() {
  static Memory& all = *new Memory;
  return all;
}

/// For the handler, which may not lock or construct anything.
std::byte* volatile region_begin = nullptr;

[[noreturn]] void explain_fault(int, siginfo_t* info, void*) {
  const auto* at = static_cast<std::byte*>(info->si_addr);
  const kernels::simt::twin::Position& here = kernels::simt::twin::position;
  char text[200];
  int length = 0;
  if (here.num_threads > 0) {
    length = std::snprintf(
        text, sizeof text,
        "a kernel touched memory that is not there: thread %d of block (%d, %d, %d)\n", here.thread,
        here.block[0], here.block[1], here.block[2]);
  } else {
    const bool ours = region_begin != nullptr && at >= region_begin && at < region_begin + kSpace;
    length = std::snprintf(text, sizeof text, "%s\n",
                           ours ? "host code touched device memory" : "segmentation fault");
  }
  (void)!::write(STDERR_FILENO, text, static_cast<std::size_t>(length));
  (void)::signal(SIGSEGV, SIG_DFL);
  (void)::raise(SIGSEGV);
  ::_exit(1);
}

Memory::Memory() {
  const int file = ::memfd_create("emulated device memory", MFD_CLOEXEC);
  const bool there = file >= 0 && ::ftruncate(file, static_cast<off_t>(kSpace)) == 0;
  const auto map = [&](int rights) {
    void* const space =
        there ? ::mmap(nullptr, kSpace, rights, MAP_SHARED | MAP_NORESERVE, file, 0) : MAP_FAILED;
    if (space == MAP_FAILED) throw DeviceError("no address space for emulated devices");
    return static_cast<std::byte*>(space);
  };
  begin = end = map(PROT_NONE);
  alias = map(PROT_READ | PROT_WRITE);
  (void)::close(file);
  region_begin = begin;
#if !defined(__SANITIZE_ADDRESS__)  // whose own handler says more
  struct sigaction action = {};
  action.sa_sigaction = explain_fault;
  // Kernels run on small stacks, which may be what faults.
  static char stack[1U << 16U];
  const stack_t other{stack, 0, sizeof stack};
  (void)::sigaltstack(&other, nullptr);
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  (void)::sigaction(SIGSEGV, &action, nullptr);
#else
  (void)explain_fault;
#endif
}

/// All pages up to the end of the last allocation in one call: there are many calls.
void protect(const Memory& m, int rights) {
  if (m.end == m.begin) return;
  if (::mprotect(m.begin, static_cast<std::size_t>(m.end - m.begin), rights) != 0) {
    throw DeviceError("the memory of an emulated device can't be protected");
  }
}

/// The first gap that is large enough.
std::byte* find_place(const Memory& m, std::size_t pages) {
  std::byte* place = m.begin;
  for (const auto& [at, allocation] : m.allocations) {
    std::byte* const first = at - kGuard;
    if (place + pages <= first) return place;
    place = first + allocation.pages;
  }
  return place + pages <= m.begin + kSpace ? place : nullptr;
}

/// Sanitizers see what kernels read outside too, and see writes at once.
void poison_outside(std::byte* at, const Allocation& allocation) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_POISON_MEMORY_REGION(at - kGuard, kGuard);
  ASAN_POISON_MEMORY_REGION(at + allocation.bytes, allocation.pages - kGuard - allocation.bytes);
#else
  (void)at;
  (void)allocation;
#endif
}

/// Where copies and guards find the same byte.
std::byte* alias_of(const Memory& m, const std::byte* at) {
  return m.alias + (at - m.begin);
}

bool whole(const std::byte* guard) {
  return std::all_of(guard, guard + kGuard, [](std::byte b) { return b == kGuardByte; });
}

}  // namespace

std::byte* allocate(int device, std::size_t bytes) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  const std::size_t pages = (bytes + 2 * kGuard + kPage - 1) / kPage * kPage;
  std::byte* const place = find_place(m, pages);
  if (place == nullptr) return nullptr;
  if (place + pages > m.end) {
    m.end = place + pages;
    if (m.accesses > 0) protect(m, PROT_READ | PROT_WRITE);
  }
  std::byte* const at = place + kGuard;
  std::memset(alias_of(m, place), static_cast<int>(kGuardByte), pages);
  std::memset(alias_of(m, at), kPoison, bytes);
  m.allocations[at] = {device, bytes, pages};
  poison_outside(at, m.allocations[at]);
  return at;
}

void release(std::byte* at) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  const auto found = m.allocations.find(at);
  require(found != m.allocations.end(), "device memory is released once");
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(at - kGuard, found->second.pages);
#endif
  constexpr std::size_t kLarge = std::size_t{1} << 20U;
  if (found->second.pages >= kLarge) {
    (void)::madvise(alias_of(m, at - kGuard), found->second.pages, MADV_REMOVE);
  }
  m.allocations.erase(found);
}

std::size_t used(int device) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  std::size_t sum = 0;
  for (const auto& [at, allocation] : m.allocations) {
    if (allocation.device == device) sum += allocation.bytes;
  }
  return sum;
}

bool is_device_memory(const void* address) {
  const auto* at = static_cast<const std::byte*>(address);
  return at >= memory().begin && at < memory().begin + kSpace;
}

std::byte* reach(const void* address, std::size_t bytes) {
  auto* const at = static_cast<std::byte*>(const_cast<void*>(address));
  if (!is_device_memory(address)) return at;
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  const auto after = m.allocations.upper_bound(at);
  const bool inside = after != m.allocations.begin() &&
                      at + bytes <= std::prev(after)->first + std::prev(after)->second.bytes;
  require(inside, "copies and zeroing stay within one allocation of device memory");
  return alias_of(m, at);
}

std::string overrun() {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  for (const auto& [at, allocation] : m.allocations) {
    const std::byte* const mine = alias_of(m, at);
    if (!whole(mine - kGuard)) return fmt::format("before {} bytes", allocation.bytes);
    if (!whole(mine + allocation.bytes)) return fmt::format("past {} bytes", allocation.bytes);
  }
  return "";
}

Access::Access() {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  if (m.accesses++ == 0) protect(m, PROT_READ | PROT_WRITE);
}

Access::~Access() {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  if (--m.accesses == 0) protect(m, PROT_NONE);
}

}  // namespace epi::core::emulated
