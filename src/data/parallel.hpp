// Independent items on a few threads. What is computed never depends on how many there are: items
// are taken in order, and of several failures the first item's is the one that counts.
#pragma once

#include <cstddef>
#include <functional>

namespace epi::data {

/// Calls work(0) .. work(count - 1), at most `threads` of them at a time, and returns when all have
/// ended. When some throw, no further items begin, and the exception of the lowest of them is
/// thrown on: since items begin in order, that is the one that a single thread would have met.
/// `threads` below 1 counts as 1.
void for_each_item(std::size_t count, int threads, const std::function<void(std::size_t)>& work);

}  // namespace epi::data
