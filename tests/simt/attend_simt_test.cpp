// Kernels of attention on an emulated device, against the reference in double: head sizes that
// matrix instructions serve and those between, lengths and sizes around every tile, dropout by its
// draws, both forms of the gradient, many orders of threads. Shapes that all back ends share are in
// tests/kernels.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cuda/attend_geometry.hpp"
#include "kernels/device_ops.hpp"
#include "kernels/operands.hpp"
#include "kernels/test_tensor.hpp"
#include "reference/reference.hpp"
#include "simt/emulated_device.hpp"
#include "simt/machine.hpp"

namespace epi::kernels {
namespace {

using core::DType;
using core::Tensor;
using cuda::DeviceLimits;

constexpr DeviceLimits kAmpere{.major = 8, .shared_bytes = 163 * 1024};
constexpr DeviceLimits kAda{.major = 8, .minor = 9, .shared_bytes = 99 * 1024};
constexpr DeviceLimits kHopper{.major = 9, .shared_bytes = 227 * 1024};

DeviceOps ops_of(const DeviceLimits& limits) {
  core::DeviceProperties properties{.name = "emulated",
                                    .major = limits.major,
                                    .minor = limits.minor,
                                    .multiprocessors = 4,
                                    .shared_bytes = limits.shared_bytes,
                                    .l2_bytes = limits.l2_bytes,
                                    .memory_bytes = std::size_t{1} << 30U,
                                    .bus_id = {}};
  core::emulated::set_properties(properties);
  auto ops = make_cuda_ops();
  properties.shared_bytes = kHopper.shared_bytes;  // launches are checked against this later
  core::emulated::set_properties(properties);
  return DeviceOps(std::move(ops));
}

/// Where the gradient has a kernel for keys and one for queries, and where it may have one for all.
Ops& small_ops() {
  static DeviceOps ops = ops_of(kAda);
  return ops;
}
Ops& large_ops() {
  static DeviceOps ops = ops_of(kHopper);
  return ops;
}

struct Case {
  std::int64_t batch, tokens;
  std::int32_t heads;
  std::int64_t size;
  bool lengths = false;
  float dropout = 0.0F;
  DType type = DType::bf16;
};

std::string text(const Case& c) {
  return fmt::format("B {} T {} A {} D {}{}{}{}", c.batch, c.tokens, c.heads, c.size,
                     c.lengths ? " lengths" : "", c.dropout > 0.0F ? " dropout" : "",
                     c.type == DType::f32 ? " f32" : "");
}

ConstView lengths(Operands& o, const Case& c) {
  if (!c.lengths) return {};
  std::vector<std::int32_t> values;
  for (std::int64_t b = 0; b < c.batch; ++b) {
    const std::int64_t length = b == 0 ? (2 * c.tokens + 2) / 3 : 1 + b * 37 % c.tokens;
    values.push_back(static_cast<std::int32_t>(length));
  }
  return o.whole("lengths", values);
}

AttendArgs forward_args(Operands& o, const Case& c) {
  o.state.seed = 0x1234567890ULL;
  o.state.first_slot = (std::uint64_t{3} << 32U) + 5;
  if (c.type == DType::bf16) o.allow("out", {.relative = 2 * kHalfPlace});
  const std::int64_t hidden = c.heads * c.size;
  return {.qkv = o.activation("qkv", {c.batch, c.tokens, 3 * hidden}, -2.0F, 2.0F),
          .heads = c.heads,
          .lengths = lengths(o, c),
          .dropout = {.probability = c.dropout, .layer = 3, .site = 9},
          .state = &o.state,
          .out = o.activation_out("out", {c.batch, c.tokens, hidden}),
          .lse = o.out("lse", {c.batch, c.heads, c.tokens})};
}

AttendGradArgs gradient_args(Operands& o, const Case& c) {
  const std::int64_t hidden = c.heads * c.size;
  Operands forward(Operands::Side::reference, o.activations());
  const AttendArgs before = forward_args(forward, c);
  reference::attend(before);
  o.state = forward.state;
  const AttendGradArgs args{
      .qkv =
          o.activation("qkv", {c.batch, c.tokens, 3 * hidden}, reference::as_doubles(before.qkv)),
      .heads = c.heads,
      .lengths = lengths(o, c),
      .dropout = before.dropout,
      .state = &o.state,
      .out = o.activation("out", {c.batch, c.tokens, hidden}, reference::as_doubles(before.out)),
      .lse = o.values("lse", {c.batch, c.heads, c.tokens}, reference::as_doubles(before.lse)),
      .dout = o.activation("dout", {c.batch, c.tokens, hidden}),
      .dqkv = o.activation_out("dqkv", {c.batch, c.tokens, 3 * hidden})};
  o.in_parts("dqkv", 3);
  // As in tests/kernels/matrix_cases.cpp: half a place each for what is written, what is summed and
  // the output that slopes are computed with, whose error stays where slopes cancel.
  if (c.type == DType::bf16) {
    o.allow("dqkv", {.relative = 3 * kHalfPlace, .absolute = 1.5 * kHalfPlace});
  }
  return args;
}

/// As check_op, on these ops and with some orders of threads.
template <class Args, class Build>
void check(Ops& ops, const Case& c, void (Ops::*entry)(const Args&, Stream&),
           void (*truth)(const Args&), const Build& build, int seeds = 2) {
  SCOPED_TRACE(text(c));
  Stream stream(core::kCpu);
  Operands reference(Operands::Side::reference, c.type);
  truth(build(reference, c));
  Operands first(Operands::Side::product, c.type);
  (ops.*entry)(build(first, c), stream);
  first.expect_same(reference,
                    {.relative = 2e-5, .absolute = static_cast<double>(c.size) * 0x1p-24});
  first.expect_untouched();
  for (int seed = 1; seed < seeds; ++seed) {
    simt::twin::set_seed(static_cast<std::uint64_t>(seed));
    Operands again(Operands::Side::product, c.type);
    (ops.*entry)(build(again, c), stream);
    again.expect_same_bits(first);
    again.expect_untouched();
  }
}

void check_forward(const Case& c, int seeds = 2) {
  check(small_ops(), c, &Ops::attend, reference::attend, forward_args, seeds);
}
void check_gradient(Ops& ops, const Case& c, int seeds = 2) {
  check(ops, c, &Ops::attend_grad, reference::attend_grad, gradient_args, seeds);
}

// --- the whole op

TEST(AttendSimt, forward_around_every_tile_isTheReference) {
  for (const std::int64_t tokens : {1, 5, 16, 33, 63, 64, 65, 128, 129}) {
    check_forward({1, tokens, 1, 64});
  }
  for (const std::int64_t size : {32, 128}) {
    for (const std::int64_t tokens : {1, 31, 33, 65, 130}) check_forward({1, tokens, 1, size});
  }
}

TEST(AttendSimt, forward_of_many_heads_with_lengths_isTheReference) {
  for (const std::int64_t size : {32, 64, 128}) {
    check_forward({3, 70, 2, size, true});
    check_forward({2, 200, 1, size, true});
  }
}

TEST(AttendSimt, forward_of_sizes_between_pads_with_zeros) {
  for (const std::int64_t size : {8, 16, 24, 40, 48, 72, 96, 120}) {
    check_forward({2, 70, 2, size, true, 0.1F});
  }
}

TEST(AttendSimt, forward_of_plain_sizes_isTheReference) {
  check_forward({2, 37, 3, 5, true, 0.1F});
  check_forward({1, 41, 1, 136, true});
  check_forward({2, 65, 2, 64, true, 0.1F, DType::f32});
  check_forward({1, 33, 2, 3, false, 0.25F, DType::f32});
}

TEST(AttendSimt, dropout_takes_the_documented_draws) {
  // Multiples of 4 tokens share draws between lanes, others do not.
  for (const std::int64_t size : {32, 64, 128}) {
    for (const std::int64_t tokens : {4, 64, 68, 132}) {
      check_forward({2, tokens, 2, size, tokens == 68, 0.25F});
    }
    for (const std::int64_t tokens : {5, 66, 129}) {
      check_forward({2, tokens, 1, size, tokens == 66, 0.5F});
    }
  }
}

TEST(AttendSimt, scores_that_grow_from_block_to_block_bring_sums_to_a_new_shift) {
  // Each block of keys has scores beyond those before, by more than exponentials may grow.
  const std::int64_t tokens = 200, size = 64;
  const auto build = [&](Operands& o, const Case& c) {
    AttendArgs args = forward_args(o, c);
    std::vector<double> values = reference::as_doubles(args.qkv);
    for (std::int64_t t = 0; t < tokens; ++t) {
      for (std::int64_t d = 0; d < 2 * size; ++d) {
        double& value = values[static_cast<std::size_t>(t * 3 * size + d)];
        value = d < size ? 1.0 : 0.0625 * static_cast<double>(t);
      }
    }
    args.qkv = o.activation("grown", {1, tokens, 3 * size}, values);
    return args;
  };
  check(small_ops(), {1, tokens, 1, size}, &Ops::attend, reference::attend, build);
}

// --- the gradient

TEST(AttendGradSimt, in_two_kernels_around_every_tile_isTheReference) {
  for (const std::int64_t tokens : {1, 5, 16, 33, 64, 65, 130}) {
    check_gradient(small_ops(), {1, tokens, 1, 64});
  }
  for (const std::int64_t size : {32, 128}) {
    for (const std::int64_t tokens : {1, 33, 65, 130}) {
      check_gradient(small_ops(), {1, tokens, 1, size});
    }
  }
}

TEST(AttendGradSimt, in_two_kernels_with_lengths_and_dropout_isTheReference) {
  for (const std::int64_t size : {32, 64, 128}) {
    check_gradient(small_ops(), {2, 68, 2, size, true, 0.25F});
    check_gradient(small_ops(), {2, 67, 1, size, true, 0.25F});
    check_gradient(small_ops(), {2, 200, 1, size, true});
  }
}

TEST(AttendGradSimt, of_a_single_key_is_of_its_value_only) {
  // One key has all of the weight: scores have no slope.
  constexpr std::int64_t kTokens = 37, kSize = 64;
  const Tensor qkv = random_tensor(DType::bf16, {1, kTokens, 3 * kSize}, 1);
  const Tensor dout = random_tensor(DType::bf16, {1, kTokens, kSize}, 2);
  const Tensor lengths(DType::i32, {1});
  lengths.as<std::int32_t>()[0] = 1;
  const Tensor out(DType::bf16, {1, kTokens, kSize}), lse(DType::f32, {1, 1, kTokens}),
      dqkv(DType::bf16, {1, kTokens, 3 * kSize});
  Stream stream(core::kCpu);
  small_ops().attend({.qkv = qkv, .lengths = lengths, .out = out, .lse = lse}, stream);
  small_ops().attend_grad(
      {.qkv = qkv, .lengths = lengths, .out = out, .lse = lse, .dout = dout, .dqkv = dqkv}, stream);
  for (std::int64_t d = 0; d < kSize; ++d) {
    float sum = 0.0F;
    for (std::int64_t t = 0; t < kTokens; ++t) sum += number_at(dout, t * kSize + d);
    EXPECT_NEAR(number_at(dqkv, 2 * kSize + d), sum, kHalfPlace * std::abs(sum) + 1e-5);
    EXPECT_NEAR(number_at(dqkv, kSize + d), 0.0F, 1e-4);
    EXPECT_NEAR(number_at(dqkv, d), 0.0F, 1e-4);
  }
}

TEST(AttendGradSimt, in_one_kernel_around_every_tile_isTheReference) {
  for (const std::int64_t tokens : {129, 256, 390}) {
    ASSERT_TRUE(cuda::fuses_gradient({1, tokens, 1, 64, DType::bf16}, kHopper));
    check_gradient(large_ops(), {1, tokens, 1, 64});
  }
}

TEST(AttendGradSimt, in_one_kernel_with_lengths_and_dropout_isTheReference) {
  check_gradient(large_ops(), {2, 256, 2, 64, true, 0.1F});
  check_gradient(large_ops(), {2, 385, 1, 64, true, 0.1F});
  check_gradient(large_ops(), {1, 400, 1, 56, true});
}

TEST(AttendGradSimt, sizes_between_and_plain_ones_areTheReference) {
  for (const std::int64_t size : {8, 40, 56, 96}) {
    check_gradient(small_ops(), {2, 66, 2, size, true, 0.1F});
  }
  check_gradient(small_ops(), {2, 37, 3, 5, true, 0.1F});
  check_gradient(small_ops(), {1, 41, 1, 136, true});
  check_gradient(small_ops(), {2, 65, 2, 64, true, 0.1F, DType::f32});
  check_gradient(small_ops(), {1, 33, 2, 3, false, 0.25F, DType::f32});
}

TEST(AttendGradSimt, many_orders_of_threads_give_the_same_bits) {
  check_forward({1, 72, 1, 64, true, 0.1F}, 12);
  check_gradient(small_ops(), {1, 72, 1, 64, true, 0.1F}, 12);
  check_gradient(large_ops(), {1, 256, 1, 64, true, 0.1F}, 6);
}

/// What keys at or past the length hold does not matter, not even NaN.
TEST(AttendGradSimt, keys_past_the_length_are_not_read) {
  constexpr std::int64_t kTokens = 70, kSize = 64;
  constexpr std::int32_t kLength = 41;
  const Tensor qkv = random_tensor(DType::bf16, {1, kTokens, 3 * kSize}, 1);
  const Tensor dout = random_tensor(DType::bf16, {1, kTokens, kSize}, 2);
  const Tensor lengths(DType::i32, {1});
  lengths.as<std::int32_t>()[0] = kLength;
  std::vector<double> results[2];
  Stream stream(core::kCpu);
  for (std::vector<double>& result : results) {
    const Tensor out(DType::bf16, {1, kTokens, kSize}), lse(DType::f32, {1, 1, kTokens}),
        dqkv(DType::bf16, {1, kTokens, 3 * kSize});
    small_ops().attend({.qkv = qkv, .lengths = lengths, .out = out, .lse = lse}, stream);
    small_ops().attend_grad(
        {.qkv = qkv, .lengths = lengths, .out = out, .lse = lse, .dout = dout, .dqkv = dqkv},
        stream);
    result = reference::as_doubles(dqkv);
    for (std::int64_t t = kLength; t < kTokens; ++t) {
      for (std::int64_t d = kSize; d < 3 * kSize; ++d) {
        EXPECT_EQ(number_at(dqkv, t * 3 * kSize + d), 0.0F);
        set_number(qkv, t * 3 * kSize + d, std::numeric_limits<float>::quiet_NaN());
      }
    }
  }
  EXPECT_EQ(results[0], results[1]);
}

// --- geometry

TEST(AttendGeometry, tiles_serve_what_matrix_instructions_can) {
  const auto tile = [](std::int64_t size, DType type) {
    return cuda::tile_size({1, 64, 1, size, type});
  };
  EXPECT_EQ(tile(64, DType::f32), 0);
  EXPECT_EQ(tile(8, DType::bf16), 32);
  EXPECT_EQ(tile(32, DType::bf16), 32);
  EXPECT_EQ(tile(40, DType::bf16), 64);
  EXPECT_EQ(tile(64, DType::bf16), 64);
  EXPECT_EQ(tile(128, DType::bf16), 128);
  EXPECT_EQ(tile(136, DType::bf16), 0);
  EXPECT_EQ(tile(36, DType::bf16), 0) << "rows are not multiples of 16 bytes";
}

TEST(AttendGeometry, one_kernel_makes_all_gradients_where_they_fit_and_do_not_pad_much) {
  const auto fuses = [](std::int64_t tokens, std::int64_t size, const DeviceLimits& limits) {
    return cuda::fuses_gradient({8, tokens, 12, size, DType::bf16}, limits);
  };
  EXPECT_TRUE(fuses(512, 64, kHopper));
  EXPECT_TRUE(fuses(256, 64, kHopper));
  EXPECT_FALSE(fuses(513, 64, kHopper)) << "sums of queries no longer fit";
  EXPECT_FALSE(fuses(128, 64, kHopper)) << "half of its keys would be padding";
  EXPECT_FALSE(fuses(512, 32, kHopper));
  EXPECT_FALSE(fuses(512, 128, kHopper));
  EXPECT_FALSE(fuses(512, 64, kAmpere));
  EXPECT_TRUE(fuses(256, 64, kAmpere));
  EXPECT_FALSE(fuses(256, 64, kAda));
}

TEST(AttendGeometry, blocks_fit_every_device_that_is_served) {
  for (const std::int64_t size : {32, 64, 128}) {
    const cuda::AttendShape s{2, 130, 3, size, DType::bf16};
    for (const cuda::Launch& l : {cuda::forward_launch(s), cuda::grad_queries_launch(s),
                                  cuda::grad_keys_launch(s), cuda::stats_launch(s)}) {
      EXPECT_LE(l.shared_bytes, kAda.shared_bytes) << "heads of " << size;
      EXPECT_EQ(l.grid_z, 2U);
    }
    EXPECT_EQ(cuda::forward_launch(s).grid_x, 2U);
    EXPECT_EQ(cuda::forward_launch(s).grid_y, 3U);
    EXPECT_EQ(cuda::grad_keys_launch(s).grid_x, size == 128 ? 3U : 2U);
  }
  EXPECT_LE(cuda::fused_bytes(512), kHopper.shared_bytes);
}

TEST(AttendGeometry, several_blocks_share_a_multiprocessor) {
  // 228 KiB of shared memory on sm_90 and 164 KiB on sm_80, of which each block takes 1 KiB more.
  const auto blocks = [](std::size_t bytes, std::size_t of) { return of / (bytes + 1024); };
  for (const std::size_t all : {std::size_t{164} * 1024, std::size_t{228} * 1024}) {
    EXPECT_GE(blocks(cuda::forward_bytes(64), all), 3U);
    EXPECT_GE(blocks(cuda::forward_bytes(128), all), 2U);
    EXPECT_GE(blocks(cuda::grad_keys_bytes(64, cuda::kSplitWarps), all), 2U);
  }
  EXPECT_GE(blocks(cuda::grad_queries_bytes(64), std::size_t{228} * 1024), 3U);
}

TEST(AttendGeometry, plain_rows_too_long_for_four_warps_get_fewer) {
  const auto warps = [](std::int64_t size) {
    return cuda::plain_launch({1, 64, 1, size, DType::f32}, 4, kAda).threads / 32;
  };
  EXPECT_EQ(warps(768), 4U);
  EXPECT_EQ(warps(2048), 2U);
  EXPECT_EQ(warps(6000), 1U);
}

}  // namespace
}  // namespace epi::kernels
