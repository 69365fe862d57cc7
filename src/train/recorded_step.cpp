// Graph i is followed by cut i; a cut ends one recording and begins the next.
#include "train/recorded_step.hpp"

#include <cstddef>
#include <utility>

#include "core/error.hpp"

namespace epi::train {

void RecordedStep::record(const std::function<void()>& work) {
  core::require(!recording_ && graphs_.empty(), "a step is recorded once");
  core::Graph::begin(stream_);
  recording_ = true;
  try {
    work();
    graphs_.push_back(core::Graph::end(stream_));
    recording_ = false;
  } catch (...) {
    recording_ = false;
    graphs_.clear();
    cuts_.clear();
    // A stream that records refuses all other use, so it must not be left so.
    try {
      (void)core::Graph::end(stream_);
    } catch (const core::Error&) {  // of the recording that failed: the first error says it
    }
    throw;
  }
}

void RecordedStep::cut(Cut cut) {
  core::require(recording_, "only what is recorded is cut");
  graphs_.push_back(core::Graph::end(stream_));
  cuts_.push_back(std::move(cut));
  core::Graph::begin(stream_);
}

void RecordedStep::beside(Beside action) {
  cut({.beside = std::move(action), .between = {}});
}

void RecordedStep::between(std::function<void()> action) {
  if (!recording_) return action();
  cut({.beside = {}, .between = std::move(action)});
}

void RecordedStep::replay() const {
  const Beside* waiting = nullptr;
  core::Event ready;
  for (std::size_t i = 0; i < graphs_.size(); ++i) {
    graphs_[i].launch(stream_);
    if (waiting != nullptr) (*waiting)(ready);
    waiting = nullptr;
    if (i == cuts_.size()) break;
    if (cuts_[i].between) {
      cuts_[i].between();
    } else {
      waiting = &cuts_[i].beside;
      ready = core::Event::record(stream_);
    }
  }
}

}  // namespace epi::train
