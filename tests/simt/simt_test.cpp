// The machine that kernels are tested on, tested itself: its words do what a GPU's do, and what is
// wrong on a GPU is seen.
#include "simt/simt.cuh"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace epi::kernels::simt {
namespace {

using cuda::Launch;

constexpr std::size_t kWarpSize = 32;

/// Calls `use(launch number)` under many seeds.
template <class Use>
void with_seeds(int count, const Use& use) {
  for (int seed = 0; seed < count; ++seed) {
    SCOPED_TRACE(seed);
    twin::set_seed(static_cast<std::uint64_t>(seed));
    use();
  }
}

template <class Kernel>
std::string error_of(const Launch& shape, const Kernel& kernel) {
  try {
    twin::run_kernel(shape, kernel);
  } catch (const core::LogicError& error) {
    return error.what();
  }
  return "";
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "\"" << text << "\" lacks \"" << part << "\"";
}

// --- where a thread is

__global__ void note_positions(int* seen, const int* offset) {
  const int block = (block_z() * grid_y() + block_y()) * grid_x() + block_x();
  seen[block * num_threads() + thread()] += *offset + warp() * kWarp + lane() + num_warps();
}

TEST(Launch, every_thread_of_every_block_runs_once_with_its_own_position) {
  std::vector<int> seen(static_cast<std::size_t>(2 * 3 * 4) * 96, 0);
  const int offset = 5;
  launch(note_positions, {.grid_x = 2, .grid_y = 3, .grid_z = 4, .threads = 96}, nullptr,
         seen.data(), &offset);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i], offset + static_cast<int>(i % 96) + 3);
  }
}

TEST(Launch, that_no_device_takes_is_refused) {
  const auto nothing = [] {};
  expect_contains(error_of({.threads = 33}, nothing), "multiple of 32");
  expect_contains(error_of({.threads = 1056}, nothing), "at most 1024");
  expect_contains(error_of({.grid_y = 65536}, nothing), "65535");
  expect_contains(error_of({.shared_bytes = 232449}, nothing), "shared memory");
  EXPECT_EQ(error_of({.threads = 1024, .shared_bytes = 232448}, nothing), "");
}

// --- warps

__global__ void all_shuffles(int* out, std::int64_t* wide) {
  const int mine = 100 * warp() + lane();
  out[5 * thread()] = shuffle(mine, 3);
  out[5 * thread() + 1] = shuffle_xor(mine, 5);
  out[5 * thread() + 2] = shuffle_up(mine, 4);
  out[5 * thread() + 3] = static_cast<int>(ballot(lane() % 3 == 0));
  out[5 * thread() + 4] = static_cast<int>(shuffle(0.5F * static_cast<float>(mine), lane() + 1));
  wide[thread()] = shuffle_xor(std::int64_t{mine} << 40U, 31);
}

TEST(Warp, shuffles_and_votes_take_the_lanes_that_the_manual_says) {
  with_seeds(20, [] {
    std::vector<int> out(5 * 64);
    std::vector<std::int64_t> wide(64);
    launch(all_shuffles, {.threads = 64}, nullptr, out.data(), wide.data());
    for (int t = 0; t < 64; ++t) {
      const int base = t / 32 * 100, l = t % 32;
      const int* mine = out.data() + static_cast<std::ptrdiff_t>(5) * t;
      EXPECT_EQ(mine[0], base + 3);
      EXPECT_EQ(mine[1], base + (l ^ 5));
      EXPECT_EQ(mine[2], base + (l < 4 ? l : l - 4));
      EXPECT_EQ(mine[3], 0x49249249);
      EXPECT_EQ(mine[4], (base + (l + 1) % 32) / 2);
      EXPECT_EQ(wide[static_cast<std::size_t>(t)], std::int64_t{base + (l ^ 31)} << 40U);
    }
  });
}

// --- shared memory and barriers

