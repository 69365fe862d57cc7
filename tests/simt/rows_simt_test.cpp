// Kernels over rows on an emulated device, where the cases that all back ends share do not go: rows
// of several warps, table rows that most tokens share, sorts of several digits and of long lists,
// arrays that begin anywhere, indices outside of their table, and the geometry.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "core/philox.hpp"
#include "kernels/cuda/row_geometry.hpp"
#include "kernels/cuda/table_geometry.hpp"
#include "kernels/operands.hpp"
#include "reference/reference.hpp"
#include "simt/device_array.hpp"
#include "simt/machine.hpp"

namespace epi::kernels {
namespace {

using core::DType;
using testing::DeviceArray;
using testing::kGpu;

// --- geometry

void expect_teams(std::int64_t hidden, int eights, int warps, int teams) {
  const cuda::RowTeams t = cuda::row_teams(hidden, cuda::kRowWarps);
  EXPECT_EQ(t.eights, eights) << hidden;
  EXPECT_EQ(t.warps, warps) << hidden;
  EXPECT_EQ(t.teams, teams) << hidden;
}

TEST(RowTeams, rows_are_of_one_warp_up_to_1024_elements) {
  expect_teams(1, 1, 1, 4);
  expect_teams(256, 1, 1, 4);
  expect_teams(257, 2, 1, 4);
  expect_teams(768, 3, 1, 4);
  expect_teams(1024, 4, 1, 4);
  expect_teams(1025, 3, 2, 2);
  expect_teams(4096, 4, 4, 1);
  expect_teams(8192, 4, 8, 1);
  EXPECT_THROW((void)cuda::row_teams(8193, 4), core::LogicError);
}

TEST(RowTeams, threads_hold_every_element_and_fit_a_block) {
  for (std::int64_t hidden = 1; hidden <= 8192; ++hidden) {
    const cuda::RowTeams t = cuda::row_teams(hidden, cuda::kRowWarps);
    ASSERT_GE(std::int64_t{8} * 32 * t.warps * t.eights, hidden);
    ASSERT_LE(t.eights, cuda::kMostEights);
    ASSERT_LE(t.threads(), 256U);
    ASSERT_LE(cuda::row_launch(t, 1, 2 * hidden).shared_bytes, 96U * 1024) << hidden;
  }
}

TEST(RowPieces, cover_all_rows_and_are_not_too_many) {
  const cuda::RowTeams teams{.eights = 3, .warps = 1, .teams = 4};
  for (const std::int64_t rows : {1, 3, 4, 5, 4095, 4096, 4097, 32768, 1000003}) {
    const cuda::RowPieces pieces = cuda::row_pieces(rows, teams);
    EXPECT_EQ(pieces.rows % 4, 0);
    EXPECT_GE(pieces.rows * pieces.count, rows);
    EXPECT_LT(pieces.rows * (pieces.count - 1), rows) << "no piece is empty";
    EXPECT_LE(pieces.count, 1024);
  }
  EXPECT_EQ(cuda::row_pieces(32768, teams).rows, 32);
}

TEST(SortGeometry, digits_tell_all_rows_of_a_table_apart) {
  EXPECT_EQ(cuda::sort_passes(1), 1);
  EXPECT_EQ(cuda::sort_passes(256), 1);
  EXPECT_EQ(cuda::sort_passes(257), 2);
  EXPECT_EQ(cuda::sort_passes(4101), 2);
  EXPECT_EQ(cuda::sort_passes(65537), 3);
  EXPECT_EQ(cuda::digit_bits(4101, 2), 7);
  EXPECT_EQ(cuda::digit_bits(36, 2), 3) << "beside a larger table";
  EXPECT_EQ(cuda::digit_bits(1, 2), 1);
}

TEST(SortGeometry, long_lists_have_longer_chunks) {
  EXPECT_EQ(cuda::sort_chunks(32768).count, 64);
  EXPECT_EQ(cuda::sort_chunks(131072).size, 512);
  const cuda::SortChunks chunks = cuda::sort_chunks(1000001);
  EXPECT_EQ(chunks.size % 32, 0);
  EXPECT_LE(chunks.count, 256);
  EXPECT_GE(chunks.size * chunks.count, 1000001);
  EXPECT_THROW((void)cuda::sort_chunks(std::int64_t{1} << 31U), core::LogicError);
}

// --- long rows

constexpr Dropout kDropout{.probability = 0.5F, .layer = 5, .site = 3};
constexpr reference::Tolerance kNormTolerance{.relative = 2e-5};

/// 1,037 takes two warps and no access of 16 bytes; 8,192 is the longest.
class LongRows : public ::testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Hidden, LongRows, ::testing::Values(1037, 1048, 2056, 4096, 8192));

const StepState* state_of(Operands& o) {
  o.state.seed = 77;
  o.state.first_slot = 0xfffffffeULL;
  return &o.state;
}

TEST_P(LongRows, of_add_norm_agree_with_the_reference) {
  const std::int64_t hidden = GetParam();
  check_op(
      DType::f32, &Ops::add_norm, reference::add_norm,
      [&](Operands& o) {
        return AddNormArgs{.x = o.activation("x", {3, 2, hidden}),
                           .residual = o.activation("residual", {3, 2, hidden}),
                           .gamma = o.in("gamma", {hidden}),
                           .beta = o.in("beta", {hidden}),
                           .epsilon = 1e-5F,
                           .dropout = kDropout,
                           .state = state_of(o),
                           .out = o.activation_out("out", {3, 2, hidden}),
                           .sum = o.activation_out("sum", {3, 2, hidden}),
                           .mean = o.out("mean", {6}),
                           .rstd = o.out("rstd", {6})};
      },
      kNormTolerance);
}

TEST_P(LongRows, of_add_norm_grad_agree_with_the_reference) {
  const std::int64_t hidden = GetParam();
  for (const DType type : {DType::f32, DType::bf16}) {
    check_op(type, &Ops::add_norm_grad, reference::add_norm_grad, [&](Operands& o) {
      return AddNormGradArgs{.sum = o.activation("sum", {3, 3, hidden}),
                             .mean = o.in("mean", {9}),
                             .rstd = o.in("rstd", {9}, 0.5F, 2.0F),
                             .gamma = o.in("gamma", {hidden}),
                             .dropout = kDropout,
                             .state = state_of(o),
                             .dout = o.activation("dout", {3, 3, hidden}),
                             .dresidual = o.activation_out("dresidual", {3, 3, hidden}),
                             .dx = o.activation_out("dx", {3, 3, hidden}),
                             .dgamma = o.out("dgamma", {hidden}),
                             .dbeta = o.out("dbeta", {hidden})};
    });
  }
}

EmbedArgs embed_args(Operands& o, std::int64_t hidden) {
  return {.tables = {{{o.in("rows 0", {7, hidden}), o.index("index 0", {10}, 7)},
                      {o.in("rows 1", {5, hidden}), {}}}},
          .gamma = o.in("gamma", {hidden}),
          .beta = o.in("beta", {hidden}),
          .epsilon = 1e-5F,
          .dropout = kDropout,
          .state = state_of(o),
          .out = o.activation_out("out", {2, 5, hidden}),
          .mean = o.out("mean", {10}),
          .rstd = o.out("rstd", {10})};
}

TEST_P(LongRows, of_embed_agree_with_the_reference) {
  check_op(
      DType::f32, &Ops::embed, reference::embed,
      [](Operands& o) { return embed_args(o, GetParam()); }, kNormTolerance);
}

/// Tokens of `batch` x `tokens`, most of them of row `hot` of the first table.
struct EmbedCase {
  std::int64_t batch, tokens, hidden;
  std::int32_t rows;
  std::int32_t hot;
  std::int32_t cold_one_in;  ///< how many tokens share one that lies elsewhere
};

std::vector<std::int32_t> hot_index(const EmbedCase& c) {
  std::vector<std::int32_t> index;
  for (std::uint32_t n = 0; n < static_cast<std::uint32_t>(c.batch * c.tokens); ++n) {
    const auto words = core::philox(3, core::RandomUse::test, {n, 0, 0, 0});
    const bool cold = core::uniform_below(words[0], static_cast<std::uint32_t>(c.cold_one_in)) == 0;
    const std::uint32_t row = core::uniform_below(words[1], static_cast<std::uint32_t>(c.rows));
    index.push_back(cold ? static_cast<std::int32_t>(row) : c.hot);
  }
  return index;
}

EmbedGradArgs embed_grad_args(Operands& o, const EmbedCase& c) {
  const std::int64_t count = c.batch * c.tokens;
  return {
      .tables = {{{o.in("rows 0", {c.rows, c.hidden}), o.whole("index 0", hot_index(c))},
                  {o.in("rows 1", {c.tokens + 3, c.hidden}), {}},
                  {o.in("rows 2", {5, c.hidden}), o.index("index 2", {count}, 5)}}},
      .gamma = o.in("gamma", {c.hidden}),
      .dropout = kDropout,
      .state = state_of(o),
      .mean = o.in("mean", {count}),
      .rstd = o.in("rstd", {count}, 0.5F, 2.0F),
      .dout = o.activation("dout", {c.batch, c.tokens, c.hidden}),
      .drows = {o.out("drows 0", {c.rows, c.hidden}), o.inout("drows 1", {c.tokens + 3, c.hidden}),
                o.inout("drows 2", {5, c.hidden})},
      .write = {Write::set, Write::add, Write::add},
      .dgamma = o.out("dgamma", {c.hidden}),
      .dbeta = o.out("dbeta", {c.hidden})};
}

void check_embed_grad(DType type, const EmbedCase& c) {
  check_op(type, &Ops::embed_grad, reference::embed_grad,
           [&](Operands& o) { return embed_grad_args(o, c); });
}

TEST_P(LongRows, of_embed_grad_agree_with_the_reference) {
  // Several pieces of sorted entries, where that does not take long.
  const std::int64_t tokens = GetParam() < 2000 ? 67 : 5;
  for (const DType type : {DType::f32, DType::bf16}) {
    check_embed_grad(type, {2, tokens, GetParam(), 9, 4, 2});
  }
}

TEST_P(LongRows, of_gather_and_scatter_agree_with_the_reference) {
  const std::int64_t hidden = GetParam();
  check_op(DType::bf16, &Ops::gather_rows, reference::gather_rows, [&](Operands& o) {
    return GatherRowsArgs{.in = o.activation("in", {5, hidden}),
                          .rows = o.index("rows", {7}, 5),
                          .weights = o.in("weights", {7}),
                          .out = o.activation_out("out", {7, hidden})};
  });
  check_op(DType::bf16, &Ops::scatter_rows, reference::scatter_rows, [&](Operands& o) {
    return ScatterRowsArgs{.in = o.activation("in", {7, hidden}),
                           .rows = o.index("rows", {7}, 5),
                           .weights = o.in("weights", {7}),
                           .write = Write::add,
                           .out = o.activation_inout("out", {5, hidden})};
  });
}

// --- many tokens of one row

/// The hot row first, in the middle and last; alone; over more than 32 pieces of sorted entries.
TEST(HotRows, of_embed_grad_agree_with_the_reference) {
  const std::vector<EmbedCase> cases{{3, 131, 24, 36, 17, 8},  {3, 131, 24, 36, 0, 8},
                                     {3, 131, 24, 36, 35, 8},  {2, 128, 8, 1, 0, 1},
                                     {2, 64, 8, 2, 1, 1000},   {3, 1500, 8, 36, 20, 50},
                                     {3, 150, 100, 4101, 5, 3}};
  for (const EmbedCase& c : cases) {
    SCOPED_TRACE(
        fmt::format("[{}, {}, {}], row {} of {}", c.batch, c.tokens, c.hidden, c.hot, c.rows));
    check_embed_grad(DType::f32, c);
  }
}

/// Weights of zero, as in unused target slots, and sums of many bf16, which are rounded once.
TEST(HotRows, of_scatter_agree_with_the_reference) {
  for (const std::int64_t picked : {127, 128, 129, 256, 5000}) {
    SCOPED_TRACE(picked);
    const std::vector<std::int32_t> rows =
        hot_index({1, picked, 8, 300, 0, picked > 1000 ? 50 : 3});
    check_op(DType::bf16, &Ops::scatter_rows, reference::scatter_rows, [&](Operands& o) {
      return ScatterRowsArgs{.in = o.activation("in", {picked, 24}),
                             .rows = o.whole("rows", rows),
                             .write = Write::set,
                             .out = o.activation_out("out", {300, 24})};
    });
  }
}

// --- sorts

TEST(Sort, of_three_digits_keeps_every_row) {
  check_op(DType::f32, &Ops::scatter_rows, reference::scatter_rows, [](Operands& o) {
    return ScatterRowsArgs{.in = o.activation("in", {1100, 1}),
                           .rows = o.index("rows", {1100}, 70001),
                           .write = Write::set,
                           .out = o.activation_out("out", {70001, 1})};
  });
}

TEST(Sort, of_more_entries_than_256_chunks_of_512_keeps_every_row) {
  check_op(DType::f32, &Ops::scatter_rows, reference::scatter_rows,
           [](Operands& o) {
             return ScatterRowsArgs{.in = o.activation("in", {132001, 1}),
                                    .rows = o.index("rows", {132001}, 300),
                                    .write = Write::set,
                                    .out = o.activation_out("out", {300, 1})};
           },
           {.relative = 2e-5});
}

// --- many orders of threads

TEST(ManyOrders, of_threads_and_blocks_give_embed_grad_the_same_bits) {
  const EmbedCase c{3, 111, 24, 36, 17, 4};
  Stream stream(core::kCpu);
  Operands first(Operands::Side::product, DType::bf16);
  tested_ops().embed_grad(embed_grad_args(first, c), stream);
  for (int i = 0; i < 20; ++i) {  // each call takes another seed
    Operands next(Operands::Side::product, DType::bf16);
    tested_ops().embed_grad(embed_grad_args(next, c), stream);
    next.expect_same_bits(first);
  }
}

// --- memory that begins anywhere

Ops& cuda_ops() {
  static const auto ops = make_cuda_ops();
  return *ops;
}

std::vector<float> numbers(std::size_t count) {
  std::vector<float> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = static_cast<float>(i % 61) * 0.25F - 7.0F;
  return all;
}

TEST(AnyAddress, flat_ops_give_the_same_bits) {
  constexpr std::int64_t kCount = 2085;
  Stream stream(kGpu);
  std::vector<std::vector<float>> sums, curves;
  for (const std::size_t first : {0U, 1U, 3U}) {
    const DeviceArray<float> a(numbers(kCount), first), b(numbers(kCount), 2 * first);
    const DeviceArray<float> out(std::vector<float>(kCount, NAN), first);
    cuda_ops().combine({a.view({kCount}), b.view({kCount}), out.view({kCount})}, stream);
    stream.synchronize();
    sums.push_back(out.values());
    cuda_ops().activate({Activation::gelu, a.view({kCount}), out.view({kCount})}, stream);
    stream.synchronize();
    curves.push_back(out.values());
  }
  EXPECT_EQ(sums[0][2084], 2.0F * (2084 % 61 * 0.25F - 7.0F));
  for (const std::size_t i : {1U, 2U}) {
    EXPECT_EQ(sums[i], sums[0]);
    EXPECT_EQ(curves[i], curves[0]);
  }
}

TEST(AnyAddress, rows_give_the_same_numbers) {
  constexpr std::int64_t kRows = 5, kHidden = 24;
  const std::vector<std::int32_t> picked{4, 0, 4};
  Stream stream(kGpu);
  std::vector<std::vector<float>> outs;
  for (const std::size_t first : {0U, 1U}) {
    const DeviceArray<float> in(numbers(kRows * kHidden), first);
    const DeviceArray<float> out(std::vector<float>(3 * kHidden, NAN), first);
    const DeviceArray<std::int32_t> rows(picked);
    cuda_ops().gather_rows(
        {.in = in.view({kRows, kHidden}), .rows = rows.view({3}), .out = out.view({3, kHidden})},
        stream);
    stream.synchronize();
    outs.push_back(out.values());
  }
  EXPECT_EQ(outs[0][0], 96 % 61 * 0.25F - 7.0F);
  EXPECT_EQ(outs[1], outs[0]);
}

// --- indices outside

TEST(IndexOutside, of_its_table_ends_the_kernel) {
  constexpr std::int64_t kHidden = 8;
  const DeviceArray<float> table(numbers(3 * kHidden)), gamma(numbers(kHidden));
  const DeviceArray<float> out(numbers(2 * kHidden)), mean(numbers(2)), rstd(numbers(2));
  Stream stream(kGpu);
  for (const std::int32_t wrong : {-1, 3}) {
    const DeviceArray<std::int32_t> index(std::vector<std::int32_t>{1, wrong});
    EXPECT_THROW(cuda_ops().embed({.tables = {{{table.view({3, kHidden}), index.view({2})}}},
                                   .gamma = gamma.view({kHidden}),
                                   .beta = gamma.view({kHidden}),
                                   .out = out.view({1, 2, kHidden}),
                                   .mean = mean.view({2}),
                                   .rstd = rstd.view({2})},
                                  stream),
                 core::LogicError);
    EXPECT_THROW(cuda_ops().gather_rows({.in = table.view({3, kHidden}),
                                         .rows = index.view({2}),
                                         .out = out.view({2, kHidden})},
                                        stream),
                 core::LogicError);
    EXPECT_THROW(cuda_ops().scatter_rows({.in = out.view({2, kHidden}),
                                          .rows = index.view({2}),
                                          .out = table.view({3, kHidden})},
                                         stream),
                 core::LogicError);
  }
}

}  // namespace
}  // namespace epi::kernels
