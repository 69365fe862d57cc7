// Composes encoder and heads. The order of construction is the order of the flat block, and
// backward runs against it, so "gradients from here on are done" is one falling number.
#include "model/masked_model.hpp"

#include <array>
#include <optional>
#include <vector>

#include "model/class_head.hpp"
#include "model/encoder.hpp"

namespace epi::model {
namespace {

using core::DType;

const ModelConfig& checked(const ModelConfig& config, const BatchShape& shape) {
  config.check();
  shape.check(config);
  return config;
}

/// Elements between parameters, where the block is padded.
std::vector<Slice> padding_of(const ParameterTable& table) {
  std::vector<Slice> gaps;
  const auto& parameters = table.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::int64_t end = parameters[i].offset + parameters[i].size;
    const std::int64_t next =
        i + 1 < parameters.size() ? parameters[i + 1].offset : table.block_size();
    if (next > end) gaps.push_back({end, next - end, 0});
  }
  return gaps;
}

EncoderInput input_of(const Batch& batch) {
  return {batch.token_ids, batch.type_ids};
}

Targets dna_targets(const Batch& batch) {
  return {batch.dna_rows, batch.dna_labels, batch.dna_weights};
}

Targets state_targets(const Batch& batch) {
  return {batch.state_rows, batch.state_labels, batch.state_weights};
}

std::array<const core::Tensor*, 8> tensors_of(const Batch& batch) {
  return {&batch.token_ids,   &batch.type_ids,   &batch.dna_rows,     &batch.dna_labels,
          &batch.dna_weights, &batch.state_rows, &batch.state_labels, &batch.state_weights};
}

/// The first `samples` rows of a [B, x] operand; nothing of an absent one.
core::View head_of(const core::Tensor& tensor, std::int64_t samples) {
  const core::View& view = tensor.view();
  if (!view) return {};
  return view.slice(0, samples * view.shape(1)).reshape({samples, view.shape(1)});
}

}  // namespace

Batch::Batch(const BatchShape& shape, core::Device device)
    : token_ids(DType::i32, {shape.batch, shape.tokens}, device),
      type_ids(DType::i32, {shape.batch, shape.tokens}, device) {
  if (shape.dna_slots > 0) {
    dna_rows = core::Tensor(DType::i32, {shape.batch, shape.dna_slots}, device);
    dna_labels = core::Tensor(DType::i32, {shape.batch, shape.dna_slots}, device);
    dna_weights = core::Tensor(DType::f32, {shape.batch, shape.dna_slots}, device);
  }
  if (shape.state_slots > 0) {
    state_rows = core::Tensor(DType::i32, {shape.batch, shape.state_slots}, device);
    state_labels = core::Tensor(DType::i32, {shape.batch, shape.state_slots}, device);
    state_weights = core::Tensor(DType::f32, {shape.batch, shape.state_slots}, device);
  }
}

kernels::AssembleArgs Batch::operands() const {
  return operands(token_ids.view().shape(0));
}

kernels::AssembleArgs Batch::operands(std::int64_t samples) const {
  kernels::AssembleArgs args;
  args.token_ids = head_of(token_ids, samples);
  args.type_ids = head_of(type_ids, samples);
  args.dna_rows = head_of(dna_rows, samples);
  args.dna_labels = head_of(dna_labels, samples);
  args.dna_weights = head_of(dna_weights, samples);
  args.state_rows = head_of(state_rows, samples);
  args.state_labels = head_of(state_labels, samples);
  args.state_weights = head_of(state_weights, samples);
  return args;
}

void Batch::clear(core::Stream& stream) const {
  for (const core::Tensor* tensor : tensors_of(*this)) {
    if (tensor->view()) core::fill_zero(*tensor, stream);
  }
}

std::size_t Batch::bytes() const {
  std::size_t sum = 0;
  for (const core::Tensor* tensor : tensors_of(*this)) sum += tensor->view().bytes();
  return sum;
}

// Members are in the order of the block: the constructors below append to the table in that order.
struct MaskedModel::State {
  State(const ModelConfig& model, const BatchShape& batch, kernels::Ops& with, const Execution& how)
      : ops(&with),
        config(checked(model, batch)),
        shape(batch),
        execution(how),
        workspace(with.device(), execution.activations),
        encoder(config, with, table),
        dna(add_dna_head(config, encoder.word_embeddings(), table)) {
    if (config.num_states > 0) states = add_state_head(config, table);
    padding = padding_of(table);
    plan({});
  }

  /// All activations, anew; see Encoder::plan for `gradients`.
  void plan(const core::View& gradients) {
    workspace = Workspace(ops->device(), execution.activations);
    encoder.plan(config, shape, execution.recompute, gradients, workspace);
    const std::int64_t b = shape.batch;
    if (shape.dna_slots > 0) {
      dna_head.emplace(config, dna, kernels::LossTerm::dna, b * shape.dna_slots, *ops, workspace);
    }
    if (shape.state_slots > 0) {
      state_head.emplace(config, states, kernels::LossTerm::state, b * shape.state_slots, *ops,
                         workspace);
    }
  }

