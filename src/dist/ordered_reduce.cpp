// Blocks that fit the first cache, so that the sums of half the ranks wait there for the other
// half: the inner loops are plain enough for the compiler to vectorise, and memory bound anyway.
#include "dist/ordered_reduce.hpp"

#include <algorithm>
#include <array>

#include "core/bf16.hpp"
#include "core/error.hpp"
#include "dist/rank_tree.hpp"

namespace epi::dist {
namespace {

// 8 KB of partial results stay in the first cache while the ranks' arrays stream by.
constexpr std::int64_t kBlock = 1024;

/// In what type the elements of a type are combined, and how they get there and back.
template <class T>
struct Element {
  using Wide = T;
  static Wide widen(T value) { return value; }
  static T narrow(Wide value) { return value; }
};
template <>
struct Element<core::BFloat16> {
  using Wide = float;
  static float widen(core::BFloat16 value) { return core::to_float(value); }
  static core::BFloat16 narrow(float value) { return core::to_bf16(value); }
};

template <class T>
struct Sum {
  T operator()(T a, T b) const { return a + b; }
};

template <class T>
struct Max {
  T operator()(T a, T b) const { return a < b ? b : a; }
};

/// The arrays of neighbouring ranks, as far as one block goes: `length` elements from byte
/// `offset`.
template <class T>
struct Inputs {
  std::span<const std::byte* const> ranks;
  std::size_t offset = 0;
  std::size_t length = 0;

  [[nodiscard]] const T* of(std::size_t rank) const {
    return reinterpret_cast<const T*>(ranks[rank] + offset);
  }
  [[nodiscard]] Inputs part(std::size_t first, std::size_t count) const {
    return {ranks.subspan(first, count), offset, length};
  }
};

/// Sums of blocks in the tree. Up to four ranks in one loop: no sums of pairs wait in memory there.
template <class T, template <class> class Combine>
class Tree {
 public:
  using E = Element<T>;
  using Wide = typename E::Wide;
  using Block = std::array<Wide, kBlock>;

  static void combine(const Inputs<T>& inputs, Block& to) {
    if (inputs.ranks.size() == 1) return one(inputs, to);
    if (inputs.ranks.size() == 2) return two(inputs, to);
    if (inputs.ranks.size() == 3) return three(inputs, to);
    if (inputs.ranks.size() == 4) return four(inputs, to);
    const auto split = static_cast<std::size_t>(tree_split(static_cast<int>(inputs.ranks.size())));
    Block right;
    combine(inputs.part(0, split), to);
    combine(inputs.part(split, inputs.ranks.size() - split), right);
    for (std::size_t i = 0; i < inputs.length; ++i) to[i] = both(to[i], right[i]);
  }

  static Wide both(Wide a, Wide b) { return Combine<Wide>{}(a, b); }

