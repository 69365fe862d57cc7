#include "train/sample_fingerprint.hpp"

#include <fmt/format.h>

#include <charconv>

namespace epi::train {
namespace {

constexpr int kHalfBits = 32;

/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014, variant 13 of Stafford): every
/// input bit changes half of the output bits.
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

/// 2^64 over the golden ratio, as in SplitMix64: keeps zeros from mixing to zero.
constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15U;

std::uint64_t with(std::uint64_t hash, std::uint64_t value) {
  return mixed(hash + kStep + mixed(value + kStep));
}

std::uint64_t hash_of(std::uint64_t slot, const core::SampleRef& sample) {
  std::uint64_t hash = with(0, slot);
  hash = with(hash, static_cast<std::uint64_t>(sample.window.segment));
  hash = with(hash, static_cast<std::uint64_t>(sample.window.offset_bp));
  hash = with(hash, static_cast<std::uint64_t>(sample.cell));
  return with(hash, static_cast<std::uint64_t>(sample.strand));
}

}  // namespace

std::uint64_t fingerprint_of(std::uint64_t first_slot, std::span<const core::SampleRef> samples) {
  std::uint64_t sum = 0;
  for (const core::SampleRef& sample : samples) sum += hash_of(first_slot++, sample);
  return sum;
}

std::uint64_t rolled(std::uint64_t fingerprint, std::uint64_t step_sum) {
  return with(fingerprint, step_sum);
}

std::string fingerprint_text(std::uint64_t fingerprint) {
  return fmt::format("{:016x}", fingerprint);
}

std::uint64_t fingerprint_from(const std::string& text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value, 16);
  return parsed.ec == std::errc() && parsed.ptr == end ? value : 0;
}

SplitSum SplitSum::of(std::uint64_t value) {
  constexpr std::uint64_t kLow = (std::uint64_t{1} << kHalfBits) - 1;
  return {static_cast<double>(value & kLow), static_cast<double>(value >> kHalfBits)};
}

std::uint64_t SplitSum::value() const {
  return static_cast<std::uint64_t>(low) + (static_cast<std::uint64_t>(high) << kHalfBits);
}

}  // namespace epi::train
