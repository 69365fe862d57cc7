// Matrices whose rows are padded to Ops::row_width: results are those of rows without padding, and
// what lies in the padding is not read. Where a back end pads nothing there is nothing to see.
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "core/buffer.hpp"
#include "kernels/operands.hpp"
#include "kernels/test_tensor.hpp"
#include "reference/expect_close.hpp"

namespace epi::kernels {
namespace {

using core::DType;
using core::Tensor;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::int64_t kRows = 7, kInputs = 33;
constexpr std::array<std::int64_t, 5> kWidths{1, 5, 37, 64, 4101};

/// The same rows with padding of NaN after each.
Tensor padded(const Tensor& tensor, std::int64_t width) {
  const View& from = tensor.view();
  Tensor to(from.dtype(), {from.shape(0), width});
  for (std::int64_t i = 0; i < from.shape(0); ++i) {
    for (std::int64_t j = 0; j < width; ++j) {
      const bool inside = j < from.shape(1);
      set_number(to, i * width + j, inside ? number_at(from, i * from.shape(1) + j) : kNan);
    }
  }
  return to;
}

/// The first `columns` of each row.
Tensor cut(const Tensor& tensor, std::int64_t columns) {
  const View& from = tensor.view();
  Tensor to(from.dtype(), {from.shape(0), columns});
  for (std::int64_t i = 0; i < to.view().size(); ++i) {
    set_number(to, i, number_at(from, i / columns * from.shape(1) + i % columns));
  }
  return to;
}

class Padded : public testing::TestWithParam<std::tuple<DType, std::int64_t>> {
 protected:
  void expect_same(const Tensor& with, const Tensor& without) const {
    const bool halves = without.view().dtype() == DType::bf16;
    reference::expect_close(cut(with, without.view().shape(1)), without,
                            {.relative = halves ? 2 * kHalfPlace : 1e-6});
  }
  Tensor weight(std::initializer_list<std::int64_t> shape) const {
    return random_tensor(ops.weights_type(type), shape, 3);
  }
  const DType type = std::get<0>(GetParam());
  const std::int64_t columns = std::get<1>(GetParam());
  Ops& ops = tested_ops();
  const std::int64_t width = ops.row_width(columns, type);
  Stream stream{core::kCpu};
};

TEST_P(Padded, linear_writes_the_same_rows) {
  const Tensor x = random_tensor(type, {kRows, kInputs}, 1), w = weight({columns, kInputs}),
               b = weight({columns});
  for (const Activation epilogue : {Activation::none, Activation::gelu_tanh}) {
    const Tensor y(type, {kRows, columns}), wide(type, {kRows, width});
    const Tensor pre(type, {kRows, columns}), wide_pre(type, {kRows, width});
    const bool bare = epilogue == Activation::none;
    LinearArgs args{.x = x, .w = w, .b = b, .epilogue = epilogue, .y = y, .pre = {}};
    if (!bare) args.pre = pre;
    ops.linear(args, stream);
    args.y = wide;
    if (!bare) args.pre = wide_pre;
    ops.linear(args, stream);
    expect_same(wide, y);
    if (!bare) expect_same(wide_pre, pre);
  }
}

TEST_P(Padded, gradients_of_linear_are_the_same) {
  const Tensor dy = random_tensor(type, {kRows, columns}, 1), w = weight({columns, kInputs}),
               x = random_tensor(type, {kRows, kInputs}, 2);
  const Tensor wide = padded(dy, width);
  std::vector<Tensor> dx, dw, db;
  for (const Tensor* given : {&wide, &dy}) {
    dx.emplace_back(type, std::initializer_list<std::int64_t>{kRows, kInputs});
    dw.emplace_back(DType::f32, std::initializer_list<std::int64_t>{columns, kInputs});
    db.emplace_back(DType::f32, std::initializer_list<std::int64_t>{columns});
    ops.linear_grad_input({.dy = *given, .w = w, .pre = {}, .dx = dx.back()}, stream);
    ops.linear_grad_weight({.dy = *given, .x = x, .dw = dw.back(), .db = db.back()}, stream);
  }
  reference::expect_close(dx[0], dx[1], {.relative = type == DType::bf16 ? 2 * kHalfPlace : 1e-6});
  reference::expect_close(dw[0], dw[1], {.relative = 1e-6});
  reference::expect_close(db[0], db[1], {.relative = 1e-6});
}

TEST_P(Padded, class_loss_is_the_same) {
  const Tensor logits = random_tensor(type, {kRows, columns}, 1), labels(DType::i32, {kRows}),
               weights = random_tensor(DType::f32, {kRows}, 2);
  for (std::int64_t i = 0; i < kRows; ++i) {
    labels.as<std::int32_t>()[i] = static_cast<std::int32_t>(i * 11 % columns);
  }
  const Tensor wide = padded(logits, width);
  StepState state;
  state.loss_scale = {0.5F, 0, 0};
  std::vector<Tensor> totals, losses;
  for (const Tensor* given : {&wide, &logits}) {
    totals.emplace_back(DType::f64, std::initializer_list<std::int64_t>{3});
    losses.emplace_back(DType::f32, std::initializer_list<std::int64_t>{1, kRows});
    ops.class_loss({.logits = *given,
                    .classes = static_cast<std::int32_t>(columns),
                    .labels = labels,
                    .weights = weights,
                    .state = &state,
                    .totals = totals.back(),
                    .row_loss = losses.back(),
                    .predicted = {}},
                   stream);
  }
  expect_same(wide, logits);
  expect_same(losses[0], losses[1]);
  for (std::int64_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(totals[0].as<double>()[i], totals[1].as<double>()[i], 1e-4);
  }
}

std::vector<DType> types() {
  std::vector<DType> all{DType::f32};
  if (tested_ops().takes(DType::bf16)) all.push_back(DType::bf16);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Rows, Padded,
                         testing::Combine(testing::ValuesIn(types()), testing::ValuesIn(kWidths)));

}  // namespace
}  // namespace epi::kernels
