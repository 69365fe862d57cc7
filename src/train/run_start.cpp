// How a run begins: the corpus and the step in memory, the folder, the newest checkpoint, and what
// the log says of it all.
#include <array>
#include <bit>

#include "core/files.hpp"
#include "core/version.hpp"
#include "data/shard.hpp"
#include "dist/link.hpp"
#include "train/device_memory.hpp"
#include "train/replicas.hpp"
#include "train/run.hpp"

namespace epi::train {
namespace {

// Fewer bins than this in a window: hidden bins have hardly any visible neighbours to learn from.
constexpr std::int64_t kFewBins = 4;

/// What the wall's clock said when the process began, seconds since 1970.
double begun_unix_s(Timings::Clock::time_point begun) {
  using Seconds = std::chrono::duration<double>;
  const Seconds now = std::chrono::system_clock::now().time_since_epoch();
  return (now - Seconds(Timings::Clock::now() - begun)).count();
}

}  // namespace

void Run::place_corpus() {
  model_ = config_.model;
  model_.num_states = data_->corpus.num_states;
  model_.check();
  stream_.emplace(ops_->device());
  corpus_.emplace(data_->corpus, ops_->device(), cells_read(data_->store.manifest()));
}

void Run::build() {
  step_.emplace(step_setup());
  if (!data_->valid) return;
  validator_.emplace(ValidatorSetup{config_.tokens, config_.masks, *corpus_, *ops_, step_->model(),
                                    world_, *stream_});
}

// A GPU without memory left: what would fit is known once all that was taken is given back.
void Run::explained(const std::function<void()>& work) {
  explain_shortage(ops_->device(), work, [this]() -> DeviceLoad {
    validator_.reset();
    step_.reset();
    corpus_.reset();
    const std::size_t corpus_bytes =
        DeviceCorpus::bytes_of(data_->corpus, cells_read(data_->store.manifest()));
    return {config_, model_,        data_->corpus.bin_bp,  corpus_bytes,
            *ops_,   world_.size(), precision_.activations};
  });
}

StepSetup Run::step_setup() {
  return {config_, model_, *corpus_, *data_->order,
          *ops_,   world_, *stream_, {precision_.activations, config_.train.recompute}};
}

// Every rank updates its own copy of the parameters: on unlike GPUs the copies' last bits would
// drift apart. CPUs have agreed on an instruction set.
void Run::check_alike() {
  const std::string description = ops_->description();
  const std::vector<std::string> all =
      world_.gather_text(description.substr(0, description.find(',')));
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    dist::agree(world_, [&] {
      throw core::ConfigError(
          fmt::format("rank 0 computes with {} and rank {} with {}: take GPUs of one model", all[0],
                      rank, all[rank]));
    });
  }
}

// All took the same updates, so their copies are the same: or else a machine has erred.
void Run::compare_replicas() {
  watchdog_.expect(fmt::format("the comparison of weights at step {}", step()));
  const std::string odd = unlike_replicas(step_->parameters().exact, *stream_, world_);
  if (odd.empty()) return;
  if (saver_) settle_checkpoint();
  event("unlike_replicas", {{"ranks", odd}});
  tell_goodput();
  const std::string message = fmt::format(
      "at step {} the weights of {} are not those of the other ranks, though all took the same "
      "updates: suspect the memory or the processor there, take that machine out and start again; "
      "{}",
      step(), odd, intact_text());
  dist::agree(world_, [&] { throw core::NumericError(message); });
}

// The writer's part of starting: the lock, what is there already, the configuration.
void Run::open_folder() {
  lock_.emplace(folder_.root);
  if (!lock_->held()) {
    log_.warn("{}: this file system has no locks: make sure that no other run writes there",
              folder_.root.string());
  }
  saver_.emplace(folder_.checkpoints(), step_->table(), config_.checkpoint_keep);
  FoundCheckpoint found = find_checkpoint(folder_.checkpoints());
  for (const DamagedCheckpoint& damaged : found.damaged) {
    log_.warn("passing over a damaged checkpoint: {}", damaged.reason);
  }
  if (!found.newest && !found.damaged.empty()) {
    throw core::FormatError(fmt::format(
        "{}: none of its checkpoints is whole; look at the file system, or move them away to start "
        "this run over",
        folder_.checkpoints().string()));
  }
  if (found.newest) {
    const CheckpointNote& before = found.newest->note;
    check_same(before.identity, identity());
    if (before.store_fingerprint != data_->store.manifest().digest) {
      throw core::ConfigError(
          fmt::format("{} is not the store that this run began with (fingerprint {}, then {}): "
                      "give that one, or "
                      "start another run in a new folder",
                      config_.store, data_->store.manifest().digest, before.store_fingerprint));
    }
    read_blocks(*found.newest, step_->table(), saver_->blocks());
  }
  clean_checkpoints(folder_.checkpoints(), found.damaged);
  core::write_durably(folder_.config(), std::string_view(config_.resolved));
  newest_ = std::move(found.newest);
}

