// A corpus and an order of samples that benches make up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/corpus.hpp"
#include "core/philox.hpp"
#include "data/sample_source.hpp"

namespace epi::launch {

/// Uniform random bases with states in runs: no biology, only the shapes of it.
class SyntheticCorpus {
 public:
  static constexpr std::int32_t kStates = 25;  ///< the Roadmap model of the bundled data
  static constexpr std::int32_t kBinBp = 200;

  explicit SyntheticCorpus(std::int64_t length_bp)
      : bases_(static_cast<std::size_t>(length_bp)),
        states_(static_cast<std::size_t>((length_bp + kBinBp - 1) / kBinBp)) {
    for (std::size_t i = 0; i < bases_.size(); ++i) bases_[i] = draw(i, 0, 4);
    for (std::size_t i = 0; i < states_.size(); ++i) {
      states_[i] = static_cast<std::uint8_t>(1 + draw(i / kStateRunBins, 1, kStates));
    }
    segment_ = {0, 0, length_bp, bases_.data(), &rows_};
    rows_ = states_.data();
  }
  SyntheticCorpus(const SyntheticCorpus&) = delete;
  SyntheticCorpus& operator=(const SyntheticCorpus&) = delete;

  [[nodiscard]] core::CorpusView view() const { return {{&segment_, 1}, 1, kStates, kBinBp}; }

 private:
  static constexpr std::uint64_t kSeed = 1;
  static constexpr std::int64_t kStateRunBins = 8;

  static std::uint8_t draw(std::size_t i, std::uint32_t what, std::uint32_t below) {
    const auto low = static_cast<std::uint32_t>(i);
    const core::PhiloxBlock words = core::philox(kSeed, core::RandomUse::test, {low, what, 0, 0});
    return static_cast<std::uint8_t>(core::uniform_below(words[0], below));
  }

  std::vector<std::uint8_t> bases_, states_;
  const std::uint8_t* rows_ = nullptr;
  core::SegmentView segment_;
};

/// Windows of a synthetic corpus one after another, every second one reverse complemented.
class SyntheticSamples final : public data::SampleSource {
 public:
  /// `windows` of them before the first comes again.
  SyntheticSamples(std::int64_t windows, std::int64_t window_bp)
      : windows_(windows), window_bp_(window_bp) {}

  [[nodiscard]] std::int64_t epoch_size() const override { return windows_; }
  void samples(std::uint64_t first_slot, std::span<core::SampleRef> out) const override {
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto slot = static_cast<std::int64_t>(first_slot + i) % windows_;
      const auto strand = slot % 2 == 0 ? core::Strand::forward : core::Strand::reverse;
      out[i] = {{0, slot * window_bp_}, 0, strand, 0};
    }
  }

 private:
  std::int64_t windows_, window_bp_;
};

}  // namespace epi::launch
