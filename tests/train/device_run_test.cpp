// Whole runs on a CUDA device against the same on the CPU: losses, resuming from one on the other,
// ranks, stops, steps that are skipped, memory that does not suffice. In one program the device is
// emulated (tests/simt), in another it is the machine's.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <mutex>
#include <set>

#include "core/error.hpp"
#include "train/checkpoint.hpp"
#include "train/device_memory.hpp"
#include "train/evaluate.hpp"
#include "train/poison.hpp"
#include "train/recorded_step.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

constexpr core::Device kGpu{core::DeviceKind::cuda, 0};

class DeviceRun : public testing::Test {
 protected:
  DeviceRun() : folder_("device-run"), store_(folder_.path() / "store") {
    write_tiny_store(store_);
  }
  [[nodiscard]] fs::path run(const std::string& name) const { return folder_.path() / name; }

  /// One layer with a head of 32, the smallest that attention has; 34 tokens; two micro-batches.
  [[nodiscard]] RunConfig config() const {
    RunConfig c = tiny_device_config(store_);
    c.train.global_batch = 4;
    c.train.steps = 12;
    c.evaluate_windows = 4;
    return c;
  }

 private:
  TestFolder folder_;
  fs::path store_;
};

/// Like run_solo, on any number of ranks that share a device.
RunResult run_on(core::Device device, const RunConfig& config, const fs::path& out, int ranks = 1,
                 const std::function<void(StopRequest&)>& before = {},
                 std::FILE* log_file = nullptr) {
  RunResult result;
  const auto body = [&](dist::Communicator& world) {
    const core::Log log =
        log_file == nullptr ? core::Log() : core::Log(log_file, world.rank(), core::LogLevel::info);
    StopRequest stop;
    if (before) before(stop);
    const RunResult mine =
        pretrain(config, {.out = out, .device = {device, "as the test says"}}, world, log, stop);
    if (world.rank() == 0) result = mine;
  };
  if (ranks > 1) {
    dist::run_threads(ranks, body);
  } else {
    body(*dist::make_solo());
  }
  return result;
}

/// The configuration as a checkpoint keeps it, for `evaluate` to read.
std::string text_of(const RunConfig& c) {
  return "[data]\nstore = \"" + c.store +
         "\"\n[tokens]\nk = 3\nlength = 34\n[mask]\nstate_rate = 0.4\n[model]\nlayers = 1\n"
         "hidden = 32\nheads = 1\nintermediate = 64\n[train]\nprecision = \"fp32\"\n"
         "global_batch = 4\nmicro_batch = 2\nthreads = 1\n";
}

// fp32 sums in another order: the losses drift apart by what that makes of a few steps.
TEST_F(DeviceRun, TwentySteps_sameLossesAndNormsAsTheCpu) {
  RunConfig c = config();
  c.train.steps = 20;
  const RunResult cpu = run_on(core::kCpu, c, run("cpu"));
  const RunResult gpu = run_on(kGpu, c, run("gpu"));
  EXPECT_EQ(gpu.step, 20);
  expect_near(metrics_column(run("gpu"), kLossColumn), metrics_column(run("cpu"), kLossColumn),
              1e-4);
  expect_near(metrics_column(run("gpu"), kNormColumn), metrics_column(run("cpu"), kNormColumn),
              1e-3);
  EXPECT_EQ(metrics_column(run("gpu"), kStepColumn), metrics_column(run("cpu"), kStepColumn))
      << "late, but all of them and in order";
  ASSERT_TRUE(gpu.validation && cpu.validation);
  EXPECT_EQ(gpu.validation->dna.targets, cpu.validation->dna.targets);
  EXPECT_EQ(gpu.validation->hidden_bases, cpu.validation->hidden_bases);
  EXPECT_NEAR(gpu.validation->dna.loss(), cpu.validation->dna.loss(), 1e-3);
}

TEST_F(DeviceRun, Bf16_lossesToItsRounding) {
  RunConfig c = config();
  c.train.steps = 6;
  run_on(core::kCpu, c, run("cpu"));
  c.train.precision = Precision::bf16;
  run_on(kGpu, c, run("gpu"));
  expect_near(metrics_column(run("gpu"), kLossColumn), metrics_column(run("cpu"), kLossColumn),
              1e-2);
}

