// The evaluation report: what it counts, that ranks don't matter, and that hidden means hidden - a
// model that copies what it sees gains nothing.
#include "train/evaluate.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <mutex>
#include <numbers>

#include "core/config.hpp"
#include "core/digest.hpp"
#include "data/orders.hpp"
#include "data/text_inputs.hpp"
#include "train/tiny_run.hpp"
#include "train/training_step.hpp"
#include "train/validation.hpp"

namespace epi::train {
namespace {

constexpr std::size_t kUniform = static_cast<std::size_t>(DnaBaseline::uniform);

RunConfig config_of(const fs::path& store) {
  core::Config text = core::Config::from_text("[data]\nstore = '" + store.string() + "'\n" + R"(
[tokens]
k = 3
stride = 3
length = 66
[model]
size = 'tiny'
layers = 1
hidden = 16
heads = 2
intermediate = 32
[train]
steps = 10
global_batch = 8
micro_batch = 2
threads = 1
[evaluate]
every = 0
windows = 10
[checkpoint]
every = 0
)",
                                              "evaluate_test.toml");
  return read_run_config(text);
}

class Evaluate : public testing::Test {
 protected:
  Evaluate() : folder_("evaluate"), config_(config_of(folder_.path() / "store")) {
    write_tiny_store(folder_.path() / "store");
  }
  [[nodiscard]] fs::path run() const { return folder_.path() / "run"; }

