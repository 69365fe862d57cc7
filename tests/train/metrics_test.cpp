// metrics.csv and events.jsonl across a kill: no step twice, no torn line.
#include "train/metrics.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

struct Files {
  explicit Files(const TestFolder& folder)
      : csv(folder.path() / "metrics.csv"), events(folder.path() / "events.jsonl") {}
  fs::path csv, events;
};

void write_steps(const Files& files, std::int64_t from, std::int64_t to) {
  MetricsLog log(files.csv, files.events, from - 1);
  for (std::int64_t step = from; step <= to; ++step) {
    log.add({.step = step, .loss = 0.5 * static_cast<double>(step), .skipped = step == 2});
    log.event("eval", step, {{"n", step}, {"x", 0.25}, {"what", std::string("a \"b\"")}});
  }
}

TEST(MetricsLog_resumed_continuesAfterItsStep, withoutDuplicates) {
  const TestFolder folder("metrics");
  const Files files(folder);
  write_steps(files, 1, 6);
  write_steps(files, 4, 5);
  EXPECT_EQ(metrics_column(folder.path(), kStepColumn), (std::vector<double>{1, 2, 3, 4, 5}));
  EXPECT_EQ(metrics_column(folder.path(), kSkippedColumn), (std::vector<double>{0, 1, 0, 0, 0}));
  EXPECT_EQ(metrics_column(folder.path(), kLossColumn)[3], 2.0);
  std::string events = core::read_text(files.events);
  EXPECT_EQ(std::count(events.begin(), events.end(), '\n'), 5);
  EXPECT_NE(events.find(R"("step":5,"n":5,"x":0.25,"what":"a \"b\"")"), std::string::npos)
      << events;
}

TEST(MetricsLog_tornLastLines_areDropped, andNothingElse) {
  const TestFolder folder("metrics");
  const Files files(folder);
  write_steps(files, 1, 3);
  std::ofstream(files.csv, std::ios::app) << "4,0.1,3";
  std::ofstream(files.events, std::ios::app) << "{\"event\":\"ev";
  write_steps(files, 5, 5);
  EXPECT_EQ(metrics_column(folder.path(), kStepColumn), (std::vector<double>{1, 2, 3, 5}));
  const std::string events = core::read_text(files.events);
  EXPECT_EQ(std::count(events.begin(), events.end(), '\n'), 4);
}

// A run that an older program began goes on in the columns of this one.
TEST(MetricsLog_rowsWithoutFingerprint_getAnEmptyOne, andOnesWithFollow) {
  const TestFolder folder("metrics");
  const Files files(folder);
  const std::string columns =
      "step,epoch,samples,tokens,lr,loss,dna_loss,state_loss,dna_accuracy,grad_norm,skipped,"
      "tokens_per_s,seconds";
  const std::string row = "1,0,8,528,0.001,1.5,1,0.5,0.25,2,0,100.0,0.500000";
  std::ofstream(files.csv) << columns << "\n" << row << "\n2" << row.substr(1) << "\n";
  {
    MetricsLog log(files.csv, files.events, 1);
    log.add({.step = 2, .fingerprint = 0xab});
  }
  const std::string text = core::read_text(files.csv);
  EXPECT_EQ(text.find(columns + ",fingerprint\n" + row + ",\n2,"), 0U) << text;
  EXPECT_TRUE(text.ends_with(",00000000000000ab\n")) << text;
}

TEST(MetricsLog_otherColumns_areRefused, notOverwritten) {
  const TestFolder folder("metrics");
  const Files files(folder);
  std::ofstream(files.csv) << "step,other\n1,2\n";
  EXPECT_THROW(MetricsLog(files.csv, files.events, 0), core::FormatError);
  EXPECT_EQ(core::read_text(files.csv), "step,other\n1,2\n");
}

}  // namespace
}  // namespace epi::train