TEST_F(DeviceRun, FromTheCpuToTheDeviceAndBack_goesOnWithTheSameLosses) {
  RunConfig c = config();
  run_on(core::kCpu, c, run("whole"));
  c.train.steps = 4;
  run_on(core::kCpu, c, run("parts"));
  c.train.steps = 8;
  EXPECT_EQ(run_on(kGpu, c, run("parts")).first_step, 4);
  c.train.steps = 12;
  EXPECT_EQ(run_on(core::kCpu, c, run("parts")).first_step, 8);
  expect_near(metrics_column(run("parts"), kLossColumn), metrics_column(run("whole"), kLossColumn),
              1e-4);
}

// Twelve micro-batches: four groups of three. Totals and gradients take one tree on every number of
// ranks, and so does a run that is resumed on another one.
TEST_F(DeviceRun, Reproducible_sameBitsOnOneTwoAndFourRanks) {
  RunConfig c = config();
  c.train.reproducible = true;
  c.train.global_batch = 12;
  c.train.micro_batch = 1;
  c.train.steps = 2;
  for (const int ranks : {1, 2, 4}) run_on(kGpu, c, run(std::to_string(ranks)), ranks);
  c.train.steps = 1;
  run_on(kGpu, c, run("parts"), 4);
  c.train.steps = 2;
  EXPECT_EQ(run_on(kGpu, c, run("parts"), 2).first_step, 1);
  for (const char* other : {"2", "4", "parts"}) {
    expect_same_files(checkpoint_path(run("1"), 2), checkpoint_path(run(other), 2));
    EXPECT_EQ(metrics_column(run(other), kLossColumn), metrics_column(run("1"), kLossColumn));
    EXPECT_EQ(metrics_column(run(other), kNormColumn), metrics_column(run("1"), kNormColumn));
  }
}

TEST_F(DeviceRun, Resumed_endsWithTheSameBits) {
  RunConfig c = config();
  run_on(kGpu, c, run("whole"));
  c.train.steps = 5;
  run_on(kGpu, c, run("parts"));
  c.train.steps = 12;
  run_on(kGpu, c, run("parts"));
  expect_same_files(checkpoint_path(run("whole"), 12), checkpoint_path(run("parts"), 12));
  EXPECT_EQ(metrics_column(run("whole"), kLossColumn), metrics_column(run("parts"), kLossColumn));
}

// A replayed step is the step that was recorded.
TEST_F(DeviceRun, Graphs_changeNoBit) {
  RunConfig c = config();
  c.train.steps = 4;
  run_on(kGpu, c, run("graphs"));
  c.train.graph = false;
  run_on(kGpu, c, run("kernels"));
  expect_same_files(checkpoint_path(run("graphs"), 4), checkpoint_path(run("kernels"), 4));
}

// Through the host's memory: a graph is cut at each bucket, and the sums go on beside it.
TEST_F(DeviceRun, TwoRanksOnOneDevice_sameLossesAsOne) {
  RunConfig c = config();
  c.train.steps = 8;
  c.log_every = 3;
  run_on(kGpu, c, run("1"));
  const RunResult two = run_on(kGpu, c, run("2"), 2);
  expect_near(metrics_column(run("2"), kLossColumn), metrics_column(run("1"), kLossColumn), 1e-5);
  EXPECT_GT(two.exchange.steps, 0);
  EXPECT_GE(two.exchange.overlap(), 0.0);
  EXPECT_NE(core::read_text(run("2") / "events.jsonl").find("exposed_s_per_step"),
            std::string::npos);
}

TEST_F(DeviceRun, GradientsExchangedInBf16_sameLossesToTheirRounding) {
  RunConfig c = config();
  c.train.steps = 6;
  run_on(kGpu, c, run("1"));
  c.train.exchange_precision = core::DType::bf16;
  run_on(kGpu, c, run("2"), 2);
  expect_near(metrics_column(run("2"), kLossColumn), metrics_column(run("1"), kLossColumn), 1e-2);
}

// The wish is in the report of the first step, which the host reads during the second.
TEST_F(DeviceRun, StopRequest_endsTwoRanksAtOneStepAndIsResumedToTheSameBits) {
  RunConfig c = config();
  c.train.steps = 8;
  run_on(kGpu, c, run("whole"), 2);
  const RunResult stopped =
      run_on(kGpu, c, run("parts"), 2, [](StopRequest& stop) { stop.request(15); });
  EXPECT_TRUE(stopped.stopped);
  EXPECT_EQ(stopped.step, 2);
  EXPECT_TRUE(fs::exists(checkpoint_path(run("parts"), 2)));
  EXPECT_FALSE(run_on(kGpu, c, run("parts"), 2).stopped);
  expect_same_files(checkpoint_path(run("whole"), 8), checkpoint_path(run("parts"), 8));
}

