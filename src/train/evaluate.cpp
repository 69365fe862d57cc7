#include "train/evaluate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "core/buffer.hpp"
#include "core/config.hpp"
#include "data/orders.hpp"
#include "model/masked_model.hpp"
#include "train/checkpoint.hpp"
#include "train/evaluation_store.hpp"
#include "train/population_scorer.hpp"
#include "train/run_data.hpp"
#include "train/run_folder.hpp"
#include "train/threads.hpp"
#include "train/training_step.hpp"
#include "train/validation.hpp"
#include "train/weights.hpp"

namespace epi::train {
namespace {

/// Most (window, cell type) pairs from which the neighbour table is fitted: enough for its rows,
/// and seconds of work on a whole genome.
constexpr std::int64_t kFitSamples = 100000;
/// Hidden bins of the fit are drawn apart from those that are scored.
constexpr std::uint64_t kFitSeed = kEvaluationSeed + 1;

std::filesystem::path folder_of(const EvaluateOptions& options, std::int64_t step) {
  return RunFolder{options.run}.checkpoints() / fmt::format("step-{:09}", step);
}

/// The step asked for, or that of the newest valid checkpoint.
std::int64_t step_of(const EvaluateOptions& options, const core::Log& log) {
  if (options.step) return *options.step;
  const auto folder = RunFolder{options.run}.checkpoints();
  const FoundCheckpoint found = find_checkpoint(folder);
  for (const DamagedCheckpoint& damaged : found.damaged) {
    log.warn("{}: passed over: {}", damaged.path.string(), damaged.reason);
  }
  if (!found.newest) {
    throw core::MissingError(
        fmt::format("{}: no checkpoint there; run `epitrain pretrain CONFIG --out {}` first",
                    folder.string(), options.run.string()));
  }
  return found.newest->note.progress.step;
}

class Evaluation {
 public:
  Evaluation(const EvaluateOptions& options, dist::Communicator& world, const core::Log& log)
      : options_(options), world_(world), log_(log) {}

  EvaluationReport go();

 private:
  void open(std::int64_t step);
  void load_model();
  void fit_dna();
  void fit_states();
  void count_hidden_bins(const model::Batch& batch, std::int64_t rows);
  void score(data::Split regions, data::Split cells, EvaluationReport& report);
  [[nodiscard]] data::WindowTable windows(data::Split split) const {
    return windows_of(store_->manifest(), corpus_, split, config_);
  }

