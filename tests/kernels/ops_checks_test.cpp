// Wrong operands are refused before anything is written, with a message that names the operand and
// both shapes. The back end here does nothing: only the checks run.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/buffer.hpp"
#include "kernels/ops.hpp"

namespace epi::kernels {
namespace {

using core::DType;
using core::LogicError;
using core::Tensor;

/// Counts the calls that pass the checks.
class CountingOps final : public Ops {
 public:
  int calls = 0;
  [[nodiscard]] core::Device device() const override { return core::kCpu; }
  [[nodiscard]] const char* description() const override { return "counting"; }
  bool has_bf16 = true;
  [[nodiscard]] bool takes(core::DType type) const override {
    return type == core::DType::f32 || has_bf16;
  }
  [[nodiscard]] const char* bf16_unit() const override { return "counting"; }
  core::DType weights = core::DType::f32;
  [[nodiscard]] core::DType weights_type(core::DType) const override { return weights; }
  std::int64_t padding = 0;
  [[nodiscard]] std::int64_t row_width(std::int64_t columns, core::DType) const override {
    return columns + padding;
  }
  [[nodiscard]] bool activates_operands() const override { return true; }
  [[nodiscard]] std::string choices() const override { return {}; }
  bool take_choices(const std::string&) override { return true; }
  [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }

 private:
  void do_assemble(const AssembleArgs&, Stream&) override { ++calls; }
  void do_embed(const EmbedArgs&, Stream&) override { ++calls; }
  void do_embed_grad(const EmbedGradArgs&, Stream&) override { ++calls; }
  void do_linear(const LinearArgs&, Stream&) override { ++calls; }
  void do_linear_grad_input(const LinearGradInputArgs&, Stream&) override { ++calls; }
  void do_linear_grad_weight(const LinearGradWeightArgs&, Stream&) override { ++calls; }
  void do_attend(const AttendArgs&, Stream&) override { ++calls; }
  void do_attend_grad(const AttendGradArgs&, Stream&) override { ++calls; }
  void do_add_norm(const AddNormArgs&, Stream&) override { ++calls; }
  void do_add_norm_grad(const AddNormGradArgs&, Stream&) override { ++calls; }
  void do_gather_rows(const GatherRowsArgs&, Stream&) override { ++calls; }
  void do_scatter_rows(const ScatterRowsArgs&, Stream&) override { ++calls; }
  void do_activate(const ActivateArgs&, Stream&) override { ++calls; }
  void do_activate_grad(const ActivateGradArgs&, Stream&) override { ++calls; }
  void do_class_loss(const ClassLossArgs&, Stream&) override { ++calls; }
  void do_value_loss(const ValueLossArgs&, Stream&) override { ++calls; }
  void do_combine(const CombineArgs&, Stream&) override { ++calls; }
  void do_convert(const ConvertArgs&, Stream&) override { ++calls; }
  void do_sum_squares(const SumSquaresArgs&, Stream&) override { ++calls; }
  void do_begin_step(const BeginStepArgs&, Stream&) override { ++calls; }
  void do_update(const UpdateArgs&, Stream&) override { ++calls; }
};

Tensor real(std::initializer_list<std::int64_t> shape) {
  return {DType::f32, shape};
}

class OpsChecks : public testing::Test {
 protected:
  CountingOps ops;
  Stream stream{core::kCpu};

