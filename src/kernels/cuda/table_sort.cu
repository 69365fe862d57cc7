// A stable radix sort of row numbers: per digit, warps count the digits of their chunks, one block
// turns the counts into places, warps move their chunks in order. Integers only, no order of blocks
// matters. Small: some ten microseconds, bound by latency.
#include "kernels/cuda/table_sort.hpp"

#include <algorithm>

#include "kernels/cuda/scratch.hpp"
#include "kernels/cuda/table_geometry.hpp"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {
namespace {

constexpr int kMostDigits = 1 << kMostDigitBits;
constexpr std::uint32_t kScanThreads = 1024;

/// One list in one pass.
struct SortList {
  const std::int32_t* rows;
  const std::int32_t* entries;  ///< null in the first pass: entry n is n
  std::int32_t* to_rows;
  std::int32_t* to_entries;
  std::int32_t* counts;  ///< [digits, chunks]: how many, then where they go
  std::int64_t num_rows;
  std::int32_t shift, bits;
};

struct SortPass {
  SortList lists[kMaxEmbedTables];
  std::int64_t entries, chunk, chunks;
};

/// Of the list that a block works on; lists are the grid's second dimension.
struct Digits {
  std::int32_t count;
  std::int32_t shift;
  __device__ explicit Digits(const SortList& list) : count(1 << list.bits), shift(list.shift) {}
  __device__ std::int32_t of(std::int32_t row) const { return row >> shift & (count - 1); }
};

/// A warp a chunk.
__global__ void count_digits_kernel(SortPass pass) {
  const SortList& list = pass.lists[simt::block_y()];
  const Digits digits(list);
  auto* counts = reinterpret_cast<std::int32_t*>(simt::shared());
  for (int d = simt::lane(); d < digits.count; d += simt::kWarp) counts[d] = 0;
  simt::sync_warp();
  const std::int64_t chunk = simt::block_x();
  const std::int64_t begin = chunk * pass.chunk;
  const std::int64_t end = begin + pass.chunk < pass.entries ? begin + pass.chunk : pass.entries;
  for (std::int64_t i = begin + simt::lane(); i < end; i += simt::kWarp) {
    const std::int32_t row = list.rows[i];
    if (row < 0 || row >= list.num_rows) simt::trap();
    simt::atomic_add(counts + digits.of(row), 1);
  }
  simt::sync_warp();
  for (int d = simt::lane(); d < digits.count; d += simt::kWarp) {
    list.counts[d * pass.chunks + chunk] = counts[d];
  }
}

/// Sum over the lanes up to and with this one.
__device__ std::int32_t warp_scan(std::int32_t value) {
  for (int by = 1; by < simt::kWarp; by *= 2) {
    const std::int32_t before = simt::shuffle_up(value, by);
    if (simt::lane() >= by) value += before;
  }
  return value;
}

/// One block a list: counts become sums of all counts before.
__global__ void scan_counts_kernel(SortPass pass) {
  const SortList& list = pass.lists[simt::block_y()];
  auto* of_warps = reinterpret_cast<std::int32_t*>(simt::shared());
  const std::int64_t total = Digits(list).count * pass.chunks;
  const std::int64_t share = (total + simt::num_threads() - 1) / simt::num_threads();
  const std::int64_t first = simt::thread() * share;
  const std::int64_t begin = first < total ? first : total;
  const std::int64_t end = begin + share < total ? begin + share : total;
  std::int32_t sum = 0;
  for (std::int64_t i = begin; i < end; ++i) sum += list.counts[i];
  const std::int32_t up_to = warp_scan(sum);
  if (simt::lane() == simt::kWarp - 1) of_warps[simt::warp()] = up_to;
  simt::sync_block();
  std::int32_t place = up_to - sum;
  for (int w = 0; w < simt::warp(); ++w) place += of_warps[w];
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int32_t count = list.counts[i];
    list.counts[i] = place;
    place += count;
  }
}

/// Lanes whose digit is the same; lanes that are not `there` are with each other.
__device__ std::uint32_t lanes_with(std::int32_t digit, int bits, bool there) {
  const std::uint32_t all = simt::ballot(there);
  std::uint32_t same = there ? all : ~all;
  for (int bit = 0; bit < bits; ++bit) {
    const bool mine = (digit >> bit & 1) != 0;
    const std::uint32_t set = simt::ballot(mine);
    same &= mine ? set : ~set;
  }
  return same;
}

