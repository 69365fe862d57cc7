// The arithmetic of a reduction: one array per rank, combined in the tree of ranks (rank_tree.hpp).
// Threads and MPI share it, so both give the same bits, whoever computes which part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dist/communicator.hpp"

namespace epi::dist {

/// output[i] = inputs[0][i] op inputs[1][i] op ..., in the tree of as many ranks, in the element
/// type (bf16 in f32, rounded at the end); `count` elements. `output` may be one of the inputs.
/// LogicError unless the type is reducible.
void reduce_in_tree(Reduce op, core::DType type, std::span<const std::byte* const> inputs,
                    std::byte* output, std::int64_t count);

/// The same sums, each written to all the memories that it was taken from: memories[r][i] =
/// memories[0][i] op memories[1][i] op ..., in the tree, for every r. The memories don't overlap.
void reduce_everywhere(Reduce op, core::DType type, std::span<std::byte* const> memories,
                       std::int64_t count);

/// LogicError unless elements of this type can be reduced: f32, f64, i64 or bf16.
void require_reducible(core::DType type);

/// First element of part `part` when `count` elements are cut into `parts` nearly equal parts; part
/// `parts` begins at `count`.
[[nodiscard]] constexpr std::int64_t part_begin(std::int64_t count, int part, int parts) {
  return count / parts * part + count % parts * part / parts;
}

}  // namespace epi::dist
