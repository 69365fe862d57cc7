// What a model of hidden chromatin states must beat: tables fitted on training regions and training
// cell types, scored at the same hidden bins, from the same visible bins.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "dist/communicator.hpp"

namespace epi::train {

/// A hidden bin and what the window shows around it. Codes: 0 missing, 1..S states.
struct HiddenBin {
  static constexpr std::int32_t kNone = -1;  ///< the window ends before a visible bin
  std::int32_t state = 0;                    ///< the truth, 1..S
  std::int32_t left = kNone;                 ///< nearest visible bin on either side
  std::int32_t right = kNone;

  /// Whether the truth differs from a visible neighbour: where copying a neighbour can fail. A
  /// missing neighbour is no state to copy.
  [[nodiscard]] bool differs() const {
    return (left > 0 && left != state) || (right > 0 && right != state);
  }
};

/// The hidden bin whose target is token `token` of a window, from the window's type ids [T] (as
/// Ops::assemble writes them, [CLS] first and [SEP] last). `masked` is the masked type, S + 1.
[[nodiscard]] HiddenBin hidden_bin(std::span<const std::int32_t> type_ids, std::int64_t token,
                                   std::int32_t masked, std::int32_t state);

enum class StateBaseline : std::uint8_t { unigram, neighbours, majority };
inline constexpr int kNumStateBaselines = 3;
/// For tables: "two-sided neighbour table".
[[nodiscard]] const char* name_of(StateBaseline baseline);

/// Nats of the truth and the state each baseline would answer, indexed by StateBaseline.
///   unigram     share of each state in the training data
///   neighbours  share given the nearest visible state on the left and on the right
///   majority    share among the training cell types at that bin (their majority is its answer)
struct StateScores {
  std::array<double, kNumStateBaselines> nats{};
  std::array<std::int32_t, kNumStateBaselines> answer{};
};

class StateBaselines {
 public:
  /// `num_states` = S >= 1, as in the store.
  explicit StateBaselines(std::int32_t num_states);

  /// Counts one hidden bin of a training window, on both strands.
  void add(const HiddenBin& bin);
  /// Sums the counts over all ranks and fits; nothing can be added afterwards.
  void fit(dist::Communicator& world);

  /// `others` [S + 1]: number of training cell types with each state code at this bin.
  [[nodiscard]] StateScores score(const HiddenBin& bin, std::span<const std::int32_t> others) const;

 private:
  /// First count of the row for these neighbours; kNone is a code of its own.
  [[nodiscard]] std::size_t row_of(std::int32_t left, std::int32_t right) const;

  std::int32_t num_states_;
  std::vector<std::int64_t> unigram_counts_;    ///< [S + 1]
  std::vector<std::int64_t> neighbour_counts_;  ///< [(S + 2)^2][S + 1]
  std::vector<double> unigram_;
};

}  // namespace epi::train
