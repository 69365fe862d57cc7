// Small input files for tests of `prepare`'s readers, and the check that a failure says where and
// why.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace epi::data {

/// A folder of this test alone, gone afterwards.
class InputFolder {
 public:
  InputFolder() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::path(::testing::TempDir()) /
            (std::string("epi_") + test->test_suite_name() + "_" + test->name());
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~InputFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  InputFolder(const InputFolder&) = delete;
  InputFolder& operator=(const InputFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path write(const std::string& name, std::string_view text) const {
    const std::filesystem::path path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary)
        .write(text.data(), static_cast<std::streamsize>(text.size()));
    return path;
  }

 private:
  std::filesystem::path path_;
};

/// `action` throws core::Error of this kind whose message holds every one of `parts`.
template <class Action>
void expect_error(core::ErrorKind kind, const std::vector<std::string>& parts,
                  const Action& action) {
  try {
    action();
    ADD_FAILURE() << "no error; expected one with '" << (parts.empty() ? "" : parts.front()) << "'";
  } catch (const core::Error& error) {
    EXPECT_EQ(static_cast<int>(kind), static_cast<int>(error.kind())) << error.what();
    for (const std::string& part : parts) {
      EXPECT_NE(std::string::npos, std::string(error.what()).find(part))
          << "'" << part << "' is not in: " << error.what();
    }
  }
}

template <class Action>
void expect_input_error(const std::vector<std::string>& parts, const Action& action) {
  expect_error(core::ErrorKind::input, parts, action);
}

// One small FASTA as gzip and as bgzip wrote it (gzip -9 -n, bgzip -9): the deflated bytes are
// equal.
inline constexpr std::string_view kFastaText =
    ">one first contig\nACGTacgt\n>two\nNNRYACGTTT\nNNRYACGTTT\nNNRYACGTTT\n";

using namespace std::string_view_literals;
inline constexpr std::string_view kDeflated =
    "\xb3\xcb\xcf\x4b\x55\x48\xcb\x2c\x2a\x2e\x51\x48\xce\xcf\x2b\xc9\x4c\xe7\x72\x74\x76\x0f\x49"
    "\x4c"
    "\x4e\x2f\xe1\xb2\x2b\x29\xcf\xe7\xf2\xf3\x0b\x8a\x04\x89\x84\x84\xe0\x60\x02\x00\x36\xf2\xbe"
    "\x6f"
    "\x41\x00\x00\x00"sv;

inline std::string gzip_bytes() {
  return std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03"sv) + std::string(kDeflated);
}
inline std::string bgzip_block() {
  return std::string("\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\x06\x00\x42\x43\x02\x00\x45\x00"sv) +
         std::string(kDeflated);
}
inline std::string bgzip_bytes() {
  return bgzip_block() +
         std::string(
             "\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\x06\x00\x42\x43\x02\x00\x1b\x00\x03"
             "\x00\x00\x00\x00\x00\x00\x00\x00\x00"sv);
}

}  // namespace epi::data
