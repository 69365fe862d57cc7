// Sweeps: the configuration of a cell, and the table of what runs left. The runs are written by
// hand here, in the words of metrics.hpp and CHECKPOINT_FORMAT.md.
#include "train/sweep.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <string>

#include "core/error.hpp"

namespace epi::train {
namespace {

namespace fs = std::filesystem;

class SweepTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / "epitrain-sweep";
    fs::remove_all(folder_);
    write("base.toml", "[data]\nstore = \"store\"\n[train]\nsteps = 100\nseed = 9\n");
    write("grid.toml", R"(config = "base.toml"
[set]
train.steps = 40
[axes]
train.seed = [1, 2]
optimizer.learning_rate = [1e-3, 1]
)");
  }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }

  [[nodiscard]] Sweep sweep() const { return Sweep(folder_ / "grid.toml"); }

  /// A run that was started on the cell's configuration and has a checkpoint of `step`.
  void write_run(std::int64_t cell, const std::string& step, const std::string& events) const {
    const std::string run = "out/" + cell_folder("", cell).string();
    write(run + "/config.toml", sweep().config(cell).resolved);
    write(run + "/events.jsonl", events);
    write(run + "/checkpoints/step-" + step + "/manifest.json",
          R"({"step": )" + std::to_string(std::stoi(step)) +
              R"(, "files": {"model.safetensors": {"bytes": 1, "xxh3_128": "d1)" + step +
              R"("}}})");
  }

  template <class E>
  static void expect_error(const std::function<void()>& action, const std::string& part) {
    try {
      action();
      FAIL() << "nothing thrown; expected " << part;
    } catch (const E& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }

  fs::path folder_;
};

TEST_F(SweepTest, config_isTheBase_thenSet_thenAssignments_thenTheCell) {
  EXPECT_EQ(sweep().size(), 4);
  const RunConfig config = sweep().config(3, {"train.global_batch=16"});
  EXPECT_EQ(config.store, "store");
  EXPECT_EQ(config.train.steps, 40);
  EXPECT_EQ(config.train.global_batch, 16);
  EXPECT_EQ(config.train.seed, 2U);
  EXPECT_EQ(config.schedule.peak, 1.0);
  EXPECT_EQ(sweep().config(0).train.seed, 1U);
}

TEST_F(SweepTest, assignmentToAnAxis_isRefused) {
  for (const char* assignment : {"train.seed=5", " train.seed = 5"}) {
    expect_error<core::ConfigError>([&] { sweep().check({assignment}); },
                                    "train.seed is an axis of ");
  }
}

TEST_F(SweepTest, config_ofAWrongCell_namesIt) {
  write("grid.toml", "config = \"base.toml\"\n[axes]\ntrain.steps = [1, 2, -1]\n");
  EXPECT_NO_THROW((void)sweep().config(1));
  expect_error<core::ConfigError>([&] { sweep().check(); }, "cell 2 of ");
  expect_error<core::ConfigError>([&] { sweep().check(); }, "train.steps = -1");
  write("grid.toml", "config = \"base.toml\"\n[axes]\ntrain.stepz = [1]\n");
  expect_error<core::ConfigError>([&] { sweep().check(); }, "did you mean train.steps?");
  expect_error<core::UsageError>([&] { (void)sweep().config(1); }, "cells 0 to 0");
}

TEST_F(SweepTest, missingFiles_areNamed) {
  expect_error<core::MissingError>([&] { Sweep(folder_ / "none.toml"); }, "none.toml");
  fs::remove(folder_ / "base.toml");
  expect_error<core::MissingError>([&] { (void)sweep(); }, "base.toml");
}

TEST_F(SweepTest, cells_areListedWithTheirValues) {
  EXPECT_EQ(cells_table(sweep()),
            "cell\ttrain.seed\toptimizer.learning_rate\n"
            "0\t1\t0.001\n1\t1\t1\n2\t2\t0.001\n3\t2\t1\n");
}

