// No op allocates after its first call with a shape, in fp32 as in bf16: operator new is counted
// and scratch may not grow. Tensors are made before.
#include <gtest/gtest.h>

#include <functional>
#include <list>
#include <string>
#include <vector>

#include "kernels/count_allocations.hpp"
#include "kernels/ops.hpp"
#include "kernels/test_tensor.hpp"

namespace epi::kernels {
namespace {

using core::DType;
using core::Tensor;

struct Call {
  std::string op;
  std::function<void()> run;
};

/// One call of each op that computes, of sizes that give more tasks than threads.
class Calls {
 public:
  explicit Calls(DType type) : type_(type), ops_(make_cpu_ops(2)) {
    state_.loss_scale = {1.0F, 1.0F, 1.0F};
    add_products();
    add_attention();
    add_norms();
    add_embeddings();
    add_rows();
    add_flat();
  }
  [[nodiscard]] const Ops& ops() const { return *ops_; }
  [[nodiscard]] const std::vector<Call>& all() const { return calls_; }

 private:
  static constexpr std::int64_t kBatch = 2, kTokens = 131, kHidden = 48, kRows = kBatch * kTokens;
  static constexpr Dropout kDropout{.probability = 0.1F, .layer = 1, .site = 2};

  template <class Args>
  void add(const char* name, void (Ops::*op)(const Args&, Stream&), const Args& args) {
    calls_.push_back({name, [this, op, args] { ((*ops_).*op)(args, stream_); }});
  }
  /// f32, whatever activations are.
  const Tensor& real(std::initializer_list<std::int64_t> shape) {
    return tensors_.emplace_back(random_tensor(DType::f32, shape, 1));
  }
  const Tensor& active(std::initializer_list<std::int64_t> shape) {
    return tensors_.emplace_back(random_tensor(type_, shape, 2));
  }
  /// Whole numbers from 0 on.
  const Tensor& index(std::int64_t count, std::int32_t below, std::int32_t first = 0) {
    const Tensor& tensor = tensors_.emplace_back(DType::i32, std::initializer_list{count});
    for (std::int64_t i = 0; i < count; ++i) {
      tensor.as<std::int32_t>()[i] = first + static_cast<std::int32_t>(i * 7919) % below;
    }
    return tensor;
  }

  void add_products() {
    const std::int64_t m = 259, k = 75, n = 393;
    const Tensor &x = active({m, k}), &w = real({n, k}), &dy = active({m, n});
    add("linear", &Ops::linear,
        LinearArgs{.x = x,
                   .w = w,
                   .b = real({n}),
                   .epilogue = Activation::gelu_tanh,
                   .y = active({m, n}),
                   .pre = active({m, n})});
    add("linear_grad_input", &Ops::linear_grad_input,
        LinearGradInputArgs{.dy = dy,
                            .w = w,
                            .epilogue = Activation::gelu_tanh,
                            .pre = active({m, k}),
                            .write = Write::add,
                            .dx = active({m, k})});
    for (const Activation activation : {Activation::none, Activation::gelu}) {
      add("linear_grad_weight", &Ops::linear_grad_weight,
          LinearGradWeightArgs{
              .dy = dy, .x = x, .activation = activation, .dw = real({n, k}), .db = real({n})});
    }
  }

  void add_attention() {
    const Tensor &qkv = active({kBatch, kTokens, 3 * kHidden}), &lse = real({kBatch, 3, kTokens});
    const Tensor& out = active({kBatch, kTokens, kHidden});
    const Tensor& lengths = index(kBatch, 2, kTokens - 2);
    add("attend", &Ops::attend,
        AttendArgs{.qkv = qkv,
                   .heads = 3,
                   .lengths = lengths,
                   .dropout = kDropout,
                   .state = &state_,
                   .out = out,
                   .lse = lse});
    add("attend_grad", &Ops::attend_grad,
        AttendGradArgs{.qkv = qkv,
                       .heads = 3,
                       .lengths = lengths,
                       .dropout = kDropout,
                       .state = &state_,
                       .out = out,
                       .lse = lse,
                       .dout = active({kBatch, kTokens, kHidden}),
                       .dqkv = active({kBatch, kTokens, 3 * kHidden})});
  }

  void add_norms() {
    const Tensor &sum = active({kBatch, kTokens, kHidden}), &mean = real({kRows}),
                 &rstd = real({kRows}), &gamma = real({kHidden});
    add("add_norm", &Ops::add_norm,
        AddNormArgs{.x = active({kBatch, kTokens, kHidden}),
                    .residual = active({kBatch, kTokens, kHidden}),
                    .gamma = gamma,
                    .beta = real({kHidden}),
                    .dropout = kDropout,
                    .state = &state_,
                    .out = active({kBatch, kTokens, kHidden}),
                    .sum = sum,
                    .mean = mean,
                    .rstd = rstd});
    add("add_norm_grad", &Ops::add_norm_grad,
        AddNormGradArgs{.sum = sum,
                        .mean = mean,
                        .rstd = rstd,
                        .gamma = gamma,
                        .dropout = kDropout,
                        .state = &state_,
                        .dout = active({kBatch, kTokens, kHidden}),
                        .dresidual = active({kBatch, kTokens, kHidden}),
                        .dx = active({kBatch, kTokens, kHidden}),
                        .dgamma = real({kHidden}),
                        .dbeta = real({kHidden})});
  }

