// A store and a configuration so small that fifty steps take a fraction of a second, yet with every
// part of a real one: two contigs, three cell types, two splits, states in runs.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/files.hpp"
#include "core/philox.hpp"
#include "data/shard.hpp"
#include "train/trainer.hpp"

namespace epi::train {

namespace fs = std::filesystem;

inline constexpr std::int32_t kTinyBinBp = 25;
inline constexpr std::int32_t kTinyStates = 4;
inline constexpr std::int32_t kTinyCells = 3;

/// A folder of this test, empty at first, removed at the end.
class TestFolder {
 public:
  explicit TestFolder(const std::string& name)
      : path_(fs::path(testing::TempDir()) /
              ("epitrain-" + name + "-" + std::to_string(getpid()))) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline std::uint32_t tiny_draw(std::uint32_t what, std::size_t i, std::uint32_t below) {
  const auto word =
      core::philox(7, core::RandomUse::test, {static_cast<std::uint32_t>(i), what, 0, 0});
  return core::uniform_below(word[0], below);
}

/// What tests change about the tiny store.
struct TinyStore {
  std::uint32_t held_out = 0;  ///< another one: chrB has other bases, chrB and cell c other states
  std::size_t repeat_bp = 0;   ///< soft-masked bases at the start of each `repeat_period_bp`
  std::size_t repeat_period_bp = 100;
  std::size_t unknown_bp = 0;        ///< bases at the start of chrB that are N
  std::size_t unknown_train_bp = 0;  ///< of chrA
};

/// Bases that follow their predecessor three times in four; states in runs of four bins.
inline data::Shard write_tiny_shard(const fs::path& folder, std::uint32_t contig,
                                    std::int64_t length_bp, const TinyStore& what = {}) {
  const std::uint32_t draws = contig == 0 ? 0 : what.held_out;
  std::vector<std::uint8_t> bases(static_cast<std::size_t>(length_bp));
  for (std::size_t i = 1; i < bases.size(); ++i) {
    const bool follows = tiny_draw(2 * contig + draws, i, 4) > 0;
    bases[i] = static_cast<std::uint8_t>(follows ? (bases[i - 1] + 1U) % 4U
                                                 : tiny_draw(2 * contig + 1 + draws, i, 4));
  }
  for (std::size_t i = 0; i < bases.size(); ++i) {
    if (i % what.repeat_period_bp < what.repeat_bp) bases[i] |= core::kSoftMasked;
  }
  const std::size_t unknown = contig == 1 ? what.unknown_bp : what.unknown_train_bp;
  for (std::size_t i = 0; i < unknown; ++i) bases[i] = core::kBaseN;
  const auto bins = static_cast<std::size_t>((length_bp + kTinyBinBp - 1) / kTinyBinBp);
  std::vector<std::uint8_t> states(bins * kTinyCells);
  for (std::size_t i = 0; i < states.size(); ++i) {
    const std::uint32_t of_cell = i >= 2 * bins ? what.held_out : draws;
    states[i] =
        static_cast<std::uint8_t>(tiny_draw(100 + contig + of_cell, i / 4, kTinyStates + 1));
  }
  const std::string name = contig == 0 ? "chrA" : "chrB";
  data::Shard shard =
      data::write_shard(folder / ("shard-" + name + ".h5"), {.contig = name,
                                                             .start_bp = 0,
                                                             .bin_bp = kTinyBinBp,
                                                             .bases = bases,
                                                             .states = states,
                                                             .num_cells = kTinyCells});
  shard.contig = static_cast<std::int32_t>(contig);
  return shard;
}

/// chrA for training, chrB for validation; cells a and b for training, c for validation.
inline void write_tiny_store(const fs::path& folder, const TinyStore& what = {}) {
  constexpr std::int64_t kLengths[2] = {40000, 6000};
  fs::create_directories(folder);
  data::Manifest manifest;
  manifest.version = 1;
  manifest.program = "test";
  manifest.bin_bp = kTinyBinBp;
  for (std::uint32_t contig = 0; contig < 2; ++contig) {
    manifest.shards.push_back(write_tiny_shard(folder, contig, kLengths[contig], what));
    manifest.contigs.push_back(
        {contig == 0 ? "chrA" : "chrB", kLengths[contig], kLengths[contig], 0, 0, "", ""});
    const auto index = static_cast<std::int32_t>(contig);
    manifest.regions[contig] = {{index, 0, kLengths[contig]}};
  }
  manifest.cells = {{"a", "A", data::Split::train, "", "", ""},
                    {"b", "B", data::Split::train, "", "", ""},
                    {"c", "C", data::Split::valid, "", "", ""}};
  for (std::int32_t state = 1; state <= kTinyStates; ++state)
    manifest.states.push_back({state, "", ""});
  core::write_durably(folder / data::kManifestName, std::string_view(data::to_json(manifest)));
}

/// 3-mers, 66 tokens = 192 bp = 7.7 bins; 4 micro-batches of 2 windows; 1 layer of 16.
inline RunConfig tiny_config(const fs::path& store) {
  RunConfig config;
  config.store = store.string();
  config.tokens = {.k = 3, .stride = 3, .length = 66};
  config.model.layers = 1;
  config.model.hidden = 16;
  config.model.heads = 2;
  config.model.intermediate = 32;
  config.model.positions = config.tokens.length;
  config.model.vocabulary = config.tokens.vocabulary();
  config.model.dropout = 0.1F;
  config.schedule = {.kind = ScheduleKind::cosine, .peak = 3e-3, .warmup_steps = 5, .steps = 50};
  config.train.steps = 20;
  config.train.global_batch = 8;
  config.train.micro_batch = 2;
  config.train.seed = 11;
  config.train.threads = 1;
  config.evaluate_every = 0;
  config.evaluate_windows = 12;
  config.checkpoint_every = 0;
  config.log_every = 1000;
  config.resolved = "[test]\n";
  return config;
}

/// The same for devices, whose attention has heads of 32 at least: one such head, 34 tokens.
inline RunConfig tiny_device_config(const fs::path& store) {
  RunConfig config = tiny_config(store);
  config.tokens.length = 34;
  config.model.positions = config.tokens.length;
  config.model.hidden = 32;
  config.model.heads = 1;
  config.model.intermediate = 64;
  config.masks.state_rate = 0.4F;  // few bins in so short a window
  config.train.precision = Precision::fp32;
  return config;
}

/// Runs in this process alone.
inline RunResult run_solo(const RunConfig& config, const fs::path& out) {
  const auto world = dist::make_solo();
  const core::Log log;
  const StopRequest stop;
  return pretrain(config, {out}, *world, log, stop);
}

/// Runs on ranks that are threads and share a device; rank 0's result.
inline RunResult run_ranks(int ranks, const RunConfig& config, const fs::path& out,
                           core::Device device = core::kCpu) {
  RunResult result;
  dist::run_threads(ranks, [&](dist::Communicator& world) {
    const core::Log log;
    const StopRequest stop;
    const RunResult mine =
        pretrain(config, {.out = out, .device = {device, "as the test says"}}, world, log, stop);
    if (world.rank() == 0) result = mine;
  });
  return result;
}

inline fs::path checkpoint_path(const fs::path& run, int step) {
  char name[32];
  std::snprintf(name, sizeof name, "step-%09d", step);
  return run / "checkpoints" / name;
}

/// The columns of metrics.csv by row; row 0 is step 1.
inline std::vector<std::vector<double>> read_metrics(const fs::path& run) {
  std::ifstream in(run / "metrics.csv");
  std::string line;
  std::getline(in, line);
  std::vector<std::vector<double>> rows;
  while (std::getline(in, line)) {
    rows.emplace_back();
    for (std::size_t at = 0; at <= line.size();) {
      const std::size_t comma = std::min(line.find(',', at), line.size());
      rows.back().push_back(std::strtod(line.substr(at, comma - at).c_str(), nullptr));
      at = comma + 1;
    }
  }
  return rows;
}

/// One column of it.
inline std::vector<double> metrics_column(const fs::path& run, std::size_t column) {
  std::vector<double> values;
  for (const auto& row : read_metrics(run)) values.push_back(row.at(column));
  return values;
}
inline constexpr std::size_t kStepColumn = 0;
inline constexpr std::size_t kLossColumn = 5;
inline constexpr std::size_t kDnaLossColumn = 6;
inline constexpr std::size_t kNormColumn = 9;
inline constexpr std::size_t kSkippedColumn = 10;

/// A column of one run beside that of another.
inline void expect_near(const std::vector<double>& found, const std::vector<double>& truth,
                        double relative) {
  ASSERT_EQ(found.size(), truth.size());
  for (std::size_t i = 0; i < truth.size(); ++i) {
    EXPECT_NEAR(found[i], truth[i], relative * std::abs(truth[i])) << "step " << i + 1;
  }
}

/// Two checkpoints with the same bits.
inline void expect_same_files(const fs::path& a, const fs::path& b) {
  for (const char* file : {"model.safetensors", "optimizer.bin"}) {
    EXPECT_TRUE(core::read_text(a / file) == core::read_text(b / file))
        << b / file << " differs from that in " << a;
  }
}

/// Flips one bit of a byte of a file; twice restores it.
inline void damage(const fs::path& file, std::size_t byte) {
  std::string text = core::read_text(file);
  text.at(byte) = static_cast<char>(text.at(byte) ^ 4);
  std::ofstream(file, std::ios::binary) << text;
}

}  // namespace epi::train
