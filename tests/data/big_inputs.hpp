// What tests of bigBed and bigWig share: the bundled files (tests/data/files/SOURCES.tsv), the
// child program of this build, and records gathered from it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/formats/big_file.hpp"

namespace epi::data {

inline std::filesystem::path bundled(const std::string& name) {
  return std::filesystem::path(EPI_SOURCE_DIR) / "tests/data/files" / name;
}

inline BigFileLimits this_build() {
  return {.reader = EPI_BIGFILE_READER, .memory_mib = 512, .seconds = 60};
}

inline std::vector<std::string> records_of(BigFile& file) {
  std::vector<std::string> records;
  std::string_view line;
  while (file.next_line(line)) records.emplace_back(line);
  return records;
}

inline std::vector<std::string> records_of(const std::filesystem::path& path,
                                           const BigFileLimits& limits = this_build()) {
  BigFile file(path, limits);
  return records_of(file);
}

}  // namespace epi::data
