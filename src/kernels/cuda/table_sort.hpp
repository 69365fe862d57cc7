// Entries of embedding tables, or of a scatter, in the order of the rows that they belong to.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/cuda_kernels.hpp"

namespace epi::kernels::cuda {

/// Lists of equal length; element n of a list is the row that entry n belongs to.
struct SortLists {
  std::array<const std::int32_t*, kMaxEmbedTables> index{};
  std::array<std::int64_t, kMaxEmbedTables> num_rows{};
  int lists = 0;
  std::int64_t entries = 0;
};

/// One list sorted: entry[i] belongs to row[i]; entries of a row keep their order.
struct SortedEntries {
  const std::int32_t* row = nullptr;
  const std::int32_t* entry = nullptr;
};

/// Scratch that it takes.
[[nodiscard]] std::size_t sort_bytes(const SortLists& lists);

/// Queues a stable sort of all lists by digits, each with a histogram, a scan and a move; takes its
/// results' memory from the context's scratch. A row outside of its table ends the kernel.
[[nodiscard]] std::array<SortedEntries, kMaxEmbedTables> sort_entries(const SortLists& lists,
                                                                      const Context& context);

}  // namespace epi::kernels::cuda
