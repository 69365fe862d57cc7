// A pre-training run as an object: run_start.cpp sets it up and takes up the newest checkpoint,
// trainer.cpp loops, run_save.cpp writes checkpoints, run_end.cpp says what it all cost.
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
#include "train/checkpoint_writer.hpp"
#include "train/deadline.hpp"
#include "train/device_corpus.hpp"
#include "train/goodput.hpp"
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
        deadline_(deadline_of(config, place)),
        watchdog_(
            place.on_hang ? config.train.hang_timeout_s : 0.0, place.on_hang,
            [&world] { return world.failure(); }, [&world] { return world.waiting(); }) {}

  /// Collective; see pretrain.
  RunResult go();

 private:
  void place_corpus();
  void build();
  void explained(const std::function<void()>& work);
  void warn_of_other_bits() const;
  [[nodiscard]] Continuation continuation() const;
  [[nodiscard]] BitsSoFar bits_so_far() const;
  void warn_of_reproducibility() const;
  void warn_of_trace() const;
  void open_folder();
  void choose_buckets();
  void take_up();
  void open_metrics();
  void announce();
  void loop();
  void take(const std::optional<StepReport>& report);
  [[nodiscard]] bool boundary() const;
  void at_boundary();
  void record(const StepReport& report);
  void give_up_if_poisoned(const StepReport& report);
  void begin_trace();
  void end_trace();
  void evaluate();
  void checkpoint();
  void start_checkpoint();
  void settle_checkpoint();
  void tell(const CheckpointOutcome& outcome);
  [[nodiscard]] bool ending() const;
  [[nodiscard]] std::string intact_text() const;
  [[nodiscard]] std::string stop_reason() const;
  [[nodiscard]] TimeUse time_use();
  void tell_goodput();
  void tell_cadence() const;
  void sum_up();
  [[nodiscard]] std::vector<EventField> last_fields() const;
  void finish();
  void check_alike();
  void compare_replicas();
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
  void event_at(std::int64_t step, const std::string& name, const std::vector<EventField>& fields);
  void tell_of_metrics();
  [[nodiscard]] static Deadline deadline_of(const RunConfig& config, const RunPlace& place);

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
  std::optional<Trace> trace_;  // of the steps that are traced now
  std::int64_t traced_from_ = 0;
  std::optional<TrainingStep> step_;
  std::int64_t bucket_bytes_ = 0;  // of the gradients' exchange; 0: one rank
  std::optional<Validator> validator_;
  std::optional<Checkpoint> newest_;       // of the writer: what to resume from
  std::optional<CheckpointWriter> saver_;  // of the writer
  std::optional<StatusLine> status_;

  Deadline deadline_;
  RunLife life_;                 // of the writer: what earlier processes left
  TimeUse use_;                  // of this process: what steps took
  double steps_s_ = 0.0;         // of this process, skipped and redone ones included
  TimeUse use_at_save_;          // when the checkpoint under way was begun
  double slowest_save_s_ = 0.0;  // of the writer
  double slowest_step_s_ = 0.0;
  std::string last_failure_;     // of the writer: why a checkpoint was not written
  std::int64_t saves_ = 0;       // checkpoints begun by this process, with steps to follow
  double save_wait_s_ = 0.0;     // what steps waited for these
  std::int64_t intact_at_ = -1;  // of the writer: newest checkpoint known to be whole
  int failed_in_row_ = 0;        // of the writer: checkpoints that could not be written
  bool metrics_wait_ = false;    // of the writer: rows that could not be written are kept
  std::int64_t evaluated_at_ = -1;
  std::int64_t saved_at_ = -1;  // newest checkpoint begun; the same on all ranks
  int skipped_in_row_ = 0;
  bool checkpoint_due_ = false;
  bool stopping_ = false;  // some rank wishes to stop
  bool skipped_ = false;   // the last step that was reported
  RunResult result_;
  dist::Watchdog watchdog_;
};

}  // namespace epi::train
