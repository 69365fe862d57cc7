// The words of machine.hpp: most are the scheduler's; copies are kept with the thread that began
// them.
#include "simt/machine.hpp"

#include <fmt/format.h>

#include <cstring>

#include "simt/scheduler.hpp"

namespace epi::kernels::simt::twin {
namespace {

constexpr int kPoison = 0xff;
constexpr std::size_t kCopyBytes = 16;

}  // namespace

const std::uint64_t* meet(Call call, std::uint64_t word, const Where& where,
                          void (*finish)(const std::uint64_t*)) {
  return machine().meet(call, word, where, finish);
}

void sync_block(const Where& where) {
  machine().barrier(where);
}

void begin_copy(void* to_shared, const void* from_global, bool there, const Where& where) {
  require_aligned(to_shared, where);
  if (there) require_aligned(from_global, where);
  if (!machine().in_arena(to_shared, kCopyBytes)) {
    fail(fmt::format("an asynchronous copy outside of shared memory at {}", text(where)));
  }
  std::memset(to_shared, kPoison, kCopyBytes);
  Thread& thread = machine().current();
  thread.copies.push_back({static_cast<std::byte*>(to_shared), there ? from_global : nullptr});
  ++thread.ungrouped;
}

void commit_copies() {
  Thread& thread = machine().current();
  thread.groups.push_back(thread.ungrouped);
  thread.ungrouped = 0;
}

void wait_copies(int groups_left) {
  Thread& thread = machine().current();
  const auto left = static_cast<std::size_t>(groups_left);
  if (thread.groups.size() <= left) return;
  const auto end = thread.groups.end() - groups_left;
  std::size_t count = 0;
  for (auto group = thread.groups.begin(); group != end; ++group) count += *group;
  const auto last = thread.copies.begin() + static_cast<std::ptrdiff_t>(count);
  for (auto copy = thread.copies.begin(); copy != last; ++copy) {
    if (copy->from == nullptr) {
      std::memset(copy->to, 0, kCopyBytes);
    } else {
      std::memcpy(copy->to, copy->from, kCopyBytes);
    }
  }
  thread.copies.erase(thread.copies.begin(), last);
  thread.groups.erase(thread.groups.begin(), end);
}

void require_aligned(const void* address, const Where& where) {
  if (reinterpret_cast<std::uintptr_t>(address) % kCopyBytes == 0) return;
  fail(fmt::format("an address that is not a multiple of 16 at {}", text(where)));
}

void require_in_arena(const void* address, std::size_t bytes, const Where& where) {
  if (machine().in_arena(address, bytes)) return;
  fail(fmt::format("an address outside of shared memory at {}", text(where)));
}

void trap(const Where& where) {
  fail(fmt::format("trap at {}", text(where)));
}

void run_kernel(const cuda::Launch& shape, const std::function<void()>& thread_body) {
  machine().run(shape, thread_body);
}

void set_seed(std::uint64_t seed) {
  machine().seed(seed);
}

}  // namespace epi::kernels::simt::twin
