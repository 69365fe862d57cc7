// A NaN or an infinity in an operand shows in every number that depends on it, and in no other: a
// run that has gone wrong must be seen, and padding must not spread it. In fp32 and bf16 (where the
// back end takes it: ops_test says so if not).
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "core/buffer.hpp"
#include "kernels/operands.hpp"
#include "kernels/test_tensor.hpp"

namespace epi::kernels {
namespace {

using core::DType;
using core::Tensor;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// Odd sizes: products read and pack beyond each row's end, where the next row begins.
constexpr std::int64_t kM = 5, kK = 33, kN = 70;

/// Which elements must be non-finite; all others must be finite.
using Expected = std::function<bool(std::int64_t)>;

void expect_bad(const char* what, const ConstView& view, const Expected& is_bad) {
  for (std::int64_t i = 0; i < view.size(); ++i) {
    EXPECT_EQ(!std::isfinite(number_at(view, i)), is_bad(i)) << what << ", element " << i;
  }
}

Expected row(std::int64_t number, std::int64_t width) {
  return [=](std::int64_t i) { return i / width == number; };
}
Expected column(std::int64_t number, std::int64_t width) {
  return [=](std::int64_t i) { return i % width == number; };
}
Expected element(std::int64_t number) {
  return [=](std::int64_t i) { return i == number; };
}

class NonFinite : public testing::TestWithParam<DType> {
 protected:
  Tensor active(std::initializer_list<std::int64_t> shape) {
    return random_tensor(GetParam(), shape, ++salt_);
  }
  Tensor real(std::initializer_list<std::int64_t> shape) {
    return random_tensor(DType::f32, shape, ++salt_);
  }
  Tensor weight(std::initializer_list<std::int64_t> shape) {
    return random_tensor(ops.weights_type(GetParam()), shape, ++salt_);
  }
  Ops& ops = tested_ops_again();
  Stream stream{core::kCpu};
  StepState state;

