#include "train/state_baselines.hpp"

#include <cmath>
#include <numeric>

#include "core/error.hpp"

namespace epi::train {
namespace {

/// Weight of the unigram in a row of counts, in observations.
constexpr double kBackoffObservations = 1.0;

template <class Count>
double smoothed(std::span<const Count> counts, std::int32_t state, std::span<const double> prior) {
  const auto at = static_cast<std::size_t>(state);
  const double all = std::accumulate(counts.begin() + 1, counts.end(), 0.0);
  return (static_cast<double>(counts[at]) + kBackoffObservations * prior[at]) /
         (all + kBackoffObservations);
}

/// The most frequent state of a row; ties and empty rows go to the more frequent state overall.
template <class Count>
std::int32_t most_frequent(std::span<const Count> counts, std::span<const double> prior) {
  std::size_t best = 1;
  for (std::size_t state = 2; state < counts.size(); ++state) {
    if (counts[state] > counts[best] ||
        (counts[state] == counts[best] && prior[state] > prior[best])) {
      best = state;
    }
  }
  return static_cast<std::int32_t>(best);
}

}  // namespace

HiddenBin hidden_bin(std::span<const std::int32_t> type_ids, std::int64_t token,
                     std::int32_t masked, std::int32_t state) {
  HiddenBin bin{.state = state};
  const auto last = static_cast<std::int64_t>(type_ids.size()) - 1;  // [SEP]
  for (std::int64_t i = token - 1; i > 0 && bin.left == HiddenBin::kNone; --i) {
    const std::int32_t seen = type_ids[static_cast<std::size_t>(i)];
    if (seen != masked) bin.left = seen;
  }
  for (std::int64_t i = token + 1; i < last && bin.right == HiddenBin::kNone; ++i) {
    const std::int32_t seen = type_ids[static_cast<std::size_t>(i)];
    if (seen != masked) bin.right = seen;
  }
  return bin;
}

const char* name_of(StateBaseline baseline) {
  switch (baseline) {
    case StateBaseline::unigram:
      return "unigram";
    case StateBaseline::neighbours:
      return "two-sided neighbour table";
    case StateBaseline::majority:
      return "majority of training cells";
  }
  return "?";
}

StateBaselines::StateBaselines(std::int32_t num_states)
    : num_states_(num_states),
      unigram_counts_(static_cast<std::size_t>(num_states) + 1),
      neighbour_counts_(static_cast<std::size_t>(num_states + 2) *
                        static_cast<std::size_t>(num_states + 2) * unigram_counts_.size()) {}

std::size_t StateBaselines::row_of(std::int32_t left, std::int32_t right) const {
  const auto side = [&](std::int32_t code) {
    return static_cast<std::size_t>(code == HiddenBin::kNone ? num_states_ + 1 : code);
  };
  const auto sides = static_cast<std::size_t>(num_states_) + 2;
  return (side(left) * sides + side(right)) * unigram_counts_.size();
}

// Both strands: read from the other one, left and right change places.
void StateBaselines::add(const HiddenBin& bin) {
  const auto state = static_cast<std::size_t>(bin.state);
  unigram_counts_.at(state) += 2;
  ++neighbour_counts_.at(row_of(bin.left, bin.right) + state);
  ++neighbour_counts_.at(row_of(bin.right, bin.left) + state);
}

void StateBaselines::fit(dist::Communicator& world) {
  core::Stream stream(core::kCpu);
  for (auto* counts : {&unigram_counts_, &neighbour_counts_}) {
    const core::View view(counts->data(), {static_cast<std::int64_t>(counts->size())});
    world.start(dist::Reduce::sum, view, core::Event()).wait(stream);
  }
  const double all = std::accumulate(unigram_counts_.begin() + 1, unigram_counts_.end(), 0.0);
  unigram_.assign(unigram_counts_.size(), 0.0);
  for (std::size_t state = 1; state < unigram_.size(); ++state) {  // one pseudo-count each
    unigram_[state] = (static_cast<double>(unigram_counts_[state]) + 1.0) / (all + num_states_);
  }
}

StateScores StateBaselines::score(const HiddenBin& bin,
                                  std::span<const std::int32_t> others) const {
  core::require(!unigram_.empty(), "baselines are scored after they are fitted");
  const std::span<const std::int64_t> unigram(unigram_counts_);
  const std::span<const std::int64_t> row =
      std::span(neighbour_counts_).subspan(row_of(bin.left, bin.right), unigram.size());
  StateScores scores;
  scores.nats = {-std::log(unigram_.at(static_cast<std::size_t>(bin.state))),
                 -std::log(smoothed(row, bin.state, unigram_)),
                 -std::log(smoothed(others, bin.state, unigram_))};
  scores.answer = {most_frequent(unigram, unigram_), most_frequent(row, unigram_),
                   most_frequent(others, unigram_)};
  return scores;
}

}  // namespace epi::train
