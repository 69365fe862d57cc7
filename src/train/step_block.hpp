// What a step reads and writes beside tensors: states, sample references, the message between
// ranks. All of it lies in one block of the device's memory, at the same addresses in every step,
// so that a recorded step can be replayed. The host fills a slot of a small ring of page-locked
// memory, one copy takes it to the device, and another brings what the step has to report back:
// neither waits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/buffer.hpp"
#include "core/corpus.hpp"
#include "kernels/ops.hpp"

namespace epi::train {

/// The message that ends a step: f64, summed over the ranks.
enum MessageSlot : std::int64_t {
  kDnaTotals = 0,    ///< 3: nll, targets, correct of this step, by weight
  kStateTotals = 3,  ///< 3
  kNextDna = 6,      ///< targets of the next step, as BeginStepArgs::targets
  kNextState = 7,
  kNextRepeats = 8,  ///< of the DNA targets, those in repeats
  kStop = 9,         ///< ranks that wish to stop
  kSamples = 10,     ///< 2: fingerprint of this step's samples, as SplitSum
  kNumMessageSlots = 12,
};

/// What the host says of a step before it runs; in a slot of the ring.
struct StepUpload {
  std::span<kernels::StepState> next;    ///< for assembling the next step's micro-batches
  std::span<core::SampleRef> samples;    ///< of the next step, micro-batch after micro-batch
  std::span<double> base;                ///< the message before anything is added
  std::span<kernels::StepState> states;  ///< of this step's micro-batches, then the update's
};

/// What a step says of itself once it is done.
struct StepOutcome {
  const kernels::StepState* update = nullptr;
  std::span<const double> message;
};

class StepBlock {
 public:
  /// Steps that may be under way at a time: one runs while the host reads the one before.
  static constexpr std::int64_t kSlots = 2;

  /// For so many micro-batches of so many windows on this rank. DeviceError without memory.
  StepBlock(std::int64_t micro_batches, std::int64_t windows, core::Device device);

  /// The slot of a step, for the host to fill. It must be free: `end_mark` of the step kSlots
  /// earlier was waited for.
  [[nodiscard]] StepUpload upload(std::int64_t step) const;
  /// Queues the copy of that slot to the device.
  void send(std::int64_t step, core::Stream& stream) const;
  /// Queues the copy of the step's outcome to its slot.
  void receive(std::int64_t step, core::Stream& stream) const;
  /// The outcome, once that copy is done.
  [[nodiscard]] StepOutcome outcome(std::int64_t step) const;

  /// On the device: of this step's micro-batches, then the update's.
  [[nodiscard]] std::span<kernels::StepState> states() const;
  [[nodiscard]] kernels::StepState* update_state() const { return &states().back(); }
  /// f64 [1] on the device, within the update's state.
  [[nodiscard]] core::View gradient_sum_squares() const;
  /// On the device: for assembling micro-batch `j` of the next step.
  [[nodiscard]] const kernels::StepState* next_state(std::int64_t j) const;
  [[nodiscard]] std::span<const core::SampleRef> next_samples(std::int64_t j) const;
  /// f64 on the device: the message, a part of it, and what it starts from.
  [[nodiscard]] core::View message() const { return message(0, kNumMessageSlots); }
  [[nodiscard]] core::View message(std::int64_t first, std::int64_t count) const;
  [[nodiscard]] core::View base() const;
  /// i64 [kNumCounts] on the device.
  [[nodiscard]] core::View counts() const;
  /// i64 [1] on the device: steps applied so far.
  [[nodiscard]] core::View updates() const;
  /// On the device.
  [[nodiscard]] std::size_t bytes() const { return memory_.bytes(); }

 private:
  /// Where the parts begin, in bytes: what is sent comes first, and its last part, the update's
  /// state, lies before the message, so that the outcome is one stretch.
  struct Places {
    std::size_t samples = 0, base = 0, states = 0, message = 0, counts = 0, updates = 0, end = 0;
  };
  [[nodiscard]] static Places places(std::int64_t micro_batches, std::int64_t windows);
  [[nodiscard]] std::size_t outcome_bytes() const { return places_.counts - outcome_begin(); }
  [[nodiscard]] std::size_t outcome_begin() const {
    return places_.message - sizeof(kernels::StepState);
  }
  [[nodiscard]] core::View bytes_at(const core::Buffer& buffer, std::size_t first,
                                    std::size_t count) const;

  std::int64_t micro_batches_, windows_;
  Places places_;
  core::Buffer memory_;
  std::array<core::Buffer, kSlots> sent_, received_;  ///< page-locked
};

}  // namespace epi::train