/// Turns `values` of a block around; without the barrier threads read what is not there yet.
template <bool kWithBarrier>
__global__ void turn_around(const float* in, float* out) {
  auto* values = reinterpret_cast<float*>(shared());
  values[thread()] = in[thread()];
  if constexpr (kWithBarrier) sync_block();
  out[thread()] = values[num_threads() - 1 - thread()];
}

template <bool kWithBarrier>
int wrong_seeds(int seeds) {
  std::vector<float> in(128), out(128);
  std::iota(in.begin(), in.end(), 1.0F);
  const std::vector<float> right(in.rbegin(), in.rend());
  int wrong = 0;
  with_seeds(seeds, [&] {
    launch(turn_around<kWithBarrier>, {.threads = 128, .shared_bytes = 512}, nullptr, in.data(),
           out.data());
    wrong += out == right ? 0 : 1;
  });
  return wrong;
}

TEST(Barrier, missing_one_is_seen_and_present_one_is_right_under_every_seed) {
  EXPECT_GT(wrong_seeds<false>(10), 5);
  EXPECT_EQ(wrong_seeds<true>(200), 0);
}

/// Sums by halves over one buffer that is used again in each round: needs the barrier at its end.
template <bool kWithSecondBarrier>
__global__ void rounds(float* out) {
  auto* values = reinterpret_cast<float*>(shared());
  float sum = 0;
  for (int round = 0; round < 4; ++round) {
    values[thread()] = static_cast<float>(round * 1000 + thread());
    sync_block();
    sum += values[(thread() + 40) % num_threads()];
    if constexpr (kWithSecondBarrier) sync_block();
  }
  out[thread()] = sum;
}

template <bool kWithSecondBarrier>
int wrong_rounds(int seeds) {
  std::vector<float> out(96);
  int wrong = 0;
  with_seeds(seeds, [&] {
    launch(rounds<kWithSecondBarrier>, {.threads = 96, .shared_bytes = 384}, nullptr, out.data());
    bool right = true;
    for (int t = 0; t < 96; ++t) {
      right = right &&
              out[static_cast<std::size_t>(t)] == static_cast<float>(6000 + 4 * ((t + 40) % 96));
    }
    wrong += right ? 0 : 1;
  });
  return wrong;
}

TEST(Barrier, missing_one_before_memory_is_used_again_is_seen) {
  EXPECT_GT(wrong_rounds<false>(10), 5);
  EXPECT_EQ(wrong_rounds<true>(100), 0);
}

/// Lanes hand values on through shared memory.
template <bool kWithSync>
__global__ void hand_on(int* out) {
  auto* values = reinterpret_cast<int*>(shared());
  values[thread()] = thread();
  if constexpr (kWithSync) sync_warp();
  out[thread()] = values[thread() ^ 1];
}

template <bool kWithSync>
int wrong_hands(int seeds) {
  std::vector<int> out(32);
  int wrong = 0;
  with_seeds(seeds, [&] {
    launch(hand_on<kWithSync>, {.threads = 32, .shared_bytes = 128}, nullptr, out.data());
    for (int t = 0; t < 32; ++t) wrong += out[static_cast<std::size_t>(t)] == (t ^ 1) ? 0 : 1;
  });
  return wrong;
}

TEST(Warp, missing_sync_warp_is_seen) {
  EXPECT_GT(wrong_hands<false>(10), 0);
  EXPECT_EQ(wrong_hands<true>(100), 0);
}

TEST(SharedMemory, written_outside_of_its_bytes_is_an_error) {
  const Launch shape{.threads = 32, .shared_bytes = 100};
  expect_contains(error_of(shape, [] { shared()[100] = std::byte{1}; }), "past its 100 bytes");
  expect_contains(error_of(shape, [] { *(shared() - 1) = std::byte{1}; }), "before its first byte");
  EXPECT_EQ(error_of(shape, [] { shared()[99] = std::byte{1}; }), "");
}

