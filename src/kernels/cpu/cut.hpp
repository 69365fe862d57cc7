// Cutting work and scratch memory into pieces, by shape alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/pool.hpp"

namespace epi::kernels::cpu {

/// `total` items in `count` pieces of `size`; the last one may be smaller.
struct Cut {
  std::int64_t total;
  std::int64_t size;
  std::int64_t count = (total + size - 1) / size;

  /// First item of a piece.
  [[nodiscard]] std::int64_t begin(std::int64_t piece) const { return piece * size; }
  /// One past its last item.
  [[nodiscard]] std::int64_t end(std::int64_t piece) const {
    return std::min(total, (piece + 1) * size);
  }
};

/// Pieces of at least `smallest` items, at most about `most` of them.
[[nodiscard]] inline Cut cut_into(std::int64_t total, std::int64_t most, std::int64_t smallest) {
  return {total, std::max(smallest, (total + most - 1) / most)};
}

/// Rows for an op that treats each row alone: tasks of some 64 KiB, so that small tensors are few
/// tasks and their start costs little.
[[nodiscard]] inline Cut cut_rows(std::int64_t rows, std::int64_t hidden) {
  constexpr std::int64_t kElementsOfTask = 16 * 1024;
  return {rows, std::max(std::int64_t{1}, kElementsOfTask / hidden)};
}

/// Calls body(begin, end) for each piece.
template <class Body>
void for_pieces(Pool& pool, const Cut& cut, const Body& body) {
  pool.run(cut.count, [&](std::int64_t piece, int) { body(cut.begin(piece), cut.end(piece)); });
}

/// Arrays laid out one after the other in the pool's scratch. First add up `bytes`, then `take` in
/// any order.
class Scratch {
 public:
  /// Room for `count` of T, rounded up to a cache line.
  template <class T>
  [[nodiscard]] static std::size_t bytes(std::int64_t count) {
    return (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
  }
  /// Takes the pool's scratch, `total` bytes, for the op that runs now.
  Scratch(Pool& pool, std::size_t total) : next_(pool.scratch(total)) {}
  /// The next `count` of T on a cache line of their own; contents are what was left there.
  template <class T>
  [[nodiscard]] T* take(std::int64_t count) {
    auto* array = reinterpret_cast<T*>(next_);
    next_ += bytes<T>(count);
    return array;
  }

 private:
  std::byte* next_;
};

}  // namespace epi::kernels::cpu