// The order of NCCL's sums depends on the buckets: a run that goes on keeps them.
void Run::choose_buckets() {
  if (newest_) bucket_bytes_ = newest_->note.bucket_bytes;
  if (world_.size() == 1) return;
  if (config_.train.bucket_mb > 0.0) {
    bucket_bytes_ = static_cast<std::int64_t>(1e6 * config_.train.bucket_mb);
    return;
  }
  if (newest_ && newest_->note.world_size != world_.size()) bucket_bytes_ = 0;
  world_.broadcast(core::View(&bucket_bytes_, {1}), 0);
  if (bucket_bytes_ == 0) {
    const dist::Link link = dist::measure_sums(world_, ops_->device());
    bucket_bytes_ = static_cast<std::int64_t>(dist::bucket_bytes_for(link));
    log_.info("sums over the ranks begin after {:.1f} us and run at {:.1f} GB/s",
              1e6 * link.latency_s, 1e-9 * link.bytes_per_s);
    // Rank 0's: another processor's logarithm may round the other way.
    world_.broadcast(core::View(&bucket_bytes_, {1}), 0);
  }
  dist::agree(world_, [&] {
    explained([&] { step_->exchange_in(static_cast<std::size_t>(bucket_bytes_)); });
  });
}

// Everybody gets the writer's state; a new run has its initial values already.
void Run::take_up() {
  std::array<std::int64_t, 5> progress{};
  if (newest_) {
    const RunProgress& p = newest_->note.progress;
    progress = {1, p.step, p.updates, p.skipped, std::bit_cast<std::int64_t>(p.fingerprint)};
  }
  world_.broadcast(core::View(progress.data(), {5}), 0);
  if (progress[0] == 0) return;
  step_->restore(saver_ ? saver_->blocks() : TrainingBlocks{},
                 {.step = progress[1],
                  .updates = progress[2],
                  .skipped = progress[3],
                  .fingerprint = std::bit_cast<std::uint64_t>(progress[4])});
  result_.first_step = progress[1];
  saved_at_ = intact_at_ = progress[1];
}

// A checkpoint holds the same numbers whatever computed them, so this is no reason to refuse.
void Run::warn_of_other_bits() const {
  const CheckpointNote& before = newest_->note;
  const auto tell = [&](const char* what, const std::string& then, const std::string& now) {
    if (then.empty() || then == now) return false;
    warn(
        "this run computed {} {} and goes on {} {}: its bits will not be those of a run that was "
        "never interrupted",
        what, then, what, now);
    return true;
  };
  if (tell("in", before.precision, precision_.name)) return;
  (void)tell("with", before.instruction_set, precision_.instruction_set);
}

Continuation Run::continuation() const {
  return {.same = sums_as_any_ranks(written_, world_.size(), place_.device.device),
          .asked = written_.train.reproducible};
}

// Of the writer.
BitsSoFar Run::bits_so_far() const {
  return bits_after(newest_ ? newest_->note.bits : BitsSoFar::of_any_ranks, continuation());
}

// A complete run does nothing more.
void Run::warn_of_reproducibility() const {
  if (!newest_ || step() >= config_.train.steps) return;
  const CheckpointNote& before = newest_->note;
  const std::string text =
      reproducibility_warning(before.bits, continuation(), before.world_size, world_.size());
  if (!text.empty()) warn("{}", text);
}

void Run::open_metrics() {
  // Before what lies past the checkpoint is dropped.
  life_ = read_life(folder_.metrics(), folder_.events(), step(), begun_unix_s(place_.begun));
  metrics_ = std::make_unique<MetricsLog>(folder_.metrics(), folder_.events(), step());
}

