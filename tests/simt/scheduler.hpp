// The scheduler of one block's threads: which fiber runs, who meets whom, and what is wrong when
// nobody can go on. Behind machine.hpp; one for each thread of the host.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "simt/fiber.hpp"
#include "simt/machine.hpp"

namespace epi::kernels::simt::twin {

inline constexpr unsigned kLanes = 32;
inline constexpr unsigned kMaxWarps = 32;

/// xorshift64*: orders need no better.
class Random {
 public:
  explicit Random(std::uint64_t seed) : word_((seed + 1) * 0x9E3779B97F4A7C15ULL) {}
  std::uint32_t operator()() {
    word_ ^= word_ >> 12U;
    word_ ^= word_ << 25U;
    word_ ^= word_ >> 27U;
    return static_cast<std::uint32_t>((word_ * 0x2545F4914F6CDD1DULL) >> 32U);
  }

 private:
  std::uint64_t word_;
};

/// An asynchronous one, not yet done.
struct Copy {
  std::byte* to;
  const void* from;  ///< null: zeros
};

/// Of a block.
struct Thread {
  bool started = false;
  std::vector<Copy> copies;         ///< under way, oldest first
  std::vector<std::size_t> groups;  ///< how many of them each group has; newest last
  std::size_t ungrouped = 0;
};

/// Lanes are in one of these masks, or running.
struct Warp {
  std::uint32_t ready = 0, met = 0, at_barrier = 0, ended = 0;
  Call call{};
  Where where;
  unsigned turn = 0;
  /// Of this meeting and of the one before, which slower lanes may still read.
  std::uint64_t words[2][kLanes] = {};
};

/// Fibers are pooled: they wait at the end of one block's thread for the next one's.
class Machine {
 public:
  /// With the seed of EPITRAIN_SIMT_SEED.
  Machine();
  /// See run_kernel.
  void run(const cuda::Launch& shape, const std::function<void()>& body);
  /// See machine.hpp, as barrier below.
  const std::uint64_t* meet(Call call, std::uint64_t word, const Where& where,
                            void (*finish)(const std::uint64_t*));
  void barrier(const Where& where);
  /// The one that runs.
  Thread& current() { return threads_[static_cast<std::size_t>(position.thread)]; }
  /// Whether so many bytes lie in the block's shared memory.
  [[nodiscard]] bool in_arena(const void* address, std::size_t bytes) const;
  /// See set_seed.
  void seed(std::uint64_t seed);

 private:
  /// What every fiber runs: one thread after another, for ever.
  static void fiber_main(boost::context::detail::transfer_t from);
  void check(const cuda::Launch& shape) const;
  void run_block(const std::function<void()>& body);
  void prepare_block();
  void finish_block();
  void run_thread();
  /// At a thread's end: goes on with another, or ends the block.
  void leave();
  /// Goes on with others until this thread is ready again.
  void wait();
  void check_same_place(const Warp& warp, unsigned index, Call call, const Where& where) const;
  /// The number of a thread that can run, or of none (-1).
  int next();
  void go_on_with(Fiber& self, int thread);
  void release(unsigned warp, std::uint32_t lanes);
  [[nodiscard]] std::string stuck() const;

  FiberPool fibers_;
  Fiber host_;
  std::array<Thread, kMaxWarps * kLanes> threads_;
  std::array<Warp, kMaxWarps> warps_;
  unsigned num_warps_ = 0;
  std::uint32_t ready_warps_ = 0;
  unsigned waiting_ = 0, ended_ = 0;  ///< threads at the barrier, at their end
  Where barrier_;
  const std::function<void()>* body_ = nullptr;
  std::exception_ptr error_;
  bool abandoned_ = false, running_ = false;
  std::uint64_t seed_ = 0, launches_ = 0;
  Random random_{0};
  std::size_t shared_bytes_ = 0;
  std::unique_ptr<std::byte[]> memory_;  ///< of the arena, with guard zones
  std::byte* arena_ = nullptr;
};

/// Of this thread of the host.
Machine& machine();

/// LogicError that names the block.
[[noreturn]] void fail(const std::string& what);
/// "attend.cu:120 in void f()".
[[nodiscard]] std::string text(const Where& where);

}  // namespace epi::kernels::simt::twin