  /// Gradients of a head: by backward, or zero when it has no objective.
  void backward_head(std::optional<ClassHead>& head, const HeadParameters& parameters,
                     const Targets& targets, kernels::Write write, const Pass& pass) {
    if (head) {
      head->backward(targets, write, encoder.hidden_gradient(), pass);
    } else {
      core::fill_zero(pass.gradients.slice(parameters.offset, parameters.end - parameters.offset),
                      pass.stream);
    }
    pass.gradients_done(parameters.offset);
  }

  kernels::Ops* ops;
  ModelConfig config;
  BatchShape shape;
  Execution execution;
  ParameterTable table;
  Workspace workspace;
  Encoder encoder;
  HeadParameters dna, states;
  std::optional<ClassHead> dna_head, state_head;
  std::vector<Slice> padding;
  float dropout = 0.0F;               ///< of the last forward
  bool used = false;                  ///< forward has run
  const std::byte* lender = nullptr;  ///< the block that activations lie in, or null
};

MaskedModel::MaskedModel(const ModelConfig& config, const BatchShape& shape, kernels::Ops& ops,
                         const Execution& execution)
    : state_(std::make_unique<State>(config, shape, ops, execution)) {
  core::require(ops.takes(execution.activations), "these ops take activations of this type");
}

MaskedModel::~MaskedModel() = default;

const ParameterTable& MaskedModel::table() const {
  return state_->table;
}
const ModelConfig& MaskedModel::config() const {
  return state_->config;
}
const BatchShape& MaskedModel::shape() const {
  return state_->shape;
}
const Execution& MaskedModel::execution() const {
  return state_->execution;
}
core::ConstView MaskedModel::hidden() const {
  return state_->encoder.hidden();
}

void MaskedModel::borrow(const core::View& gradients) {
  core::require(gradients.size() == state_->table.block_size(),
                "activations borrow from the whole block of gradients");
  core::require(!state_->used, "activations borrow before the first forward");
  // Padding is zeroed when backward begins. Sizes in multiples of 16, so all presets, have none
  // among the layers.
  for (const Slice& gap : state_->padding) {
    if (gap.offset < state_->dna.offset) return;
  }
  state_->plan(gradients);
  state_->lender = gradients.raw();
}

void MaskedModel::require_whole(const ParameterBlocks& parameters) const {
  const std::int64_t size = state_->table.block_size();
  core::require(parameters.exact.size() == size && parameters.weights.size() == size,
                "a pass takes the whole block of parameters");
  core::require(
      parameters.weights.dtype() == state_->ops->weights_type(state_->execution.activations),
      "weights are of the type that products take");
}

std::size_t MaskedModel::activation_bytes() const {
  return state_->workspace.bytes();
}

void MaskedModel::forward(const Batch& batch, const ParameterBlocks& parameters,
                          const kernels::StepState* state, bool training, const LossOutputs& losses,
                          const BlockHooks& hooks, core::Stream& stream) {
  require_whole(parameters);
  state_->dropout = training ? state_->config.dropout : 0.0F;
  state_->used = true;
  const Pass pass{parameters.exact, parameters.weights, {}, state, state_->dropout, hooks, stream};
  Encoder& encoder = state_->encoder;
  encoder.forward(input_of(batch), pass);
  if (state_->dna_head) {
    state_->dna_head->forward(encoder.hidden(), dna_targets(batch),
                              {losses.dna_totals, losses.dna_row_loss, losses.dna_predicted}, pass);
  }
  if (state_->state_head) {
    state_->state_head->forward(
        encoder.hidden(), state_targets(batch),
        {losses.state_totals, losses.state_row_loss, losses.state_predicted}, pass);
  }
}

void MaskedModel::backward(const Batch& batch, const ParameterBlocks& parameters,
                           const kernels::StepState* state, const core::View& gradients,
                           const BlockHooks& hooks, core::Stream& stream) {
  require_whole(parameters);
  core::require(gradients.size() == state_->table.block_size(),
                "backward takes the whole block of gradients");
  core::require(state_->lender == nullptr || state_->lender == gradients.raw(),
                "backward writes to the block that activations were borrowed from");
  using kernels::Write;
  const Pass pass{
      parameters.exact, parameters.weights, gradients, state, state_->dropout, hooks, stream};
  for (const Slice& gap : state_->padding) core::fill_zero(gap.of(gradients), stream);

  // From the end of the block. The first head sets the gradient of the hidden states, the next
  // adds.
  if (state_->config.num_states > 0) {
    state_->backward_head(state_->state_head, state_->states, state_targets(batch), Write::set,
                          pass);
  }
  state_->backward_head(state_->dna_head, state_->dna, dna_targets(batch),
                        state_->state_head ? Write::add : Write::set, pass);
  state_->encoder.backward(input_of(batch), state_->dna_head ? Write::add : Write::set, pass);
}

}  // namespace epi::model
