// What a run outlives, and how it ends where it cannot go on: disks that fill up, limits of time.
// Checkpoints that are written beside the steps hold what the others hold.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "core/error.hpp"
#include "train/checkpoint_writer.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

using Json = nlohmann::json;

/// A log that calls back for each line: what a test does to a run, at a known moment of it.
class WatchedLog {
 public:
  using OnText = std::function<void(const std::string&)>;
  explicit WatchedLog(OnText on_text) : on_text_(std::move(on_text)) {
    const auto write = [](void* self, const char* text, std::size_t size) -> ssize_t {
      static_cast<WatchedLog*>(self)->take(std::string(text, size));
      return static_cast<ssize_t>(size);
    };
    file_ = ::fopencookie(this, "w",
                          {.read = nullptr, .write = write, .seek = nullptr, .close = nullptr});
  }
  WatchedLog(const WatchedLog&) = delete;
  WatchedLog& operator=(const WatchedLog&) = delete;
  ~WatchedLog() { (void)std::fclose(file_); }
  [[nodiscard]] core::Log log() const { return {file_, 0}; }
  /// Everything so far.
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool says(const std::string& what) const {
    return text_.find(what) != std::string::npos;
  }

 private:
  void take(const std::string& text) {
    text_ += text;
    if (on_text_) on_text_(text);
  }
  OnText on_text_;
  std::string text_;
  std::FILE* file_ = nullptr;
};

/// No file may grow while it is full, as on a full disk.
class Disk {
 public:
  Disk() : before_(std::signal(SIGXFSZ, SIG_IGN)) { ::getrlimit(RLIMIT_FSIZE, &free_); }
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  ~Disk() {
    empty();
    (void)std::signal(SIGXFSZ, before_);
  }
  void fill() const { set(1); }
  void empty() const { set(free_.rlim_cur); }