TEST_F(DeviceRun, GradientsThatAreNotFinite_leaveAllAsItWasAndEndTheRun) {
  RunConfig c = config();
  c.train.steps = 3;
  run_on(kGpu, c, run("a"));
  poison(run("a"), 3, c);
  const std::string before = core::read_text(checkpoint_path(run("a"), 3) / "optimizer.bin");
  c.train.steps = 20;
  c.checkpoint_every = 1;
  EXPECT_THROW(run_on(kGpu, c, run("a")), core::NumericError);
  EXPECT_EQ(metrics_column(run("a"), kSkippedColumn),
            (std::vector<double>{0, 0, 0, 1, 1, 1, 1, 1}));
  EXPECT_FALSE(fs::exists(checkpoint_path(run("a"), 4)));
  EXPECT_EQ(core::read_text(checkpoint_path(run("a"), 3) / "optimizer.bin"), before);
}

TEST_F(DeviceRun, Plan_isWhatARunAllocates) {
  const RunConfig c = config();
  const RunResult result = run_on(kGpu, c, run("a"));
  const data::Store store = data::Store::open(c.store);
  model::ModelConfig m = c.model;
  m.num_states = kTinyStates;
  const auto ops = make_ops(kGpu, 1);
  const std::size_t corpus = DeviceCorpus::bytes_of(store.corpus());
  const DeviceLoad load{c, m, kTinyBinBp, corpus, *ops};
  const DeviceMemory plan = plan_device(load);
  EXPECT_EQ(static_cast<std::int64_t>(plan.tensors.total()), result.state_bytes);
}

// A base-size model that needs half as much memory again as there is, and more than three times as
// much.
TEST_F(DeviceRun, Shortage_namesTheGentlestSettingThatFits) {
  RunConfig c = config();
  c.tokens.length = 512;
  c.train.micro_batch = 64;
  c.train.global_batch = 64;
  model::ModelConfig m = model::preset("base");
  m.vocabulary = c.tokens.vocabulary();
  m.positions = 512;
  m.num_states = kTinyStates;
  const auto ops = make_ops(kGpu, 1);
  const DeviceLoad load{c, m, kTinyBinBp, 0, *ops, 1, core::DType::bf16};
  const std::size_t needed = plan_device(load).total();
  const std::string most = describe_shortage("no room", load, needed * 2 / 3);
  EXPECT_NE(most.find("train.recompute = \"layer\" would take"), std::string::npos) << most;
  const std::string little = describe_shortage("no room", load, needed * 29 / 100);
  EXPECT_NE(little.find("train.recompute = \"layer\" with train.micro_batch = "), std::string::npos)
      << little;
  // Eight ranks keep an eighth of the moments each, at hardly any cost.
  RunConfig wide = c;
  wide.train.global_batch = 8 * c.train.micro_batch;
  const DeviceLoad of_eight{wide, m, kTinyBinBp, 0, *ops, 8, core::DType::bf16};
  const std::string shared = describe_shortage("no room", of_eight, plan_device(of_eight).total());
  EXPECT_NE(shared.find("train.shard_optimizer = true would take"), std::string::npos) << shared;
  const std::string none = describe_shortage("no room", load, 1000);
  EXPECT_NE(none.find("No setting"), std::string::npos) << none;
}

