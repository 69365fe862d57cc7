// Entries of an embedding table, or of a scatter, in the order of the rows that they belong to.
#pragma once

#include <algorithm>
#include <cstdint>

namespace epi::kernels::cpu {

/// Entry i of the sorted list: table row `row[i]` gets the gradient of token `entry[i]`.
struct SortedEntries {
  std::int32_t* row;
  std::int32_t* entry;
};

/// Stable counting sort of tokens 0..count-1 by index[n], or by n % period without an index.
/// `counter` is room for num_rows + 1; afterwards counter[row] is where the entries of `row` end.
inline void sort_entries(const std::int32_t* index, std::int64_t count, std::int64_t period,
                         std::int64_t num_rows, std::int64_t* counter,
                         const SortedEntries& sorted) {
  const auto row_of = [&](std::int64_t n) {
    return index != nullptr ? index[n] : static_cast<std::int32_t>(n % period);
  };
  std::fill_n(counter, num_rows + 1, 0);
  for (std::int64_t n = 0; n < count; ++n) ++counter[row_of(n) + 1];
  for (std::int64_t row = 0; row < num_rows; ++row) counter[row + 1] += counter[row];
  for (std::int64_t n = 0; n < count; ++n) {
    const std::int32_t row = row_of(n);
    const std::int64_t place = counter[row]++;
    sorted.row[place] = row;
    sorted.entry[place] = static_cast<std::int32_t>(n);
  }
}

}  // namespace epi::kernels::cpu