 private:
  void set(rlim_t bytes) const {
    const rlimit limit{bytes, free_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  rlimit free_{};
  void (*before_)(int);
};

bool holds(const std::string& text, const std::string& what) {
  return text.find(what) != std::string::npos;
}

std::vector<Json> events_of(const fs::path& run, const std::string& name) {
  std::istringstream lines(core::read_text(run / "events.jsonl"));
  std::vector<Json> found;
  for (std::string line; std::getline(lines, line);) {
    Json event = Json::parse(line);
    if (event.at("event") == name) found.push_back(std::move(event));
  }
  return found;
}

/// Until the writer's thread is done with it.
void await(const fs::path& checkpoint) {
  while (!fs::exists(checkpoint)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

class Survival : public testing::Test {
 protected:
  Survival() : folder_("survival"), store_(folder_.path() / "store") { write_tiny_store(store_); }
  [[nodiscard]] fs::path run(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] RunConfig config() const {
    RunConfig config = tiny_config(store_);
    config.checkpoint_every = 4;
    config.log_every = 1;
    return config;
  }
  static RunResult go(const RunConfig& config, const RunPlace& place, const WatchedLog& log) {
    const auto world = dist::make_solo();
    const StopRequest stop;
    return pretrain(config, place, *world, log.log(), stop);
  }
  template <class Kind>
  static std::string error_of(const RunConfig& config, const fs::path& out, const WatchedLog& log) {
    try {
      go(config, {out}, log);
    } catch (const Kind& error) {
      return error.what();
    }
    return "";
  }
  static void expect_same(const fs::path& a, const fs::path& b, int step) {
    expect_same_files(checkpoint_path(a, step), checkpoint_path(b, step));
  }

 private:
  TestFolder folder_;
  fs::path store_;
};

TEST_F(Survival, AsynchronousCheckpoints_holdWhatSynchronousOnesHold) {
  RunConfig c = config();
  c.checkpoint_every = 1;
  c.checkpoint_keep = 100;
  for (const bool beside : {true, false}) {
    c.checkpoint_asynchronous = beside;
    run_solo(c, run(beside ? "beside" : "between"));
  }
  for (int step = 1; step <= 20; ++step) expect_same(run("beside"), run("between"), step);
  EXPECT_EQ(events_of(run("beside"), "checkpoint").size(), 20U);
}

TEST_F(Survival, DiskFullForATime_runWarnsGoesOnAndLosesNoRow) {
  run_solo(config(), run("whole"));
  for (const bool beside : {true, false}) {
    const fs::path out = run(beside ? "beside" : "between");
    const Disk disk;
    const WatchedLog log([&](const std::string& text) {
      if (holds(text, "step 6/20")) {
        await(checkpoint_path(out, 4));
        disk.fill();
      }
      if (holds(text, "no checkpoint of step 8")) disk.empty();
    });
    RunConfig c = config();
    c.checkpoint_asynchronous = beside;
    EXPECT_EQ(go(c, {out}, log).step, 20) << log.text();
    EXPECT_TRUE(log.says("File too large")) << log.text();
    EXPECT_TRUE(log.says("the checkpoint of step 4 is intact")) << log.text();
    EXPECT_TRUE(log.says("metrics and events are kept in memory")) << log.text();
    expect_same(run("whole"), out, 20);
    EXPECT_EQ(metrics_column(out, kLossColumn), metrics_column(run("whole"), kLossColumn));
    EXPECT_EQ(events_of(out, "checkpoint_failed").size(), 1U);
    EXPECT_EQ(events_of(out, "checkpoint").size(), 4U) << "of steps 4, 12, 16 and 20";
  }
}

TEST_F(Survival, DiskThatStaysFull_endsAtTheThirdCheckpointAndKeepsTheLastOne) {
  run_solo(config(), run("whole"));
  {
    const Disk disk;
    const WatchedLog log([&](const std::string& text) {
      if (!holds(text, "step 6/20")) return;
      await(checkpoint_path(run("a"), 4));
      disk.fill();
    });
    const std::string message = error_of<core::IoError>(config(), run("a"), log);
    EXPECT_TRUE(holds(message, "the checkpoint of step 16 could not be written (3 in a row)"))
        << message;
    EXPECT_TRUE(holds(message, "the checkpoint of step 4 is intact")) << message;
  }
  const FoundCheckpoint found = find_checkpoint(run("a") / "checkpoints");
  ASSERT_TRUE(found.newest);
  EXPECT_EQ(found.newest->note.progress.step, 4);
  for (const auto& entry : fs::directory_iterator(run("a") / "checkpoints")) {
    EXPECT_NE(entry.path().extension(), ".tmp") << "a full disk gets its space back";
  }
  EXPECT_EQ(run_solo(config(), run("a")).first_step, 4);
  expect_same(run("whole"), run("a"), 20);
}

TEST_F(Survival, LastCheckpointThatFails_isAnErrorAtOnce) {
  const Disk disk;
  const WatchedLog log([&](const std::string& text) {
    if (!holds(text, "step 18/20")) return;
    await(checkpoint_path(run("a"), 16));
    disk.fill();
  });
  const std::string message = error_of<core::IoError>(config(), run("a"), log);
  EXPECT_TRUE(holds(message, "the checkpoint of step 20 could not be written (the last one)"))
      << message;
  EXPECT_TRUE(holds(message, "the checkpoint of step 16 is intact")) << message;
}

// Something else of that name, as a mistyped copy leaves it: not the disk's size, but refused
// alike.
TEST_F(Survival, CheckpointsThatCannotBeMade_failOnAllRanksTogether) {
  fs::create_directories(run("a"));
  core::write_durably(run("a") / "checkpoints", std::string_view("no folder"));
  int failures = 0;
  dist::run_threads(2, [&](dist::Communicator& world) {
    const StopRequest stop;
    const core::Log log;
    try {
      pretrain(config(), {run("a")}, world, log, stop);
    } catch (const core::IoError& error) {
      EXPECT_TRUE(holds(error.what(), "no checkpoint was written yet")) << error.what();
      if (world.rank() == 0) ++failures;
    }
  });
  EXPECT_EQ(failures, 1);
}

TEST_F(Survival, MaxTime_stopsSavesAndResumesToTheSameBits) {
  RunConfig c = config();
  c.checkpoint_every = 0;
  run_solo(c, run("whole"));
  c.train.max_time_s = 60.0;
  const auto long_ago = Timings::Clock::now() - std::chrono::seconds(61);
  const WatchedLog log(nullptr);
  const RunResult stopped = go(c, {.out = run("parts"), .begun = long_ago}, log);
  EXPECT_TRUE(stopped.stopped);
  EXPECT_EQ(stopped.step, 1);
  EXPECT_TRUE(log.says("stopped after train.max_time (1 min 0 s) at step 1")) << log.text();
  EXPECT_EQ(go(c, {run("parts")}, log).step, 20);
  expect_same(run("whole"), run("parts"), 20);
}

// Only one rank's node knows that the job ends.
TEST_F(Survival, JobThatEndsSoon_stopsAllRanksWhicheverKnows) {
  RunConfig c = config();
  c.train.steps = 1'000'000;
  c.checkpoint_every = 0;
  for (const int knows : {0, 1}) {
    const std::int64_t soon = std::int64_t{std::time(nullptr)} + 2;
    dist::run_threads(2, [&](dist::Communicator& world) {
      const StopRequest stop;
      const core::Log log;
      RunPlace place{.out = run(std::to_string(knows))};
      if (world.rank() == knows) place.job_end_unix_s = soon;
      const RunResult result = pretrain(c, place, world, log, stop);
      EXPECT_TRUE(result.stopped);
      EXPECT_LT(result.step, c.train.steps);
    });
    const std::string reason = events_of(run(std::to_string(knows)), "stop").at(0).at("reason");
    EXPECT_TRUE(holds(reason, knows == 0 ? "before the job's end" : "as another rank wished"))
        << reason;
  }
}

TEST_F(Survival, JobEndThatHasPassed_isIgnoredWithAWarning) {
  const WatchedLog log(nullptr);
  const RunResult result = go(config(), {.out = run("a"), .job_end_unix_s = 1'000'000}, log);
  EXPECT_EQ(result.step, 20);
  EXPECT_TRUE(log.says("SLURM_JOB_END_TIME) has passed: ignored")) << log.text();
}

TEST_F(Survival, TraceBeyondTheRun_isWarnedOfAtTheStart) {
  RunConfig c = config();
  c.train.trace = {30, 32};
  const WatchedLog log(nullptr);
  go(c, {run("a")}, log);
  EXPECT_TRUE(
      log.says("warning: no trace: steps 30 to 32 lie beyond the last step of this run, 20"))
      << log.text();
  c.train.trace = {3, 4};
  const WatchedLog again(nullptr);
  go(c, {run("a")}, again);
  EXPECT_TRUE(again.says("warning: no trace: steps 3 to 4 are done already")) << again.text();
}

// A stop and a start lose nothing, and a run that is complete is not down.
TEST_F(Survival, CleanEnds_haveNoRedoneSteps) {
  RunConfig c = config();
  c.train.max_time_s = 60.0;
  const auto long_ago = Timings::Clock::now() - std::chrono::seconds(61);
  const WatchedLog log(nullptr);
  EXPECT_TRUE(go(c, {.out = run("a"), .begun = long_ago}, log).stopped);
  c.train.max_time_s = 0.0;
  go(c, {run("a")}, log);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  go(c, {run("a")}, log);
  const std::vector<Json> starts = events_of(run("a"), "start");
  ASSERT_EQ(starts.size(), 3U);
  for (const Json& start : starts) EXPECT_EQ(start.at("lost_s").get<double>(), 0.0) << start;
  EXPECT_EQ(starts[2].at("down_s").get<double>(), 0.0);
  EXPECT_FALSE(log.says("redone")) << log.text();
}

TEST_F(Survival, GoodputLine_endsEveryRunAndItsPartsAddUp) {
  RunConfig c = config();
  c.train.steps = 10;
  c.evaluate_every = 5;
  const WatchedLog first(nullptr);
  go(c, {run("a")}, first);
  EXPECT_TRUE(first.says("\ngoodput ")) << first.text();
  EXPECT_FALSE(first.says("of the whole run")) << first.text();
  EXPECT_TRUE(first.says("checkpoint.every = 4 is ")) << first.text();
  const Json end = events_of(run("a"), "end").at(0);
  double sum = end.at("useful_s").get<double>();
  for (const auto& [key, value] : end.items()) {
    if (key.starts_with("lost_")) sum += value.get<double>();
  }
  const double wall = end.at("wall_s").get<double>();
  EXPECT_LE(sum, wall * 1.001);
  EXPECT_GT(sum, 0.5 * wall) << end;
  EXPECT_NEAR(end.at("goodput").get<double>(), end.at("useful_s").get<double>() / wall, 1e-9);

  // Its last checkpoint is lost: two steps are done again.
  fs::remove_all(checkpoint_path(run("a"), 10));
  c.train.steps = 20;
  const WatchedLog second(nullptr);
  go(c, {run("a")}, second);
  EXPECT_TRUE(second.says("of the whole run, 2 starts: ")) << second.text();
  const Json last = events_of(run("a"), "end").back();
  EXPECT_GT(last.at("lost_redone_s").get<double>(), 0.0);
  EXPECT_GT(events_of(run("a"), "start").back().at("lost_s").get<double>(), 0.0);
}

model::ParameterTable table() {
  model::ParameterTable table;
  table.add("w", {3, 5}, true, model::Initial::normal);
  return table;
}

CheckpointNote note_at(std::int64_t step) {
  CheckpointNote note;
  note.progress.step = step;
  return note;
}

TEST(CheckpointWriter_outcome_isToldOnce, byPollOrByWait) {
  const TestFolder folder("writer");
  CheckpointWriter writer(folder.path() / "checkpoints", table(), 2);
  EXPECT_FALSE(writer.poll());
  EXPECT_FALSE(writer.wait());
  for (const std::int64_t step : {1, 2, 3}) {
    writer.blocks().parameters.as<float>()[0] = static_cast<float>(step);
    writer.start(note_at(step));
    std::optional<CheckpointOutcome> outcome = step == 2 ? writer.wait() : std::nullopt;
    while (!outcome) outcome = writer.poll();
    EXPECT_EQ(outcome->step, step);
    EXPECT_EQ(outcome->failure, "");
    EXPECT_TRUE(fs::exists(outcome->path / "manifest.json"));
    EXPECT_FALSE(writer.poll());
    EXPECT_FALSE(writer.wait());
  }
  EXPECT_FALSE(fs::exists(folder.path() / "checkpoints" / "step-000000001")) << "two are kept";
}

// 96 MB are written, digested and flushed long after the call is back.
TEST(CheckpointWriter_start_returnsAtOnce, whileTheFilesAreWritten) {
  const TestFolder folder("writer");
  model::ParameterTable large;
  large.add("w", {8000, 1000}, true, model::Initial::normal);
  CheckpointWriter writer(folder.path(), large, 2);
  const auto begin = std::chrono::steady_clock::now();
  writer.start(note_at(1));
  const std::chrono::duration<double> held = std::chrono::steady_clock::now() - begin;
  const std::optional<CheckpointOutcome> outcome = writer.wait();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->failure, "");
  EXPECT_LT(held.count(), 0.5 * outcome->seconds);
}

TEST(CheckpointWriter_destroyedWhileWriting_leavesAWholeCheckpoint, never_half) {
  const TestFolder folder("writer");
  for (std::int64_t step = 1; step <= 10; ++step) {
    { CheckpointWriter(folder.path(), table(), 100).start(note_at(step)); }
    const FoundCheckpoint found = find_checkpoint(folder.path());
    ASSERT_TRUE(found.newest);
    EXPECT_EQ(found.newest->note.progress.step, step);
  }
}

TEST(CheckpointWriter_startedTwice_isABrokenPromise, untilItWasWaitedFor) {
  const TestFolder folder("writer");
  CheckpointWriter writer(folder.path(), table(), 2);
  writer.start(note_at(1));
  EXPECT_THROW(writer.start(note_at(2)), core::LogicError);
  EXPECT_TRUE(writer.wait());
  writer.start(note_at(2));
}

}  // namespace
}  // namespace epi::train
