// The first bytes of bigBed and bigWig, judged before the child process is started: most broken
// downloads end here, with a better message than a library that lost its way can give.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "data/formats/big_file.hpp"

namespace epi::data {

struct BigHeader {
  BigKind kind = BigKind::none;
  std::optional<std::uint64_t> records;  ///< how many the file says it holds; bigBed only
  std::optional<std::uint64_t> blocks;   ///< how many data blocks its index has; bigWig only
};

/// Reads the header and compares every offset in it, and the end of the data that the index states,
/// with the file's size. MissingError or IoError when it can't be opened; InputError: a folder or
/// pipe, neither bigBed nor bigWig, the other byte order, cut short, no index where one should be.
[[nodiscard]] BigHeader read_big_header(const std::filesystem::path& path);

}  // namespace epi::data
