// A small genome, and batches made from it: by the op and by the plain reference.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "kernels/backend.hpp"
#include "kernels/ops.hpp"
#include "reference/assemble.hpp"

namespace epi::testing {

using epi::core::SampleRef;
using epi::core::Strand;
using epi::core::View;
using epi::kernels::AssembleArgs;
using epi::kernels::MaskSpec;
using epi::kernels::Ops;
using epi::kernels::StepState;
using epi::kernels::TokenSpec;

inline constexpr int kStates = 15;
inline constexpr int kCells = 3;

inline std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Two segments of random bases (runs of N, soft-masked stretches) and random states (runs,
/// missing).
class Genome {
 public:
  explicit Genome(std::int32_t bin_bp, bool with_n = true) : bin_bp_(bin_bp) {
    std::mt19937 random(7);
    for (std::size_t s = 0; s < 2; ++s) {
      bases_[s].resize(s == 0 ? 20011 : 9973);
      for (auto& base : bases_[s])
        base = static_cast<std::uint8_t>(random() % 4 + random() % 2 * 8);
      if (with_n) std::fill_n(bases_[s].begin() + 3000, 37, std::uint8_t{4});
      if (with_n) bases_[s][100] = 4;
      for (std::size_t c = 0; c < kCells; ++c) {
        auto& states = states_[s][c];
        states.resize((bases_[s].size() + at(bin_bp) - 1) / at(bin_bp));
        for (auto& state : states) state = static_cast<std::uint8_t>(random() % (kStates + 1));
        pointers_[s][c] = states.data();
      }
      segments_[s] = {static_cast<std::int32_t>(s), 0, static_cast<std::int64_t>(bases_[s].size()),
                      bases_[s].data(), pointers_[s].data()};
    }
    view_ = {segments_, kCells, kStates, bin_bp_};
  }
  Genome(const Genome&) = delete;
  Genome& operator=(const Genome&) = delete;

  [[nodiscard]] const epi::core::CorpusView& view() const { return view_; }
  [[nodiscard]] int base(const SampleRef& sample, std::int64_t j) const {
    return bases_[at(sample.window.segment)][at(sample.window.offset_bp + j)] & 7;
  }
  [[nodiscard]] int state(const SampleRef& sample, std::int64_t bin) const {
    return states_[at(sample.window.segment)][at(sample.cell)][at(bin)];
  }

 private:
  std::int32_t bin_bp_;
  std::array<std::vector<std::uint8_t>, 2> bases_;
  std::array<std::array<std::vector<std::uint8_t>, kCells>, 2> states_;
  std::array<std::array<const std::uint8_t*, kCells>, 2> pointers_{};
  std::array<epi::core::SegmentView, 2> segments_;
  epi::core::CorpusView view_;
};

inline std::vector<SampleRef> random_samples(const Genome& genome, const TokenSpec& spec, int count,
                                             unsigned seed) {
  std::mt19937 random(seed);
  std::vector<SampleRef> samples(at(count));
  for (SampleRef& sample : samples) {
    sample.window.segment = static_cast<std::int32_t>(random() % 2);
    const auto& segment = genome.view().segments[at(sample.window.segment)];
    sample.window.offset_bp = static_cast<std::int64_t>(
        random() % static_cast<std::uint64_t>(segment.length_bp - spec.window_bp() + 1));
    sample.cell = static_cast<std::int32_t>(random() % (kCells + 1)) - 1;
    sample.strand = random() % 2 == 0 ? Strand::forward : Strand::reverse;
  }
  return samples;
}

/// Outputs of one call, filled with rubbish before.
struct Batch {
  std::vector<std::int32_t> tokens, types, dna_rows, dna_labels, state_rows, state_labels;
  std::vector<float> dna_weights, state_weights;
  std::vector<std::int64_t> counts = std::vector<std::int64_t>(epi::kernels::kNumCounts);
  bool operator==(const Batch&) const = default;
};

struct Job {
  const Genome& genome;
  TokenSpec spec;
  MaskSpec masks;
  StepState state{};
};

template <class T>
View view(std::vector<T>& data, std::int64_t rows, std::int64_t columns) {
  data.assign(at(rows * columns), static_cast<T>(-77));
  return columns == 0 ? View() : View(data.data(), {rows, columns});
}

template <class Assemble>
Batch assemble(const Job& job, std::span<const SampleRef> samples, const Assemble& run) {
  const auto rows = static_cast<std::int64_t>(samples.size());
  const std::int64_t dna = epi::kernels::dna_slots(job.spec, job.masks);
  const std::int64_t state =
      epi::kernels::state_slots(job.spec, job.masks, job.genome.view().bin_bp);
  Batch out;
  AssembleArgs args;
  args.corpus = &job.genome.view();
  args.samples = samples;
  args.tokens = job.spec;
  args.masks = job.masks;
  args.state = &job.state;
  args.token_ids = view(out.tokens, rows, job.spec.length);
  args.type_ids = view(out.types, rows, job.spec.length);
  args.dna_rows = view(out.dna_rows, rows, dna);
  args.dna_labels = view(out.dna_labels, rows, dna);
  args.dna_weights = view(out.dna_weights, rows, dna);
  args.state_rows = view(out.state_rows, rows, state);
  args.state_labels = view(out.state_labels, rows, state);
  args.state_weights = view(out.state_weights, rows, state);
  args.counts = View(out.counts.data(), {epi::kernels::kNumCounts});
  run(args);
  return out;
}

inline Batch assembled(const Job& job, std::span<const SampleRef> samples,
                       Ops& ops = epi::kernels::tested_ops()) {
  epi::core::Stream stream(epi::core::kCpu);
  return assemble(job, samples, [&](const AssembleArgs& args) { ops.assemble(args, stream); });
}

inline Batch by_reference(const Job& job, std::span<const SampleRef> samples) {
  return assemble(job, samples, [](const AssembleArgs& args) { epi::reference::assemble(args); });
}

/// Nothing is hidden.
inline MaskSpec no_masks() {
  MaskSpec masks;
  masks.dna_rate = masks.state_rate = masks.state_dropout = 0.0F;
  return masks;
}

/// Only DNA is hidden, each span in one way.
inline MaskSpec dna_only(float rate, float mask_share, float random_share) {
  MaskSpec masks = no_masks();
  masks.dna_rate = rate;
  masks.mask_share = mask_share;
  masks.random_share = random_share;
  return masks;
}

}  // namespace epi::testing
