// What a store holds, for people: contigs, cell types, states, splits, windows. Read from the
// shards themselves, so that the figures are those that training meets.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/store.hpp"

namespace epi::data {

/// A way to cut windows, as kernels::TokenSpec has it: k-mers every `stride` bases, `length` tokens
/// with the two special ones.
struct WindowShape {
  std::int32_t k = 6;
  std::int32_t stride = 6;
  std::int32_t length = 512;
  /// Bases from the first one of the first k-mer to the last one of the last, as TokenSpec has it.
  [[nodiscard]] constexpr std::int64_t window_bp() const {
    return std::int64_t{length - 3} * stride + k;
  }
};

/// One split seen through one shape. `tokens` is of one epoch: windows x cell types x length.
struct WindowCount {
  WindowShape shape;
  Split split = Split::train;
  std::int64_t windows = 0;
  std::int64_t num_cells = 0;  ///< train: the training ones; else these and the split's own
  std::int64_t tokens = 0;
  double bins_per_window = 0.0;
};

struct Inspection {
  Manifest manifest;
  /// [3][contigs] bases of each split's regions.
  std::vector<std::int64_t> region_bp[3];
  /// [cells][S + 1] bins with each state code; code 0 is missing.
  std::vector<std::vector<std::int64_t>> bins;
  std::vector<WindowCount> windows;
  /// Smallest distance of a training region to a held-out one of the same contig; -1: no contig
  /// holds both.
  std::int64_t nearest_bp = -1;
};

/// Counts every state in the store. A shape that the guard refuses (see WindowTable) has no row.
[[nodiscard]] Inspection inspect(const Store& store, std::span<const WindowShape> shapes);

/// The same as a table of text, one line each, without line feeds.
[[nodiscard]] std::vector<std::string> describe(const Inspection& inspection);

}  // namespace epi::data
