#include "train/dna_baselines.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/corpus.hpp"
#include "core/error.hpp"

namespace epi::train {
namespace {

using core::kBaseMask;
using core::kBaseN;
using core::require;

/// Weight of the next shorter context, in observations: a context seen this often counts as much as
/// its own suffix.
constexpr double kBackoffObservations = 4.0;
/// Observations of the training GC share that temper a window's own.
constexpr double kGcObservations = 10.0;

constexpr std::size_t index_of(DnaBaseline baseline) {
  return static_cast<std::size_t>(baseline);
}

/// Visits the code of every k-mer that agrees with the window's visible bases.
template <class Visit>
void for_each_agreeing(const VisibleWindow& window, std::int64_t first, std::int32_t k,
                       const Visit& visit) {
  std::size_t fixed = 0;
  std::array<int, 8> free_shift{};
  int num_free = 0;
  for (std::int32_t i = 0; i < k; ++i) {
    const int shift = 2 * (k - 1 - i);
    const auto at = static_cast<std::size_t>(first + i);
    if (window.hidden[at] != 0) {
      free_shift.at(static_cast<std::size_t>(num_free++)) = shift;
    } else {
      fixed |= static_cast<std::size_t>(window.bases[at]) << shift;
    }
  }
  for (std::size_t choice = 0; choice < (std::size_t{1} << (2 * num_free)); ++choice) {
    std::size_t kmer = fixed;
    for (int i = 0; i < num_free; ++i) {
      kmer |= ((choice >> (2 * i)) & 3U) << free_shift.at(static_cast<std::size_t>(i));
    }
    visit(kmer);
  }
}

std::size_t kmer_at(std::span<const std::uint8_t> bases, std::int64_t first, std::int32_t k) {
  std::size_t kmer = 0;
  for (std::int32_t i = 0; i < k; ++i) {
    kmer = kmer * 4 + bases[static_cast<std::size_t>(first + i)];
  }
  return kmer;
}

std::size_t gc_bases(std::size_t kmer, std::int32_t k) {
  std::size_t count = 0;
  for (std::int32_t i = 0; i < k; ++i, kmer >>= 2U) count += (kmer & 3U) == 1 || (kmer & 3U) == 2;
  return count;
}

bool is_known(const VisibleWindow& window, std::int64_t at) {
  return at >= 0 && at < static_cast<std::int64_t>(window.bases.size()) &&
         window.hidden[static_cast<std::size_t>(at)] == 0 &&
         window.bases[static_cast<std::size_t>(at)] < kBaseN;
}

double visible_gc(const VisibleWindow& window, double expected) {
  double gc = expected * kGcObservations;
  double all = kGcObservations;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(window.bases.size()); ++i) {
    if (!is_known(window, i)) continue;
    const std::uint8_t base = window.bases[static_cast<std::size_t>(i)];
    gc += (base == 1 || base == 2) ? 1.0 : 0.0;
    all += 1.0;
  }
  return gc / all;
}

}  // namespace

const char* name_of(DnaBaseline baseline) {
  switch (baseline) {
    case DnaBaseline::uniform:
      return "uniform";
    case DnaBaseline::unigram:
      return "unigram";
    case DnaBaseline::gc_unigram:
      return "GC-adaptive unigram";
    case DnaBaseline::chain:
      return "order-5 chain, one-sided";
    case DnaBaseline::two_sided_chain:
      return "order-5 chain, two-sided";
  }
  return "?";
}

DnaBaselines::DnaBaselines(std::int32_t k)
    : k_(k), kmer_counts_(std::size_t{1} << (2U * static_cast<unsigned>(k))) {
  require(k >= 1 && k <= kLongest, "baselines are for k-mers of 1 to 8 bases");
  for (std::size_t order = 0; order <= kOrder; ++order) {
    chain_counts_.at(order).resize(std::size_t{1} << (2 * (order + 1)));
  }
}

