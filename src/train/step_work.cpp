// A step in the order of its stream: begin, compute and exchange, update, assemble, message.
#include "train/step_work.hpp"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "train/step_block.hpp"

namespace epi::train {
namespace {

using core::View;

double seconds_since(Timings::Clock::time_point start) {
  return std::chrono::duration<double>(Timings::Clock::now() - start).count();
}

}  // namespace

model::BatchShape batch_shape(const RunConfig& config, std::int32_t bin_bp) {
  model::BatchShape shape;
  shape.batch = config.train.micro_batch;
  shape.tokens = config.tokens.length;
  if (config.dna_weight > 0.0) shape.dna_slots = kernels::dna_slots(config.tokens, config.masks);
  if (config.state_weight > 0.0) {
    shape.state_slots = kernels::state_slots(config.tokens, config.masks, bin_bp);
  }
  return shape;
}

StepWork::StepWork(const StepSetup& setup, const StepBlock& block, Timings& timings)
    : setup_(setup),
      block_(block),
      timings_(timings),
      local_(setup.config.train.micro_batches() / setup.world.size()),
      timed_(setup.ops.device() == core::kCpu),
      model_(setup.model, batch_shape(setup.config, setup.corpus.view().bin_bp), setup.ops,
             setup.execution),
      weights_(model_.table().block_size(),
               block_room(model_.table().block_size(), setup.config.train, setup.world.size()),
               setup.execution.activations, setup.ops),
      totals_(local_, block.message(kDnaTotals, kNextDna), setup.ops) {
  for (std::int64_t j = 0; j < local_; ++j) {
    batches_.emplace_back(model_.shape(), setup.ops.device());
  }
}

template <class Body>
void StepWork::measure(Part part, const Body& body) {
  traced(trace_, name_of(part), setup_.stream, [&] {
    if (!timed_) return body();
    timings_.measure(part, body);
  });
}

void StepWork::watch(Trace* trace) {
  trace_ = trace;
  if (trace == nullptr) return buckets_->watch({});
  buckets_->watch(
      [trace](std::size_t bucket, std::int64_t bytes, core::Mark begin, core::Mark end) {
        trace->add(Track::exchange, fmt::format("bucket {}", bucket), std::move(begin),
                   std::move(end), {{"MB", static_cast<double>(bytes) * 1e-6}});
      });
}

void StepWork::prime() {
  core::copy(block_.message(), block_.base(), setup_.stream);
  measure(Part::assemble, [&] { assemble(); });
  measure(Part::exchange, [&] { sum_message(); });
}

void StepWork::step(RecordedStep& recording) {
  if (shards_) measure(Part::exchange, [&] { shards_->begin(recording); });
  begin();
  compute(recording);
  sum_squares(recording);
  measure(Part::update, [&] { update(); });
  measure(Part::assemble, [&] { assemble(); });
  const auto sum = [this] { measure(Part::exchange, [&] { sum_message(); }); };
  if (buckets_->recordable()) return sum();
  recording.between(sum);
}

// Loss scales need the targets of all ranks, which came with the last step's message.
void StepWork::begin() {
  const RunConfig& config = setup_.config;
  setup_.ops.begin_step({.states = block_.states(),
                         .targets = block_.message(kNextDna, 3),
                         .updates = block_.updates(),
                         .term_weights = {static_cast<float>(config.dna_weight),
                                          static_cast<float>(config.state_weight)},
                         .weight_in_repeats = config.masks.weight_in_repeats(),
                         .beta1 = static_cast<float>(config.optimizer.beta1),
                         .beta2 = static_cast<float>(config.optimizer.beta2)},
                        setup_.stream);
  core::copy(block_.message(), block_.base(), setup_.stream);
  totals_.clear(setup_.stream);
}

/// Where the losses of micro-batch `j` are summed.
model::LossOutputs StepWork::losses_of(std::size_t j) const {
  const model::BatchShape& shape = model_.shape();
  const View row = totals_.leaf(static_cast<std::int64_t>(j));
  model::LossOutputs losses;
  if (shape.dna_slots > 0) losses.dna_totals = row.slice(kDnaTotals, 3);
  if (shape.state_slots > 0) losses.state_totals = row.slice(kStateTotals, 3);
  return losses;
}

void StepWork::compute(RecordedStep& recording) {
  for (std::size_t j = 0; j < batches_.size(); ++j) {
    const kernels::StepState* const state = &block_.states()[j];
    const model::LossOutputs losses = losses_of(j);
    measure(Part::forward, [&] {
      model_.forward(batches_[j], weights_.blocks(), state, /*training=*/true, losses,
                     forward_hooks(j), setup_.stream);
    });
    if (shards_ && j == 0) shards_->forward_ended();
    if (j + 1 == batches_.size()) {
      totals_.sum(setup_.stream);
      return backward_last(j, recording);
    }
    const auto leaf = static_cast<std::int64_t>(j);
    measure(Part::backward, [&] {
      model_.backward(batches_[j], weights_.blocks(), state, gradient_leaf(leaf), {},
                      setup_.stream);
      tree_->add(leaf, setup_.stream);
    });
  }
}

// The first forward pass of a step reads parameters as they come back from the other ranks.
model::BlockHooks StepWork::forward_hooks(std::size_t j) {
  model::BlockHooks hooks;
  if (shards_ && j == 0) {
    hooks.before_read = [this](std::int64_t offset) { shards_->before_read(offset); };
  }
  return hooks;
}

// The last micro-batch completes gradients from the block's end on: each bucket is merged and its
// exchange started while the rest is computed.
void StepWork::backward_last(std::size_t j, RecordedStep& recording) {
  const auto start = Timings::Clock::now();
  model::BlockHooks hooks;
  hooks.gradients_done = [&](std::int64_t offset) { exchange_from(offset, recording); };
  started_ = 0;
  // Runs hooks as it goes, so most of the exchange is over when it returns.
  traced(trace_, name_of(Part::backward), setup_.stream, [&] {
    model_.backward(batches_[j], weights_.blocks(), &block_.states()[j], gradient_leaf(local_ - 1),
                    hooks, setup_.stream);
  });
  const auto join = [this] {
    traced(trace_, "join", setup_.stream, [&] { buckets_->join(setup_.stream); });
  };
  if (buckets_->recordable()) {
    join();
  } else {
    recording.between(join);
  }
  if (!timed_) return;
  // What the exchange hid behind backward counts as backward.
  const double exposed_s = exchange().exposed_s;
  timings_.add(Part::backward, seconds_since(start) - exposed_s);
  timings_.add(Part::exchange, exposed_s);
}

// Where the exchange can't be recorded, a graph ends with each bucket; most offsets complete none.
void StepWork::exchange_from(std::int64_t offset, RecordedStep& recording) {
  if (!recording.recording() || buckets_->recordable()) {
    return buckets_->done_from(offset, setup_.stream);
  }
  const std::size_t first = started_;
  const std::size_t end = buckets_->complete(offset);
  if (first >= end) return;
  for (std::size_t bucket = first; bucket < end; ++bucket) buckets_->merge(bucket);
  started_ = end;
  recording.beside([this, first, end](const core::Event& ready) {
    for (std::size_t bucket = first; bucket < end; ++bucket) buckets_->start(bucket, ready);
  });
}

// Of the whole gradient, whoever updates which part.
void StepWork::sum_squares(RecordedStep& recording) {
  const View squares = block_.gradient_sum_squares();
  measure(Part::update, [&] { optimizer_->sum_squares(tree_->result(), squares, setup_.stream); });
  if (!shards_) return;
  const auto sum = [this, squares] {
    measure(Part::exchange, [&] {
      sum_over_ranks(squares, core::Event::record(setup_.stream)).wait(setup_.stream);
    });
  };
  if (buckets_->recordable()) return sum();
  recording.between(sum);
}

// Rounded copies are made of what has been gathered, so not here where it will be.
void StepWork::update() {
  const OptimizerConfig& optimizer = setup_.config.optimizer;
  optimizer_->update({.optimizer = optimizer.kind,
                      .parameters = weights_.room(),
                      .gradients = tree_->result(),
                      .weights = shards_ ? View() : weights_.copy_room(),
                      .updates = block_.updates(),
                      .beta1 = static_cast<float>(optimizer.beta1),
                      .beta2 = static_cast<float>(optimizer.beta2),
                      .epsilon = static_cast<float>(optimizer.epsilon),
                      .weight_decay = static_cast<float>(optimizer.weight_decay),
                      .state = block_.update_state()},
                     setup_.stream);
}

// Micro-batches of the next step, and how many targets they hold.
void StepWork::assemble() {
  const RunConfig& config = setup_.config;
  core::fill_zero(block_.counts(), setup_.stream);
  for (std::int64_t j = 0; j < local_; ++j) {
    kernels::AssembleArgs args = batches_[static_cast<std::size_t>(j)].operands();
    args.corpus = &setup_.corpus.view();
    args.samples = block_.next_samples(j);
    args.tokens = config.tokens;
    args.masks = config.masks;
    args.state = block_.next_state(j);
    args.counts = block_.counts();
    setup_.ops.assemble(args, setup_.stream);
  }
  static_assert(kernels::kDnaTargets == 0 && kernels::kStateTargets == 1);
  setup_.ops.convert({.in = block_.counts().slice(0, 2), .out = block_.message(kNextDna, 2)},
                     setup_.stream);
  setup_.ops.convert({.in = block_.counts().slice(kernels::kRepeatTargets, 1),
                      .out = block_.message(kNextRepeats, 1)},
                     setup_.stream);
}

void StepWork::sum_message() {
  if (setup_.world.size() == 1) return;
  sum_over_ranks(block_.message(), core::Event::record(setup_.stream)).wait(setup_.stream);
}

std::size_t StepWork::batch_bytes() const {
  std::size_t sum = 0;
  for (const model::Batch& batch : batches_) sum += batch.bytes();
  return sum;
}

}  // namespace epi::train