TEST(SharedMemory, of_a_new_block_is_not_a_number) {
  int numbers = 0;
  EXPECT_EQ(error_of({.grid_x = 3, .threads = 32, .shared_bytes = 128},
                     [&] {
                       float* mine = reinterpret_cast<float*>(shared()) + lane();
                       numbers += std::isnan(*mine) ? 0 : 1;
                       *mine = 1;
                     }),
            "");
  EXPECT_EQ(numbers, 0);
}

// --- errors that would hang a device, or worse

TEST(Divergence, lanes_at_different_calls_are_an_error_that_names_both) {
  const std::string error = error_of({.threads = 64}, [] {
    if (lane() < 7) {
      (void)shuffle(1, 0);
    } else {
      (void)ballot(true);
    }
  });
  expect_contains(error, "shuffle at simt_test.cpp");
  expect_contains(error, "ballot at simt_test.cpp");
}

TEST(Divergence, lanes_that_ended_before_a_warp_wide_call_are_an_error) {
  const std::string error = error_of({.threads = 32}, [] {
    if (lane() < 16) (void)shuffle_xor(1, 1);
  });
  expect_contains(error, "lanes 0000ffff at shuffle_xor");
  expect_contains(error, "lanes ffff0000 have ended");
}

TEST(Divergence, barrier_that_a_warp_misses_is_an_error) {
  expect_contains(error_of({.threads = 64},
                           [] {
                             if (warp() == 0) sync_block();
                           }),
                  "at sync_block (simt_test.cpp");
  expect_contains(error_of({.threads = 64},
                           [] {
                             if (warp() == 0) {
                               sync_block();
                             } else {
                               sync_block();
                             }
                           }),
                  "different barriers");
}

TEST(Trap, ends_the_kernel_and_the_next_one_runs) {
  const auto trapped = [] {
    sync_block();
    if (thread() == 40) trap();
    sync_block();
  };
  with_seeds(10, [&] {
    expect_contains(error_of({.grid_x = 2, .threads = 64}, trapped), "trap at simt_test.cpp");
    EXPECT_EQ(error_of({.threads = 64}, [] { sync_block(); }), "");
  });
}

TEST(Words, at_an_address_that_is_not_aligned_are_an_error) {
  alignas(16) const std::uint32_t from[8] = {};
  expect_contains(error_of({.threads = 32}, [&] { (void)load_words(from + 1); }),
                  "not a multiple of 16");
}

// --- copies beside the thread