void Run::announce() {
  const std::int64_t bins = config_.tokens.window_bp() / data_->corpus.bin_bp;
  if (config_.state_weight > 0.0 && bins < kFewBins) {
    warn(
        "a window of {} bp holds {} bins of {} bp: too few to learn states from their "
        "neighbours; lengthen tokens.length, or set objective.state_weight = 0",
        config_.tokens.window_bp(), bins, data_->corpus.bin_bp);
  }
  if (!data_->valid) warn("the store has no validation split: nothing will be evaluated");
  if (newest_ && newest_->note.world_size != world_.size()) {
    const BitsSoFar bits = bits_so_far();
    const char* if_it_was = config_.train.reproducible && bits == BitsSoFar::unknown
                                ? "the bit if it was reproducible before"
                                : "rounding";
    const bool kept = bits == BitsSoFar::promised || bits == BitsSoFar::of_any_ranks;
    log_.info("this run had {} ranks and has {} now: it goes on with the same batches, equal to {}",
              newest_->note.world_size, world_.size(), kept ? "the bit" : if_it_was);
  }
  if (config_.train.micro_batch != written_.train.micro_batch) {
    log_.info(
        "{} ranks have {} windows each in a step, no whole number of micro-batches of {}: they "
        "take micro-batches of {}, equal to rounding",
        world_.size(), config_.train.global_batch / world_.size(), written_.train.micro_batch,
        config_.train.micro_batch);
  }
  if (newest_) log_.info("resuming from {}", newest_->path.string());
  if (deadline_.stale_job_end()) {
    warn("the job's end that the environment names (SLURM_JOB_END_TIME) has passed: ignored");
  }
  if (newest_) warn_of_other_bits();
  warn_of_reproducibility();
  warn_of_trace();
  log_.info("device {}", place_.device.line);
  if (world_.size() > 1) {
    log_.info("gradients travel {}",
              place_.exchange_line.empty() ? "in memory of the host" : place_.exchange_line);
    log_.info("gradients are summed in buckets of {:.1f} MB{}",
              1e-6 * static_cast<double>(bucket_bytes_),
              config_.train.shard_optimizer
                  ? fmt::format("; each rank keeps and updates 1/{} of the moments", world_.size())
                  : "");
  }
  log_.info("precision {}", precision_.line);
  log_.info("{} parameters, {} windows x cell types an epoch, {} windows a step; {}; {}",
            step_->table().num_parameters(), data_->order->epoch_size(), config_.train.global_batch,
            world_.description(), ops_->description());
  event("start",
        {{"program", core::version_text()},
         {"build", core::build_text()},
         {"store", config_.store},
         {"store_fingerprint", data_->store.manifest().digest},
         {"ranks", std::int64_t{world_.size()}},
         {"begun_unix_s", begun_unix_s(place_.begun)},
         {"wall_s", time_use().wall_s},
         {"lost_start_s", time_use().wall_s},
         {"down_s", life_.down_s},
         {"lost_s", life_.lost_s},
         {"world", world_.description()},
         {"device", std::string(ops_->description())},
         {"device_choice", place_.device.line},
         {"exchange", place_.exchange_line},
         {"bucket_bytes", bucket_bytes_},
         {"precision", precision_.name},
         {"instruction_set", precision_.instruction_set},
         {"recompute", config_.train.recompute == model::Recompute::layer ? "layer" : "none"},
         {"parameters", step_->table().num_parameters()},
         {"epoch_size", data_->order->epoch_size()},
         {"state_bytes", static_cast<std::int64_t>(step_->memory().total())},
         {"config", config_.resolved}});
}

// A share of A C G T that leaves no window out is no part of the mathematics.
Identity Run::identity() const {
  RunConfig config = written_;
  config.min_acgt = data_->min_acgt;
  return identity_of(config);
}

CheckpointNote Run::note() const {
  CheckpointNote note;
  note.progress = step_->progress();
  note.samples = note.progress.step * config_.train.global_batch;
  note.seed = config_.train.seed;
  note.world_size = world_.size();
  note.bucket_bytes = bucket_bytes_;
  note.precision = precision_.name;
  note.instruction_set = precision_.instruction_set;
  note.bits = bits_so_far();
  note.choices = ops_->choices();
  // Of a run that visits a back end without any: for when it comes back.
  if (note.choices.empty() && newest_) note.choices = newest_->note.choices;
  note.store_fingerprint = data_->store.manifest().digest;
  note.store_manifest = data::to_json(data_->store.manifest());
  note.config = config_.resolved;
  note.identity = identity();
  return note;
}

}  // namespace epi::train
