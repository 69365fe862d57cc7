// See the header. Initial values are plain arithmetic on counter-based random words.
#include "model/parameters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "core/philox.hpp"

namespace epi::model {
namespace {

constexpr std::int64_t kAlignment = 16;  // elements: one cache line of f32

/// Share of the normal distribution within two standard deviations.
constexpr double kWithinTwoSigma = 0.9544997361036416;

/// The normal quantile of 0.5 + q by P. J. Acklam's rational approximation (2003), relative error
/// below 2e-9 for |q| <= 0.4772: within two sigma its central branch suffices, and that is plain
/// arithmetic, so initial values don't depend on a mathematics library.
double central_normal_quantile(double q) {
  const double r = q * q;
  double top = -3.969683028665376e+01;
  for (const double term : {2.209460984245205e+02, -2.759285104469687e+02, 1.383577518672690e+02,
                            -3.066479806614716e+01, 2.506628277459239e+00}) {
    top = top * r + term;
  }
  double bottom = -5.447609879822406e+01;
  for (const double term : {1.615858368580409e+02, -1.556989798598866e+02, 6.680131188771972e+01,
                            -1.328068155288572e+01, 1.0}) {
    bottom = bottom * r + term;
  }
  return q * top / bottom;
}

/// A standard normal, truncated at two sigma, from one random word.
double truncated_normal(std::uint32_t word) {
  const double uniform = (static_cast<double>(word) + 0.5) * 0x1p-32;
  return std::clamp(central_normal_quantile((uniform - 0.5) * kWithinTwoSigma), -2.0, 2.0);
}

/// Elements 4i .. 4i+3 take the words of Philox(seed, parameters, {low(i), high(i), index, 0}).
void fill_normal(float* values, const Parameter& parameter, std::uint64_t seed, std::uint32_t index,
                 float deviation) {
  for (std::int64_t first = 0; first < parameter.size; first += 4) {
    const auto i = static_cast<std::uint64_t>(first / 4);
    const core::PhiloxBlock words = core::philox(
        seed, core::RandomUse::parameters,
        {static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32U), index, 0});
    const std::int64_t count = std::min<std::int64_t>(4, parameter.size - first);
    for (std::int64_t j = 0; j < count; ++j) {
      values[first + j] =
          static_cast<float>(deviation * truncated_normal(words[static_cast<std::size_t>(j)]));
    }
  }
}

/// k of a vocabulary of special tokens and 4^k k-mers; 0 for any other.
std::int32_t kmer_length(std::int64_t vocabulary) {
  for (std::int32_t k = 1; k <= 12; ++k) {
    if (kernels::kFirstKmer + (std::int64_t{1} << (2 * k)) == vocabulary) return k;
  }
  return 0;
}

/// Halves the variance of the rows of k-mers and adds to each the vectors of its bases: element c
/// of base b at place i takes word 0 of Philox(seed, parameters, {c, 4i + b, index, 1}).
void add_bases(float* values, const Parameter& parameter, std::uint64_t seed, std::uint32_t index,
               float deviation) {
  const std::int32_t k = kmer_length(parameter.shape.front());
  const std::int64_t columns = parameter.shape.back();
  const double scale = static_cast<double>(deviation) / std::sqrt(2.0 * std::max(k, 1));
  std::vector<float> vectors(static_cast<std::size_t>(4 * k * columns));
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    const auto column = static_cast<std::uint32_t>(i % static_cast<std::size_t>(columns));
    const auto which = static_cast<std::uint32_t>(i / static_cast<std::size_t>(columns));
    const auto words = core::philox(seed, core::RandomUse::parameters, {column, which, index, 1});
    vectors[i] = static_cast<float>(scale * truncated_normal(words[0]));
  }
  for (std::int64_t kmer = 0; k > 0 && kmer < std::int64_t{1} << (2 * k); ++kmer) {
    float* row = values + (kernels::kFirstKmer + kmer) * columns;
    for (std::int64_t c = 0; c < columns; ++c) row[c] *= static_cast<float>(std::sqrt(0.5));
    for (std::int32_t place = 0; place < k; ++place) {
      const std::int64_t base = (kmer >> (2 * (k - 1 - place))) & 3;
      const float* vector = &vectors[static_cast<std::size_t>((4 * place + base) * columns)];
      for (std::int64_t c = 0; c < columns; ++c) row[c] += vector[c];
    }
  }
}

