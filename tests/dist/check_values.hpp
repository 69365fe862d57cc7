// What the ranks bring to the checks of collectives: small whole numbers of place and rank, whose
// sums are exact and known.
#pragma once

#include <cstdint>
#include <utility>
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

/// The sum of the numbers of all ranks in the tree, written out once more: pairs of neighbours are
/// added until one is left, and who has no neighbour goes on alone.
template <class T>
T tree_sum(std::vector<T> numbers) {
  while (numbers.size() > 1) {
    std::vector<T> pairs;
    for (std::size_t i = 0; i < numbers.size(); i += 2) {
      pairs.push_back(i + 1 < numbers.size() ? numbers[i] + numbers[i + 1] : numbers[i]);
    }
    numbers = std::move(pairs);
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
