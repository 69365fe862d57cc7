#include "simt/fiber.hpp"

#include <sys/mman.h>

#include "core/error.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#elif defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace epi::kernels::simt::twin {
namespace {

using boost::context::detail::transfer_t;

constexpr std::size_t kPage = 4096;
// Only touched pages take memory. Sanitizers make frames several times larger.
constexpr std::size_t kStack = 64 * kPage;

void leaving(Fiber& from, const Fiber& to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.sanitizer, to.stack, to.stack_bytes);
#elif defined(__SANITIZE_THREAD__)
  from.sanitizer = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.sanitizer, 0);
#else
  (void)from;
  (void)to;
#endif
}

/// Notes where `before` stopped, and the bounds of its stack: those of the thread's own are not
/// known otherwise.
void entered(Fiber& self, transfer_t from) {
  auto& before = *static_cast<Fiber*>(from.data);
  before.at = from.fctx;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(self.sanitizer, &before.stack, &before.stack_bytes);
#else
  (void)self;
#endif
}

}  // namespace

FiberPool::~FiberPool() {
#if defined(__SANITIZE_THREAD__)
  for (const Fiber& fiber : fibers_) __tsan_destroy_fiber(fiber.sanitizer);
#endif
  for (std::byte* stack : stacks_) {
#if defined(__SANITIZE_ADDRESS__)
    // Fibers end with frames on their stacks, and these addresses will be somebody else's.
    ASAN_UNPOISON_MEMORY_REGION(stack + kPage, kStack);
#endif
    (void)munmap(stack, kPage + kStack);
  }
}

void FiberPool::grow(std::size_t count, void (*entry)(transfer_t)) {
  // Fibers are held by address while they run; all of a device's largest block fit from the start.
  fibers_.reserve(1024);
  while (fibers_.size() < count) {
    void* memory = mmap(nullptr, kPage + kStack, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) throw core::IoError("no memory for the stacks of emulated threads");
    auto* stack = static_cast<std::byte*>(memory);
    stacks_.push_back(stack);
    (void)mprotect(stack, kPage, PROT_NONE);
    // Frames of different fibers must not all fall into the same sets of the first cache.
    const std::size_t colour = fibers_.size() * 192 % kPage;
    Fiber& fiber = fibers_.emplace_back();
#if defined(__SANITIZE_THREAD__)
    fiber.sanitizer = __tsan_create_fiber(0);
#endif
    fiber.stack = stack + kPage;
    fiber.stack_bytes = kStack - colour;
    fiber.at = boost::context::detail::make_fcontext(stack + kPage + fiber.stack_bytes,
                                                     fiber.stack_bytes, entry);
  }
}

void switch_fiber(Fiber& from, Fiber& to) {
  leaving(from, to);
  entered(from, boost::context::detail::jump_fcontext(to.at, &from));
}

void arrived(transfer_t from, Fiber& self) {
  entered(self, from);
}

}  // namespace epi::kernels::simt::twin
