// A pre-training run as an object: run_start.cpp sets it up and takes up the newest checkpoint,
// trainer.cpp loops and says what it cost.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dist/watchdog.hpp"
#include "train/checkpoint.hpp"
#include "train/device_corpus.hpp"
#include "train/metrics.hpp"
#include "train/precision.hpp"
#include "train/run_data.hpp"
#include "train/run_folder.hpp"
#include "train/status.hpp"
#include "train/trainer.hpp"
#include "train/training_step.hpp"
#include "train/validation.hpp"

namespace epi::train {

class Run {
 public:
  Run(const RunConfig& config, const RunPlace& place, dist::Communicator& world,
      const core::Log& log, const StopRequest& stop)
      : written_(config),
        config_(config),
        place_(place),
        folder_{place.out},
        world_(world),
        log_(log),
        stop_(stop),
        watchdog_(place.on_hang ? config.train.hang_timeout_s : 0.0, place.on_hang,
                  [&world] { return world.failure(); }) {}

  /// Collective; see pretrain.
  RunResult go();

 private:
  void place_corpus();
  void build();
  void explained(const std::function<void()>& work);
  void warn_of_other_bits() const;
  void open_folder();
  void take_up();
  void open_metrics();
  void announce();
  void loop();
  void take(const std::optional<StepReport>& report);
  [[nodiscard]] bool boundary() const;
  void at_boundary();
  void record(const StepReport& report);
  void give_up_if_poisoned(const StepReport& report);
  void evaluate();
  void checkpoint();
  void finish();
  void check_alike();
  [[nodiscard]] StepSetup step_setup();
  [[nodiscard]] bool writer() const { return world_.rank() == 0; }
  /// Once for all ranks, also with --quiet.
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) const {
    if (writer()) log_.warn(format, std::forward<Args>(args)...);
  }
  [[nodiscard]] std::int64_t step() const { return step_->progress().step; }
  [[nodiscard]] Identity identity() const;
  [[nodiscard]] CheckpointNote note() const;
  void event(const std::string& name, const std::vector<EventField>& fields);

  const RunConfig& written_;  // as the file says: what checkpoints remember
  RunConfig config_;          // as this number of ranks carries it out
  const RunPlace& place_;
  RunFolder folder_;
  dist::Communicator& world_;
  const core::Log& log_;
  const StopRequest& stop_;

  std::optional<RunLock> lock_;  // of the writer
  std::unique_ptr<MetricsLog> metrics_;
  std::optional<RunData> data_;
  model::ModelConfig model_;
  int threads_ = 1;  // of this rank
  std::unique_ptr<kernels::Ops> ops_;
  PrecisionChoice precision_;
  std::optional<core::Stream> stream_;
  std::optional<DeviceCorpus> corpus_;
  std::optional<TrainingStep> step_;
  std::optional<Validator> validator_;
  std::optional<Checkpoint> newest_;  // of the writer: what to resume from
  std::optional<HostBlocks> host_;    // of the writer: what checkpoints are read into
  std::optional<StatusLine> status_;

  std::int64_t evaluated_at_ = -1, saved_at_ = -1;
  int skipped_in_row_ = 0;
  bool checkpoint_due_ = false;
  bool stopping_ = false;  // some rank wishes to stop
  bool skipped_ = false;   // the last step that was reported
  RunResult result_;
  dist::Watchdog watchdog_;
};

}  // namespace epi::train
