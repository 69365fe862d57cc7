// The study's arithmetic by hand, its files damaged, its table of networks edited wrongly, and its
// reports read back.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "core/error.hpp"
#include "core/files.hpp"
#include "kernels/ops.hpp"
#include "model/masked_model.hpp"
#include "train/networks.hpp"
#include "train/scaling_model.hpp"
#include "train/scaling_report.hpp"

namespace epi::train {
namespace {

namespace fs = std::filesystem;

core::Config table_of(const std::string& text) {
  return core::Config::from_text(text, "networks.toml");
}

constexpr const char* kOne = R"(networks = ["a"]
[a]
title = "A"
ranks_per_node = 8
call_us = 8.4
node_latency_us = 3.4
node_gb_per_s = 370
network_latency_us = 14
network_gb_per_s = 340.0
)";

TEST(Networks, table_isReadInItsUnits) {
  core::Config table = table_of(kOne);
  const auto networks = read_networks(table, "networks.toml");
  ASSERT_EQ(networks.size(), 1U);
  EXPECT_EQ(networks[0].title, "A");
  EXPECT_EQ(networks[0].ranks_per_node, 8);
  EXPECT_DOUBLE_EQ(networks[0].call_s, 8.4e-6);
  EXPECT_DOUBLE_EQ(networks[0].node.bytes_per_s, 370e9);
  EXPECT_DOUBLE_EQ(networks[0].between.latency_s, 14e-6);
}

TEST(Networks, builtInTable_readsAndNamesFour) {
  core::Config table =
      core::Config::from_file(fs::path(EPI_SOURCE_DIR) / "launch" / "networks.toml");
  EXPECT_EQ(read_networks(table, "networks.toml").size(), 4U);
}

/// kOne with one text replaced by another.
std::string message_with(const std::string& old, const std::string& now) {
  std::string text = kOne;
  text.replace(text.find(old), old.size(), now);
  try {
    core::Config table = table_of(text);
    (void)read_networks(table, "networks.toml");
  } catch (const core::ConfigError& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(Networks, wrongNumbers_areRefusedByName) {
  EXPECT_NE(message_with("call_us = 8.4\n", "").find("a.call_us"), std::string::npos);
  EXPECT_NE(message_with("= 370", "= -1").find("a.node_gb_per_s"), std::string::npos);
  EXPECT_NE(message_with("= 340.0", "= 0").find("a.network_gb_per_s"), std::string::npos);
  EXPECT_NE(message_with("= 340.0", "= nan").find("a.network_gb_per_s"), std::string::npos);
  EXPECT_NE(message_with("_node = 8", "_node = 0").find("ranks_per_node"), std::string::npos);
  EXPECT_NE(message_with("call_us", "cal_us").find("call_us"), std::string::npos);
  EXPECT_NE(message_with("[\"a\"]", "[]").find("networks"), std::string::npos);
}

TEST(Networks, mistakes_nameTheFileAndTheKeyThatIsWrong) {
  EXPECT_EQ(message_with("call_us = 8.4\n", "").substr(0, 36),
            "networks.toml: a.call_us is missing:");
  const std::string mistyped = message_with("call_us", "cal_us");
  EXPECT_NE(mistyped.find("networks.toml:5: unknown key a.cal_us"), std::string::npos) << mistyped;
  const std::string untitled = message_with("title = \"A\"\n", "");
  EXPECT_NE(untitled.find("networks.toml: a.title is missing"), std::string::npos) << untitled;
  EXPECT_NE(message_with("[\"a\"]", "[\"b\"]").find("networks.toml:"), std::string::npos);
  for (const std::string& message : {mistyped, untitled}) {
    EXPECT_EQ(message.find("--set"), std::string::npos) << message;
    EXPECT_EQ(message.find("default"), std::string::npos) << message;
  }
}

/// Of 1 MB/s ranks: `alone` seconds of 100 windows of 10 tokens a rank, sums of 10 s latency a hop.
ScalingPoint point_of(int ranks, double exposed) {
  ScalingPoint point;
  point.setting = {.program = "0.1",
                   .kernels = "avx2, 1 thread",
                   .precision = "fp32",
                   .model = "tiny",
                   .tokens = 10,
                   .micro_batch = 1,
                   .parameters = 250000,
                   .flops_per_token = 1e6,
                   .gradient_bytes = 1e6,
                   .overlaps = false};
  point.ranks = ranks;
  point.ranks_per_node = ranks;
  point.world = "threads";
  point.buckets = 1;
  if (ranks > 1) {
    for (const double bytes : {1e3, 1e6}) {
      // 2 (n-1) hops of 1 ms and 2 (n-1)/n bytes at 1 MB/s.
      const double n = ranks;
      point.sums.push_back(
          {ranks, ranks, bytes, 2e-3 * (n - 1) + 2.0 * (n - 1) / n * bytes * 1e-6});
    }
  }
  point.steps.push_back({.kind = ScalingKind::weak,
                         .windows = 100 * ranks,
                         .step_s = 4.0 + exposed,
                         .alone_s = 4.0,
                         .input_s = 0.5,
                         .compute_s = 3.5,
                         .exchange_s = exposed,
                         .exposed_s = exposed});
  return point;
}

TEST(ScalingPoint, text_readsBack) {
  const ScalingPoint point = point_of(4, 1.0);
  const ScalingPoint again = parse_scaling_point(text_of(point), "x");
  EXPECT_EQ(text_of(again), text_of(point));
  EXPECT_EQ(again.sums[0].ranks_per_node, 4);
}

TEST(ScalingPoint, damage_isFormatError) {
  const std::string text = text_of(point_of(2, 1.0));
  for (std::size_t length = 0; length + 2 < text.size(); length += 7) {
    EXPECT_THROW((void)parse_scaling_point(text.substr(0, length), "x"), core::FormatError);
  }
  for (const auto& [old, now] : {std::pair{"\"version\": 1", "\"version\": 2"},
                                 {"\"ranks\": 2", "\"ranks\": 0"},
                                 {"\"weak\"", "\"week\""},
                                 {"\"step_s\": 5.0", "\"step_s\": -5.0"},
                                 {"\"tokens\": 10", "\"tokens\": \"ten\""}}) {
    std::string damaged = text;
    ASSERT_NE(damaged.find(old), std::string::npos) << old;
    damaged.replace(damaged.find(old), std::string(old).size(), now);
    EXPECT_THROW((void)parse_scaling_point(damaged, "x"), core::FormatError) << now;
  }
}

fs::path folder_with(const std::string& name, const std::vector<ScalingPoint>& points) {
  const fs::path folder = fs::path(testing::TempDir()) / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  for (const ScalingPoint& point : points) {
    core::write_durably(folder / scaling_file(point.ranks), text_of(point));
  }
  return folder;
}

TEST(ScalingPoints, folder_isReadByRisingRanks) {
  const auto points =
      read_scaling_points(folder_with("scaling_points", {point_of(16, 1), point_of(2, 1)}));
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[0].ranks, 2);
  EXPECT_EQ(points[1].ranks, 16);
}

TEST(ScalingPoints, noPoint_isMissing) {
  EXPECT_THROW((void)read_scaling_points(folder_with("scaling_none", {})), core::MissingError);
  EXPECT_THROW((void)read_scaling_points("/nowhere/at/all"), core::MissingError);
}

TEST(ScalingPoints, unlikeSettings_nameWhatDiffers) {
  ScalingPoint other = point_of(2, 1);
  other.setting.precision = "bf16";
  try {
    (void)read_scaling_points(folder_with("scaling_unlike", {point_of(1, 0), other}));
    FAIL();
  } catch (const core::InputError& error) {
    EXPECT_NE(std::string(error.what()).find("precision: \"fp32\" and \"bf16\""), std::string::npos)
        << error.what();
  }
}

TEST(ScalingPoints, ranksThatNobodyAskedFor_areLeftOut) {
  const fs::path folder =
      folder_with("scaling_asked", {point_of(1, 0), point_of(2, 1), point_of(4, 1)});
  EXPECT_EQ(read_scaling_points(folder, {1, 2}).size(), 2U);
  EXPECT_EQ(read_scaling_points(folder).size(), 3U);
  EXPECT_THROW((void)read_scaling_points(folder, {8}), core::MissingError);
}

TEST(ScalingPoints, unlikeStrongSteps_nameBothFilesAndTheWayOut) {
  std::vector<ScalingPoint> points{point_of(1, 0), point_of(2, 1), point_of(4, 1)};
  for (ScalingPoint& point : points) {
    point.steps.push_back(point.steps[0]);
    point.steps[1].kind = ScalingKind::strong;
    point.steps[1].windows = point.ranks == 4 ? 4 : 2;
  }
  const fs::path folder = folder_with("scaling_strong", points);
  EXPECT_EQ(read_scaling_points(folder, {1, 2}).size(), 2U);
  try {
    (void)read_scaling_points(folder);
    FAIL();
  } catch (const core::InputError& error) {
    const std::string message = error.what();
    for (const char* part : {"ranks-0001.json", "ranks-0004.json", "2 and 4", "--global-batch"}) {
      EXPECT_NE(message.find(part), std::string::npos) << message;
    }
  }
}

TEST(ScalingSteps, exposedTime_isNeverAboveTheExchange) {
  const ScalingSteps steps =
      with_compute({.step_s = 5.0, .input_s = 0.5, .exchange_s = 1.0, .exposed_s = 1.25});
  EXPECT_DOUBLE_EQ(steps.exposed_s, 1.0);
  EXPECT_DOUBLE_EQ(steps.compute_s, 3.5);
}

TEST(ScalingModel, exposedSums_areTheScheduleByHand) {
  // Ready at 10, 20, 22; summed 10-15, 20-25, 25-26; backward ends at 22.
  const std::vector<double> buckets{10, 10, 2};
  const auto half = [](double bytes) { return 0.5 * bytes; };
  EXPECT_DOUBLE_EQ(exposed_seconds(buckets, 22.0, half), 4.0);
  EXPECT_DOUBLE_EQ(exposed_seconds(buckets, 0.0, half), 11.0);  // nothing overlaps
  EXPECT_DOUBLE_EQ(exposed_seconds({}, 1.0, half), 0.0);
}

TEST(ScalingModel, measuredRanks_arePredictedFromTheirWorkAndTheFit) {
  // Two ranks: 2 ms + 1 s for the gradients, 2 ms and 80 us for the message of 80 bytes.
  const ScalingStudy study = study_of({point_of(1, 0.0), point_of(2, 1.1), point_of(4, 1.6)});
  ASSERT_TRUE(study.fit);
  ASSERT_EQ(study.rows.size(), 3U);
  EXPECT_DOUBLE_EQ(study.rows[0].predicted_s, 4.0);
  EXPECT_NEAR(study.rows[1].predicted_s, 5.00408, 1e-4);
  EXPECT_NEAR(study.rows[1].error(), 5.00408 / 5.1 - 1.0, 1e-4);
  EXPECT_NEAR(study.rows[2].predicted_s, 4.0 + 6e-3 + 1.5 + 6e-3 + 1.2e-4, 1e-4);
  EXPECT_DOUBLE_EQ(study.rows[1].tokens_per_s, 2000.0 / 5.1);
  EXPECT_DOUBLE_EQ(study.rows[1].efficiency, 4.0 / 5.1);
}

dist::Network hopper() {
  core::Config table = table_of(kOne);
  return read_networks(table, "networks.toml")[0];
}

TEST(ScalingModel, devicesThatOverlap_staySmallInTheNodeAsPublished) {
  // 32,768 tokens at 726 K/s: 45 ms; 8 GPUs hide all but the small last bucket: over 98 %.
  const AloneStep device = device_at_base_size(726e3);
  EXPECT_GT(predicted_tokens_per_s(device, hopper(), 8), 0.98 * 8 * 726e3);
  EXPECT_LE(predicted_tokens_per_s(device, hopper(), 8), 8 * 726e3);
  EXPECT_GT(predicted_tokens_per_s(device, hopper(), 256), 0.93 * 256 * 726e3);
}

TEST(ScalingModel, referenceJob_isTheArithmeticByHand) {
  // 64.3e9 / 780e3 / 86,400 = 0.9541 days; 2.5 days need 297.7 K tokens/s, 24 days 31.0 K.
  EXPECT_NEAR(reference_days(device_at_base_size(780e3), hopper(), 1), 0.95412, 1e-4);
  EXPECT_EQ(ranks_for(kCs1Days, device_at_base_size(298e3), hopper()), 1);
  EXPECT_EQ(ranks_for(kCs1Days, device_at_base_size(297e3), hopper()), 2);
  EXPECT_EQ(ranks_for(kClusterDays, device_at_base_size(31.5e3), hopper()), 1);
  EXPECT_EQ(ranks_for(1e-9, device_at_base_size(1e3), hopper()), std::nullopt);
}

TEST(ScalingModel, leastRanks_areEnoughAndOneLessIsNot) {
  const AloneStep slow = device_at_base_size(1000.0);
  const auto ranks = ranks_for(kCs1Days, slow, hopper());
  ASSERT_TRUE(ranks);
  EXPECT_LE(reference_days(slow, hopper(), *ranks), kCs1Days);
  EXPECT_GT(reference_days(slow, hopper(), *ranks - 1), kCs1Days);
}

TEST(ScalingModel, baseSize_hasTheParametersOfTheModelItself) {
  model::ModelConfig config = model::preset("base");
  config.num_states = 25;
  const auto ops = kernels::make_cpu_ops(1);
  const model::MaskedModel base(config, {1, 16, 2, 2}, *ops);
  EXPECT_NEAR(device_at_base_size(1.0).gradient_bytes,
              4.0 * static_cast<double>(base.table().num_parameters()),
              0.001 * 4.0 * static_cast<double>(base.table().num_parameters()));
}

TEST(ScalingModel, anotherModel_isCarriedOverByItsOperations) {
  ScalingSetting setting = point_of(1, 0).setting;
  const AloneStep tiny{.seconds = 1.0, .tokens = 512, .gradient_bytes = 1e6, .overlaps = false};
  const AloneStep base = at_base_size(tiny, setting);
  EXPECT_NEAR(base.seconds, 0.570e9 / 1e6, 5.0);  // 0.570 GFLOP a token at base size
  setting.model = "base";
  setting.tokens = 512;
  EXPECT_EQ(at_base_size(tiny, setting).seconds, 1.0);
}

TEST(ScalingReport, daysOfAnySize_areReadAtAGlance) {
  EXPECT_EQ(days_text(0.1288), "0.129");
  EXPECT_EQ(days_text(157.2), "157");
  EXPECT_EQ(days_text(10044.3), "10044");
}

TEST(ScalingReport, everyForm_saysWhatWasPredicted) {
  const ScalingStudy study = study_of({point_of(1, 0.0), point_of(2, 1.1)});
  const ScalingOutlook outlook{{hopper()}, 726e3};
  const std::string text = scaling_text(study, outlook);
  EXPECT_NE(text.find("+0.0 %"), std::string::npos) << text;
  EXPECT_NE(text.find("predicted for devices of 726 K tokens/s"), std::string::npos) << text;
  EXPECT_NE(text.find("but not how many tokens"), std::string::npos);
  const std::string csv = scaling_csv(study, outlook);
  // The head, two measured, and 13 numbers of ranks by three algorithms for each of two paces.
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 2 + 2 * 3 * 13);
  std::istringstream lines(csv);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_EQ(std::count(line.begin(), line.end(), ','), 14) << line;
  }
}

