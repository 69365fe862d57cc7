// Traces read back as JSON by a parser of its own right: what is in them, how spans nest, that all
// ranks are there on one clock, and that a run is the same run with and without. On the CPU and on
// an emulated device (tests/simt).
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "train/checkpoint.hpp"
#include "train/tiny_run.hpp"
#include "train/trace_file.hpp"

namespace epi::train {
namespace {

using Json = nlohmann::json;

constexpr core::Device kGpu{core::DeviceKind::cuda, 0};

class TraceOfRun : public testing::Test {
 protected:
  TraceOfRun() : folder_("trace"), store_(folder_.path() / "store") { write_tiny_store(store_); }
  [[nodiscard]] fs::path run(const std::string& name) const { return folder_.path() / name; }
  /// Two micro-batches a rank, a head of 32 as devices need it.
  [[nodiscard]] RunConfig config(int ranks) const {
    RunConfig c = tiny_device_config(store_);
    c.train.global_batch = std::int64_t{4} * ranks;
    c.train.steps = 6;
    return c;
  }

 private:
  TestFolder folder_;
  fs::path store_;
};

/// The "X" events of one rank on one line, in the file's order.
std::vector<Json> spans_of(const Json& trace, int rank, Track track) {
  std::vector<Json> spans;
  for (const Json& event : trace.at("traceEvents")) {
    if (event.at("ph") == "X" && event.at("pid") == rank &&
        event.at("tid") == static_cast<int>(track)) {
      spans.push_back(event);
    }
  }
  return spans;
}

double end_of(const Json& span) {
  return span.at("ts").get<double>() + span.at("dur").get<double>();
}

std::map<std::string, int> count_names(const std::vector<Json>& spans) {
  std::map<std::string, int> counts;
  for (const Json& span : spans) ++counts[span.at("name").get<std::string>()];
  return counts;
}

/// Every span lies within those that are open when it begins. Times are doubles of microseconds
/// since the machine started, so they are equal to a few thousandths.
void expect_nested(const std::vector<Json>& spans) {
  constexpr double kRounding = 0.05;
  std::vector<double> open_until;
  double last = 0.0;
  for (const Json& span : spans) {
    const auto begin = span.at("ts").get<double>();
    EXPECT_GE(begin, last) << "spans are in the order of their begins";
    EXPECT_GE(span.at("dur").get<double>(), 0.0);
    last = begin;
    while (!open_until.empty() && open_until.back() <= begin + kRounding) open_until.pop_back();
    if (!open_until.empty()) {
      EXPECT_LE(end_of(span), open_until.back() + kRounding) << span;
    }
    open_until.push_back(end_of(span));
  }
}

void expect_steps_of_a_rank(const Json& trace, int rank, int ranks) {
  SCOPED_TRACE(rank);
  const std::vector<Json> spans = spans_of(trace, rank, Track::steps);
  expect_nested(spans);
  auto counts = count_names(spans);
  EXPECT_EQ(counts["step 2"], 0);
  EXPECT_EQ(counts["step 3"], 1);
  EXPECT_EQ(counts["step 4"], 1);
  EXPECT_EQ(counts["step 5"], 0);
  // Two steps of two micro-batches of one layer.
  EXPECT_EQ(counts["forward"], 4);
  EXPECT_EQ(counts["backward"], 4);
  EXPECT_EQ(counts["attend"], 4);
  EXPECT_EQ(counts["attend_grad"], 4);
  EXPECT_EQ(counts["assemble"], 2 + 4) << "the part, and the op within";
  EXPECT_GE(counts["update"], 2 + 2);
  for (const Json& span : spans) {
    if (span.at("name") != "linear") continue;
    EXPECT_GT(span.at("args").at("gflop").get<double>(), 0.0);
  }
  const std::vector<Json> buckets = spans_of(trace, rank, Track::exchange);
  EXPECT_EQ(buckets.empty(), ranks == 1);
  for (const Json& bucket : buckets) EXPECT_GT(bucket.at("args").at("MB").get<double>(), 0.0);
}

Json read_trace(const fs::path& path) {
  return Json::parse(core::read_text(path));
}

TEST_F(TraceOfRun, twoRanks_bothInOneFileWithStepsPartsOpsAndBuckets) {
  RunConfig c = config(2);
  c.train.trace = {3, 4};
  c.checkpoint_every = 4;
  c.evaluate_every = 4;
  for (const core::Device device : {core::kCpu, kGpu}) {
    const bool gpu = device == kGpu;
    SCOPED_TRACE(gpu ? "device" : "CPU");
    const fs::path out = run(gpu ? "gpu" : "cpu");
    run_ranks(2, c, out, device);
    const Json trace = read_trace(out / "trace-3-4.json");
    std::set<std::string> names;
    for (const Json& event : trace.at("traceEvents")) {
      if (event.at("ph") == "M") names.insert(event.at("args").at("name").get<std::string>());
    }
    EXPECT_TRUE(names.contains("steps") && names.contains("exchange") && names.contains("host"));
    for (int rank = 0; rank < 2; ++rank) {
      expect_steps_of_a_rank(trace, rank, 2);
      const std::vector<Json> host = spans_of(trace, rank, Track::host);
      auto counts = count_names(host);
      EXPECT_EQ(counts["checkpoint"], 1) << "what follows the last step belongs to it";
      EXPECT_EQ(counts["evaluate"], 1);
    }
    // Threads share a clock: the steps of both lie together.
    const double begin0 = spans_of(trace, 0, Track::steps).front().at("ts").get<double>();
    const Json one = spans_of(trace, 1, Track::steps).front();
    EXPECT_LT(std::abs(begin0 - one.at("ts").get<double>()), 5e6);
  }
}

TEST_F(TraceOfRun, tracedAndNot_sameBits) {
  const RunConfig plain = config(1);
  RunConfig traced = plain;
  traced.train.trace = {1, 4};
  for (const core::Device device : {core::kCpu, kGpu}) {
    const std::string name = device == kGpu ? "gpu" : "cpu";
    run_ranks(1, plain, run(name), device);
    run_ranks(1, traced, run(name + "-traced"), device);
    expect_same_files(checkpoint_path(run(name), 6), checkpoint_path(run(name + "-traced"), 6));
    EXPECT_FALSE(fs::exists(run(name) / "trace-1-4.json"));
    EXPECT_TRUE(fs::exists(run(name + "-traced") / "trace-1-4.json"));
  }
}

TEST_F(TraceOfRun, resumedWithinTheRange_tracesWhatItRuns) {
  RunConfig c = config(1);
  c.train.steps = 3;
  run_ranks(1, c, run("a"));
  c.train.steps = 6;
  c.train.trace = {2, 50};
  run_ranks(1, c, run("a"));
  auto counts = count_names(spans_of(read_trace(run("a") / "trace-4-6.json"), 0, Track::steps));
  EXPECT_EQ(counts["step 3"], 0);
  EXPECT_EQ(counts["step 4"], 1);
  EXPECT_EQ(counts["step 6"], 1);
}

TEST_F(TraceOfRun, fileThatCannotBeWritten_isAWarning) {
  RunConfig c = config(2);
  c.train.trace = {2, 3};
  // A folder of that name can't be replaced by a file, whoever asks.
  fs::create_directories(run("a") / "trace-2-3.json" / "in the way");
  run_ranks(2, c, run("a"));
  EXPECT_TRUE(fs::exists(checkpoint_path(run("a"), 6)));
  EXPECT_TRUE(fs::is_directory(run("a") / "trace-2-3.json"));
}

TEST(TraceEvents, clockOffset_bringsSpansToTheFirstRanksTime) {
  const std::vector<Span> spans = {{Track::steps, "a \"step\"\n", 12.5, 0.25, {{"MB", 3.0}}}};
  const std::string list = trace_events(spans, {.seconds = 10.0, .error_s = 2e-6}, 7, "node\x80");
  const Json events = Json::parse("[" + list + "]");
  const Json& span = events.back();
  EXPECT_EQ(span.at("name"), "a \"step\"\n");
  EXPECT_DOUBLE_EQ(span.at("ts").get<double>(), 2.5e6);
  EXPECT_DOUBLE_EQ(span.at("dur").get<double>(), 0.25e6);
  EXPECT_EQ(span.at("pid"), 7);
  EXPECT_EQ(span.at("args").at("MB"), 3.0);
  EXPECT_NE(events.front().at("args").at("name").get<std::string>().find("within 2.0 us"),
            std::string::npos);
}

}  // namespace
}  // namespace epi::train