/// A warp a chunk, 32 entries at a time, each behind those of its digit that come before.
__global__ void move_entries_kernel(SortPass pass) {
  const SortList& list = pass.lists[simt::block_y()];
  const Digits digits(list);
  auto* places = reinterpret_cast<std::int32_t*>(simt::shared());
  const std::int64_t chunk = simt::block_x();
  for (int d = simt::lane(); d < digits.count; d += simt::kWarp) {
    places[d] = list.counts[d * pass.chunks + chunk];
  }
  simt::sync_warp();
  const std::int64_t begin = chunk * pass.chunk;
  const std::uint32_t lower = (1U << simt::lane()) - 1U;
  for (std::int64_t i = begin; i < begin + pass.chunk && i < pass.entries; i += simt::kWarp) {
    const std::int64_t from = i + simt::lane();
    const bool there = from < pass.entries;
    const std::int32_t row = there ? list.rows[from] : 0;
    const std::int32_t digit = digits.of(row);
    const std::uint32_t same = lanes_with(digit, list.bits, there);
    const std::int32_t first = places[digit];
    simt::sync_warp();
    if (there) {
      const std::int32_t place = first + simt::count_bits(same & lower);
      list.to_rows[place] = row;
      list.to_entries[place] =
          list.entries == nullptr ? static_cast<std::int32_t>(from) : list.entries[from];
      if ((same & lower) == 0) places[digit] = first + simt::count_bits(same);
    }
    simt::sync_warp();
  }
}

/// Memory of one list: rows and entries twice, and counts.
struct SortMemory {
  std::int32_t* rows[2];
  std::int32_t* entries[2];
  std::int32_t* counts;
};

std::int64_t num_counts(const SortLists& lists) {
  return sort_chunks(lists.entries).count * kMostDigits;
}

std::array<SortMemory, kMaxEmbedTables> take_memory(const SortLists& lists, Scratch& scratch) {
  std::array<SortMemory, kMaxEmbedTables> memory{};
  for (std::size_t l = 0; l < static_cast<std::size_t>(lists.lists); ++l) {
    for (int side = 0; side < 2; ++side) {
      memory.at(l).rows[side] = scratch.take<std::int32_t>(lists.entries);
      memory.at(l).entries[side] = scratch.take<std::int32_t>(lists.entries);
    }
    memory.at(l).counts = scratch.take<std::int32_t>(num_counts(lists));
  }
  return memory;
}

SortPass make_pass(const SortLists& lists, const std::array<SortMemory, kMaxEmbedTables>& memory,
                   int number, int passes) {
  const SortChunks chunks = sort_chunks(lists.entries);
  SortPass pass{
      .lists = {}, .entries = lists.entries, .chunk = chunks.size, .chunks = chunks.count};
  const int to = number % 2;
  for (std::size_t l = 0; l < static_cast<std::size_t>(lists.lists); ++l) {
    const SortMemory& m = memory.at(l);
    const int bits = digit_bits(lists.num_rows.at(l), passes);
    pass.lists[l] = {.rows = number == 0 ? lists.index.at(l) : m.rows[1 - to],
                     .entries = number == 0 ? nullptr : m.entries[1 - to],
                     .to_rows = m.rows[to],
                     .to_entries = m.entries[to],
                     .counts = m.counts,
                     .num_rows = lists.num_rows.at(l),
                     .shift = number * bits,
                     .bits = bits};
  }
  return pass;
}

void queue_pass(const SortPass& pass, int lists, void* stream) {
  const Launch of_chunks{.grid_x = static_cast<std::uint32_t>(pass.chunks),
                         .grid_y = static_cast<std::uint32_t>(lists),
                         .shared_bytes = kMostDigits * sizeof(std::int32_t)};
  const std::uint32_t threads =
      std::min(kScanThreads, blocks_for(pass.chunks * kMostDigits, 4 * simt::kWarp) * simt::kWarp);
  const Launch of_lists{.grid_y = static_cast<std::uint32_t>(lists),
                        .threads = threads,
                        .shared_bytes = threads / simt::kWarp * sizeof(std::int32_t)};
  simt::launch(count_digits_kernel, of_chunks, stream, pass);
  simt::launch(scan_counts_kernel, of_lists, stream, pass);
  simt::launch(move_entries_kernel, of_chunks, stream, pass);
}

}  // namespace

std::size_t sort_bytes(const SortLists& lists) {
  return static_cast<std::size_t>(lists.lists) * (4 * Scratch::bytes<std::int32_t>(lists.entries) +
                                                  Scratch::bytes<std::int32_t>(num_counts(lists)));
}

std::array<SortedEntries, kMaxEmbedTables> sort_entries(const SortLists& lists,
                                                        const Context& context) {
  std::array<SortedEntries, kMaxEmbedTables> sorted;
  if (lists.lists == 0) return sorted;
  const auto memory = take_memory(lists, context.scratch);
  int passes = 1;
  for (std::size_t l = 0; l < static_cast<std::size_t>(lists.lists); ++l) {
    passes = std::max(passes, sort_passes(lists.num_rows.at(l)));
  }
  for (int number = 0; number < passes; ++number) {
    queue_pass(make_pass(lists, memory, number, passes), lists.lists, context.stream);
  }
  const int side = (passes - 1) % 2;
  for (std::size_t l = 0; l < static_cast<std::size_t>(lists.lists); ++l) {
    sorted.at(l) = {memory.at(l).rows[side], memory.at(l).entries[side]};
  }
  return sorted;
}

}  // namespace epi::kernels::cuda