TEST(ScalingReport, page_needsNothingButItself) {
  const ScalingStudy study = study_of({point_of(1, 0.0), point_of(2, 1.1)});
  const std::string html = scaling_html(study, {{hopper()}, 0.0});
  for (const char* outside : {"<script", "src=", "href=", "@import", "url("}) {
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  }
  for (const char* part : {"Throughput, weak scaling", "Efficiency, weak scaling", "ideal",
                           "exposed exchange", "Sums over ranks", "Reference job, predicted"}) {
    EXPECT_NE(html.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(html.find("nan"), std::string::npos);
}

TEST(ScalingReport, predictionsFarOff_areToldInWords) {
  ScalingPoint off = point_of(2, 1.1);
  off.steps[0].step_s = 10.0;
  const std::vector<dist::Network> networks{hopper()};
  const ScalingStudy wrong = study_of({point_of(1, 0.0), off});
  for (const std::string& report :
       {scaling_text(wrong, {networks, 0.0}), scaling_html(wrong, {networks, 0.0})}) {
    EXPECT_NE(report.find("off by more than 10 %: weak at 2 ranks (-"), std::string::npos);
  }
  const ScalingStudy right = study_of({point_of(1, 0.0), point_of(2, 1.1)});
  EXPECT_EQ(misprediction_line(right), "");
}

TEST(ScalingReport, cpuSpeedsOnNetworksOfGpus_sayWhatTheyDoNotTell) {
  ScalingStudy study = study_of({point_of(1, 0.0), point_of(2, 1.1)});
  const ScalingOutlook outlook{{hopper()}, 0.0};
  for (const std::string& report : {scaling_text(study, outlook), scaling_html(study, outlook)}) {
    EXPECT_NE(report.find("say nothing of the networks"), std::string::npos);
    EXPECT_NE(report.find("--device-tokens-per-s"), std::string::npos);
  }
  EXPECT_NE(scaling_html(study, outlook).find("white-space: nowrap"), std::string::npos);
  study.setting.overlaps = true;
  EXPECT_EQ(scaling_text(study, outlook).find("say nothing"), std::string::npos);
}

TEST(ScalingReport, oneRankAlone_hasNoFitAndSaysSo) {
  const ScalingStudy study = study_of({point_of(1, 0.0)});
  EXPECT_FALSE(study.fit);
  EXPECT_NE(scaling_text(study, {{hopper()}, 0.0}).find("nobody to sum with"), std::string::npos);
  EXPECT_NE(scaling_html(study, {{hopper()}, 0.0}).find("</html>"), std::string::npos);
}

}  // namespace
}  // namespace epi::train
