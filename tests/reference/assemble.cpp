#include "reference/assemble.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/philox.hpp"

namespace epi::reference {
namespace {

using core::RandomUse;
using kernels::AssembleArgs;

constexpr int kN = 4;

struct Draw {
  std::uint64_t seed, slot;
  std::uint32_t operator()(RandomUse use, std::uint32_t a, std::uint32_t b, std::uint32_t w) const {
    const auto lo = static_cast<std::uint32_t>(slot & 0xffffffffU);
    const auto hi = static_cast<std::uint32_t>(slot >> 32U);
    return core::philox(seed, use, {lo, hi, a, b}).at(w);
  }
};

/// One window as lists: shown bases, and the genome position of each.
struct Shown {
  std::vector<int> bases;
  std::vector<bool> lower_case;
  std::vector<std::int64_t> positions;  // relative to the segment
};

Shown shown_window(const core::SegmentView& segment, const core::SampleRef& sample,
                   std::int64_t window_bp) {
  Shown out;
  for (std::int64_t j = 0; j < window_bp; ++j) {
    const std::int64_t position = sample.window.offset_bp + j;
    out.positions.push_back(position);
    out.bases.push_back(segment.bases[position] % 8);
    out.lower_case.push_back(segment.bases[position] / 8 == 1);
  }
  if (sample.strand == core::Strand::reverse) {
    const std::map<int, int> partner{{0, 3}, {1, 2}, {2, 1}, {3, 0}, {kN, kN}};
    std::reverse(out.bases.begin(), out.bases.end());
    std::reverse(out.lower_case.begin(), out.lower_case.end());
    std::reverse(out.positions.begin(), out.positions.end());
    for (int& base : out.bases) base = partner.at(base);
  }
  return out;
}

std::vector<int> tokenise(const std::vector<int>& bases, const kernels::TokenSpec& spec) {
  std::vector<int> ids;
  for (int i = 0; i < spec.dna_tokens(); ++i) {
    int id = 0;
    bool unknown = false;
    for (int j = 0; j < spec.k; ++j) {
      const int base = bases.at(static_cast<std::size_t>(i * spec.stride + j));
      unknown = unknown || base == kN;
      id = id * 4 + base;
    }
    ids.push_back(unknown ? kernels::kUnknown : kernels::kFirstKmer + id);
  }
  return ids;
}

/// Per token, whether lower-case bases are in the majority.
std::vector<bool> in_repeats(const Shown& shown, const kernels::TokenSpec& spec) {
  std::vector<bool> out;
  for (int i = 0; i < spec.dna_tokens(); ++i) {
    const auto first = shown.lower_case.begin() + i * spec.stride;
    const auto lower = std::count(first, first + spec.k, true);
    out.push_back(lower > spec.k - lower);
  }
  return out;
}

struct Span {
  std::uint32_t block;
  std::vector<int> tokens;
  std::vector<int> hidden;  // bases, by looking at which tokens cover them
};

std::vector<int> hidden_bases(const std::vector<int>& tokens, const kernels::TokenSpec& spec) {
  const std::set<int> inside(tokens.begin(), tokens.end());
  std::set<int> hidden;
  std::set<int> seen;
  // Tokens k or more away cover none of these bases.
  const int first = std::max(0, tokens.front() - spec.k);
  const int last = std::min(spec.dna_tokens() - 1, tokens.back() + spec.k);
  for (int i = first; i <= last; ++i) {
    for (int j = 0; j < spec.k; ++j) {
      (inside.count(i) > 0 ? hidden : seen).insert(i * spec.stride + j);
    }
  }
  std::vector<int> out;
  std::set_difference(hidden.begin(), hidden.end(), seen.begin(), seen.end(),
                      std::back_inserter(out));
  return out;
}

std::vector<Span> all_blocks(const AssembleArgs& args, const Draw& draw) {
  const kernels::TokenSpec& spec = args.tokens;
  const bool overlapping = spec.stride < spec.k;
  const int m =
      overlapping
          ? static_cast<int>(std::ceil(double(args.masks.span_bases + spec.k) / spec.stride)) - 1
          : 1;
  int start = 0;
  if (overlapping) {
    const double u = draw(RandomUse::dna_mask, 0xffffffffU, 0, 0) / 4294967296.0;
    start = 1 + static_cast<int>(std::floor(u * (m + 1)));
  }
  std::vector<Span> blocks;
  while (start + m + (overlapping ? 1 : 0) <= spec.dna_tokens()) {
    Span span{static_cast<std::uint32_t>(blocks.size()), {}, {}};
    for (int i = 0; i < m; ++i) span.tokens.push_back(start + i);
    blocks.push_back(span);
    start += overlapping ? m + 1 : 1;
  }
  return blocks;
}

bool is_candidate(const AssembleArgs& args, const Span& span, const std::vector<int>& ids,
                  const std::vector<bool>& repeats) {
  const int reach = args.tokens.stride < args.tokens.k ? 1 : 0;
  for (int i = span.tokens.front() - reach; i <= span.tokens.back() + reach; ++i) {
    if (ids.at(static_cast<std::size_t>(i)) == kernels::kUnknown) return false;
  }
  return args.masks.repeats != kernels::Repeats::exclude ||
         std::none_of(span.tokens.begin(), span.tokens.end(),
                      [&](int i) { return repeats.at(static_cast<std::size_t>(i)); });
}

std::vector<Span> chosen_spans(const AssembleArgs& args, const Draw& draw,
                               const std::vector<int>& ids, const std::vector<bool>& repeats,
                               std::size_t spans) {
  std::vector<std::pair<std::uint32_t, Span>> candidates;
  for (const Span& span : all_blocks(args, draw)) {
    if (!is_candidate(args, span, ids, repeats)) continue;
    candidates.emplace_back(draw(RandomUse::dna_mask, span.block, 0, 0), span);
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (candidates.size() > spans) candidates.resize(spans);
  std::vector<Span> chosen;
  for (auto& candidate : candidates) {
    candidate.second.hidden = hidden_bases(candidate.second.tokens, args.tokens);
    chosen.push_back(candidate.second);
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const Span& a, const Span& b) { return a.block < b.block; });
  return chosen;
}

/// Ids of the span's tokens as they are shown.
std::vector<int> shown_ids(const AssembleArgs& args, const Draw& draw, const Span& span,
                           const std::vector<int>& bases, const std::vector<int>& ids) {
  const float u =
      static_cast<float>(draw(RandomUse::dna_mask, span.block, 0, 1) / 256) / 16777216.0F;
  std::vector<int> replaced = bases;
  for (std::size_t h = 0; h < span.hidden.size(); ++h) {
    const auto number = static_cast<std::uint32_t>(h);
    const std::uint32_t word =
        draw(RandomUse::dna_mask, span.block, 1 + number / 64, number % 64 / 16);
    replaced.at(static_cast<std::size_t>(span.hidden[h])) =
        static_cast<int>(word >> (2 * (number % 16))) & 3;
  }
  const std::vector<int> random = tokenise(replaced, args.tokens);
  std::vector<int> out;
  for (const int token : span.tokens) {
    const auto at = static_cast<std::size_t>(token);
    if (u < args.masks.mask_share)
      out.push_back(kernels::kMask);
    else if (u < args.masks.mask_share + args.masks.random_share)
      out.push_back(random.at(at));
    else
      out.push_back(ids.at(at));
  }
  return out;
}

std::set<int> hidden_bins(const AssembleArgs& args, const Draw& draw, int bins) {
  std::set<int> hidden;
  if (args.masks.state_rate <= 0.0F) return hidden;
  const auto wanted =
      static_cast<std::size_t>(std::max(1L, std::lround(double{args.masks.state_rate} * bins)));
  const double stop = 4294967295.0 / 4294967296.0;
  const double ends = args.masks.state_span_bins > 1.0F
                          ? std::floor(4294967296.0 / double{args.masks.state_span_bins})
                          : stop * 4294967296.0;
  for (int run = 0; run < 64 + 16 * bins; ++run) {
    const auto r = static_cast<std::uint32_t>(run);
    std::uint32_t length = 1;
    while (static_cast<int>(length) < bins &&
           draw(RandomUse::state_mask, r, length / 4, length % 4) >= ends) {
      ++length;
    }
    const double u = draw(RandomUse::state_mask, r, 0, 0) / 4294967296.0;
    const int size = static_cast<int>(length);
    const int start = static_cast<int>(std::floor(u * (bins + size - 1))) - (size - 1);
    for (int b = std::max(0, start); b < std::min(bins, start + size); ++b) {
      if (hidden.size() == wanted) return hidden;
      hidden.insert(b);
    }
  }
  for (int b = 0; hidden.size() < wanted; ++b) hidden.insert(b);
  return hidden;
}

struct TargetLists {
  std::vector<int> rows, labels;
  std::vector<float> weights;
};

void write_targets(const TargetLists& lists, const core::View& rows, const core::View& labels,
                   const core::View& weights, std::size_t sample) {
  if (rows.size() == 0) return;
  const auto slots = static_cast<std::size_t>(rows.shape(1));
  for (std::size_t slot = 0; slot < slots; ++slot) {
    const bool used = slot < lists.rows.size();
    rows.as<std::int32_t>()[sample * slots + slot] = used ? lists.rows[slot] : 0;
    labels.as<std::int32_t>()[sample * slots + slot] = used ? lists.labels[slot] : 0;
    weights.as<float>()[sample * slots + slot] = used ? lists.weights[slot] : 0.0F;
  }
}

void assemble_dna(const AssembleArgs& args, const Draw& draw, const Shown& shown, std::size_t b) {
  const auto length = static_cast<std::size_t>(args.tokens.length);
  const std::vector<int> ids = tokenise(shown.bases, args.tokens);
  const std::vector<bool> repeats = in_repeats(shown, args.tokens);
  std::vector<int> out = ids;
  TargetLists targets;
  const std::size_t span_tokens =
      args.tokens.stride < args.tokens.k
          ? static_cast<std::size_t>(
                (args.masks.span_bases + args.tokens.k + args.tokens.stride - 1) /
                    args.tokens.stride -
                1)
          : 1;
  const std::size_t slots =
      args.dna_rows.size() == 0 ? 0 : static_cast<std::size_t>(args.dna_rows.shape(1));
  for (const Span& span : chosen_spans(args, draw, ids, repeats, slots / span_tokens)) {
    const std::vector<int> shown_as = shown_ids(args, draw, span, shown.bases, ids);
    for (std::size_t i = 0; i < span.tokens.size(); ++i) {
      const auto token = static_cast<std::size_t>(span.tokens[i]);
      targets.rows.push_back(static_cast<int>(b * length + 1 + token));
      targets.labels.push_back(ids.at(token));
      const bool lighter = repeats.at(token) && args.masks.repeats == kernels::Repeats::downweight;
      targets.weights.push_back(lighter ? args.masks.repeat_weight : 1.0F);
      args.counts.as<std::int64_t>()[3] += repeats.at(token) ? 1 : 0;
      out.at(token) = shown_as.at(i);
    }
    args.counts.as<std::int64_t>()[2] += static_cast<std::int64_t>(span.hidden.size());
  }
  args.counts.as<std::int64_t>()[0] += static_cast<std::int64_t>(targets.rows.size());
  write_targets(targets, args.dna_rows, args.dna_labels, args.dna_weights, b);
  out.insert(out.begin(), kernels::kCls);
  out.push_back(kernels::kSep);
  std::copy(out.begin(), out.end(), args.token_ids.as<std::int32_t>() + b * length);
}

void assemble_states(const AssembleArgs& args, const Draw& draw, const Shown& shown,
                     const std::uint8_t* states, std::size_t b) {
  const auto length = static_cast<std::size_t>(args.tokens.length);
  const int bin_bp = args.corpus->bin_bp;
  const float u = static_cast<float>(draw(RandomUse::state_dropout, 0, 0, 0) / 256) / 16777216.0F;
  std::vector<int> types(length, 0);
  TargetLists targets;
  if (states != nullptr && !(u < args.masks.state_dropout)) {
    const auto ends = std::minmax(shown.positions.front(), shown.positions.back());
    const auto first = static_cast<int>(ends.first / bin_bp);
    const auto last = static_cast<int>(ends.second / bin_bp);
    const std::set<int> hidden = hidden_bins(args, draw, last - first + 1);
    std::map<int, std::pair<double, int>> nearest;  // bin -> distance to its middle, token
    for (int i = 0; i < args.tokens.dna_tokens(); ++i) {
      const auto centre = static_cast<std::size_t>(i * args.tokens.stride + args.tokens.k / 2);
      const std::int64_t position = shown.positions.at(centre);
      const int bin = static_cast<int>(position / bin_bp);
      const bool is_hidden = hidden.count(bin - first) > 0;
      types.at(static_cast<std::size_t>(i) + 1) =
          is_hidden ? args.corpus->num_states + 1 : states[bin];
      if (!is_hidden) continue;
      const double middle = bin * double(bin_bp) + (bin_bp - 1) / 2.0;
      const std::pair<double, int> candidate{std::abs(static_cast<double>(position) - middle), i};
      const auto [entry, fresh] = nearest.emplace(bin, candidate);
      if (!fresh) entry->second = std::min(entry->second, candidate);
    }
    for (const auto& [bin, best] : nearest) {
      if (states[bin] == 0) continue;
      targets.rows.push_back(static_cast<int>(b * length) + 1 + best.second);
      targets.labels.push_back(states[bin] - 1);
      targets.weights.push_back(1.0F);
    }
  }
  args.counts.as<std::int64_t>()[1] += static_cast<std::int64_t>(targets.rows.size());
  write_targets(targets, args.state_rows, args.state_labels, args.state_weights, b);
  std::copy(types.begin(), types.end(), args.type_ids.as<std::int32_t>() + b * length);
}

}  // namespace

void assemble(const AssembleArgs& args) {
  for (std::size_t b = 0; b < args.samples.size(); ++b) {
    const core::SampleRef& sample = args.samples[b];
    const auto& segment = args.corpus->segments[static_cast<std::size_t>(sample.window.segment)];
    const Shown shown = shown_window(segment, sample, args.tokens.window_bp());
    const Draw draw{args.state->seed, args.state->first_slot + b};
    assemble_dna(args, draw, shown, b);
    assemble_states(args, draw, shown, sample.cell < 0 ? nullptr : segment.states[sample.cell], b);
  }
}

}  // namespace epi::reference
