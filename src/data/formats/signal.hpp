// Signal tracks: the mean of a bigWig's values in every bin of a contig.
//
// The mean is over the bases that have a value: sum over records of value * bases / bases, in
// double and in the order of the file, then rounded to float. This is what pyBigWig's
// stats(exact=True, type="mean") gives for the same bins, to the last bit of the float.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/formats/big_file.hpp"

namespace epi::data {

/// What a bin is in which no base has a value.
enum class Gaps : std::uint8_t { zero, nan };

struct SignalBins {
  std::int64_t bin_bp = 200;
  Gaps gaps = Gaps::zero;
};

/// Called once per contig, in the file's order, contigs without any value included. `means` has
/// ceil(length / bin) entries, the last bin may be shorter; valid during the call only.
using TakeSignal = std::function<void(const ContigSize& contig, std::span<const float> means)>;

/// Reads the whole file once. Values that are NaN count as no value. InputError: see BigFile; no
/// bigWig; an infinite value; a contig of more than 2^31 - 1 bases.
void read_signal(const std::filesystem::path& path, const SignalBins& bins,
                 const BigFileLimits& limits, const TakeSignal& take);

/// The means of one contig. InputError when the file lacks it or gives it another length: the
/// signal is of another assembly then.
[[nodiscard]] std::vector<float> bin_means(const std::filesystem::path& path,
                                           const std::string& contig, std::int64_t length_bp,
                                           const SignalBins& bins, const BigFileLimits& limits);

}  // namespace epi::data