 private:
  std::uint32_t salt_ = 0;
};

TEST_P(NonFinite, linear_has_it_in_the_row_of_the_input) {
  for (const float bad : {kNan, kInf, -kInf}) {
    for (const std::int64_t where : {std::int64_t{0}, kK - 1}) {
      const Tensor x = active({kM, kK}), w = weight({kN, kK}), y = active({kM, kN});
      set_number(x, 2 * kK + where, bad);
      ops.linear({.x = x, .w = w, .b = {}, .y = y, .pre = {}}, stream);
      expect_bad("y", y, row(2, kN));
    }
  }
}

TEST_P(NonFinite, linear_has_it_in_the_column_of_the_weight) {
  for (const float bad : {kNan, kInf, -kInf}) {
    for (const std::int64_t where : {std::int64_t{0}, kK - 1}) {
      const Tensor x = active({kM, kK}), w = weight({kN, kK}), y = active({kM, kN});
      set_number(w, 66 * kK + where, bad);
      ops.linear({.x = x, .w = w, .b = {}, .y = y, .pre = {}}, stream);
      expect_bad("y", y, column(66, kN));
    }
  }
}

TEST_P(NonFinite, linear_with_gelu_keeps_nan) {
  const Tensor x = active({kM, kK}), w = weight({kN, kK}), y = active({kM, kN}), b = weight({kN}),
               pre = active({kM, kN});
  set_number(b, 7, kNan);
  ops.linear({.x = x, .w = w, .b = b, .epilogue = Activation::gelu_tanh, .y = y, .pre = pre},
             stream);
  expect_bad("y", y, column(7, kN));
  expect_bad("pre", pre, column(7, kN));
}

TEST_P(NonFinite, linear_grad_input_has_it_in_the_row_of_the_gradient) {
  for (const float bad : {kNan, kInf}) {
    const Tensor dy = active({kM, kN}), w = weight({kN, kK}), dx = active({kM, kK});
    set_number(dy, 2 * kN + 69, bad);
    ops.linear_grad_input({.dy = dy, .w = w, .pre = {}, .dx = dx}, stream);
    expect_bad("dx", dx, row(2, kK));
  }
  const Tensor dy = active({kM, kN}), w = weight({kN, kK}), pre = active({kM, kK}),
               dx = active({kM, kK});
  set_number(pre, 40, kNan);
  ops.linear_grad_input({.dy = dy, .w = w, .epilogue = Activation::gelu_tanh, .pre = pre, .dx = dx},
                        stream);
  expect_bad("dx", dx, element(40));
}

TEST_P(NonFinite, linear_grad_weight_has_it_in_the_row_or_column) {
  for (const Activation activation : {Activation::none, Activation::gelu, Activation::gelu_tanh}) {
    for (const std::int64_t m : {std::int64_t{0}, kM - 1}) {
      Tensor dy = active({kM, kN}), x = active({kM, kK}), dw = real({kN, kK}), db = real({kN});
      set_number(x, m * kK + 7, kNan);
      ops.linear_grad_weight({.dy = dy, .x = x, .activation = activation, .dw = dw, .db = db},
                             stream);
      expect_bad("dw", dw, column(7, kK));
      expect_bad("db", db, [](std::int64_t) { return false; });
      x = active({kM, kK});
      set_number(dy, m * kN + 68, kNan);
      ops.linear_grad_weight({.dy = dy, .x = x, .activation = activation, .dw = dw, .db = db},
                             stream);
      expect_bad("dw", dw, row(68, kK));
      expect_bad("db", db, element(68));
    }
  }
}

/// Two samples of 19 tokens, two heads of 8.
struct Attention {
  static constexpr std::int64_t kTokens = 19, kSize = 8, kHidden = 16;
  /// Element of qkv of sample 0; part 0: query, 1: key, 2: value.
  static std::int64_t at(std::int64_t token, std::int64_t part, std::int64_t head, std::int64_t d) {
    return token * 3 * kHidden + part * kHidden + head * kSize + d;
  }
  /// Elements of out [2, T, H] of sample 0 and one head.
  static bool in_head(std::int64_t i, std::int64_t head) {
    return i < kTokens * kHidden && i % kHidden / kSize == head;
  }
};

TEST_P(NonFinite, attention_has_it_in_what_reads_the_query_key_or_value) {
  using A = Attention;
  for (const std::int64_t part : {0, 1, 2}) {
    const Tensor qkv = active({2, A::kTokens, 3 * A::kHidden}),
                 out = active({2, A::kTokens, A::kHidden}), lse = real({2, 2, A::kTokens});
    set_number(qkv, A::at(17, part, 1, 3), kNan);
    ops.attend({.qkv = qkv, .heads = 2, .lengths = {}, .out = out, .lse = lse}, stream);
    expect_bad("out", out, [&](std::int64_t i) {
      const bool query = part != 0 || i / A::kHidden == 17;
      const bool dimension = part != 2 || i % A::kSize == 3;
      return A::in_head(i, 1) && query && dimension;
    });
    expect_bad("lse", lse, [&](std::int64_t i) {
      const bool head = i / A::kTokens == 1;
      return head && part != 2 && (part == 1 || i % A::kTokens == 17);
    });
  }
}

TEST_P(NonFinite, attention_gradient_has_it_in_what_reads_the_query) {
  using A = Attention;
  const Tensor qkv = active({2, A::kTokens, 3 * A::kHidden}),
               out = active({2, A::kTokens, A::kHidden}), lse = real({2, 2, A::kTokens}),
               dout = active({2, A::kTokens, A::kHidden}),
               dqkv = active({2, A::kTokens, 3 * A::kHidden});
  ops.attend({.qkv = qkv, .heads = 2, .lengths = {}, .out = out, .lse = lse}, stream);
  set_number(dout, 4 * A::kHidden + A::kSize + 5, kNan);  // token 4, head 1
  ops.attend_grad(
      {.qkv = qkv, .heads = 2, .lengths = {}, .out = out, .lse = lse, .dout = dout, .dqkv = dqkv},
      stream);
  expect_bad("dqkv", dqkv, [](std::int64_t i) {
    const std::int64_t token = i / (3 * A::kHidden), part = i / A::kHidden % 3;
    const bool head = token < A::kTokens && i % A::kHidden / A::kSize == 1;
    if (part == 0) return head && token == 4;  // its own query
    if (part == 1) return head;                // every key
    return head && i % A::kSize == 5;          // every value, in this dimension
  });
}

TEST_P(NonFinite, norm_and_its_gradient_have_it_in_the_row) {
  for (const std::int64_t hidden : {3, 33, 64}) {
    const std::int64_t rows = 7;
    const Tensor x = active({rows, hidden}), residual = active({rows, hidden}),
                 gamma = real({hidden}), beta = real({hidden}), out = active({rows, hidden}),
                 sum = active({rows, hidden}), mean = real({rows}), rstd = real({rows});
    set_number(residual, 3 * hidden + 2, kNan);
    ops.add_norm({.x = x,
                  .residual = residual,
                  .gamma = gamma,
                  .beta = beta,
                  .out = out,
                  .sum = sum,
                  .mean = mean,
                  .rstd = rstd},
                 stream);
    expect_bad("out", out, row(3, hidden));
    expect_bad("sum", sum, element(3 * hidden + 2));
    const Tensor dout = active({rows, hidden}), dresidual = active({rows, hidden}),
                 dgamma = real({hidden}), dbeta = real({hidden}), good = active({rows, hidden}),
                 zeros(DType::f32, {rows});
    set_number(dout, 4 * hidden + 1, kNan);
    ops.add_norm_grad({.sum = good,
                       .mean = zeros,
                       .rstd = zeros,
                       .gamma = gamma,
                       .dout = dout,
                       .dresidual = dresidual,
                       .dgamma = dgamma,
                       .dbeta = dbeta},
                      stream);
    expect_bad("dresidual", dresidual, row(4, hidden));
    expect_bad("dgamma", dgamma, element(1));
    expect_bad("dbeta", dbeta, element(1));
  }
}

TEST_P(NonFinite, embedding_has_it_in_the_tokens_of_the_row) {
  const std::int64_t tokens = 9, hidden = 21;
  const Tensor rows = real({4, hidden}), gamma = real({hidden}), beta = real({hidden}),
               out = active({1, tokens, hidden}), mean = real({tokens}), rstd = real({tokens});
  const Tensor index(DType::i32, {tokens});
  index.as<std::int32_t>()[5] = 2;
  set_number(rows, 2 * hidden, kNan);
  EmbedArgs args{
      .tables = {}, .gamma = gamma, .beta = beta, .out = out, .mean = mean, .rstd = rstd};
  args.tables[0] = {rows, index};
  ops.embed(args, stream);
  expect_bad("out", out, row(5, hidden));
}

TEST_P(NonFinite, gathered_and_scattered_rows_have_it) {
  const std::int64_t hidden = 21;
  for (const float bad : {kNan, kInf}) {
    const Tensor in = active({4, hidden}), picked = active({3, hidden}), rows(DType::i32, {3}),
                 out = active({4, hidden});
    rows.as<std::int32_t>()[1] = 2;
    set_number(in, 2 * hidden + 20, bad);
    ops.gather_rows({.in = in, .rows = rows, .weights = {}, .out = picked}, stream);
    expect_bad("gathered", picked, element(hidden + 20));
    ops.scatter_rows({.in = picked, .rows = rows, .weights = {}, .out = out}, stream);
    expect_bad("scattered", out, element(2 * hidden + 20));
  }
}

TEST_P(NonFinite, activations_and_their_gradients_keep_nan) {
  for (const Activation activation : {Activation::gelu, Activation::gelu_tanh, Activation::tanh}) {
    for (const std::int64_t where : {0, 15, 16, 36}) {
      const Tensor x = active({37}), y = active({37}), dy = active({37});
      set_number(x, where, kNan);
      ops.activate({activation, x, y}, stream);
      expect_bad("y", y, element(where));
      ops.activate_grad({activation, x, dy, y}, stream);
      expect_bad("dx", y, element(where));
    }
  }
}

TEST_P(NonFinite, class_loss_has_it_in_the_row_and_in_the_total) {
  const Tensor logits = active({3, 21}), weights = real({3}), losses = real({3}),
               labels(DType::i32, {3}), totals(DType::f64, {3});
  for (std::int64_t i = 0; i < 3; ++i) set_number(weights, i, 1.0F);
  set_number(logits, 21 + 17, kNan);
  ops.class_loss({.logits = logits,
                  .labels = labels,
                  .weights = weights,
                  .state = &state,
                  .totals = totals,
                  .row_loss = losses,
                  .predicted = {}},
                 stream);
  expect_bad("row_loss", losses, element(1));
  expect_bad("gradient", logits, row(1, 21));
  EXPECT_TRUE(std::isnan(totals.as<double>()[0]));
}

std::vector<DType> activation_types() {
  std::vector<DType> types{DType::f32};
  if (tested_ops().takes(DType::bf16)) types.push_back(DType::bf16);
  return types;
}

INSTANTIATE_TEST_SUITE_P(Types, NonFinite, testing::ValuesIn(activation_types()),
                         [](const auto& test) {
                           return test.param == DType::f32 ? "fp32" : "bf16";
                         });

}  // namespace
}  // namespace epi::kernels
