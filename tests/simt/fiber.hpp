// Fibers: many stacks on one thread of the host, of which one runs at a time. Boost.Context
// switches between them; the address and thread sanitizers are told, where the build has them.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <vector>

namespace epi::kernels::simt::twin {

/// One stack and the place where it stopped. A default fiber is the thread that makes it.
struct Fiber {
  boost::context::detail::fcontext_t at = nullptr;
  const void* stack = nullptr;  ///< lowest address
  std::size_t stack_bytes = 0;
  void* sanitizer = nullptr;  ///< its own for this fiber
};

/// Stacks for as many fibers as were ever asked for: mapped once, each below a page that faults.
class FiberPool {
 public:
  FiberPool() = default;
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;
  /// Fibers that are not at their end are dropped without unwinding.
  ~FiberPool();

  /// Makes fibers until there are `count`; each runs `entry` from the first switch to it on.
  /// `entry` never returns and calls `arrived` first. IoError without memory.
  void grow(std::size_t count, void (*entry)(boost::context::detail::transfer_t));
  [[nodiscard]] Fiber& operator[](std::size_t number) { return fibers_[number]; }

 private:
  std::vector<Fiber> fibers_;
  std::vector<std::byte*> stacks_;
};

/// Stops `from`, which is running, and goes on with `to`; returns when something switches back.
void switch_fiber(Fiber& from, Fiber& to);
/// What a fiber's entry does with its argument before anything else.
void arrived(boost::context::detail::transfer_t from, Fiber& self);

}  // namespace epi::kernels::simt::twin
