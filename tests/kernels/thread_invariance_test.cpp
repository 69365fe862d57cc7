// Every op that adds numbers gives the same bits at any number of threads: work is cut by shape.
// Sizes are awkward on purpose: more and fewer panels than threads, last pieces of every length.
// Activations are f32, and bf16 where the back end takes it (ops_test says so if not).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "core/buffer.hpp"
#include "core/philox.hpp"
#include "kernels/ops.hpp"
#include "kernels/test_tensor.hpp"

namespace epi::kernels {
namespace {

using core::DType;
using core::Tensor;

/// Tensors of one run. Inputs depend on their order of creation only; outputs are remembered.
class Bench {
 public:
  Bench(int threads, DType activations) : ops_(make_cpu_ops(threads)), activations_(activations) {}
  Ops& ops() { return *ops_; }
  Stream& stream() { return stream_; }
  const StepState* state() const { return &state_; }

  Tensor& input(std::initializer_list<std::int64_t> shape, float low = -1.0F, float high = 1.0F) {
    return filled(DType::f32, shape, low, high);
  }
  /// An input of the type of activations.
  Tensor& active(std::initializer_list<std::int64_t> shape) {
    return filled(activations_, shape, -1.0F, 1.0F);
  }
  /// Integers in 0..below-1.
  Tensor& index(std::initializer_list<std::int64_t> shape, std::int32_t below) {
    Tensor& tensor = tensors_.emplace_back(DType::i32, shape);
    for (std::int64_t i = 0; i < tensor.view().size(); ++i) {
      tensor.as<std::int32_t>()[i] = static_cast<std::int32_t>((i * 7919 + 13) % below);
    }
    return tensor;
  }
  Tensor& output(std::initializer_list<std::int64_t> shape, DType type = DType::f32) {
    Tensor& tensor = tensors_.emplace_back(type, shape);
    outputs_.push_back(&tensor);
    return tensor;
  }
  Tensor& active_output(std::initializer_list<std::int64_t> shape) {
    return output(shape, activations_);
  }
  /// Activations that an op changes.
  Tensor& active_in_out(std::initializer_list<std::int64_t> shape) {
    outputs_.push_back(&active(shape));
    return *outputs_.back();
  }
  /// An input that an op changes.
  Tensor& in_out(std::initializer_list<std::int64_t> shape) {
    outputs_.push_back(&input(shape));
    return *outputs_.back();
  }

  [[nodiscard]] std::string bytes() const {
    std::string all;
    for (const Tensor* tensor : outputs_) {
      all.append(reinterpret_cast<const char*>(tensor->view().raw()), tensor->view().bytes());
    }
    return all;
  }

 private:
  Tensor& filled(DType type, std::initializer_list<std::int64_t> shape, float low, float high) {
    Tensor& tensor = tensors_.emplace_back(type, shape);
    const auto salt = static_cast<std::uint32_t>(tensors_.size());
    for (std::int64_t i = 0; i < tensor.view().size(); ++i) {
      const auto block =
          core::philox(1, core::RandomUse::test, {static_cast<std::uint32_t>(i), salt, 0, 0});
      set_number(tensor, i, low + (high - low) * core::uniform_float(block[0]));
    }
    return tensor;
  }

