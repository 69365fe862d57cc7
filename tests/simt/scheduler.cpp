#include "simt/scheduler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "core/error.hpp"

namespace epi::kernels::simt::twin {

constinit thread_local Position position{};

namespace {

using boost::context::detail::transfer_t;

constexpr std::uint32_t kAll = 0xffffffffU;
constexpr std::size_t kArenaAlignment = 128;
constexpr std::size_t kGuard = 256;
constexpr std::byte kGuardByte{0xA5};
constexpr int kPoison = 0xff;
constexpr std::size_t kMaxArena = std::size_t{227} << 10U;  // of any device: sm_90's

constexpr std::array<const char*, 8> kNames{"sync_warp",
                                            "shuffle",
                                            "shuffle_xor",
                                            "shuffle_up",
                                            "ballot",
                                            "load_matrices",
                                            "load_matrices_transposed",
                                            "multiply_add"};

/// Thrown into threads of a block that another one has ended with an error.
struct Abandoned {};

bool same(const Where& a, const Where& b) {
  return a.line() == b.line() && a.column() == b.column();
}

/// The first set bit at or after a random one; the mask has one.
unsigned pick(std::uint32_t mask, std::uint32_t random) {
  const auto by = static_cast<int>(random & 31U);
  return (static_cast<unsigned>(std::countr_zero(std::rotr(mask, by))) + (random & 31U)) & 31U;
}

}  // namespace

std::string text(const Where& where) {
  std::string_view file = where.file_name();
  file.remove_prefix(std::min(file.size(), file.rfind('/') + 1));
  return fmt::format("{}:{} in {}", file, where.line(), where.function_name());
}

[[noreturn]] void fail(const std::string& what) {
  throw core::LogicError(fmt::format("emulated kernel, block ({}, {}, {}) of {} x {} x {}: {}",
                                     position.block[0], position.block[1], position.block[2],
                                     position.grid[0], position.grid[1], position.grid[2], what));
}

Machine& machine() {
  thread_local const std::unique_ptr<Machine> it = std::make_unique<Machine>();
  return *it;
}

Machine::Machine() : memory_(new std::byte[kMaxArena + 2 * kGuard + kArenaAlignment]) {
  const auto begin = reinterpret_cast<std::uintptr_t>(memory_.get()) + kGuard;
  const std::size_t up = (kArenaAlignment - begin % kArenaAlignment) % kArenaAlignment;
  arena_ = memory_.get() + kGuard + up;
  const char* text_of_seed = std::getenv("EPITRAIN_SIMT_SEED");
  seed(text_of_seed == nullptr ? 0 : std::strtoull(text_of_seed, nullptr, 10));
}

void Machine::seed(std::uint64_t seed) {
  seed_ = seed;
  launches_ = 0;
}

bool Machine::in_arena(const void* address, std::size_t bytes) const {
  const auto* at = static_cast<const std::byte*>(address);
  return at >= arena_ && at + bytes <= arena_ + shared_bytes_;
}

// --- threads

void Machine::fiber_main(transfer_t from) {
  arrived(from, machine().fibers_[static_cast<std::size_t>(position.thread)]);
  for (;;) {
    machine().run_thread();
    machine().leave();
  }
}

void Machine::run_thread() {
  current().started = true;
  try {
    (*body_)();
  } catch (const Abandoned&) {  // its block has its error already
  } catch (...) {
    error_ = std::current_exception();
  }
}

void Machine::go_on_with(Fiber& self, int thread) {
  position.thread = thread;
  switch_fiber(self, fibers_[static_cast<std::size_t>(thread)]);
}

int Machine::next() {
  if (ready_warps_ == 0) return -1;
  const std::uint32_t random = random_();
  auto w = static_cast<unsigned>(position.thread) / kLanes;
  // Mostly the same warp, whose stacks are near.
  if (warps_[w].ready == 0 || (random & 15U) == 0) w = pick(ready_warps_, random >> 4U);
  Warp& warp = warps_[w];
  const unsigned lane = pick(warp.ready, random >> 9U);
  warp.ready &= ~(1U << lane);
  if (warp.ready == 0) ready_warps_ &= ~(1U << w);
  return static_cast<int>(w * kLanes + lane);
}

void Machine::leave() {
  Fiber& self = fibers_[static_cast<std::size_t>(position.thread)];
  const auto thread = static_cast<unsigned>(position.thread);
  Warp& warp = warps_[thread / kLanes];
  warp.ended |= 1U << (thread % kLanes);
  ++ended_;
  if (error_ == nullptr) {
    const int following = next();
    if (following >= 0) return go_on_with(self, following);
    if (ended_ < num_warps_ * kLanes) {
      error_ = std::make_exception_ptr(core::LogicError(stuck()));
    }
  }
  switch_fiber(self, host_);
}

void Machine::wait() {
  const int thread = position.thread;
  Fiber& self = fibers_[static_cast<std::size_t>(thread)];
  const int following = next();
  if (following == thread) return;
  if (following >= 0) {
    go_on_with(self, following);
  } else {
    error_ = std::make_exception_ptr(core::LogicError(stuck()));
    switch_fiber(self, host_);
  }
  if (abandoned_) throw Abandoned{};
}

void Machine::release(unsigned warp, std::uint32_t lanes) {
  warps_[warp].ready |= lanes;
  if (lanes != 0) ready_warps_ |= 1U << warp;
}

// --- meetings

void Machine::check_same_place(const Warp& warp, unsigned index, Call call,
                               const Where& where) const {
  if (warp.call == call && same(warp.where, where)) return;
  fail(
      fmt::format("lanes of warp {} are at different warp-wide calls: {} at {} and {} at {}; all "
                  "32 lanes must make the same one",
                  index, kNames[static_cast<std::size_t>(warp.call)], text(warp.where),
                  kNames[static_cast<std::size_t>(call)], text(where)));
}

const std::uint64_t* Machine::meet(Call call, std::uint64_t word, const Where& where,
                                   void (*finish)(const std::uint64_t*)) {
  const auto thread = static_cast<unsigned>(position.thread);
  const unsigned index = thread / kLanes, bit = 1U << (thread % kLanes);
  Warp& warp = warps_[index];
  if (warp.met == 0) {
    warp.call = call;
    warp.where = where;
  } else {
    check_same_place(warp, index, call, where);
  }
  std::uint64_t* words = warp.words[warp.turn];
  words[thread % kLanes] = word;
  warp.met |= bit;
  if (warp.met != kAll) {
    wait();
    return words;
  }
  if (finish != nullptr) finish(words);
  warp.turn ^= 1U;
  warp.met = 0;
  // Now and then the last to come is not the first to go on.
  const bool stay = (random_() & 3U) != 0;
  release(index, stay ? kAll & ~bit : kAll);
  if (!stay) wait();
  return words;
}

void Machine::barrier(const Where& where) {
  const auto thread = static_cast<unsigned>(position.thread);
  if (waiting_ == 0) {
    barrier_ = where;
  } else if (!same(barrier_, where)) {
    fail(
        fmt::format("threads are at different barriers: {} and {}; all of a block must meet at "
                    "the same one",
                    text(barrier_), text(where)));
  }
  warps_[thread / kLanes].at_barrier |= 1U << (thread % kLanes);
  if (++waiting_ == num_warps_ * kLanes) {
    waiting_ = 0;
    for (unsigned w = 0; w < num_warps_; ++w) {
      warps_[w].at_barrier = 0;
      release(w, kAll);
    }
    // Any warp may be the first to go on.
    position.thread = static_cast<int>(random_() % num_warps_ * kLanes);
    const int following = next();
    if (following == static_cast<int>(thread)) {
      position.thread = following;
      return;
    }
    go_on_with(fibers_[thread], following);
    if (abandoned_) throw Abandoned{};
    return;
  }
  wait();
}

std::string Machine::stuck() const {
  std::string message =
      fmt::format("emulated kernel, block ({}, {}, {}): threads wait for others that never come:",
                  position.block[0], position.block[1], position.block[2]);
  for (unsigned w = 0; w < num_warps_; ++w) {
    const Warp& warp = warps_[w];
    if (warp.ended == kAll) continue;
    message += fmt::format(" warp {}:", w);
    if (warp.met != 0) {
      message += fmt::format(" lanes {:08x} at {} ({});", warp.met,
                             kNames[static_cast<std::size_t>(warp.call)], text(warp.where));
    }
    if (warp.at_barrier != 0) {
      message += fmt::format(" lanes {:08x} at sync_block ({});", warp.at_barrier, text(barrier_));
    }
    if (warp.ended != 0) message += fmt::format(" lanes {:08x} have ended;", warp.ended);
    if (message.size() > 2000) break;
  }
  return message;
}

// --- blocks

void Machine::check(const cuda::Launch& shape) const {
  core::require(!running_, "a kernel launches no kernels");
  const bool threads_fit =
      shape.threads > 0 && shape.threads % kLanes == 0 && shape.threads <= kMaxWarps * kLanes;
  core::require(threads_fit, fmt::format("a block has a multiple of 32 threads and at most 1024, "
                                         "this launch has {}",
                                         shape.threads));
  core::require(shape.shared_bytes <= kMaxArena,
                fmt::format("a block has at most {} bytes of shared memory here, this launch "
                            "asks for {}",
                            kMaxArena, shape.shared_bytes));
  constexpr std::uint32_t kMaxX = 0x7fffffffU, kMaxY = 65535;
  const bool grid_fits = shape.grid_x >= 1 && shape.grid_x <= kMaxX && shape.grid_y >= 1 &&
                         shape.grid_y <= kMaxY && shape.grid_z >= 1 && shape.grid_z <= kMaxY;
  core::require(grid_fits, fmt::format("a grid of {} x {} x {} blocks is not one of a device "
                                       "(1 to 2^31-1, 65535, 65535)",
                                       shape.grid_x, shape.grid_y, shape.grid_z));
}

void Machine::prepare_block() {
  std::memset(arena_ - kGuard, static_cast<int>(kGuardByte), kGuard);
  std::memset(arena_, kPoison, shared_bytes_);
  std::memset(arena_ + shared_bytes_, static_cast<int>(kGuardByte), kGuard);
  waiting_ = ended_ = 0;
  abandoned_ = false;
  error_ = nullptr;
  for (unsigned w = 0; w < num_warps_; ++w) {
    warps_[w].met = warps_[w].at_barrier = warps_[w].ended = warps_[w].ready = 0;
    release(w, kAll);
  }
  for (unsigned t = 0; t < num_warps_ * kLanes; ++t) {
    threads_[t].started = false;
    threads_[t].copies.clear();
    threads_[t].groups.clear();
    threads_[t].ungrouped = 0;
  }
}

void Machine::finish_block() {
  if (error_ != nullptr) {
    abandoned_ = true;
    for (unsigned t = 0; t < num_warps_ * kLanes; ++t) {
      const bool inside = threads_[t].started && (warps_[t / kLanes].ended >> t % kLanes & 1U) == 0;
      if (inside) go_on_with(host_, static_cast<int>(t));
    }
    ready_warps_ = 0;
    std::rethrow_exception(error_);
  }
  const auto whole = [](const std::byte* from) {
    return std::all_of(from, from + kGuard, [](std::byte b) { return b == kGuardByte; });
  };
  if (!whole(arena_ - kGuard)) fail("shared memory was written before its first byte");
  if (!whole(arena_ + shared_bytes_)) {
    fail(fmt::format("shared memory was written past its {} bytes", shared_bytes_));
  }
}

void Machine::run_block(const std::function<void()>& body) {
  prepare_block();
  body_ = &body;
  position.thread = static_cast<int>(random_() % num_warps_ * kLanes);
  go_on_with(host_, next());
  finish_block();
}

void Machine::run(const cuda::Launch& shape, const std::function<void()>& body) {
  check(shape);
  struct Running {
    bool& flag;
    explicit Running(bool& running) : flag(running) { flag = true; }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() {
      flag = false;
      position = {};
    }
  } const running(running_);
  random_ = Random(seed_ * 1000003 + launches_++);
  fibers_.grow(shape.threads, fiber_main);
  num_warps_ = shape.threads / kLanes;
  shared_bytes_ = shape.shared_bytes;
  const std::uint64_t blocks = std::uint64_t{shape.grid_x} * shape.grid_y * shape.grid_z;
  std::vector<std::uint64_t> order(blocks);
  for (std::uint64_t i = 0; i < blocks; ++i) order[i] = i;
  for (std::uint64_t i = blocks; i > 1; --i) std::swap(order[i - 1], order[random_() % i]);
  const auto dim = [](std::uint64_t size) { return static_cast<int>(size); };
  for (const std::uint64_t b : order) {
    position = {0,
                dim(shape.threads),
                {dim(b % shape.grid_x), dim(b / shape.grid_x % shape.grid_y),
                 dim(b / shape.grid_x / shape.grid_y)},
                {dim(shape.grid_x), dim(shape.grid_y), dim(shape.grid_z)},
                arena_};
    run_block(body);
  }
}

}  // namespace epi::kernels::simt::twin