void DnaBaselines::add(std::span<const std::uint8_t> bases) {
  std::vector<std::uint8_t> strand(bases.size());
  std::transform(bases.begin(), bases.end(), strand.begin(),
                 [](std::uint8_t code) { return static_cast<std::uint8_t>(code & kBaseMask); });
  count_strand(strand);
  std::reverse(strand.begin(), strand.end());
  for (std::uint8_t& code : strand) {
    if (code < kBaseN) code = static_cast<std::uint8_t>(3 - code);
  }
  count_strand(strand);
}

void DnaBaselines::count_strand(std::span<const std::uint8_t> bases) {
  const std::size_t kmer_mask = kmer_counts_.size() - 1;
  std::size_t recent = 0;  // the last bases, two bits each
  std::int64_t run = 0;    // how many of them are ACGT
  for (const std::uint8_t code : bases) {
    if (code >= kBaseN) {
      run = 0;
      continue;
    }
    recent = recent * 4 + code;
    ++run;
    if (run >= k_) ++kmer_counts_.at(recent & kmer_mask);
    for (std::size_t order = 0; order <= kOrder && static_cast<std::int64_t>(order) < run;
         ++order) {
      ++chain_counts_.at(order).at(recent & (chain_counts_.at(order).size() - 1));
    }
  }
}

void DnaBaselines::fit(dist::Communicator& world) {
  core::Stream stream(core::kCpu);
  const auto sum = [&](std::vector<std::int64_t>& counts) {
    const core::View view(counts.data(), {static_cast<std::int64_t>(counts.size())});
    world.start(dist::Reduce::sum, view, core::Event()).wait(stream);
  };
  sum(kmer_counts_);
  for (auto& counts : chain_counts_) sum(counts);

  const double all = std::accumulate(kmer_counts_.begin(), kmer_counts_.end(), 0.0);
  const auto kinds = static_cast<double>(kmer_counts_.size());
  kmer_share_.resize(kmer_counts_.size());
  for (std::size_t i = 0; i < kmer_counts_.size(); ++i) {  // one pseudo-count each
    kmer_share_[i] = (static_cast<double>(kmer_counts_[i]) + 1.0) / (all + kinds);
  }
  fit_chain();
  gc_share_ = chain_[0][1] + chain_[0][2];
}

// Each order is smoothed by the next shorter one:
//   p_c(b | x_1..x_c) = (n(x b) + a p_{c-1}(b | x_2..x_c)) / (n(x) + a), p_{-1} = 1/4.
void DnaBaselines::fit_chain() {
  for (std::size_t order = 0; order <= kOrder; ++order) {
    const auto& counts = chain_counts_.at(order);
    auto& table = chain_.at(order);
    table.resize(counts.size());
    for (std::size_t context = 0; context < counts.size() / 4; ++context) {
      double seen = kBackoffObservations;
      for (std::size_t base = 0; base < 4; ++base) {
        seen += static_cast<double>(counts[context * 4 + base]);
      }
      for (std::size_t base = 0; base < 4; ++base) {
        const std::size_t shorter = (context * 4 + base) & (counts.size() / 4 - 1);
        const double prior = order == 0 ? 0.25 : chain_.at(order - 1)[shorter];
        table[context * 4 + base] =
            (static_cast<double>(counts[context * 4 + base]) + kBackoffObservations * prior) / seen;
      }
    }
  }
}

double DnaBaselines::probability(std::span<const std::uint8_t> bases, std::int64_t context_start,
                                 std::int64_t at) const {
  const std::int64_t order = std::min<std::int64_t>(kOrder, at - context_start);
  std::size_t code = 0;
  for (std::int64_t i = at - order; i <= at; ++i) {
    code = code * 4 + bases[static_cast<std::size_t>(i)];
  }
  return chain_.at(static_cast<std::size_t>(order))[code];
}