  /// Runs the op; its message must hold all of `parts`, and the back end must not be reached.
  template <class Args>
  void refuses(void (Ops::*entry)(const Args&, Stream&), const Args& args,
               const std::vector<std::string>& parts) {
    try {
      (ops.*entry)(args, stream);
      ADD_FAILURE() << "accepted; expected a message with " << parts.front();
    } catch (const LogicError& error) {
      for (const std::string& part : parts) {
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
      }
    }
    EXPECT_EQ(ops.calls, 0);
  }
};

/// A valid add_norm; tests spoil one operand.
struct AddNormOperands {
  Tensor x = real({2, 3, 4}), residual = real({2, 3, 4}), gamma = real({4}), beta = real({4}),
         out = real({2, 3, 4}), sum = real({2, 3, 4}), mean = real({6}), rstd = real({2, 3});
  AddNormArgs args{.x = x,
                   .residual = residual,
                   .gamma = gamma,
                   .beta = beta,
                   .out = out,
                   .sum = sum,
                   .mean = mean,
                   .rstd = rstd};
};

TEST_F(OpsChecks, rows_with_padding_are_taken_where_the_back_end_has_it) {
  const Tensor x = real({5, 8});
  const Tensor w = real({3, 8});
  const Tensor y = real({5, 4});
  const LinearArgs args{.x = x, .w = w, .y = y};
  refuses(&Ops::linear, args, {"y", "[5, 3]", "[5, 4]"});
  ops.padding = 1;
  ops.linear(args, stream);
  EXPECT_EQ(ops.calls, 1);
}

TEST_F(OpsChecks, weights_are_of_the_type_of_the_back_end) {
  const Tensor x = real({5, 8});
  const Tensor w = real({3, 8});
  const Tensor y = real({5, 3});
  ops.weights = DType::bf16;
  refuses(&Ops::linear, LinearArgs{.x = x, .w = w, .y = y}, {"w", "bf16", "f32"});
}

TEST_F(OpsChecks, good_operands_reach_the_back_end) {
  AddNormOperands o;
  ops.add_norm(o.args, stream);
  o.args.residual = {};
  ops.add_norm(o.args, stream);
  o.args.sum = View(const_cast<std::byte*>(o.args.x.raw()), DType::f32, {2, 3, 4}, core::kCpu);
  ops.add_norm(o.args, stream);  // the aliasing that the contract allows
  EXPECT_EQ(ops.calls, 3);
}

TEST_F(OpsChecks, wrong_shape_names_both_shapes) {
  AddNormOperands o;
  const Tensor five = real({5});
  o.args.gamma = five;
  refuses(&Ops::add_norm, o.args, {"add_norm", "gamma is f32[5]", "must be f32[4]"});
}

TEST_F(OpsChecks, wrong_type_names_both_types) {
  AddNormOperands o;
  const Tensor other(DType::f64, {4});
  o.args.beta = other;
  refuses(&Ops::add_norm, o.args, {"beta is f64[4]", "must be f32[4]"});
}

TEST_F(OpsChecks, absent_operand_is_named) {
  AddNormOperands o;
  o.args.mean = {};
  refuses(&Ops::add_norm, o.args, {"mean is absent", "f32[6]"});
  o = AddNormOperands();
  o.args.x = {};
  refuses(&Ops::add_norm, o.args, {"x is absent"});
}

TEST_F(OpsChecks, unlike_residual_is_refused) {
  AddNormOperands o;
  const Tensor flat = real({6, 4});
  o.args.residual = flat;
  refuses(&Ops::add_norm, o.args, {"residual is f32[6, 4]", "must be f32[2, 3, 4]"});
}

TEST_F(OpsChecks, overlapping_output_is_refused) {
  AddNormOperands o;
  o.args.out = o.args.sum;
  refuses(&Ops::add_norm, o.args, {"out f32[2, 3, 4] and sum f32[2, 3, 4] overlap"});
  const Tensor both = real({25});
  o = AddNormOperands();
  o.args.x = both.view().slice(0, 24).reshape({2, 3, 4});
  o.args.sum = both.view().slice(1, 24).reshape({2, 3, 4});  // shifted by one: not the same memory
  refuses(&Ops::add_norm, o.args, {"x f32[2, 3, 4] and sum f32[2, 3, 4] overlap"});
}

TEST_F(OpsChecks, dropout_without_state_is_refused) {
  AddNormOperands o;
  o.args.dropout.probability = 0.1F;
  refuses(&Ops::add_norm, o.args, {"dropout needs a StepState"});
  StepState state;
  o.args.state = &state;
  o.args.dropout.probability = 1.0F;
  refuses(&Ops::add_norm, o.args, {"probability must be in [0, 1)"});
}

TEST_F(OpsChecks, linear_with_unlike_inner_sizes_is_refused) {
  const Tensor x = real({7, 3}), w = real({5, 4}), y = real({7, 5});
  refuses(&Ops::linear, LinearArgs{.x = x, .w = w, .b = {}, .y = y, .pre = {}},
          {"w is f32[5, 4]", "must be f32[5, 3]"});
}

TEST_F(OpsChecks, linear_epilogue_needs_room_for_its_input) {
  const Tensor x = real({7, 3}), w = real({5, 3}), y = real({7, 5});
  LinearArgs args{.x = x, .w = w, .b = {}, .epilogue = Activation::gelu_tanh, .y = y, .pre = {}};
  refuses(&Ops::linear, args, {"pre is absent", "must be f32[7, 5]"});
  args.epilogue = Activation::gelu;
  refuses(&Ops::linear, args, {"epilogue must be none or gelu_tanh"});
  const Tensor pre = real({7, 5});
  args.epilogue = Activation::none;
  args.pre = pre;
  refuses(&Ops::linear, args, {"pre is f32[7, 5]", "must be absent"});
}

TEST_F(OpsChecks, linear_gradients_with_unlike_sizes_are_refused) {
  const Tensor dy = real({7, 5}), x = real({7, 3}), w = real({5, 3}), dw = real({3, 3}),
               dx = real({6, 3});
  refuses(&Ops::linear_grad_weight, LinearGradWeightArgs{.dy = dy, .x = x, .dw = dw, .db = {}},
          {"dy is f32[7, 5]", "must be f32[7, 3]"});
  refuses(&Ops::linear_grad_input, LinearGradInputArgs{.dy = dy, .w = w, .pre = {}, .dx = dx},
          {"dx is f32[6, 3]", "must be f32[7, 3]"});
}

TEST_F(OpsChecks, attend_with_heads_that_do_not_divide_is_refused) {
  const Tensor qkv = real({2, 3, 12}), out = real({2, 3, 4}), lse = real({2, 3, 3});
  refuses(&Ops::attend, AttendArgs{.qkv = qkv, .heads = 3, .lengths = {}, .out = out, .lse = lse},
          {"multiple of 3 * heads"});
}

TEST_F(OpsChecks, attend_with_wrong_lengths_is_refused) {
  const Tensor qkv = real({2, 3, 12}), out = real({2, 3, 4}), lse = real({2, 2, 3});
  const Tensor lengths(DType::i32, {3});
  refuses(&Ops::attend,
          AttendArgs{.qkv = qkv, .heads = 2, .lengths = lengths, .out = out, .lse = lse},
          {"lengths is i32[3]", "must be i32[2]"});
}

TEST_F(OpsChecks, embed_position_table_shorter_than_a_window_is_refused) {
  const Tensor rows = real({2, 4}), gamma = real({4}), beta = real({4}), out = real({1, 3, 4}),
               mean = real({3}), rstd = real({3});
  EmbedArgs args{
      .tables = {}, .gamma = gamma, .beta = beta, .out = out, .mean = mean, .rstd = rstd};
  refuses(&Ops::embed, args, {"at least one table"});
  args.tables[0] = {rows, {}};
  refuses(&Ops::embed, args, {"fewer rows than tokens"});
}

TEST_F(OpsChecks, add_norm_gradient_of_x_without_dropout_is_refused) {
  const Tensor sum = real({3, 4}), mean = real({3}), rstd = real({3}), gamma = real({4}),
               dout = real({3, 4}), dresidual = real({3, 4}), dx = real({3, 4}), dgamma = real({4}),
               dbeta = real({4});
  refuses(&Ops::add_norm_grad,
          AddNormGradArgs{.sum = sum,
                          .mean = mean,
                          .rstd = rstd,
                          .gamma = gamma,
                          .dout = dout,
                          .dresidual = dresidual,
                          .dx = dx,
                          .dgamma = dgamma,
                          .dbeta = dbeta},
          {"dx without dropout is f32[3, 4]", "must be absent"});
}

TEST_F(OpsChecks, gather_and_scatter_sizes_are_checked) {
  const Tensor in = real({5, 4}), out = real({3, 4}), weights = real({2});
  const Tensor rows(DType::i32, {2});
  refuses(&Ops::gather_rows, GatherRowsArgs{.in = in, .rows = rows, .weights = {}, .out = out},
          {"out is f32[3, 4]", "must be f32[2, 4]"});
  refuses(&Ops::scatter_rows,
          ScatterRowsArgs{.in = in, .rows = rows, .weights = weights, .out = out},
          {"rows is i32[2]", "must be i32[5]"});
}

TEST_F(OpsChecks, losses_without_state_or_with_float_totals_are_refused) {
  const Tensor logits = real({3, 5}), weights = real({3}), totals = real({3});
  const Tensor labels(DType::i32, {3});
  ClassLossArgs args{.logits = logits,
                     .labels = labels,
                     .weights = weights,
                     .totals = totals,
                     .row_loss = {},
                     .predicted = {}};
  refuses(&Ops::class_loss, args, {"needs a StepState"});
  StepState state;
  args.state = &state;
  refuses(&Ops::class_loss, args, {"totals is f32[3]", "must be f64[3]"});
}

TEST_F(OpsChecks, elementwise_sizes_are_checked) {
  const Tensor a = real({5}), b = real({6}), out = real({5});
  refuses(&Ops::combine, CombineArgs{a, b, out}, {"b is f32[6]", "must be f32[5]"});
  const Tensor totals(DType::f64, {5});
  refuses(&Ops::combine, CombineArgs{totals, totals, out}, {"out is f32[5]", "must be f64[5]"});
  refuses(&Ops::convert, ConvertArgs{a, out}, {"out is f32[5]", "must be bf16[5]"});
  refuses(&Ops::activate, ActivateArgs{Activation::none, a, out}, {"without an activation"});
  refuses(&Ops::sum_squares, SumSquaresArgs{a, out}, {"out is f32[5]", "must be f64[1]"});
}

TEST_F(OpsChecks, update_slices_outside_or_twice_are_refused) {
  const Tensor p = real({10}), g = real({10}), m = real({10}), v = real({10});
  StepState state;
  const std::vector<ParameterSlice> outside{{.offset = 8, .size = 3}};
  const std::vector<ParameterSlice> twice{{.offset = 0, .size = 5}, {.offset = 4, .size = 2}};
  UpdateArgs args{.slices = outside,
                  .parameters = p,
                  .gradients = g,
                  .moment1 = m,
                  .moment2 = v,
                  .state = &state};
  refuses(&Ops::update, args, {"slices must ascend"});
  args.slices = twice;
  refuses(&Ops::update, args, {"slices must ascend"});
}

// --- types of activations: f32 or bf16, one of them for all of a call

Tensor half(std::initializer_list<std::int64_t> shape) {
  return {DType::bf16, shape};
}
Tensor whole(std::initializer_list<std::int64_t> shape) {
  return {DType::i32, shape};
}

TEST_F(OpsChecks, bf16_activations_with_f32_parameters_reach_the_back_end) {
  const Tensor x = half({7, 3}), w = real({5, 3}), b = real({5}), y = half({7, 5}),
               pre = half({7, 5}), dw = real({5, 3}), dx = half({7, 3});
  ops.linear({.x = x, .w = w, .b = b, .epilogue = Activation::gelu_tanh, .y = y, .pre = pre},
             stream);
  ops.linear_grad_weight({.dy = y, .x = x, .activation = Activation::gelu, .dw = dw, .db = b},
                         stream);
  ops.linear_grad_input({.dy = y, .w = w, .pre = {}, .dx = dx}, stream);
  EXPECT_EQ(ops.calls, 3);
}

TEST_F(OpsChecks, linear_of_mixed_types_is_refused) {
  const Tensor x = half({7, 3}), x32 = real({7, 3}), w = real({5, 3}), w16 = half({5, 3}),
               b16 = half({5}), y = half({7, 5}), y32 = real({7, 5});
  refuses(&Ops::linear, LinearArgs{.x = x, .w = w, .b = {}, .y = y32, .pre = {}},
          {"y is f32[7, 5]", "must be bf16[7, 5]"});
  refuses(&Ops::linear, LinearArgs{.x = x32, .w = w, .b = {}, .y = y, .pre = {}},
          {"y is bf16[7, 5]", "must be f32[7, 5]"});
  refuses(
      &Ops::linear,
      LinearArgs{.x = x, .w = w, .b = {}, .epilogue = Activation::gelu_tanh, .y = y, .pre = y32},
      {"pre is f32[7, 5]", "must be bf16[7, 5]"});
  refuses(&Ops::linear, LinearArgs{.x = x, .w = w16, .b = {}, .y = y, .pre = {}},
          {"w is bf16[5, 3]", "must be f32[5, 3]"});
  refuses(&Ops::linear, LinearArgs{.x = x, .w = w, .b = b16, .y = y, .pre = {}},
          {"b is bf16[5]", "must be f32[5]"});
}

TEST_F(OpsChecks, linear_gradients_of_mixed_types_are_refused) {
  const Tensor dy = half({7, 5}), dy32 = real({7, 5}), x = half({7, 3}), x32 = real({7, 3}),
               w = real({5, 3}), dw16 = half({5, 3});
  refuses(&Ops::linear_grad_weight, LinearGradWeightArgs{.dy = dy, .x = x32, .dw = w, .db = {}},
          {"x is f32[7, 3]", "must be bf16[7, 3]"});
  refuses(&Ops::linear_grad_weight, LinearGradWeightArgs{.dy = dy, .x = x, .dw = dw16, .db = {}},
          {"dw is bf16[5, 3]", "must be f32[5, 3]"});
  refuses(&Ops::linear_grad_input, LinearGradInputArgs{.dy = dy32, .w = w, .pre = {}, .dx = x},
          {"dx is bf16[7, 3]", "must be f32[7, 3]"});
}

TEST_F(OpsChecks, weight_gradient_through_tanh_is_refused) {
  const Tensor dy = real({7, 5}), x = real({7, 3}), dw = real({5, 3});
  refuses(
      &Ops::linear_grad_weight,
      LinearGradWeightArgs{.dy = dy, .x = x, .activation = Activation::tanh, .dw = dw, .db = {}},
      {"linear_grad_weight", "none, gelu or gelu_tanh"});
}

TEST_F(OpsChecks, attention_of_mixed_types_is_refused) {
  const Tensor qkv = half({2, 3, 12}), out = half({2, 3, 4}), out32 = real({2, 3, 4}),
               lse = real({2, 2, 3}), lse16 = half({2, 2, 3}), dqkv32 = real({2, 3, 12});
  AttendArgs args{.qkv = qkv, .heads = 2, .lengths = {}, .out = out32, .lse = lse};
  refuses(&Ops::attend, args, {"out is f32[2, 3, 4]", "must be bf16[2, 3, 4]"});
  args.out = out;
  args.lse = lse16;
  refuses(&Ops::attend, args, {"lse is bf16[2, 2, 3]", "must be f32[12]"});
  AttendGradArgs grad{
      .qkv = qkv, .heads = 2, .lengths = {}, .out = out, .lse = lse, .dout = out32, .dqkv = dqkv32};
  refuses(&Ops::attend_grad, grad, {"dout is f32[2, 3, 4]", "must be bf16[2, 3, 4]"});
  const Tensor dout = half({2, 3, 4});
  grad.dout = dout;
  refuses(&Ops::attend_grad, grad, {"dqkv is f32[2, 3, 12]", "must be bf16[2, 3, 12]"});
}

TEST_F(OpsChecks, rows_of_mixed_types_are_refused) {
  AddNormOperands o;
  const Tensor x16 = half({2, 3, 4}), in16 = half({5, 4}), out = real({2, 4}), rows = whole({2});
  o.args.residual = x16;
  refuses(&Ops::add_norm, o.args, {"residual is bf16[2, 3, 4]", "must be f32[2, 3, 4]"});
  o = AddNormOperands();
  o.args.x = x16;
  refuses(&Ops::add_norm, o.args, {"residual is f32[2, 3, 4]", "must be bf16[2, 3, 4]"});
  refuses(&Ops::gather_rows, GatherRowsArgs{.in = in16, .rows = rows, .weights = {}, .out = out},
          {"out is f32[2, 4]", "must be bf16[2, 4]"});
  refuses(&Ops::activate, ActivateArgs{Activation::gelu, in16, out},
          {"y is f32[2, 4]", "bf16[5, 4]"});
}

TEST_F(OpsChecks, activations_of_whole_numbers_are_refused) {
  const Tensor x = whole({7, 3}), w = real({5, 3}), y = whole({7, 5}), qkv = whole({2, 3, 12}),
               out = whole({2, 3, 4}), lse = real({2, 2, 3}), rows = whole({7});
  const std::vector<std::string> message{"activations must be f32 or bf16"};
  refuses(&Ops::linear, LinearArgs{.x = x, .w = w, .b = {}, .y = y, .pre = {}}, message);
  refuses(&Ops::linear_grad_input, LinearGradInputArgs{.dy = y, .w = w, .pre = {}, .dx = x},
          message);
  refuses(&Ops::linear_grad_weight, LinearGradWeightArgs{.dy = y, .x = x, .dw = w, .db = {}},
          message);
  refuses(&Ops::attend, AttendArgs{.qkv = qkv, .heads = 2, .lengths = {}, .out = out, .lse = lse},
          message);
  refuses(&Ops::gather_rows, GatherRowsArgs{.in = x, .rows = rows, .weights = {}, .out = y},
          message);
  refuses(&Ops::activate, ActivateArgs{Activation::gelu, x, x}, message);
  AddNormOperands o;
  const Tensor three = whole({2, 3, 4});
  o.args.x = three;
  refuses(&Ops::add_norm, o.args, message);
}

TEST_F(OpsChecks, sums_and_totals_in_bf16_are_refused) {
  const Tensor a = half({5}), out = half({5}), one(DType::f64, {1});
  refuses(&Ops::combine, CombineArgs{a, a, out}, {"a is bf16[5]", "must be f32[5]"});
  refuses(&Ops::sum_squares, SumSquaresArgs{a, one}, {"in is bf16[5]", "must be f32[5]"});
  refuses(&Ops::convert, ConvertArgs{a, out}, {"out is bf16[5]", "must be f32[5]"});
}

/// A valid assemble of two windows; tests spoil one thing.
struct AssembleOperands {
  std::vector<std::uint8_t> bases = std::vector<std::uint8_t>(4000);
  std::vector<core::SegmentView> segments{
      {.contig = 0, .start_bp = 0, .length_bp = 4000, .bases = bases.data(), .states = nullptr}};
  core::CorpusView corpus{.segments = segments, .num_cells = 3, .num_states = 15, .bin_bp = 200};
  std::vector<core::SampleRef> samples{{.window = {0, 0}, .cell = 2},
                                       {.window = {0, 100}, .cell = -1}};
  TokenSpec tokens{.k = 6, .stride = 6, .length = 34};
  MaskSpec masks;
  StepState state;
  std::int64_t dna = dna_slots(tokens, masks);
  std::int64_t bins = state_slots(tokens, masks, 200);
  Tensor ids{DType::i32, {2, 34}}, types{DType::i32, {2, 34}}, dna_rows{DType::i32, {2, dna}},
      dna_labels{DType::i32, {2, dna}}, dna_weights{DType::f32, {2, dna}},
      state_rows{DType::i32, {2, bins}}, state_labels{DType::i32, {2, bins}},
      state_weights{DType::f32, {2, bins}}, counts{DType::i64, {kNumCounts}};
  AssembleArgs args{.corpus = &corpus,
                    .samples = samples,
                    .tokens = tokens,
                    .masks = masks,
                    .state = &state,
                    .token_ids = ids,
                    .type_ids = types,
                    .dna_rows = dna_rows,
                    .dna_labels = dna_labels,
                    .dna_weights = dna_weights,
                    .state_rows = state_rows,
                    .state_labels = state_labels,
                    .state_weights = state_weights,
                    .counts = counts};
};

TEST_F(OpsChecks, assemble_with_good_operands_is_called) {
  AssembleOperands o;
  ops.assemble(o.args, stream);
  EXPECT_EQ(ops.calls, 1);
}

TEST_F(OpsChecks, assemble_with_other_slots_than_the_masks_give_is_refused) {
  AssembleOperands o;
  const Tensor fewer(DType::i32, {2, 1});
  o.args.dna_labels = fewer;
  refuses(&Ops::assemble, o.args, {"dna_labels is i32[2, 1]", "must be i32[2, "});
  o.args.dna_labels = o.dna_labels;
  o.args.masks.dna_rate = 0.0F;
  refuses(&Ops::assemble, o.args, {"without targets must be absent"});
}

TEST_F(OpsChecks, assemble_of_a_window_outside_of_its_segment_is_the_inputs_fault) {
  AssembleOperands o;
  for (const core::WindowRef window : {core::WindowRef{0, 4000 - 191}, core::WindowRef{0, -1},
                                       core::WindowRef{1, 0}, core::WindowRef{-1, 0}}) {
    o.samples[1].window = window;
    EXPECT_THROW(ops.assemble(o.args, stream), core::InputError) << window.offset_bp;
  }
  o.samples[1] = {.window = {0, 4000 - 192}, .cell = 3};
  EXPECT_THROW(ops.assemble(o.args, stream), core::InputError);
  EXPECT_EQ(ops.calls, 0);
  o.samples[1].cell = 0;
  ops.assemble(o.args, stream);
  EXPECT_EQ(ops.calls, 1);
}

TEST_F(OpsChecks, bf16_where_it_is_not_taken_is_refused) {
  ops.has_bf16 = false;
  const Tensor x(core::DType::bf16, {4, 8}), y(core::DType::bf16, {4, 8});
  EXPECT_THROW(ops.activate({.activation = Activation::gelu, .x = x, .y = y}, stream), LogicError);
  EXPECT_EQ(ops.calls, 0);
}

}  // namespace
}  // namespace epi::kernels