  TestFolder folder_;
  RunConfig config_;
};

TEST_F(Evaluate, Report_hasSeenAndUnseenApart_withEveryTargetCounted) {
  run_solo(config_, run());
  const EvaluationReport report = evaluate({.run = run()}, *dist::make_solo(), core::Log());
  EXPECT_EQ(report.step, 10);
  ASSERT_EQ(report.populations.size(), 4U);
  const std::pair<bool, bool> expected[4] = {
      {false, true}, {true, true}, {false, false}, {true, false}};
  const auto slots = static_cast<double>(kernels::dna_slots(config_.tokens, config_.masks));
  for (std::size_t i = 0; i < 4; ++i) {
    const Population& population = report.populations[i];
    EXPECT_EQ(std::pair(population.seen_regions, population.seen_cells), expected[i]);
    EXPECT_EQ(population.samples, 10);
    const double targets = population.repeats.targets + population.unique.targets;
    EXPECT_EQ(targets, 10 * slots);
    EXPECT_NEAR(population.unique.hidden_bases, 3 * population.unique.targets, 1e-9);
    EXPECT_NEAR(population.unique.baselines.at(kUniform) / population.unique.targets,
                std::log(64.0), 1e-9);
    EXPECT_NEAR(population.unique.nats / population.unique.targets, std::log(69.0), 0.5)
        << "a model of ten steps knows little";
    EXPECT_GT(population.states.targets, 0.0);
  }
  EXPECT_LT(report.populations[0].unique.baselines[4], report.populations[0].unique.baselines[1])
      << "the store's bases follow each other: the chain must know";
}

TEST_F(Evaluate, AnyRanks_sameReport) {
  run_solo(config_, run());
  const std::string alone =
      to_json(evaluate({.run = run(), .threads = 1}, *dist::make_solo(), core::Log()));
  std::mutex guard;
  dist::run_threads(2, [&](dist::Communicator& world) {
    const EvaluationReport report = evaluate({.run = run(), .threads = 1}, world, core::Log());
    const std::lock_guard lock(guard);
    const EvaluationReport reference =
        evaluate({.run = run(), .threads = 1}, *dist::make_solo(), core::Log());
    for (std::size_t i = 0; i < report.populations.size(); ++i) {
      const DnaTally& here = report.populations[i].unique;
      const DnaTally& there = reference.populations[i].unique;
      EXPECT_EQ(here.targets, there.targets);
      EXPECT_EQ(here.correct, there.correct);
      EXPECT_NEAR(here.nats, there.nats, 1e-9 * there.nats);
      EXPECT_NEAR(here.baselines[4], there.baselines[4], 1e-9 * there.baselines[4]);
      EXPECT_EQ(report.populations[i].states.confusion, reference.populations[i].states.confusion);
    }
  });
  EXPECT_NE(alone.find("\"order-5 chain, two-sided\""), std::string::npos);
}

TEST_F(Evaluate, NoCheckpoint_isMissingAndOtherStore_isRefused) {
  EXPECT_THROW((void)evaluate({.run = run()}, *dist::make_solo(), core::Log()), core::MissingError);
  run_solo(config_, run());
  EXPECT_THROW((void)evaluate({.run = run(), .step = 7}, *dist::make_solo(), core::Log()),
               core::MissingError);
  const fs::path other = folder_.path() / "other";
  write_tiny_store(other);
  data::Manifest manifest = data::read_manifest(other);
  manifest.cells[0].name = "renamed";
  core::write_durably(other / data::kManifestName, std::string_view(data::to_json(manifest)));
  EXPECT_THROW((void)evaluate({.run = run(), .store = other}, *dist::make_solo(), core::Log()),
               core::ConfigError);
  EXPECT_THROW(
      (void)evaluate({.run = run(), .split = data::Split::test}, *dist::make_solo(), core::Log()),
      core::ConfigError);
}

/// Takes a line out of a checkpoint's manifest and gives it the digest that it has then: all text
/// but the last key, its own.
void forget_key(const fs::path& manifest, const std::string& key) {
  std::string text = core::read_text(manifest);
  const std::size_t line = text.find("  \"" + key + "\"");
  ASSERT_NE(line, std::string::npos);
  text.erase(line, text.find('\n', line) + 1 - line);
  text.erase(text.rfind(",\n \"xxh3_128\""));
  const std::string digest = core::digest_of(std::string_view(text + "\n}"));
  core::write_durably(manifest,
                      std::string_view(text + ",\n \"xxh3_128\": \"" + digest + "\"\n}\n"));
}

// Programs that knew no data.min_acgt left no window out: their checkpoints are scored alike.
TEST_F(Evaluate, CheckpointWithoutMinAcgt_isScoredOnAllWindows) {
  write_tiny_store(folder_.path() / "store", {.unknown_bp = 3000});
  run_solo(config_, run());
  const auto samples = [&] {
    const EvaluateOptions options{.run = run(), .windows = 100'000};
    return evaluate(options, *dist::make_solo(), core::Log()).populations.at(0).samples;
  };
  // 31 windows of 192 bp, 15 of them N and another one mostly so; two cell types.
  EXPECT_EQ(samples(), 2 * 15);
  forget_key(checkpoint_path(run(), 10) / "manifest.json", "data.min_acgt");
  EXPECT_EQ(samples(), 2 * 31);
}

// Two stores that differ in held-out data only give baselines that score training data alike to the
// last bit: these have seen nothing else.
TEST_F(Evaluate, OtherHeldOutData_baselinesOnTrainingData_areTheSame) {
  const auto report_of = [&](std::uint32_t held_out) {
    const fs::path folder = folder_.path() / std::to_string(held_out);
    write_tiny_store(folder / "store", {.held_out = held_out});
    RunConfig config = config_of(folder / "store");
    config.train.steps = 1;
    run_solo(config, folder / "run");
    return evaluate({.run = folder / "run", .threads = 1}, *dist::make_solo(), core::Log());
  };
  const EvaluationReport one = report_of(1000);
  const EvaluationReport other = report_of(2000);
  ASSERT_EQ(one.populations.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    const Population& a = one.populations[i];
    const Population& b = other.populations[i];
    const bool dna_same = a.unique.baselines == b.unique.baselines;
    EXPECT_EQ(dna_same, a.seen_regions) << "chrB's bases differ, chrA's do not";
    const bool states_same = a.states.baseline_nats == b.states.baseline_nats;
    EXPECT_EQ(states_same, a.seen_regions && a.seen_cells);
  }
}

/// The same bases and regions as another store, each of its states told apart into two: state s is
/// 2s
/// - 1 in even bins and 2s in odd ones.
void write_finer_store(const fs::path& from, const fs::path& to) {
  const data::Store store = data::Store::open(from);
  data::Manifest manifest = store.manifest();
  fs::create_directories(to);
  for (std::size_t i = 0; i < manifest.shards.size(); ++i) {
    const core::SegmentView& segment = store.corpus().segments[i];
    const auto bins =
        static_cast<std::size_t>((segment.length_bp + manifest.bin_bp - 1) / manifest.bin_bp);
    std::vector<std::uint8_t> states;
    for (std::size_t cell = 0; cell < manifest.cells.size(); ++cell) {
      for (std::size_t bin = 0; bin < bins; ++bin) {
        const std::size_t code = segment.states[cell][bin];
        states.push_back(static_cast<std::uint8_t>(code == 0 ? 0 : 2 * code - 1 + bin % 2));
      }
    }
    const auto contig = manifest.shards[i].contig;
    manifest.shards[i] =
        data::write_shard(to / manifest.shards[i].file,
                          {.contig = manifest.contigs[static_cast<std::size_t>(contig)].name,
                           .start_bp = segment.start_bp,
                           .bin_bp = manifest.bin_bp,
                           .bases = {segment.bases, static_cast<std::size_t>(segment.length_bp)},
                           .states = states,
                           .num_cells = static_cast<std::int32_t>(manifest.cells.size())});
    manifest.shards[i].contig = contig;
  }
  manifest.states.clear();
  for (std::int32_t state = 1; state <= 2 * kTinyStates; ++state) {
    manifest.states.push_back({state, "Fine" + std::to_string(state), {}});
  }
  core::write_durably(to / data::kManifestName, std::string_view(data::to_json(manifest)));
}

TEST_F(Evaluate, StoreOfAFinerVocabulary_mappedBack_scoresAsTheTrainingsOwn) {
  run_solo(config_, run());
  const fs::path fine = folder_.path() / "fine";
  write_finer_store(folder_.path() / "store", fine);
  std::string rows = "from\tto\n";
  for (int state = 1; state <= 2 * kTinyStates; ++state) {
    rows += std::to_string(state) + "_Fine" + std::to_string(state) + "\t" +
            std::to_string((state + 1) / 2) + "\n";
  }
  const fs::path map = folder_.path() / "map.tsv";
  std::ofstream(map) << rows;
  const EvaluationReport own = evaluate({.run = run()}, *dist::make_solo(), core::Log());
  const EvaluationReport mapped =
      evaluate({.run = run(), .store = fine, .state_map = map}, *dist::make_solo(), core::Log());
  EXPECT_EQ("", own.other_store);
  EXPECT_NE(std::string::npos, mapped.other_store.find(fine.string()));
  EXPECT_NE(std::string::npos, to_table(mapped).find("another store"));
  EXPECT_NE(std::string::npos, to_json(mapped).find("\"other_store\""));
  EXPECT_EQ(kTinyStates, mapped.num_states);
  ASSERT_EQ(own.populations.size(), mapped.populations.size());
  for (std::size_t i = 0; i < own.populations.size(); ++i) {
    EXPECT_EQ(own.populations[i].states.confusion, mapped.populations[i].states.confusion);
    EXPECT_EQ(own.populations[i].states.nats, mapped.populations[i].states.nats);
    EXPECT_EQ(own.populations[i].unique.nats, mapped.populations[i].unique.nats);
  }
}

TEST_F(Evaluate, OtherStore_mustBeMeantAndMeanTheSame) {
  run_solo(config_, run());
  const fs::path store = folder_.path() / "store";
  const fs::path renamed = folder_.path() / "renamed";
  write_tiny_store(renamed);
  data::Manifest manifest = data::read_manifest(renamed);
  manifest.cells[0].name = "renamed";
  core::write_durably(renamed / data::kManifestName, std::string_view(data::to_json(manifest)));
  const auto go = [&](const EvaluateOptions& options) {
    return evaluate(options, *dist::make_solo(), core::Log());
  };
  data::expect_error(core::ErrorKind::config, {renamed.string(), "--other-store", "--state-map"},
                     [&] { (void)go({.run = run(), .store = renamed}); });
  EXPECT_NE("", go({.run = run(), .store = renamed, .other_store = true}).other_store);

  const fs::path fine = folder_.path() / "fine";
  write_finer_store(store, fine);
  data::expect_error(core::ErrorKind::config, {"8 states", "7_Fine7", "1 2 3 4", "--state-map"},
                     [&] { (void)go({.run = run(), .store = fine, .other_store = true}); });
  const fs::path map = folder_.path() / "map.tsv";
  std::ofstream(map) << "1\t1\n2\t2\n";
  data::expect_error(core::ErrorKind::input, {map.string(), "no row", "3_Fine3"},
                     [&] { (void)go({.run = run(), .store = fine, .state_map = map}); });
  std::ofstream(map) << "1\t1\n2\t9\n";
  data::expect_error(core::ErrorKind::input, {map.string(), "lacks", "9"},
                     [&] { (void)go({.run = run(), .store = fine, .state_map = map}); });
}

/// Mean nats of a copier: half its belief on the token it is shown, half on the unigram; where it
/// is shown no k-mer, the unigram alone. Returned beside the unigram's own.
std::pair<double, double> copier_and_unigram(const RunConfig& config, const data::Store& store,
                                             const kernels::MaskSpec& masks) {
  const core::CorpusView corpus = store.corpus();
  const data::EvaluationOrder order(
      data::WindowTable(store.manifest(), corpus, data::Split::train, config.tokens.window_bp()),
      {0, 1}, 200);
  DnaBaselines unigram(config.tokens.k);
  unigram.add({corpus.segments[0].bases, static_cast<std::size_t>(corpus.segments[0].length_bp)});
  unigram.fit(*dist::make_solo());
  model::BatchShape shape = batch_shape(config, corpus.bin_bp);
  shape.batch = 200;
  model::Batch batch(shape, core::kCpu);
  std::vector<core::SampleRef> samples(200);
  order.samples(0, samples);
  const kernels::StepState step{.seed = kEvaluationSeed};
  std::array<std::int64_t, kernels::kNumCounts> counts{};
  kernels::AssembleArgs args = batch.operands();
  args.corpus = &corpus;
  args.samples = samples;
  args.tokens = config.tokens;
  args.masks = masks;
  args.state = &step;
  args.counts = core::View(counts.data(), {kernels::kNumCounts});
  const auto ops = kernels::make_cpu_ops(1);
  core::Stream stream(core::kCpu);
  ops->assemble(args, stream);
  double copier = 0.0;
  double base = 0.0;
  const std::vector<std::uint8_t> hidden(3, 1);
  for (std::int64_t i = 0; i < batch.dna_rows.view().size(); ++i) {
    if (batch.dna_weights.as<float>()[i] == 0.0F) continue;
    const std::int32_t kmer = batch.dna_labels.as<std::int32_t>()[i] - kernels::kFirstKmer;
    const std::vector<std::uint8_t> bases = {static_cast<std::uint8_t>(kmer / 16),
                                             static_cast<std::uint8_t>(kmer / 4 % 4),
                                             static_cast<std::uint8_t>(kmer % 4)};
    const double nats = unigram.score({bases, hidden}, 0)[1];
    const std::int32_t shown =
        batch.token_ids.as<std::int32_t>()[batch.dna_rows.as<std::int32_t>()[i]];
    base += nats;
    if (shown < kernels::kFirstKmer) {
      copier += nats;
    } else {
      copier -= std::log(0.5 * std::exp(-nats) + (shown - kernels::kFirstKmer == kmer ? 0.5 : 0.0));
    }
  }
  return {copier, base};
}

TEST(EvaluationMasks, anyTreatmentOfRepeats_countsThemInFull) {
  kernels::MaskSpec masks;
  masks.repeats = kernels::Repeats::exclude;
  EXPECT_EQ(evaluation_masks(masks).repeats, kernels::Repeats::keep);
  masks.repeats = kernels::Repeats::downweight;
  EXPECT_EQ(evaluation_masks(masks).weight_in_repeats(), 1.0F);
}

TEST_F(Evaluate, ModelThatCopiesWhatItSees_doesNotBeatTheUnigram) {
  const data::Store store = data::Store::open(folder_.path() / "store");
  const auto [copier, unigram] =
      copier_and_unigram(config_, store, evaluation_masks(config_.masks));
  EXPECT_GE(copier, unigram);
  const auto [trained, expected] = copier_and_unigram(config_, store, config_.masks);
  EXPECT_LT(trained, 0.99 * expected) << "with the masks of training it would: this test can fail";
}

TEST(StateTally, macroF1_matchesHandArithmetic) {
  StateTally tally;
  // State 1: 3 true, 2 found, 1 false alarm; state 2: 1 true, 0 found; state 3 never occurs.
  tally.confusion = {2, 1, 0, 1, 0, 0, 0, 0, 0};
  // F1 of state 1: 2*2 / (3 + 3); of state 2: 0; mean over the two that occur.
  EXPECT_NEAR(tally.macro_f1(3), (4.0 / 6.0 + 0.0) / 2.0, 1e-12);
}

TEST(DnaTally, bitsPerBase_dividesByHiddenBases) {
  const DnaTally tally{.targets = 2, .hidden_bases = 6, .nats = 6 * std::numbers::ln2};
  EXPECT_NEAR(tally.bits_per_base(), 1.0, 1e-12);
}

}  // namespace
}  // namespace epi::train
