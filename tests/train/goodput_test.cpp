// Where a run's time went, by hand arithmetic: events as processes leave them, and the sums that
// follow.
#include "train/goodput.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

constexpr double kNoon = 1'800'000'000;  // 2027-01-15T08:00:00Z

void write_at(const fs::path& path, const std::string& text, double unix_s) {
  std::ofstream(path, std::ios::binary) << text;
  const timespec time{static_cast<time_t>(unix_s), 0};
  const timespec times[2] = {time, time};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

class Life : public testing::Test {
 protected:
  Life() : folder_("goodput") {}
  [[nodiscard]] RunLife read(const std::string& events, const std::string& rows, double last_sign,
                             std::int64_t step, double begun) const {
    const fs::path csv = folder_.path() / "metrics.csv";
    const fs::path jsonl = folder_.path() / "events.jsonl";
    write_at(csv, rows, last_sign);
    write_at(jsonl, events, last_sign - 3);
    return read_life(csv, jsonl, step, begun);
  }

 private:
  TestFolder folder_;
};

TEST(TimeUse_parts_addUpToTheWall, withTheRestAsOther) {
  const TimeUse use{.wall_s = 100,
                    .useful_s = 70,
                    .start_s = 10,
                    .checkpoint_s = 5,
                    .evaluate_s = 4,
                    .exchange_s = 3,
                    .skipped_s = 2,
                    .redone_s = 1,
                    .down_s = 0};
  EXPECT_DOUBLE_EQ(use.other_s(), 5.0);
  EXPECT_DOUBLE_EQ(use.goodput(), 0.7);
  EXPECT_EQ(use.text(),
            "70.0 % of 1 min 40 s (lost: start 10 s, checkpoints 5 s, evaluation 4 s, exposed "
            "exchange 3 s, skipped steps 2 s, redone steps 1 s, other 5 s)");
  EXPECT_EQ(TimeUse{}.text(), "0.0 % of 0 s");
}

TEST_F(Life, ofANewRun_isEmpty) {
  const RunLife life = read_life("/nonexistent/metrics.csv", "/nonexistent/events.jsonl", 0, kNoon);
  EXPECT_EQ(life.starts, 0);
  EXPECT_EQ(life.last_step, 0);
  EXPECT_EQ(life.sum.wall_s, 0.0);
  EXPECT_EQ(life.down_s, 0.0);
}

// Begun at 8:00:00, first event 10 s later; its checkpoint of step 4 after 100 s, killed after 130
// s in step 6. The next process begins 50 s later.
constexpr const char* kKilled =
    R"({"event":"start","time":"2027-01-15T08:00:10Z","step":0,"wall_s":10.0,"lost_start_s":10.0}
{"event":"eval","time":"2027-01-15T08:01:00Z","step":4}
{"event":"checkpoint","time":"2027-01-15T08:01:50Z","step":4,)"
    R"("wall_s":100.0,"useful_s":80.0,"lost_start_s":12.0}
{"event":"skip","time":"2027-01-15T08:02:05Z","step":6}
{"event":"chec)";

TEST_F(Life, ofAKilledProcess_losesWhatCameAfterItsCheckpoint) {
  const RunLife life = read(kKilled, "step,loss\n4,1\n5,1\n6,1\n7,", kNoon + 130, 4, kNoon + 180);
  EXPECT_EQ(life.starts, 1);
  EXPECT_EQ(life.failures, 1);
  EXPECT_EQ(life.last_step, 6) << "the torn row is none";
  EXPECT_DOUBLE_EQ(life.lost_s, 30.0);
  EXPECT_DOUBLE_EQ(life.down_s, 50.0);
  EXPECT_DOUBLE_EQ(life.sum.wall_s, 180.0);
  EXPECT_DOUBLE_EQ(life.sum.useful_s, 80.0);
  EXPECT_DOUBLE_EQ(life.sum.redone_s, 30.0);
  EXPECT_DOUBLE_EQ(life.sum.start_s, 12.0);
  EXPECT_DOUBLE_EQ(life.sum.other_s(), 8.0);
}

TEST_F(Life, withItsPresent_countsRedoneStepsOnce) {
  const RunLife life = read(kKilled, "step,loss\n6,1\n", kNoon + 130, 4, kNoon + 180);
  const TimeUse all =
      with_present(life, {.wall_s = 120, .useful_s = 75, .start_s = 10, .redone_s = 25});
  EXPECT_DOUBLE_EQ(all.wall_s, 300.0);
  EXPECT_DOUBLE_EQ(all.useful_s, 180.0) << "80 of the first, 75 + 25 of the second";
  EXPECT_DOUBLE_EQ(all.redone_s, 30.0) << "their first time";
  EXPECT_DOUBLE_EQ(all.goodput(), 0.6);
}

// The second process ended in an orderly way, so nothing of it is lost.
TEST_F(Life, ofThreeProcesses_addsUpTheirGaps) {
  const std::string events = std::string(kKilled) +
                             R"(kpoint","torn":1}
{"event":"start","time":"2027-01-15T08:03:05Z","step":4,"wall_s":5.0,"down_s":50.0,"lost_s":30.0}
{"event":"stop","time":"2027-01-15T08:04:40Z","step":9,)"
                             R"("wall_s":100.0,"useful_s":60.0,"lost_redone_s":25.0}
)";
  const RunLife life = read(events, "step,loss\n9,1\n", kNoon + 280, 9, kNoon + 400);
  EXPECT_EQ(life.starts, 2);
  EXPECT_EQ(life.failures, 1);
  EXPECT_DOUBLE_EQ(life.lost_s, 0.0);
  EXPECT_DOUBLE_EQ(life.down_s, 120.0);
  EXPECT_DOUBLE_EQ(life.sum.wall_s, 400.0);
  EXPECT_DOUBLE_EQ(life.sum.down_s, 170.0);
  EXPECT_DOUBLE_EQ(life.sum.redone_s, 30.0);
  EXPECT_DOUBLE_EQ(life.sum.useful_s, 80.0 + 60.0 + 25.0);
}