/// Returns what a thread sees in its 16 bytes after waiting for all but `kLeft` of two groups.
template <int kLeft>
std::vector<std::uint32_t> copied() {
  alignas(16) static std::uint32_t from[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<std::uint32_t> seen(12);
  const auto kernel = [&] {
    if (thread() != 0) return;
    auto* to = reinterpret_cast<std::uint32_t*>(shared());
    std::memset(to, 0, 48);
    copy_async(to, from);
    commit_copies();
    copy_async(to + 4, from + 4);
    copy_async(to + 8, from, false);
    commit_copies();
    wait_copies<kLeft>();
    std::memcpy(seen.data(), to, 48);
  };
  twin::run_kernel({.threads = 32, .shared_bytes = 48}, kernel);
  return seen;
}

TEST(AsyncCopy, arrives_at_the_wait_for_its_group_and_not_before) {
  constexpr std::uint32_t kPoison = 0xffffffffU, p = kPoison;
  EXPECT_EQ(copied<2>(), (std::vector<std::uint32_t>{p, p, p, p, p, p, p, p, p, p, p, p}));
  EXPECT_EQ(copied<1>(), (std::vector<std::uint32_t>{1, 2, 3, 4, p, p, p, p, p, p, p, p}));
  EXPECT_EQ(copied<0>(), (std::vector<std::uint32_t>{1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0}));
}

// --- matrices

/// One tile d = a b: a [16][16] row-major in shared memory, b [16][8] row-major beside it.
__global__ void multiply_tile(const BFloat16* a, const BFloat16* b, float* d) {
  auto* tile_a = reinterpret_cast<BFloat16*>(shared());
  BFloat16* tile_b = tile_a + 256;
  for (int i = lane(); i < 256; i += kWarp) tile_a[i] = a[i];
  for (int i = lane(); i < 128; i += kWarp) tile_b[i] = b[i];
  sync_warp();
  std::uint32_t fa[4], fb[4];
  // Matrices 0, 1 are the upper and lower left of a, 2 and 3 the right ones.
  load_matrices(fa, tile_a + (lane() % 16) * 16 + lane() / 16 * 8);
  // Columns of b are wanted as rows: each 8 x 8 half transposed; the other two addresses repeat.
  load_matrices_transposed(fb, tile_b + (lane() % 16) * 8);
  float sums[4] = {1, 1, 1, 1};
  multiply_add(sums, fa, fb[0], fb[1]);
  for (int i = 0; i < 4; ++i) {
    d[(lane() / 4 + i / 2 * 8) * 8 + lane() % 4 * 2 + i % 2] = sums[i];
  }
}

TEST(Matrices, product_of_a_tile_is_that_of_plain_arithmetic) {
  std::vector<BFloat16> a(256), b(128);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = core::to_bf16(static_cast<float>(i * 7 % 23));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = core::to_bf16(static_cast<float>(i * 5 % 19));
  std::vector<float> d(128);
  launch(multiply_tile, {.threads = 32, .shared_bytes = 768}, nullptr, a.data(), b.data(),
         d.data());
  for (std::size_t i = 0; i < 16; ++i) {
    for (std::size_t j = 0; j < 8; ++j) {
      float sum = 1;
      for (std::size_t k = 0; k < 16; ++k) {
        sum += core::to_float(a[i * 16 + k]) * core::to_float(b[k * 8 + j]);
      }
      EXPECT_EQ(d[i * 8 + j], sum) << i << ", " << j;
    }
  }
}

TEST(Matrices, fragment_holds_the_elements_that_the_manual_names) {
  std::vector<std::uint32_t> plain(4 * kWarpSize), turned(4 * kWarpSize);
  const auto kernel = [&] {
    auto* tiles = reinterpret_cast<std::uint16_t*>(shared());
    for (int i = lane(); i < 256; i += kWarp) tiles[i] = static_cast<std::uint16_t>(i);
    sync_warp();
    std::uint32_t r[4];
    load_matrices(r, tiles + lane() * 8);
    for (int i = 0; i < 4; ++i) plain[static_cast<std::size_t>(lane() * 4 + i)] = r[i];
    load_matrices_transposed(r, tiles + lane() * 8);
    for (int i = 0; i < 4; ++i) turned[static_cast<std::size_t>(lane() * 4 + i)] = r[i];
  };
  twin::run_kernel({.threads = 32, .shared_bytes = 512}, kernel);
  // Lane 13 is in row 3, columns 2 and 3; matrix 2 begins at element 128.
  EXPECT_EQ(plain[13 * 4 + 2], (128U + 3 * 8 + 2) | (128U + 3 * 8 + 3) << 16U);
  EXPECT_EQ(turned[13 * 4 + 2], (128U + 2 * 8 + 3) | (128U + 3 * 8 + 3) << 16U);
}

// --- arithmetic words

TEST(Arithmetic, halves_of_a_word_are_rounded_to_nearest_even) {
  const std::uint32_t word = pack_bf16(1.00390625F, -2.0F);  // half way: down to the even 1.0
  EXPECT_EQ(low_half(word), 1.0F);
  EXPECT_EQ(high_half(word), -2.0F);
  EXPECT_EQ(widen(narrow<BFloat16>(1.01171875F)), 1.015625F);
  EXPECT_EQ(rsqrt_exact(4.0F), 0.5F);
  EXPECT_EQ(exp2_fast(-INFINITY), 0.0F);
}

}  // namespace
}  // namespace epi::kernels::simt