TEST_F(SweepTest, collect_putsAllRunsIntoOneTable) {
  const std::string eval = R"({"event":"eval","step":20,"dna_loss":9.0,"dna_accuracy":0.1,)"
                           R"("bits_per_base":1.9,"state_loss":1.0,"state_accuracy":0.2})";
  const std::string last = R"({"event":"eval","step":40,"dna_loss":4.25,"dna_accuracy":0.5,)"
                           R"("bits_per_base":1.5,"state_loss":0.75,"state_accuracy":0.25})";
  write_run(0, "000000040",
            R"({"event":"start","step":0,"ranks":2})"
            "\n" +
                eval + "\n" + last + "\n" +
                R"({"event":"end","step":40,"loss":5.123456789,"tokens_per_s":1000.5})" + "\n");
  write_run(2, "000000010", "{\"event\":\"start\",\"step\":0,\"ranks\":1}\n{\"event\":\"st");
  // Left by a killed writer, and one that is damaged: neither is a checkpoint.
  fs::create_directories(folder_ / "out/cell-000002/checkpoints/step-000000040.tmp");
  fs::create_directories(folder_ / "out/cell-000002/checkpoints/step-000000030.damaged");
  const fs::path out = folder_ / "out";
  const SweepResults found = collect(sweep(), {}, out);
  EXPECT_EQ(found.done, 1);
  EXPECT_EQ(found.unfinished, 1);
  EXPECT_EQ(found.missing, 2);
  const std::string run = (out / "cell-00000").string();
  EXPECT_EQ(found.table,
            "cell\ttrain.seed\toptimizer.learning_rate\tstate\tstep\tsteps\tranks\tloss\t"
            "valid_dna_loss\tvalid_dna_accuracy\tvalid_bits_per_base\tvalid_state_loss\t"
            "valid_state_accuracy\ttokens_per_s\tweights\trun\n"
            "0\t1\t0.001\tdone\t40\t40\t2\t5.12346\t4.25\t0.5\t1.5\t0.75\t0.25\t1000.5\t"
            "d1000000040\t" +
                run +
                "0\n"
                "1\t1\t1\tmissing\t0\t40\t\t\t\t\t\t\t\t\t\t" +
                run +
                "1\n"
                "2\t2\t0.001\tunfinished\t10\t40\t1\t\t\t\t\t\t\t\td1000000010\t" +
                run +
                "2\n"
                "3\t2\t1\tmissing\t0\t40\t\t\t\t\t\t\t\t\t\t" +
                run + "3\n");
}

TEST_F(SweepTest, folderOfAnotherGrid_isRefused) {
  write_run(1, "000000040", "");
  EXPECT_NO_THROW(check_cell_folder(sweep(), 1, {}, folder_ / "out"));
  EXPECT_NO_THROW(check_cell_folder(sweep(), 0, {}, folder_ / "out"));
  // One seed less in front: cell 1 is another run now.
  write("grid.toml", "config = \"base.toml\"\n[axes]\ntrain.seed = [1, 2]\n");
  expect_error<core::InputError>([&] { check_cell_folder(sweep(), 1, {}, folder_ / "out"); },
                                 "train.seed = 1, but cell 1 of ");
  expect_error<core::InputError>([&] { (void)collect(sweep(), {}, folder_ / "out"); },
                                 "or another --out");
}

TEST_F(SweepTest, keyThatOnlySetGives_isThereWhenARunGoesOn) {
  write_run(1, "000000010", "");
  write("base.toml", "[train]\nseed = 9\n");
  EXPECT_NO_THROW(check_cell_folder(sweep(), 1, {"data.store=store"}, folder_ / "out"));
}

// What `--task` compares with the checkpoint: a table must not pass off one run as another.
TEST_F(SweepTest, collect_ofRunsWithOtherMathematics_isRefused) {
  write_run(1, "000000040", "");
  const fs::path out = folder_ / "out";
  EXPECT_EQ(collect(sweep(), {}, out).done, 1);
  EXPECT_EQ(collect(sweep(), {"train.threads=1"}, out).done, 1);
  expect_error<core::InputError>([&] { (void)collect(sweep(), {"train.global_batch=16"}, out); },
                                 "has 16: this run is not the cell's");
  const std::string axes = "[axes]\ntrain.seed = [1, 2]\noptimizer.learning_rate = [1e-3, 1]\n";
  write("grid.toml", "config = \"base.toml\"\n[set]\ntrain.steps = 40\nmodel.layers = 3\n" + axes);
  expect_error<core::InputError>([&] { (void)collect(sweep(), {}, out); }, "model.layers = ");
  write("grid.toml", "config = \"base.toml\"\n[set]\ntrain.steps = 40\n" + axes);
  write("base.toml", "[data]\nstore = \"store\"\n[optimizer]\nbeta1 = 0.5\n");
  expect_error<core::InputError>([&] { (void)collect(sweep(), {}, out); }, "optimizer.beta1 = 0.9");
}

TEST_F(SweepTest, collect_ofAKilledRun_hasItsLastRow) {
  write_run(0, "000000010",
            "{\"event\":\"end\",\"step\":10,\"loss\":9.5,\"tokens_per_s\":7}\n"
            "{\"event\":\"start\",\"step\":10,\"ranks\":1}\n");
  write("out/cell-000000/metrics.csv",
        "step,loss,tokens_per_s,seconds,fingerprint\n11,4.5,90.0,1,a\n"
        "12,3.123456789,100.5,1,b\n13,2.");
  const std::string table = collect(sweep(), {}, folder_ / "out").table;
  EXPECT_NE(table.find("unfinished\t10\t40\t1\t3.12346\t\t\t\t\t\t100.5\t"), std::string::npos)
      << table;
}

TEST_F(SweepTest, collect_withoutAFolder_isRefused) {
  expect_error<core::MissingError>([&] { (void)collect(sweep(), {}, folder_ / "none"); },
                                   "none: no such folder; no cell was trained");
}

TEST_F(SweepTest, damagedManifest_isNamed) {
  write_run(0, "000000040", "");
  write("out/cell-000000/checkpoints/step-000000040/manifest.json", "{\"step\": 40");
  expect_error<core::FormatError>([&] { (void)collect(sweep(), {}, folder_ / "out"); },
                                  "step-000000040/manifest.json");
}

}  // namespace
}  // namespace epi::train
