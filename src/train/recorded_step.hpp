// A step as graphs and what the host has to do between them. Work that a stream is given in the
// same way in every step is recorded once and then queued as a whole: a launch each instead of
// hundreds. Where ranks exchange through a library that can't be recorded, the recording is cut.
#pragma once

#include <functional>
#include <vector>

#include "core/device.hpp"

namespace epi::train {

class RecordedStep {
 public:
  /// What the host does beside the stream's work, once `ready` is reached.
  using Beside = std::function<void(const core::Event& ready)>;

  /// `stream` must outlive it.
  explicit RecordedStep(core::Stream& stream) : stream_(stream) {}

  /// Records what `work` queues in the stream; none of it is done yet. What fails leaves nothing
  /// recorded. DeviceError when something can't be.
  void record(const std::function<void()>& work);
  /// Within `record`.
  [[nodiscard]] bool recording() const { return recording_; }
  /// A cut, within `record`: `action` needs what was queued before, and what comes after does not
  /// need it. The stream is given its next work first, so that it does not stand still meanwhile.
  void beside(Beside action);
  /// A cut: `action` is done between what was queued before and what comes after. At once while
  /// nothing is recorded.
  void between(std::function<void()> action);
  /// Whether there is something to replay.
  [[nodiscard]] bool recorded() const { return !graphs_.empty() && !recording_; }
  /// Queues all of it and does the actions, in order.
  void replay() const;

 private:
  /// What ends a graph: one of the two, or none at the end.
  struct Cut {
    Beside beside;
    std::function<void()> between;
  };
  void cut(Cut cut);

  core::Stream& stream_;
  bool recording_ = false;
  std::vector<core::Graph> graphs_;
  std::vector<Cut> cuts_;  ///< cut i comes after graph i; one less than graphs
};

}  // namespace epi::train
