#include "train/rank_share.hpp"

#include <fmt/format.h>

#include <numeric>
#include <vector>

#include "core/error.hpp"
#include "train/canonical_tree.hpp"

namespace epi::train {
namespace {

using core::ConfigError;

/// "1", "1 or 3", "1, 3 or 9".
std::string any_of(const std::vector<std::int64_t>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const bool last = i + 1 == numbers.size();
    text += fmt::format("{}{}", i == 0 ? "" : last ? " or " : ", ", numbers[i]);
  }
  return text;
}

std::vector<std::int64_t> divisors_of(std::int64_t n) {
  std::vector<std::int64_t> all;
  for (std::int64_t d = 1; d <= n; ++d) {
    if (n % d == 0) all.push_back(d);
  }
  return all;
}

void check_reproducible(const TrainConfig& train, int ranks) {
  if (train.exchange_precision != core::DType::f32) {
    throw ConfigError(
        "train.reproducible = true with train.exchange_precision = \"bf16\": gradients that travel "
        "in bf16 are rounded once more on two ranks than on one; set it to \"fp32\"");
  }
  const std::int64_t groups = CanonicalTree::over(train.micro_batches()).groups;
  if (groups % ranks == 0) return;
  std::vector<std::int64_t> possible;
  for (std::int64_t n = 1; n <= groups; n *= 2) possible.push_back(n);
  throw ConfigError(fmt::format(
      "{} ranks cannot give the bits that other numbers of ranks give: with train.reproducible = "
      "true a step of {} micro-batches (train.global_batch = {} / train.micro_batch = {}) runs on "
      "{} ranks; take so many, change train.global_batch in a new run, or set train.reproducible = "
      "false",
      ranks, train.micro_batches(), train.global_batch, train.micro_batch, any_of(possible)));
}

}  // namespace

RunConfig shared_over(const RunConfig& config, int ranks) {
  check_sharding(config);
  if (config.train.global_batch % ranks != 0) {
    throw ConfigError(fmt::format(
        "{} ranks cannot share train.global_batch = {} windows evenly: use {} ranks, or start a "
        "new run with another train.global_batch",
        ranks, config.train.global_batch, any_of(divisors_of(config.train.global_batch))));
  }
  if (config.train.reproducible) check_reproducible(config.train, ranks);
  RunConfig shared = config;
  shared.train.micro_batch = std::gcd(config.train.micro_batch, config.train.global_batch / ranks);
  return shared;
}

}  // namespace epi::train