TEST_F(DeviceRun, Corpus_onTheDeviceHasTheSameBytes) {
  const data::Store store = data::Store::open(config().store);
  const core::CorpusView host = store.corpus();
  const std::vector<std::int32_t> cells = {0, 2};
  const DeviceCorpus corpus(host, kGpu, cells);
  core::Stream stream(kGpu);
  const auto fetch = [&](const void* from, std::size_t bytes) {
    std::vector<std::uint8_t> copy(bytes);
    const auto count = static_cast<std::int64_t>(bytes);
    core::copy(core::View(copy.data(), {count}),
               core::ConstView(static_cast<const std::uint8_t*>(from), {count}, kGpu), stream);
    stream.synchronize();
    return copy;
  };
  EXPECT_EQ(corpus.bytes(), DeviceCorpus::bytes_of(host, cells));
  for (std::size_t i = 0; i < host.segments.size(); ++i) {
    const std::vector<std::uint8_t> raw =
        fetch(&corpus.view().segments[i], sizeof(core::SegmentView));
    core::SegmentView segment;
    std::memcpy(&segment, raw.data(), sizeof segment);
    const auto length = static_cast<std::size_t>(segment.length_bp);
    EXPECT_TRUE(std::equal(host.segments[i].bases, host.segments[i].bases + length,
                           fetch(segment.bases, length).begin()));
    const std::vector<std::uint8_t> table =
        fetch(segment.states, static_cast<std::size_t>(host.num_cells) * sizeof(void*));
    const std::size_t bins = (length + kTinyBinBp - 1) / kTinyBinBp;
    for (std::int32_t cell = 0; cell < host.num_cells; ++cell) {
      const std::uint8_t* states = nullptr;
      std::memcpy(&states, table.data() + static_cast<std::size_t>(cell) * sizeof states,
                  sizeof states);
      ASSERT_EQ(states == nullptr, cell == 1) << "cells that were left out have no address";
      if (states == nullptr) continue;
      EXPECT_TRUE(std::equal(host.segments[i].states[cell], host.segments[i].states[cell] + bins,
                             fetch(states, bins).begin()));
    }
  }
}

TEST_F(DeviceRun, Evaluation_onTheDeviceCountsAsOnTheCpu) {
  RunConfig c = config();
  c.train.steps = 4;
  c.resolved = text_of(c);
  run_on(core::kCpu, c, run("a"));
  const auto world = dist::make_solo();
  const auto report = [&](DeviceWish device) {
    return evaluate({.run = run("a"), .windows = 6, .device = device}, *world, core::Log());
  };
  const EvaluationReport cpu = report(DeviceWish::cpu);
  const EvaluationReport gpu = report(DeviceWish::cuda);
  ASSERT_EQ(gpu.populations.size(), cpu.populations.size());
  ASSERT_FALSE(cpu.populations.empty());
  for (std::size_t i = 0; i < cpu.populations.size(); ++i) {
    const Population& a = cpu.populations[i];
    const Population& b = gpu.populations[i];
    EXPECT_EQ(b.samples, a.samples);
    EXPECT_EQ(b.unique.targets, a.unique.targets);
    EXPECT_EQ(b.unique.baselines, a.unique.baselines);
    EXPECT_NEAR(b.unique.nats, a.unique.nats, 1e-4 * a.unique.nats);
    EXPECT_EQ(b.states.targets, a.states.targets);
    EXPECT_EQ(b.states.baseline_nats, a.states.baseline_nats);
    EXPECT_NEAR(b.states.nats, a.states.nats, 1e-4 * a.states.nats);
  }
}

// Graph, action beside the next graph, graph, action between, graph.
TEST(RecordedStep, Replay_doesActionsWhereTheyWereRecorded) {
  core::Stream stream(kGpu);
  const core::Tensor counter(core::DType::f64, {2}, kGpu);
  const core::Tensor ones(core::DType::f64, {1}, kGpu);
  std::vector<std::string> done;
  RecordedStep step(stream);
  const core::View first = counter.view().slice(0, 1);
  step.record([&] {
    core::copy(first, ones, stream);
    step.beside([&](const core::Event&) { done.emplace_back("beside"); });
    core::copy(first, ones, stream);
    step.between([&] { done.emplace_back("between"); });
    core::copy(counter.view().slice(1, 1), ones, stream);
  });
  EXPECT_TRUE(done.empty()) << "recording does nothing";
  step.replay();
  step.replay();
  EXPECT_EQ(done, (std::vector<std::string>{"beside", "between", "beside", "between"}));
}

TEST(RecordedStep, FailureWhileRecording_leavesTheStreamUsable) {
  core::Stream stream(kGpu);
  RecordedStep step(stream);
  EXPECT_THROW(step.record([] { throw core::InputError("as the test says"); }), core::InputError);
  EXPECT_FALSE(step.recorded());
  const core::Tensor cell(core::DType::f64, {1}, kGpu);
  core::fill_zero(cell, stream);
  EXPECT_NO_THROW(stream.synchronize());
}

}  // namespace
}  // namespace epi::train

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (epi::core::cuda_device_count() > 0) return RUN_ALL_TESTS();
  std::printf("skipped: %s\n", epi::core::cuda_missing().c_str());
  return 77;
}
