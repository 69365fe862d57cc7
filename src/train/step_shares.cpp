// What the ranks of a step have together: gradients that are summed, parameters and moments of
// which each may keep a shard, and their way to checkpoints and back.
#include <algorithm>
#include <utility>

#include "dist/link.hpp"
#include "train/step_work.hpp"

namespace epi::train {
namespace {

using core::View;

// As configured, or until the link has been measured.
std::size_t bucket_bytes(const TrainConfig& train) {
  if (train.bucket_mb > 0.0) return static_cast<std::size_t>(1e6 * train.bucket_mb);
  return dist::bucket_bytes_for({});
}

}  // namespace

void StepWork::sum_in(core::Tensor gradients, core::Tensor wire, core::Tensor parameters) {
  if (parameters.view()) weights_.lie_in(std::move(parameters), setup_.stream);
  tree_.emplace(local_, std::move(gradients), setup_.ops);
  // Sums of several micro-batches wait in the tree while the next forward runs. On devices memory
  // is not what is short, and what a step's parts share would tie them to one order.
  if (local_ == 1 && timed_) model_.borrow(gradient_leaf(0));
  const auto merge = [this](std::int64_t first, std::int64_t count) {
    tree_->add_last(first, count, setup_.stream);
  };
  const auto convert = [this](const core::ConstView& from, const View& to, core::Stream& stream) {
    setup_.ops.convert({.in = from, .out = to}, stream);
  };
  const auto sum = [this](const View& bucket, const core::Event& after) {
    return sum_bucket(bucket, after);
  };
  const std::int64_t unit = bucket_unit(setup_.config.train, setup_.world.size());
  const std::size_t bytes = bucket_bytes(setup_.config.train);
  buckets_.emplace(setup_.world, tree_->result(), bytes, merge,
                   dist::GradientWire{std::move(wire), convert, sum, unit});
  share_buckets(bytes);
}

void StepWork::exchange_in(std::size_t bytes) {
  buckets_->cut(bytes);
  share_buckets(bytes);
}

// What follows from the buckets. Of moments there is room for one set only.
void StepWork::share_buckets(std::size_t bucket_bytes) {
  const RunConfig& config = setup_.config;
  const core::Device device = setup_.ops.device();
  optimizer_.reset();
  // Where the transport's sums have no order that is promised, ranks add in pairs.
  if (config.train.reproducible && !setup_.world.sums_in_tree(device)) {
    const auto add = [this](const core::ConstView& mine, const core::ConstView& theirs,
                            const View& sum, core::Stream& stream) {
      setup_.ops.combine({.a = mine, .b = theirs, .out = sum}, stream);
    };
    const std::size_t largest = std::max(bucket_bytes, block_.message().bytes());
    pairs_.emplace(setup_.world, device, largest, add);
  }
  std::vector<dist::Stretch> mine = {{0, room()}};
  if (shards(config.train, setup_.world.size())) {
    shards_.emplace(setup_, weights_, buckets_->stretches());
    mine = shards_->mine();
  }
  optimizer_.emplace(model_.table().slices(), std::move(mine), setup_.ops);
}

/// Where micro-batch `leaf` writes its gradient.
View StepWork::gradient_leaf(std::int64_t leaf) const {
  return tree_->leaf(leaf).slice(0, model_.table().block_size());
}

// A rank that updates its shard only needs the sum of that.
dist::Pending StepWork::sum_bucket(const View& bucket, const core::Event& after) {
  if (!shards_) return sum_over_ranks(bucket, after);
  const dist::Stretch whole{0, bucket.size()};
  const View part = whole.part(setup_.world.rank(), setup_.world.size()).of(bucket);
  return setup_.world.reduce_scatter(bucket, part, after);
}

dist::Pending StepWork::sum_over_ranks(const View& view, const core::Event& after) {
  if (pairs_) return pairs_->start(view, after);
  return setup_.world.start(dist::Reduce::sum, view, after);
}

void StepWork::step_queued() {
  if (shards_) shards_->outdate();
}

void StepWork::settle() {
  if (shards_) shards_->settle();
}

// The moments of other ranks come through the block of gradients, which is free between steps.
void StepWork::save(const TrainingBlocks& host) {
  settle();
  const auto bring = [&](const View& to, const View& from) {
    if (setup_.world.rank() != 0) return;
    core::copy(to, from.slice(0, to.size()), setup_.stream);
  };
  const auto moments = [&](const View& to, const auto& part) {
    if (!shards_) return bring(to, part(0));
    shards_->gather(part, tree_->result());
    bring(to, tree_->result());
  };
  bring(host.parameters, weights_.exact());
  moments(host.moment1, [this](std::size_t bucket) { return optimizer_->moment1(bucket); });
  moments(host.moment2, [this](std::size_t bucket) { return optimizer_->moment2(bucket); });
  setup_.stream.synchronize();
}

void StepWork::load(const TrainingBlocks& host) {
  const auto take = [&](const View& from, const View& to) {
    if (setup_.world.rank() == 0) {
      core::copy(to, from, setup_.stream);
      setup_.stream.synchronize();
    }
    setup_.world.broadcast(to, 0);
  };
  const View whole = tree_->result();
  const auto moments = [&](const View& from, const auto& part) {
    if (!shards_) return take(from, part(0));
    take(from, whole.slice(0, model_.table().block_size()));
    for (std::size_t i = 0; i < optimizer_->mine().size(); ++i) {
      core::copy(part(i), optimizer_->mine()[i].of(whole), setup_.stream);
    }
    setup_.stream.synchronize();
  };
  take(host.parameters, weights_.exact());
  weights_.refresh(setup_.stream);
  moments(host.moment1, [this](std::size_t i) { return optimizer_->moment1(i); });
  moments(host.moment2, [this](std::size_t i) { return optimizer_->moment2(i); });
}

}  // namespace epi::train