  const EvaluateOptions& options_;
  dist::Communicator& world_;
  const core::Log& log_;
  std::optional<Checkpoint> checkpoint_;
  RunConfig config_;
  std::optional<data::Store> store_;
  std::string other_store_;  // see EvaluationReport
  core::CorpusView corpus_;
  std::vector<std::int32_t> train_cells_;
  int threads_ = 1;  // of this rank
  std::unique_ptr<kernels::Ops> ops_;
  PrecisionChoice precision_;
  std::optional<core::Stream> stream_;
  std::optional<DeviceCorpus> device_corpus_;
  std::unique_ptr<model::MaskedModel> model_;
  std::optional<Weights> weights_;
  std::unique_ptr<DnaBaselines> dna_;
  std::unique_ptr<StateBaselines> states_;
};

EvaluationReport Evaluation::go() {
  std::int64_t step = 0;  // chosen once: a run that still trains shows each rank another newest one
  dist::agree(world_, [&] {
    if (world_.rank() == 0) step = step_of(options_, log_);
  });
  world_.broadcast(core::View(&step, {1}), 0);
  threads_ = threads_per_rank(options_.threads, world_, log_);
  const DeviceChoice device = choose_device(options_.device, world_);
  log_.info("device {}", device.line);
  dist::agree(world_, [&] {
    open(step);
    ops_ = make_ops(device.device, threads_, config_.train.reproducible);
    // Those of the run, where they fit: so that figures do not depend on what is timed now.
    (void)ops_->take_choices(checkpoint_->note.choices);
  });
  precision_ =
      choose_precision(options_.precision.value_or(config_.train.precision), *ops_, world_);
  dist::agree(world_, [&] { load_model(); });
  fit_dna();
  fit_states();
  EvaluationReport report{.checkpoint = checkpoint_->path.string(),
                          .step = checkpoint_->note.progress.step,
                          .other_store = other_store_,
                          .precision = precision_.name,
                          .split = options_.split,
                          .num_states = corpus_.num_states,
                          .populations = {}};
  for (const data::Split cells : {data::Split::train, options_.split}) {
    for (const data::Split regions : {options_.split, data::Split::train}) {
      score(regions, cells, report);
    }
  }
  return report;
}

void Evaluation::open(std::int64_t step) {
  checkpoint_.emplace(open_checkpoint(folder_of(options_, step)));
  core::Config text = core::Config::from_text(checkpoint_->note.config,
                                              (checkpoint_->path / "manifest.json").string());
  config_ = read_run_config(text);
  take_older_defaults(checkpoint_->note.identity, config_);
  const std::filesystem::path folder = options_.store.value_or(config_.store);
  EvaluationStore opened = open_evaluation_store(
      *checkpoint_,
      {.folder = folder,
       .other_store = options_.other_store,
       .state_map = options_.state_map,
       .depth = world_.node_rank() == 0 ? StoreDepth::every_byte : StoreDepth::headers});
  store_.emplace(std::move(opened.store));
  other_store_ = std::move(opened.other_store);
  corpus_ = store_->corpus();
  train_cells_ = cells_of(store_->manifest(), data::Split::train);
  if (options_.split != data::Split::train && windows(options_.split).size() == 0 &&
      cells_of(store_->manifest(), options_.split).empty()) {
    throw core::ConfigError(
        fmt::format("{}: the {} split holds no window and no cell type; prepare the store with "
                    "--{} or --{}-cells",
                    folder.string(), name_of(options_.split), name_of(options_.split),
                    name_of(options_.split)));
  }
}

void Evaluation::load_model() {
  model::ModelConfig model = config_.model;
  model.num_states = corpus_.num_states;
  model_ =
      std::make_unique<model::MaskedModel>(model, batch_shape(config_, corpus_.bin_bp), *ops_,
                                           model::Execution{.activations = precision_.activations});
  stream_.emplace(ops_->device());
  device_corpus_.emplace(corpus_, ops_->device());
  const std::int64_t size = model_->table().block_size();
  weights_.emplace(size, precision_.activations, *ops_);
  const core::Tensor host(core::DType::f32, {size});
  read_parameters(*checkpoint_, model_->table(), host);
  weights_->load(host, *stream_);
}

void Evaluation::fit_dna() {
  dna_ = std::make_unique<DnaBaselines>(config_.tokens.k);
  const auto& regions = store_->manifest().regions[static_cast<std::size_t>(data::Split::train)];
  const auto ranks = static_cast<std::size_t>(world_.size());
  for (std::size_t i = static_cast<std::size_t>(world_.rank()); i < regions.size(); i += ranks) {
    for (const core::SegmentView& segment : corpus_.segments) {
      if (segment.contig != regions[i].contig) continue;
      const std::int64_t from = std::max(regions[i].start_bp, segment.start_bp);
      const std::int64_t to = std::min(regions[i].end_bp, segment.start_bp + segment.length_bp);
      if (from >= to) continue;
      dna_->add({segment.bases + (from - segment.start_bp), static_cast<std::size_t>(to - from)});
    }
  }
  dna_->fit(world_);
}

// The table is fitted on hidden bins of training windows, hidden the way that scored ones are. The
// host counts them, so it assembles them as well: the same bits as any device's.
void Evaluation::fit_states() {
  states_ = std::make_unique<StateBaselines>(corpus_.num_states);
  const model::BatchShape& shape = model_->shape();
  if (shape.state_slots > 0) {
    const data::EvaluationOrder order(windows(data::Split::train), train_cells_, kFitSamples);
    const auto ops = kernels::make_cpu_ops(threads_);
    core::Stream stream(core::kCpu);
    model::Batch batch(shape, core::kCpu);
    kernels::StepState step{.seed = kFitSeed};
    std::vector<core::SampleRef> samples(static_cast<std::size_t>(shape.batch));
    const std::int64_t batches = (order.epoch_size() + shape.batch - 1) / shape.batch;
    for (std::int64_t b = world_.rank(); b < batches; b += world_.size()) {
      step.first_slot = static_cast<std::uint64_t>(b * shape.batch);
      order.samples(step.first_slot, samples);
      std::array<std::int64_t, kernels::kNumCounts> counts{};
      kernels::AssembleArgs args = batch.operands();
      args.corpus = &corpus_;
      args.samples = samples;
      args.tokens = config_.tokens;
      args.masks = evaluation_masks(config_.masks);
      args.state = &step;
      args.counts = core::View(counts.data(), {kernels::kNumCounts});
      ops->assemble(args, stream);
      count_hidden_bins(batch, shape.batch);
    }
  }
  states_->fit(world_);
}

void Evaluation::count_hidden_bins(const model::Batch& batch, std::int64_t rows) {
  const std::int64_t slots = batch.state_rows.view().shape(1);
  const std::int64_t tokens = config_.tokens.length;
  for (std::int64_t i = 0; i < rows * slots; ++i) {
    if (batch.state_weights.as<float>()[i] == 0.0F) continue;
    const std::int64_t row = i / slots;
    const std::span<const std::int32_t> types(batch.type_ids.as<std::int32_t>() + row * tokens,
                                              static_cast<std::size_t>(tokens));
    states_->add(hidden_bin(types, batch.state_rows.as<std::int32_t>()[i] - row * tokens,
                            corpus_.num_states + 1, batch.state_labels.as<std::int32_t>()[i] + 1));
  }
}

void Evaluation::score(data::Split regions, data::Split cells, EvaluationReport& report) {
  data::WindowTable table = windows(regions);
  std::vector<std::int32_t> members = cells_of(store_->manifest(), cells);
  const bool again = options_.split == data::Split::train && !report.populations.empty();
  if (table.size() == 0 || members.empty() || again) return;
  const std::int64_t count = options_.windows > 0 ? options_.windows : config_.evaluate_windows;
  const data::EvaluationOrder order(std::move(table), std::move(members), count);
  Population population{.seen_regions = regions == data::Split::train,
                        .seen_cells = cells == data::Split::train,
                        .samples = 0,
                        .repeats = {},
                        .unique = {},
                        .states = {}};
  PopulationScorer scorer({.corpus = corpus_,
                           .tokens = config_.tokens,
                           .dna = *dna_,
                           .states = *states_,
                           .train_cells = train_cells_},
                          population);
  Validator validator({.tokens = config_.tokens,
                       .masks = config_.masks,
                       .corpus = *device_corpus_,
                       .ops = *ops_,
                       .model = *model_,
                       .world = world_,
                       .stream = *stream_});
  (void)validator.run(order, weights_->blocks(),
                      [&](const ScoredBatch& batch) { scorer.add(batch); });
  sum_over_ranks(population, world_);
  report.populations.push_back(std::move(population));
}

}  // namespace

EvaluationReport evaluate(const EvaluateOptions& options, dist::Communicator& world,
                          const core::Log& log) {
  return Evaluation(options, world, log).go();
}

}  // namespace epi::train