// Events have whole seconds: the stop's figures end at 8:01:40 by them, a second before it was.
constexpr const char* kStopped =
    R"({"event":"start","time":"2027-01-15T08:00:09Z","step":0,"wall_s":9.0}
{"event":"stop","time":"2027-01-15T08:01:40Z","step":9,"wall_s":100.0,"useful_s":90.0}
)";

TEST_F(Life, ofACleanStop_losesNothing) {
  const RunLife life = read(kStopped, "step,loss\n9,1\n", kNoon + 101, 9, kNoon + 131);
  EXPECT_EQ(life.lost_s, 0.0);
  EXPECT_EQ(life.sum.redone_s, 0.0);
  EXPECT_DOUBLE_EQ(life.down_s, 30.0);
  EXPECT_EQ(life.failures, 0);
}

TEST_F(Life, ofACompleteRun_isNotDownUntilItIsStartedAgain) {
  std::string events = kStopped;
  events.replace(events.find("stop"), 4, "end");
  const RunLife life = read(events, "step,loss\n9,1\n", kNoon + 101, 9, kNoon + 86400);
  EXPECT_EQ(life.down_s, 0.0);
  EXPECT_EQ(life.lost_s, 0.0);
  EXPECT_DOUBLE_EQ(life.sum.wall_s, 100.0);
}

// The start says to the microsecond when its process began; its time alone would add 0.75 s.
TEST_F(Life, ofAKilledProcess_isMeasuredFromItsExactBegin) {
  const RunLife life =
      read(R"({"event":"start","time":"2027-01-15T08:00:10Z","step":0,"wall_s":10.0,)"
           R"("begun_unix_s":1800000000.75}
{"event":"checkpoint","time":"2027-01-15T08:01:40Z","step":9,"wall_s":100.0,"useful_s":90.0}
)",
           "step,loss\n9,1\n", kNoon + 101, 9, kNoon + 131);
  EXPECT_DOUBLE_EQ(life.lost_s, 0.25);
  EXPECT_EQ(life.failures, 1);
}

// A clock set back between two processes must not make time negative.
TEST_F(Life, afterAClockThatJumpedBack_hasNoNegativeParts) {
  const RunLife life = read(kKilled, "step,loss\n", kNoon - 3600, 4, kNoon - 3500);
  EXPECT_EQ(life.lost_s, 0.0);
  EXPECT_EQ(life.down_s, 0.0);
  EXPECT_GE(life.sum.other_s(), 0.0);
}

TEST_F(Life, ofEventsThatAreNoEvents_isEmpty) {
  const RunLife life =
      read("5\n[]\n{\"event\":7,\"step\":0}\n{}\n\nnonsense\n", "x", kNoon, 0, kNoon);
  EXPECT_EQ(life.starts, 0);
  EXPECT_EQ(life.last_step, 0);
}

// Young's example as the literature gives it: 20 s and a day make 31 minutes, 60 s 54 minutes.
TEST(Cadence_best_isYoungs, inSteps) {
  CheckpointCosts costs{
      .every = 100, .wait_s = 20, .write_s = 0, .step_s = 1, .between_failures_s = 86400};
  EXPECT_EQ(best_cadence(costs), 1859);
  costs.wait_s = 60;
  EXPECT_EQ(best_cadence(costs), 3220);
  costs.step_s = 10;
  EXPECT_EQ(best_cadence(costs), 322);
  costs.wait_s = 1e-6;
  EXPECT_EQ(best_cadence(costs), 1) << "at least a step";
  costs.write_s = 600;
  EXPECT_EQ(best_cadence(costs), 120) << "not faster than the disk";
}

TEST(Cadence_hint_comparesWithWhatIsSet, andSaysWhatItAssumes) {
  const std::string hint = cadence_hint(
      {.every = 500, .wait_s = 20, .write_s = 60, .step_s = 1, .between_failures_s = 86400});
  EXPECT_EQ(
      hint,
      "checkpoint.every = 500 is 8 min 20 s; steps wait 20 s for a checkpoint, which takes up "
      "to 1 min 0 s to write: with a failure every 1 d 0 h, one every 1859 steps (30 min 59 s) "
      "loses least time (Young/Daly)");
}

}  // namespace
}  // namespace epi::train