 private:
  // The block is ours alone, no input lies in it: said to the compiler, the loops of three and four
  // run 1.5 times as fast.
  static void one(const Inputs<T>& inputs, Block& to) {
    const T* a = inputs.of(0);
#pragma GCC ivdep
    for (std::size_t i = 0; i < inputs.length; ++i) to[i] = E::widen(a[i]);
  }
  static void two(const Inputs<T>& inputs, Block& to) {
    const T *a = inputs.of(0), *b = inputs.of(1);
#pragma GCC ivdep
    for (std::size_t i = 0; i < inputs.length; ++i) to[i] = both(E::widen(a[i]), E::widen(b[i]));
  }
  static void three(const Inputs<T>& inputs, Block& to) {
    const T *a = inputs.of(0), *b = inputs.of(1), *c = inputs.of(2);
#pragma GCC ivdep
    for (std::size_t i = 0; i < inputs.length; ++i) {
      to[i] = both(both(E::widen(a[i]), E::widen(b[i])), E::widen(c[i]));
    }
  }
  static void four(const Inputs<T>& inputs, Block& to) {
    const T *a = inputs.of(0), *b = inputs.of(1), *c = inputs.of(2), *d = inputs.of(3);
#pragma GCC ivdep
    for (std::size_t i = 0; i < inputs.length; ++i) {
      to[i] = both(both(E::widen(a[i]), E::widen(b[i])), both(E::widen(c[i]), E::widen(d[i])));
    }
  }
};

/// Combines `ranks` block by block; `store(block, offset in bytes, length)` takes the results.
template <class T, template <class> class Combine, class Store>
void over_blocks(std::span<const std::byte* const> ranks, std::int64_t count, Store store) {
  typename Tree<T, Combine>::Block block;
  for (std::int64_t first = 0; first < count; first += kBlock) {
    const auto length = static_cast<std::size_t>(std::min(kBlock, count - first));
    const std::size_t offset = static_cast<std::size_t>(first) * sizeof(T);
    Tree<T, Combine>::combine({ranks, offset, length}, block);
    store(block, offset, length);
  }
}

template <class T, class Block>
void write(const Block& block, std::byte* output, std::size_t length) {
  T* values = reinterpret_cast<T*>(output);
  for (std::size_t i = 0; i < length; ++i) values[i] = Element<T>::narrow(block[i]);
}

template <class T, template <class> class Combine>
void reduce_as(std::span<const std::byte* const> inputs, std::byte* output, std::int64_t count) {
  over_blocks<T, Combine>(inputs, count,
                          [&](const auto& block, std::size_t offset, std::size_t length) {
                            write<T>(block, output + offset, length);
                          });
}

template <class T>
void reduce_as(Reduce op, std::span<const std::byte* const> inputs, std::byte* output,
               std::int64_t count) {
  if (op == Reduce::sum) return reduce_as<T, Sum>(inputs, output, count);
  reduce_as<T, Max>(inputs, output, count);
}

/// Two ranks, the most frequent number: nothing lies between the loads and the stores, so the loop
/// runs at the speed of memory (12.1 GB/s where the blocks above reach 9.6).
template <class T, template <class> class Combine>
void spread_two(std::span<std::byte* const> memories, std::int64_t count) {
  using E = Element<T>;
  T* const a = reinterpret_cast<T*>(memories[0]);
  T* const b = reinterpret_cast<T*>(memories[1]);
#pragma GCC ivdep
  for (std::int64_t i = 0; i < count; ++i) {
    const T both = E::narrow(Combine<typename E::Wide>{}(E::widen(a[i]), E::widen(b[i])));
    a[i] = both;
    b[i] = both;
  }
}

template <class T, template <class> class Combine>
void spread_as(std::span<std::byte* const> memories, std::int64_t count) {
  if (memories.size() == 2) return spread_two<T, Combine>(memories, count);
  over_blocks<T, Combine>(memories, count,
                          [&](const auto& block, std::size_t offset, std::size_t length) {
                            for (std::byte* memory : memories)
                              write<T>(block, memory + offset, length);
                          });
}

template <class T>
void spread_as(Reduce op, std::span<std::byte* const> memories, std::int64_t count) {
  if (op == Reduce::sum) return spread_as<T, Sum>(memories, count);
  spread_as<T, Max>(memories, count);
}

}  // namespace

void require_reducible(core::DType type) {
  core::require(type == core::DType::f32 || type == core::DType::f64 || type == core::DType::i64 ||
                    type == core::DType::bf16,
                "only f32, f64, i64 and bf16 are reduced over ranks");
}

void reduce_in_tree(Reduce op, core::DType type, std::span<const std::byte* const> inputs,
                    std::byte* output, std::int64_t count) {
  require_reducible(type);
  core::require(!inputs.empty(), "a reduction has at least one rank");
  if (type == core::DType::f32) return reduce_as<float>(op, inputs, output, count);
  if (type == core::DType::f64) return reduce_as<double>(op, inputs, output, count);
  if (type == core::DType::bf16) return reduce_as<core::BFloat16>(op, inputs, output, count);
  reduce_as<std::int64_t>(op, inputs, output, count);
}

void reduce_everywhere(Reduce op, core::DType type, std::span<std::byte* const> memories,
                       std::int64_t count) {
  require_reducible(type);
  core::require(!memories.empty(), "a reduction has at least one rank");
  if (type == core::DType::f32) return spread_as<float>(op, memories, count);
  if (type == core::DType::f64) return spread_as<double>(op, memories, count);
  if (type == core::DType::bf16) return spread_as<core::BFloat16>(op, memories, count);
  spread_as<std::int64_t>(op, memories, count);
}

}  // namespace epi::dist
