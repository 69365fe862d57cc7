// Kernels of losses and of the optimizer on an emulated device, where the cases that all back ends
// share do not go: rows too long for shared memory, arrays that begin anywhere, many orders of
// threads, and the geometry.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <vector>

#include "core/buffer.hpp"
#include "kernels/cuda/class_loss.hpp"
#include "kernels/ops.hpp"
#include "kernels/test_tensor.hpp"
#include "reference/expect_close.hpp"
#include "reference/reference.hpp"
#include "simt/device_array.hpp"
#include "simt/machine.hpp"

namespace epi::kernels {
namespace {

using core::ConstView;
using core::DType;
using core::Tensor;
using core::View;
using testing::DeviceArray;
using testing::kGpu;

Ops& cuda_ops() {
  static const auto ops = make_cuda_ops();
  return *ops;
}

std::vector<float> values(std::size_t count, float low, float high, std::uint32_t number) {
  std::vector<float> all(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto words =
        core::philox(1, core::RandomUse::test, {number, static_cast<std::uint32_t>(i), 0, 0});
    all[i] = low + (high - low) * core::uniform_float(words[0]);
  }
  return all;
}

// --- class_loss

using cuda::class_loss_shape;
using cuda::RowPlan;

TEST(ClassLossShape, rows_go_to_warps_blocks_or_memory_by_their_length) {
  const cuda::DeviceLimits hopper{.major = 9, .shared_bytes = 227 * 1024};
  const auto of = [&](std::int64_t classes, std::size_t bytes) {
    return class_loss_shape(100, classes, bytes, hopper);
  };
  EXPECT_EQ(of(25, 2).plan, RowPlan::warp);
  EXPECT_EQ(of(25, 2).launch.grid_x, 25U) << "four rows a block";
  EXPECT_EQ(of(512, 2).plan, RowPlan::warp);
  EXPECT_EQ(of(4101, 2).plan, RowPlan::block);
  EXPECT_EQ(of(4101, 2).launch.threads, 128U);
  EXPECT_EQ(of(4101, 2).launch.grid_x, 100U);
  EXPECT_EQ(of(4101, 2).launch.shared_bytes, 512U * 16 + 256) << "what is whole of 8,202 bytes";
  EXPECT_EQ(of(65541, 2).plan, RowPlan::block);
  EXPECT_EQ(of(65541, 2).launch.threads, 1024U);
  EXPECT_EQ(of(65541, 4).plan, RowPlan::block_rereads);
  EXPECT_LE(of(65541, 4).launch.shared_bytes, 256U);
  const cuda::DeviceLimits small;
  EXPECT_EQ(class_loss_shape(100, 65541, 2, small).plan, RowPlan::block_rereads);
}

struct LossCase {
  DType type;
  std::int64_t rows, classes;
};

/// Runs both sides from the same numbers, rounded to the type; returns the gradient's bytes.
std::vector<std::byte> compare_class_loss(const LossCase& c) {
  const auto count = static_cast<std::size_t>(c.rows * c.classes);
  const std::vector<float> start = values(count, -8.0F, 8.0F, 1);
  const Tensor logits(c.type, {c.rows, c.classes});
  for (std::size_t i = 0; i < count; ++i) {
    set_number(logits, static_cast<std::int64_t>(i), start[i]);
  }
  std::vector<double> exact = reference::as_doubles(logits.view());
  std::vector<std::int32_t> labels;
  std::vector<float> weights;
  std::vector<double> wide_weights;
  for (std::int64_t m = 0; m < c.rows; ++m) {
    labels.push_back(static_cast<std::int32_t>((c.classes - 1) / (m + 1)));
    weights.push_back(m % 3 == 1 ? 0.0F : 0.5F);
    wide_weights.push_back(m % 3 == 1 ? 0.0 : 0.5);
  }
  StepState state;
  state.loss_scale = {0.25F, 0, 0};
  const DeviceArray<StepState> device_state(std::vector<StepState>{state});
  const DeviceArray<std::int32_t> device_labels(labels);
  const DeviceArray<float> device_weights(weights);
  const DeviceArray<double> totals(std::vector<double>{1, 2, 3});
  std::vector<double> true_totals{1, 2, 3};
  core::Stream stream(kGpu);
  const Tensor on_gpu(c.type, {c.rows, c.classes}, kGpu);
  core::copy(on_gpu.view(), logits.view(), stream);
  cuda_ops().class_loss({.logits = on_gpu.view(),
                         .labels = device_labels.view({c.rows}),
                         .weights = device_weights.view({c.rows}),
                         .state = device_state.data(),
                         .totals = totals.view({3}),
                         .row_loss = {},
                         .predicted = {}},
                        stream);
  core::copy(logits.view(), on_gpu.view(), stream);
  stream.synchronize();
  reference::class_loss({.logits = View(exact.data(), {c.rows, c.classes}),
                         .labels = ConstView(labels.data(), {c.rows}),
                         .weights = ConstView(wide_weights.data(), {c.rows}),
                         .state = &state,
                         .totals = View(true_totals.data(), {3}),
                         .row_loss = {},
                         .predicted = {}});
  const double place = c.type == DType::bf16 ? 0x1p-8 : 0.0;
  reference::expect_close(logits.view(), exact, {.relative = 1e-5 + place}, "gradient");
  reference::expect_close(totals.values(), true_totals, {.relative = 1e-6}, "totals");
  return {logits.view().raw(), logits.view().raw() + logits.view().bytes()};
}

TEST(ClassLossKernel, long_rows_agree_with_the_reference) {
  for (const LossCase& c : {LossCase{DType::bf16, 3, 16389}, LossCase{DType::f32, 2, 16389},
                            LossCase{DType::bf16, 2, 65541}, LossCase{DType::f32, 2, 65541}}) {
    SCOPED_TRACE(c.classes);
    (void)compare_class_loss(c);
  }
}

TEST(ClassLossKernel, any_order_of_threads_gives_the_same_bits) {
  for (const LossCase& c : {LossCase{DType::bf16, 5, 4101}, LossCase{DType::f32, 5, 700},
                            LossCase{DType::bf16, 9, 25}, LossCase{DType::f32, 6, 61}}) {
    simt::twin::set_seed(0);
    const auto first = compare_class_loss(c);
    for (std::uint64_t seed = 1; seed < 8; ++seed) {
      simt::twin::set_seed(seed);
      EXPECT_EQ(compare_class_loss(c), first) << c.classes << " classes, seed " << seed;
    }
  }
}

TEST(ClassLossKernel, label_outside_of_the_classes_ends_the_kernel) {
  for (std::int32_t label : {-1, 5}) {
    const DeviceArray<float> logits(std::vector<float>(5)), weights(std::vector<float>{1});
    const DeviceArray<std::int32_t> labels(std::vector<std::int32_t>{label});
    const DeviceArray<double> totals(std::vector<double>(3));
    const DeviceArray<StepState> state(std::vector<StepState>(1));
    core::Stream stream(kGpu);
    EXPECT_THROW(cuda_ops().class_loss({.logits = logits.view({1, 5}),
                                        .labels = labels.view({1}),
                                        .weights = weights.view({1}),
                                        .state = state.data(),
                                        .totals = totals.view({3}),
                                        .row_loss = {},
                                        .predicted = {}},
                                       stream),
                 core::LogicError);
  }
}

// --- sum_squares

TEST(SumSquaresKernel, array_that_begins_anywhere_has_the_same_bits) {
  core::Stream stream(kGpu);
  const std::int64_t count = 20003;
  const std::vector<float> numbers = values(static_cast<std::size_t>(count), -2.0F, 3.0F, 2);
  std::vector<double> sums;
  for (std::size_t first = 0; first < 5; ++first) {
    const DeviceArray<float> data(numbers, first);
    const DeviceArray<double> sum(std::vector<double>(1));
    simt::twin::set_seed(first);
    cuda_ops().sum_squares({data.view({count}), sum.view({1})}, stream);
    sums.push_back(sum.values()[0]);
  }
  double expected = 0.0;
  for (const float x : numbers) expected += double{x} * double{x};
  EXPECT_NEAR(sums[0], expected, 1e-12 * expected);
  for (const double sum : sums) EXPECT_EQ(sum, sums[0]);
}

// --- update

/// Parameters and moments after two steps from fixed numbers; the arrays begin at element `first`.
std::vector<float> updated(Optimizer optimizer, std::size_t first, std::uint64_t seed) {
  constexpr std::int64_t kCount = 9001;
  const std::vector<ParameterSlice> slices{{.offset = 0, .size = 4099, .decay = true},
                                           {.offset = 4100, .size = 3, .decay = false},
                                           {.offset = 4103, .size = 0, .decay = true},
                                           {.offset = 4112, .size = 4889, .decay = true}};
  const auto from = [&](std::uint32_t number, float low) {
    return DeviceArray<float>(values(kCount, low, 1.0F, number), first);
  };
  const DeviceArray<float> p = from(3, -1.0F), g = from(4, -1.0F), m = from(5, -1.0F),
                           v = from(6, 0.0F);
  StepState state;
  state.learning_rate = 0.01F;
  state.bias_correction1 = 0.271F;
  state.bias_correction2 = 0.0588F;
  state.max_gradient_norm = 1.0F;
  state.gradient_sum_squares = 6.25;
  const DeviceArray<StepState> device_state(std::vector<StepState>{state});
  core::Stream stream(kGpu);
  simt::twin::set_seed(seed);
  for (int step = 0; step < 2; ++step) {
    cuda_ops().update({.optimizer = optimizer,
                       .slices = slices,
                       .parameters = p.view({kCount}),
                       .gradients = g.view({kCount}),
                       .moment1 = m.view({kCount}),
                       .moment2 = v.view({kCount}),
                       .weights = {},
                       .updates = {},
                       .state = device_state.data()},
                      stream);
  }
  std::vector<float> all;
  for (const auto* data : {&p, &m, &v}) {
    const std::vector<float> now = data->values();
    all.insert(all.end(), now.begin(), now.end());
  }
  return all;
}

TEST(UpdateKernel, arrays_that_begin_anywhere_and_any_order_of_threads_give_the_same_bits) {
  for (const Optimizer optimizer : {Optimizer::adamw, Optimizer::lamb}) {
    const std::vector<float> expected = updated(optimizer, 0, 0);
    for (std::size_t first = 0; first < 5; ++first) {
      EXPECT_EQ(updated(optimizer, first, first + 1), expected);
    }
  }
}

TEST(UpdateKernel, elements_between_slices_stay) {
  const std::vector<float> before = values(9001, -1.0F, 1.0F, 3);
  for (const Optimizer optimizer : {Optimizer::adamw, Optimizer::lamb}) {
    const std::vector<float> after = updated(optimizer, 0, 0);
    for (const std::size_t i : {4099U, 4103U, 4107U, 4111U}) EXPECT_EQ(after[i], before[i]) << i;
    for (const std::size_t i : {4098U, 4100U, 4102U, 4112U, 9000U}) EXPECT_NE(after[i], before[i]);
  }
}

}  // namespace
}  // namespace epi::kernels
