// What the ranks bring to the checks of collectives: small whole numbers of place and rank, whose
// sums are exact and known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dist/communicator.hpp"

namespace epi::dist {

// One, primes, around powers of two, and more than one piece of every transport (1 MB at most).
inline const std::int64_t kSizes[] = {0, 1, 2, 3, 7, 63, 64, 65, 1023, 1024, 1025, 300007};

inline void wait(Pending pending) {
  Stream stream(core::kCpu);
  pending.wait(stream);
}

template <class T>
View view_of(std::vector<T>& values) {
  return {values.data(), {static_cast<std::int64_t>(values.size())}};
}

template <class T>
ConstView const_view_of(const std::vector<T>& values) {
  return {values.data(), {static_cast<std::int64_t>(values.size())}};
}

/// Element i of rank r: small whole numbers, so that sums are exact in f32 in any order.
inline std::int64_t value(std::int64_t i, int rank) {
  return (i % 13 - 5) * (rank + 1) + i % 3;
}

inline std::int64_t sum_of_values(std::int64_t i, int ranks) {
  return (i % 13 - 5) * ranks * (ranks + 1) / 2 + ranks * (i % 3);
}

inline std::int64_t max_of_values(std::int64_t i, int ranks) {
  return i % 13 >= 5 ? value(i, ranks - 1) : value(i, 0);
}

template <class T>
std::vector<T> values_of(std::int64_t count, int rank) {
  std::vector<T> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<T>(value(i, rank)));
  return values;
}

/// The sum of the numbers of all ranks in the tree, written out once more: partners at distance 1,
/// 2, 4, ... are added, and who has no partner goes on alone.
template <class T>
T tree_sum(std::vector<T>& numbers) {
  for (std::size_t distance = 1; distance < numbers.size(); distance *= 2) {
    for (std::size_t i = 0; i + distance < numbers.size(); i += 2 * distance) {
      numbers[i] += numbers[i + distance];
    }
  }
  return numbers.at(0);
}

template <class T>
std::int64_t count_wrong(const std::vector<T>& actual, std::int64_t first, int ranks,
                         std::int64_t (*truth)(std::int64_t, int)) {
  std::int64_t wrong = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (actual[i] != static_cast<T>(truth(first + static_cast<std::int64_t>(i), ranks))) ++wrong;
  }
  return wrong;
}

}  // namespace epi::dist