  std::unique_ptr<Ops> ops_;
  DType activations_;
  Stream stream_{core::kCpu};
  StepState state_{.seed = 5, .first_slot = 9, .loss_scale = {0.1F, 0.1F, 0.1F}};
  std::list<Tensor> tensors_;
  std::vector<Tensor*> outputs_;
};

void expect_same_bits(DType activations, const std::function<void(Bench&)>& body) {
  std::string first;
  for (const int threads : {1, 2, 3, 5}) {
    Bench bench(threads, activations);
    body(bench);
    if (threads == 1) first = bench.bytes();
    ASSERT_FALSE(first.empty());
    const std::string bytes = bench.bytes();
    ASSERT_EQ(bytes.size(), first.size());
    EXPECT_TRUE(std::memcmp(bytes.data(), first.data(), first.size()) == 0)
        << threads << " threads give other bits than one"
        << (activations == DType::bf16 ? ", in bf16" : "");
  }
}

void expect_same_bits(const std::function<void(Bench&)>& body) {
  expect_same_bits(DType::f32, body);
  if (make_cpu_ops(1)->takes(DType::bf16)) expect_same_bits(DType::bf16, body);
}

struct Sizes {
  std::int64_t m, n, k;
};
const std::vector<Sizes> kProducts{
    {1, 1, 1}, {3, 17, 5}, {257, 193, 31}, {300, 401, 129}, {64, 768, 96}};

TEST(Linear, AnyThreads_forward_sameBits) {
  for (const auto& [m, n, k] : kProducts) {
    expect_same_bits([&](Bench& b) {
      b.ops().linear({.x = b.active({m, k}),
                      .w = b.input({n, k}),
                      .b = b.input({n}),
                      .epilogue = Activation::gelu_tanh,
                      .y = b.active_output({m, n}),
                      .pre = b.active_output({m, n})},
                     b.stream());
    });
  }
}

TEST(Linear, AnyThreads_gradients_sameBits) {
  for (const auto& [m, n, k] : kProducts) {
    expect_same_bits([&](Bench& b) {
      const Tensor& dy = b.active({m, n});
      b.ops().linear_grad_input({.dy = dy,
                                 .w = b.input({n, k}),
                                 .epilogue = Activation::gelu_tanh,
                                 .pre = b.active({m, k}),
                                 .dx = b.active_output({m, k})},
                                b.stream());
      b.ops().linear_grad_weight({.dy = dy,
                                  .x = b.active({m, k}),
                                  .activation = Activation::gelu,
                                  .write = Write::add,
                                  .dw = b.in_out({n, k}),
                                  .db = b.in_out({n})},
                                 b.stream());
    });
  }
}

TEST(Attend, AnyThreads_forwardAndGradient_sameBits) {
  struct Shape {
    std::int64_t batch, tokens, heads, size;
    float dropout;
  };
  for (const auto& [batch, tokens, heads, size, dropout] :
       {Shape{1, 1, 1, 1, 0.0F}, Shape{2, 67, 3, 5, 0.2F}, Shape{1, 530, 2, 16, 0.0F}}) {
    const std::int64_t hidden = heads * size;
    expect_same_bits([&](Bench& b) {
      const Tensor& qkv = b.active({batch, tokens, 3 * hidden});
      const Tensor& lengths = b.index({batch}, static_cast<std::int32_t>(tokens));
      for (std::int64_t i = 0; i < batch; ++i) lengths.as<std::int32_t>()[i] += 1;
      const Dropout drop{.probability = dropout, .layer = 1, .site = 2};
      const Tensor& out = b.active_output({batch, tokens, hidden});
      const Tensor& lse = b.output({batch, heads, tokens});
      const auto count = static_cast<std::int32_t>(heads);
      b.ops().attend({.qkv = qkv,
                      .heads = count,
                      .lengths = lengths,
                      .dropout = drop,
                      .state = b.state(),
                      .out = out,
                      .lse = lse},
                     b.stream());
      b.ops().attend_grad({.qkv = qkv,
                           .heads = count,
                           .lengths = lengths,
                           .dropout = drop,
                           .state = b.state(),
                           .out = out,
                           .lse = lse,
                           .dout = b.active({batch, tokens, hidden}),
                           .dqkv = b.active_output({batch, tokens, 3 * hidden})},
                          b.stream());
    });
  }
}

TEST(AddNorm, AnyThreads_forwardAndGradient_sameBits) {
  for (const std::int64_t tokens : {1, 37, 601}) {
    const std::int64_t hidden = 33, batch = 2, rows = batch * tokens;
    expect_same_bits([&](Bench& b) {
      const Tensor& gamma = b.input({hidden});
      const Tensor& sum = b.active_output({batch, tokens, hidden});
      const Tensor& mean = b.output({rows});
      const Tensor& rstd = b.output({rows});
      b.ops().add_norm({.x = b.active({batch, tokens, hidden}),
                        .residual = b.active({batch, tokens, hidden}),
                        .gamma = gamma,
                        .beta = b.input({hidden}),
                        .out = b.active_output({batch, tokens, hidden}),
                        .sum = sum,
                        .mean = mean,
                        .rstd = rstd},
                       b.stream());
      b.ops().add_norm_grad({.sum = sum,
                             .mean = mean,
                             .rstd = rstd,
                             .gamma = gamma,
                             .dout = b.active({batch, tokens, hidden}),
                             .dresidual = b.active_output({batch, tokens, hidden}),
                             .dgamma = b.output({hidden}),
                             .dbeta = b.output({hidden})},
                            b.stream());
    });
  }
}

TEST(EmbedGrad, AnyThreads_repeatedIndices_sameBits) {
  const std::int64_t batch = 3, tokens = 97, hidden = 20, rows = batch * tokens;
  expect_same_bits([&](Bench& b) {
    EmbedGradArgs args{.gamma = b.input({hidden}),
                       .mean = b.input({rows}),
                       .rstd = b.input({rows}, 0.5F, 2.0F),
                       .dout = b.active({batch, tokens, hidden}),
                       .dgamma = b.output({hidden}),
                       .dbeta = b.output({hidden})};
    args.tables[0] = {.rows = b.input({11, hidden}), .index = b.index({rows}, 11)};
    args.tables[1] = {.rows = b.input({tokens, hidden}), .index = {}};
    args.drows[0] = b.output({11, hidden});
    args.drows[1] = b.output({tokens, hidden});
    b.ops().embed_grad(args, b.stream());
  });
}

TEST(Losses, AnyThreads_classLossAndSumSquares_sameBits) {
  for (const std::int64_t rows : {1, 203}) {
    expect_same_bits([&](Bench& b) {
      const std::int64_t classes = 71;
      b.ops().class_loss({.logits = b.active_in_out({rows, classes}),
                          .labels = b.index({rows}, 71),
                          .weights = b.input({rows}, 0.0F, 1.0F),
                          .state = b.state(),
                          .totals = b.output({3}, DType::f64)},
                         b.stream());
      b.ops().sum_squares({.in = b.input({rows * 1001}), .out = b.output({1}, DType::f64)},
                          b.stream());
    });
  }
}

TEST(Rows, AnyThreads_embeddingsGatheredAndScatteredRows_sameBits) {
  const std::int64_t tokens = 301, hidden = 35, picked = 203;
  expect_same_bits([&](Bench& b) {
    EmbedArgs embed{.tables = {},
                    .gamma = b.input({hidden}),
                    .beta = b.input({hidden}),
                    .dropout = {.probability = 0.1F, .layer = 1, .site = 2},
                    .state = b.state(),
                    .out = b.active_output({2, tokens, hidden}),
                    .mean = b.output({2 * tokens}),
                    .rstd = b.output({2 * tokens})};
    embed.tables[0] = {.rows = b.input({11, hidden}), .index = b.index({2 * tokens}, 11)};
    b.ops().embed(embed, b.stream());
    const Tensor& rows = b.index({picked}, 150);
    const Tensor& some = b.active_output({picked, hidden});
    b.ops().gather_rows(
        {.in = b.active({150, hidden}), .rows = rows, .weights = b.input({picked}), .out = some},
        b.stream());
    b.ops().scatter_rows({.in = some,
                          .rows = rows,
                          .weights = {},
                          .write = Write::add,
                          .out = b.active_in_out({150, hidden})},
                         b.stream());
  });
}

TEST(Activations, AnyThreads_valueAndGradient_sameBits) {
  for (const Activation activation : {Activation::gelu, Activation::gelu_tanh, Activation::tanh}) {
    expect_same_bits([&](Bench& b) {
      const Tensor& x = b.active({100003});
      b.ops().activate({activation, x, b.active_output({100003})}, b.stream());
      b.ops().activate_grad({activation, x, b.active({100003}), b.active_output({100003})},
                            b.stream());
    });
  }
}

TEST(Update, AnyThreads_tensorsAcrossPieces_sameBits) {
  const std::int64_t size = 200'003;
  const std::vector<ParameterSlice> slices{{.offset = 0, .size = 150'001, .decay = true},
                                           {.offset = 150'001, .size = 77, .decay = false},
                                           {.offset = 150'080, .size = 49'923, .decay = true}};
  for (const Optimizer optimizer : {Optimizer::adamw, Optimizer::lamb}) {
    expect_same_bits([&](Bench& b) {
      StepState state;
      state.learning_rate = 0.01F;
      state.gradient_sum_squares = 4.0;
      const Tensor& moment2 = b.output({size});
      std::fill_n(moment2.as<float>(), size, 0.25F);
      b.ops().update({.optimizer = optimizer,
                      .slices = slices,
                      .parameters = b.in_out({size}),
                      .gradients = b.input({size}),
                      .moment1 = b.in_out({size}),
                      .moment2 = moment2,
                      .state = &state},
                     b.stream());
    });
  }
}

}  // namespace
}  // namespace epi::kernels