/// The chain over one token: the probability of the true bases, and the sum over every choice of
/// the hidden ones, each followed by the visible bases to the right.
class DnaBaselines::Chain {
 public:
  Chain(const DnaBaselines& owner, const VisibleWindow& window, std::int64_t first)
      : owner_(owner), first_(first), last_(first + owner.k_), bases_(window.bases.size()) {
    std::copy(window.bases.begin(), window.bases.end(), bases_.begin());
    context_start_ = first;
    while (first - context_start_ < kOrder && is_known(window, context_start_ - 1))
      --context_start_;
    hidden_.assign(window.hidden.begin(), window.hidden.end());
    while (last_ < first + owner.k_ + kOrder && is_known(window, last_)) ++last_;
  }

  /// -log of the product over hidden bases of p(base | true bases before it).
  [[nodiscard]] double one_sided() const {
    double nats = 0.0;
    for (std::int64_t i = first_; i < first_ + owner_.k_; ++i) {
      if (hidden_[static_cast<std::size_t>(i)] != 0) {
        nats -= std::log(owner_.probability(bases_, context_start_, i));
      }
    }
    return nats;
  }

  [[nodiscard]] double two_sided() {
    const double truth = weight_of_truth();
    return -std::log(truth / sum_over_choices(first_, 1.0));
  }

 private:
  [[nodiscard]] double weight_of_truth() const {
    double weight = 1.0;
    for (std::int64_t i = first_; i < last_; ++i) {
      weight *= owner_.probability(bases_, context_start_, i);
    }
    return weight;
  }

  double sum_over_choices(std::int64_t at, double weight) {
    if (at == last_) return weight;
    const auto slot = static_cast<std::size_t>(at);
    if (at >= first_ + owner_.k_ || hidden_[slot] == 0) {
      return sum_over_choices(at + 1, weight * owner_.probability(bases_, context_start_, at));
    }
    const std::uint8_t truth = bases_[slot];
    double sum = 0.0;
    for (std::uint8_t base = 0; base < 4; ++base) {
      bases_[slot] = base;
      sum += sum_over_choices(at + 1, weight * owner_.probability(bases_, context_start_, at));
    }
    bases_[slot] = truth;
    return sum;
  }

  const DnaBaselines& owner_;
  std::int64_t first_;
  std::int64_t last_;  ///< one past the last visible base on the right that counts
  std::int64_t context_start_ = 0;
  std::vector<std::uint8_t> bases_;
  std::vector<std::uint8_t> hidden_;
};

DnaScores DnaBaselines::score(const VisibleWindow& window, std::int64_t first) const {
  require(!kmer_share_.empty(), "baselines are scored after they are fitted");
  const double gc = visible_gc(window, gc_share_);
  const double tilt = std::log(gc / (1.0 - gc)) - std::log(gc_share_ / (1.0 - gc_share_));
  std::array<double, 9> factor{};  // by GC bases of the k-mer
  for (std::size_t i = 0; i < factor.size(); ++i)
    factor.at(i) = std::exp(tilt * static_cast<double>(i));
  double choices = 0.0;
  double share = 0.0;
  double tilted = 0.0;
  for_each_agreeing(window, first, k_, [&](std::size_t kmer) {
    choices += 1.0;
    share += kmer_share_[kmer];
    tilted += kmer_share_[kmer] * factor.at(gc_bases(kmer, k_));
  });
  const std::size_t truth = kmer_at(window.bases, first, k_);
  Chain chain(*this, window, first);
  DnaScores scores{};
  scores[index_of(DnaBaseline::uniform)] = std::log(choices);
  scores[index_of(DnaBaseline::unigram)] = -std::log(kmer_share_[truth] / share);
  scores[index_of(DnaBaseline::gc_unigram)] =
      -std::log(kmer_share_[truth] * factor.at(gc_bases(truth, k_)) / tilted);
  scores[index_of(DnaBaseline::chain)] = chain.one_sided();
  scores[index_of(DnaBaseline::two_sided_chain)] = chain.two_sided();
  return scores;
}

}  // namespace epi::train
