// What is sent lies in one stretch and what is brought back in another: a copy each.
#include "train/step_block.hpp"

namespace epi::train {
namespace {

using core::DType;
using core::View;
using kernels::StepState;

constexpr std::size_t kLine = 64;

constexpr std::size_t aligned(std::size_t bytes) {
  return (bytes + kLine - 1) / kLine * kLine;
}

template <class T>
T* at(const core::Buffer& buffer, std::size_t place) {
  return reinterpret_cast<T*>(buffer.data() + place);
}

std::size_t slot_of(std::int64_t step) {
  return static_cast<std::size_t>(step % StepBlock::kSlots);
}

}  // namespace

StepBlock::Places StepBlock::places(std::int64_t micro_batches, std::int64_t windows) {
  const auto n = static_cast<std::size_t>(micro_batches);
  const auto samples = n * static_cast<std::size_t>(windows);
  constexpr std::size_t kMessage = aligned(kNumMessageSlots * sizeof(double));
  static_assert(sizeof(StepState) % kLine == 0, "states end where the message begins");
  Places places;
  places.samples = n * sizeof(StepState);
  places.base = aligned(places.samples + samples * sizeof(core::SampleRef));
  places.states = places.base + kMessage;
  places.message = places.states + (n + 1) * sizeof(StepState);
  places.counts = places.message + kMessage;
  places.updates = aligned(places.counts + kernels::kNumCounts * sizeof(std::int64_t));
  places.end = places.updates + kLine;
  return places;
}

StepBlock::StepBlock(std::int64_t micro_batches, std::int64_t windows, core::Device device)
    : micro_batches_(micro_batches),
      windows_(windows),
      places_(places(micro_batches, windows)),
      memory_(device, places_.end) {
  const auto make = [&](std::size_t bytes) {
    return device == core::kCpu ? core::Buffer(device, bytes) : core::Buffer::pinned(bytes);
  };
  for (core::Buffer& slot : sent_) slot = make(places_.message);
  for (core::Buffer& slot : received_) slot = make(outcome_bytes());
}

View StepBlock::bytes_at(const core::Buffer& buffer, std::size_t first, std::size_t count) const {
  return {buffer.data() + first, DType::u8, {static_cast<std::int64_t>(count)}, buffer.device()};
}

StepUpload StepBlock::upload(std::int64_t step) const {
  const core::Buffer& slot = sent_.at(slot_of(step));
  const auto n = static_cast<std::size_t>(micro_batches_);
  return {.next = {at<StepState>(slot, 0), n},
          .samples = {at<core::SampleRef>(slot, places_.samples),
                      n * static_cast<std::size_t>(windows_)},
          .base = {at<double>(slot, places_.base), kNumMessageSlots},
          .states = {at<StepState>(slot, places_.states), n + 1}};
}

void StepBlock::send(std::int64_t step, core::Stream& stream) const {
  core::copy(bytes_at(memory_, 0, places_.message),
             bytes_at(sent_.at(slot_of(step)), 0, places_.message), stream);
}

void StepBlock::receive(std::int64_t step, core::Stream& stream) const {
  core::copy(bytes_at(received_.at(slot_of(step)), 0, outcome_bytes()),
             bytes_at(memory_, outcome_begin(), outcome_bytes()), stream);
}

StepOutcome StepBlock::outcome(std::int64_t step) const {
  const core::Buffer& slot = received_.at(slot_of(step));
  return {.update = at<const StepState>(slot, 0),
          .message = {at<const double>(slot, sizeof(StepState)), kNumMessageSlots}};
}

std::span<StepState> StepBlock::states() const {
  return {at<StepState>(memory_, places_.states), static_cast<std::size_t>(micro_batches_) + 1};
}

View StepBlock::gradient_sum_squares() const {
  return View(&update_state()->gradient_sum_squares, {1}, memory_.device());
}

const StepState* StepBlock::next_state(std::int64_t j) const {
  return at<const StepState>(memory_, 0) + j;
}

std::span<const core::SampleRef> StepBlock::next_samples(std::int64_t j) const {
  return {at<const core::SampleRef>(memory_, places_.samples) + j * windows_,
          static_cast<std::size_t>(windows_)};
}

View StepBlock::message(std::int64_t first, std::int64_t count) const {
  return View(at<double>(memory_, places_.message) + first, {count}, memory_.device());
}

View StepBlock::base() const {
  return View(at<double>(memory_, places_.base), {kNumMessageSlots}, memory_.device());
}

View StepBlock::counts() const {
  return View(at<std::int64_t>(memory_, places_.counts), {kernels::kNumCounts}, memory_.device());
}

View StepBlock::updates() const {
  return View(at<std::int64_t>(memory_, places_.updates), {1}, memory_.device());
}

}  // namespace epi::train