  void add_embeddings() {
    EmbedArgs forward{.tables = {},
                      .gamma = real({kHidden}),
                      .beta = real({kHidden}),
                      .dropout = kDropout,
                      .state = &state_,
                      .out = active({kBatch, kTokens, kHidden}),
                      .mean = real({kRows}),
                      .rstd = real({kRows})};
    forward.tables[0] = {real({69, kHidden}), index(kRows, 69)};
    forward.tables[1] = {real({kTokens, kHidden}), {}};
    EmbedGradArgs gradient{.tables = forward.tables,
                           .gamma = forward.gamma,
                           .dropout = kDropout,
                           .state = &state_,
                           .mean = forward.mean,
                           .rstd = forward.rstd,
                           .dout = active({kBatch, kTokens, kHidden}),
                           .drows = {},
                           .write = {Write::add, Write::set},
                           .dgamma = real({kHidden}),
                           .dbeta = real({kHidden})};
    gradient.drows[0] = real({69, kHidden});
    gradient.drows[1] = real({kTokens, kHidden});
    add("embed", &Ops::embed, forward);
    add("embed_grad", &Ops::embed_grad, gradient);
  }

  void add_rows() {
    const Tensor& rows = index(90, kRows);
    const Tensor &whole = active({kRows, kHidden}), &picked = active({90, kHidden});
    add("gather_rows", &Ops::gather_rows,
        GatherRowsArgs{.in = whole, .rows = rows, .weights = real({90}), .out = picked});
    add("scatter_rows", &Ops::scatter_rows,
        ScatterRowsArgs{.in = picked, .rows = rows, .weights = {}, .out = whole});
    add("class_loss", &Ops::class_loss,
        ClassLossArgs{
            .logits = active({90, 69}),
            .labels = index(90, 69),
            .weights = real({90}),
            .state = &state_,
            .totals = tensors_.emplace_back(DType::f64, std::initializer_list<std::int64_t>{3}),
            .row_loss = {},
            .predicted = {}});
  }

  void add_flat() {
    const std::int64_t size = 70001;
    const Tensor &x = active({size}), &y = active({size}), &dx = active({size});
    const Tensor &a = real({size}), &b = real({size});
    const Tensor& half = tensors_.emplace_back(DType::bf16, std::initializer_list{size});
    const Tensor& sum = tensors_.emplace_back(DType::f64, std::initializer_list<std::int64_t>{1});
    add("activate", &Ops::activate, ActivateArgs{Activation::gelu, x, y});
    add("activate_grad", &Ops::activate_grad, ActivateGradArgs{Activation::gelu, x, y, dx});
    add("combine", &Ops::combine, CombineArgs{a, b, b});
    add("convert", &Ops::convert, ConvertArgs{a, half});
    add("sum_squares", &Ops::sum_squares, SumSquaresArgs{a, sum});
    for (const Optimizer optimizer : {Optimizer::adamw, Optimizer::lamb}) {
      add("update", &Ops::update,
          UpdateArgs{.optimizer = optimizer,
                     .slices = slices_,
                     .parameters = b,
                     .gradients = a,
                     .moment1 = real({size}),
                     .moment2 = real({size}),
                     .state = &state_});
    }
  }

  DType type_;
  std::unique_ptr<Ops> ops_;
  Stream stream_{core::kCpu};
  StepState state_;
  std::vector<ParameterSlice> slices_{{.offset = 0, .size = 70001, .decay = true}};
  std::list<Tensor> tensors_;
  std::vector<Call> calls_;
};

void expect_none_after_the_first_calls(DType type) {
  const Calls calls(type);
  if (!calls.ops().takes(type)) GTEST_SKIP() << "NO BF16 HERE: its allocations are not counted";
  for (const Call& call : calls.all()) call.run();
  const std::size_t scratch = calls.ops().scratch_bytes();
  for (int repeat = 0; repeat < 2; ++repeat) {
    for (const Call& call : calls.all()) {
      const std::int64_t before = epi::testing::allocations();
      call.run();
      EXPECT_EQ(epi::testing::allocations(), before) << call.op;
    }
  }
  EXPECT_EQ(calls.ops().scratch_bytes(), scratch);
  EXPECT_GT(epi::testing::allocations(), 0) << "the counter counts";
}

TEST(OpAllocation, none_after_the_first_call_in_fp32) {
  expect_none_after_the_first_calls(DType::f32);
}

TEST(OpAllocation, none_after_the_first_call_in_bf16) {
  expect_none_after_the_first_calls(DType::bf16);
}

}  // namespace
}  // namespace epi::kernels