/// Columns 2i and 2i + 1 of row p: sine and cosine of p / 10000^(2i / H), whose mean square is 1/2.
void fill_sinusoid(float* values, const Parameter& parameter, float deviation) {
  const std::int64_t columns = parameter.shape.back();
  const double amplitude = std::numbers::sqrt2 * static_cast<double>(deviation);
  for (std::int64_t i = 0; i < parameter.size; ++i) {
    const std::int64_t column = i % columns;
    const double exponent = static_cast<double>(column / 2 * 2) / static_cast<double>(columns);
    const double angle = static_cast<double>(i / columns) / std::pow(10000.0, exponent);
    const double wave = column % 2 == 0 ? std::sin(angle) : std::cos(angle);
    values[i] = static_cast<float>(amplitude * wave);
  }
}

}  // namespace

std::int64_t ParameterTable::add(std::string name, std::vector<std::int64_t> shape, bool decay,
                                 Initial initial) {
  core::require(shape.size() == 1 || shape.size() == 2, "a parameter has 1 or 2 dimensions");
  for (const Parameter& other : parameters_) {
    core::require(other.name != name, fmt::format("parameter {} is added twice", name));
  }
  std::int64_t size = 1;
  for (const std::int64_t length : shape) size *= length;
  core::require(size > 0, fmt::format("parameter {} has no elements", name));
  parameters_.push_back({std::move(name), std::move(shape), block_size_, size, decay, initial});
  block_size_ += (size + kAlignment - 1) / kAlignment * kAlignment;
  return static_cast<std::int64_t>(parameters_.size()) - 1;
}

std::int64_t ParameterTable::num_parameters() const {
  std::int64_t sum = 0;
  for (const Parameter& parameter : parameters_) sum += parameter.size;
  return sum;
}

const Parameter& ParameterTable::at(std::int64_t index) const {
  core::require(index >= 0 && index < static_cast<std::int64_t>(parameters_.size()),
                "parameter index outside of its table");
  return parameters_[static_cast<std::size_t>(index)];
}

const Parameter& ParameterTable::find(const std::string& name) const {
  const auto found = std::find_if(parameters_.begin(), parameters_.end(),
                                  [&](const Parameter& p) { return p.name == name; });
  core::require(found != parameters_.end(), fmt::format("no parameter is called {}", name));
  return *found;
}

std::vector<kernels::ParameterSlice> ParameterTable::slices() const {
  std::vector<kernels::ParameterSlice> slices;
  slices.reserve(parameters_.size());
  for (const Parameter& p : parameters_) slices.push_back({p.offset, p.size, p.decay});
  return slices;
}

void initialise(const ParameterTable& table, std::uint64_t seed, float deviation,
                const core::View& block) {
  core::require(block.device() == core::kCpu && block.size() == table.block_size(),
                "initialise needs the whole block in host memory");
  auto* const values = block.as<float>();
  std::fill_n(values, block.size(), 0.0F);  // biases and padding
  std::uint32_t index = 0;
  for (const Parameter& p : table.parameters()) {
    if (p.initial == Initial::ones) std::fill_n(values + p.offset, p.size, 1.0F);
    if (p.initial == Initial::normal || p.initial == Initial::kmers) {
      fill_normal(values + p.offset, p, seed, index, deviation);
    }
    if (p.initial == Initial::kmers) add_bases(values + p.offset, p, seed, index, deviation);
    if (p.initial == Initial::sinusoid) fill_sinusoid(values + p.offset, p, deviation);
    ++index;
  }
}

}  // namespace epi::model
