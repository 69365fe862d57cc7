// One rank of two whose gradients are not numbers, as a failing device leaves them: both ranks skip
// the same steps, and what was saved before stays whole.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.hpp"
#include "train/checkpoint.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

using core::ConstView;
using core::View;
using dist::Communicator;
using dist::Pending;

/// The world, but for sums of gradients (f32): into those of this rank a NaN is brought,
/// from number `first` of them to number `last`.
class Poisoned : public Communicator {
 public:
  Poisoned(Communicator& world, int first, int last) : world_(world), first_(first), last_(last) {}

  int rank() const override { return world_.rank(); }
  int size() const override { return world_.size(); }
  int node_rank() const override { return world_.node_rank(); }
  int node_size() const override { return world_.node_size(); }
  Pending start(dist::Reduce op, const View& view, const core::Event& after) override {
    if (view.dtype() == core::DType::f32) {
      const int number = sums_++;
      if (number >= first_ && number <= last_) {
        view.as<float>()[view.size() / 2] = std::numeric_limits<float>::quiet_NaN();
      }
    }
    return world_.start(op, view, after);
  }
  core::Tensor reducible(core::DType type, std::int64_t count, core::Device device) override {
    return world_.reducible(type, count, device);
  }
  Pending reduce_scatter(const ConstView& whole, const View& part,
                         const core::Event& after) override {
    return world_.reduce_scatter(whole, part, after);
  }
  Pending all_gather(const ConstView& part, const View& whole, const core::Event& after) override {
    return world_.all_gather(part, whole, after);
  }
  void broadcast(const View& view, int root) override { world_.broadcast(view, root); }
  Pending exchange(int partner, const ConstView& send, const View& receive,
                   const core::Event& after) override {
    return world_.exchange(partner, send, receive, after);
  }
  std::vector<std::string> gather_text(const std::string& mine) override {
    return world_.gather_text(mine);
  }
  void barrier() override { world_.barrier(); }
  std::unique_ptr<Communicator> node_group() override { return world_.node_group(); }
  std::unique_ptr<Communicator> peer_group() override { return world_.peer_group(); }
  void abort(int exit_code) override { world_.abort(exit_code); }
  std::string failure() const override { return world_.failure(); }
  std::string waiting() const override { return world_.waiting(); }
  bool sums_in_tree(core::Device device) const override { return world_.sums_in_tree(device); }
  bool capturable() const override { return world_.capturable(); }
  std::string description() const override { return world_.description(); }

 private:
  Communicator& world_;
  int first_, last_;
  int sums_ = 0;
};

/// The world, but after one sum of gradients, number `first` of them, a number of what this rank
/// got is another: a memory that errs once.
class Erring final : public Poisoned {
 public:
  Erring(Communicator& world, int first) : Poisoned(world, -1, -1), world_(world), first_(first) {}
  Pending start(dist::Reduce op, const View& view, const core::Event& after) override {
    Pending done = world_.start(op, view, after);
    if (view.dtype() != core::DType::f32 || sums_++ != first_) return done;
    return Pending([done, view](core::Stream& stream) mutable {
      done.wait(stream);
      view.as<float>()[view.size() / 2] += 0.25F;
    });
  }

 private:
  Communicator& world_;
  int first_;
  int sums_ = 0;
};

/// Of each rank: whether it gave up, and how many steps it skipped.
struct Outcome {
  bool gave_up = false;
  std::int64_t skipped = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

class PoisonedRank : public testing::Test {
 protected:
  PoisonedRank() : folder_("poisoned-rank"), store_(folder_.path() / "store") {
    write_tiny_store(store_);
  }
  [[nodiscard]] fs::path run() const { return folder_.path() / "run"; }
  [[nodiscard]] const fs::path& store() const { return store_; }

  /// Two ranks, of which the second one is poisoned.
  [[nodiscard]] std::array<Outcome, 2> train(int first, int last) const {
    RunConfig config = tiny_config(store_);
    config.train.bucket_mb = 8.0;  // else the link is measured first, by sums
    config.train.steps = 12;
    config.checkpoint_every = 1;
    std::array<Outcome, 2> outcomes;
    dist::run_threads(2, [&](Communicator& world) {
      Poisoned poisoned(world, first, last);
      Communicator& mine = world.rank() == 1 ? poisoned : world;
      Outcome& outcome = outcomes.at(static_cast<std::size_t>(world.rank()));
      const core::Log log;
      const StopRequest stop;
      try {
        outcome.skipped = pretrain(config, {.out = run()}, mine, log, stop).skipped;
      } catch (const core::NumericError&) {
        outcome.gave_up = true;
      }
    });
    return outcomes;
  }

 private:
  TestFolder folder_;
  fs::path store_;
};

// The copies of the weights drift apart unseen, until they are compared; what was saved before the
// last comparison is good.
TEST_F(PoisonedRank, OneNumberOnOneRank_isFoundByTheNextComparison_andNamed) {
  RunConfig config = tiny_config(store());
  config.train.bucket_mb = 8.0;  // else the link is measured first, by sums
  config.train.steps = 12;
  config.train.replica_check_every = 4;
  config.checkpoint_every = 4;
  std::array<std::string, 4> told;
  dist::run_threads(4, [&](Communicator& world) {
    Erring erring(world, 8);  // in step 5 or 9, as a step has two sums or one
    Communicator& mine = world.rank() == 2 ? erring : world;
    const core::Log log;
    const StopRequest stop;
    try {
      (void)pretrain(config, {.out = run()}, mine, log, stop);
    } catch (const core::NumericError& error) {
      told.at(static_cast<std::size_t>(world.rank())) = error.what();
    }
  });
  for (const std::string& text : told) {
    EXPECT_NE(text.find("the weights of rank 2 are not those of the other ranks"),
              std::string::npos)
        << text;
  }
  const FoundCheckpoint found = find_checkpoint(run() / "checkpoints");
  ASSERT_TRUE(found.newest);
  const std::string step = std::to_string(found.newest->note.progress.step);
  EXPECT_NE(told[0].find("the checkpoint of step " + step), std::string::npos) << told[0];
}

TEST_F(PoisonedRank, OneSum_isOneStepSkippedByBoth) {
  const std::array<Outcome, 2> outcomes = train(4, 4);
  EXPECT_EQ(outcomes[0], (Outcome{false, 1}));
  EXPECT_EQ(outcomes[1], outcomes[0]);
  double skipped = 0.0;
  for (const double step : metrics_column(run(), kSkippedColumn)) skipped += step;
  EXPECT_EQ(skipped, 1.0);
  for (const double loss : metrics_column(run(), kLossColumn)) EXPECT_TRUE(std::isfinite(loss));
}

TEST_F(PoisonedRank, AllSumsFromOneOn_endBothAndLeaveTheCheckpointBefore) {
  const std::array<Outcome, 2> outcomes = train(4, std::numeric_limits<int>::max());
  EXPECT_TRUE(outcomes[0].gave_up && outcomes[1].gave_up);
  const std::vector<double> skipped = metrics_column(run(), kSkippedColumn);
  ASSERT_GT(skipped.size(), 5U);
  const auto good = static_cast<std::int64_t>(skipped.size()) - 5;
  EXPECT_EQ(skipped[static_cast<std::size_t>(good) - 1], 0.0);
  const FoundCheckpoint found = find_checkpoint(run() / "checkpoints");
  ASSERT_TRUE(found.newest);
  EXPECT_EQ(found.newest->note.progress.step, good);
  EXPECT_TRUE(found.damaged.empty());
}

}  // namespace
}  // namespace epi::train
