// The basics of the durability contract: under the final name there is the old file or the new one.
// What a power cut leaves is up to fsync and cannot be tested here; that a failed write leaves the
// old file can.
#include "core/files.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "core/error.hpp"

namespace epi::core {
namespace {

namespace fs = std::filesystem;

/// A fresh folder, removed afterwards.
class Files : public testing::Test {
 protected:
  Files() { fs::create_directories(folder_); }
  ~Files() override { fs::remove_all(folder_); }

  fs::path folder_ = fs::path(testing::TempDir()) / ("epi_files_test_" + std::to_string(getpid()));
};

TEST_F(Files, ReadText_anyBytes_areKept) {
  std::string text(200000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 % 256);
  write_durably(folder_ / "bytes", text);
  EXPECT_EQ(read_text(folder_ / "bytes"), text);
}

TEST_F(Files, ReadText_missing_isMissingErrorWithThePath) {
  try {
    (void)read_text(folder_ / "nothing");
    FAIL() << "read a file that is not there";
  } catch (const MissingError& error) {
    EXPECT_NE(std::string(error.what()).find("nothing"), std::string::npos);
  }
}

TEST_F(Files, ReadText_folder_isIoError) {
  EXPECT_THROW((void)read_text(folder_), IoError);
}

TEST_F(Files, WriteDurably_existing_replacesWholly) {
  write_durably(folder_ / "file", "a long first version");
  write_durably(folder_ / "file", "short");
  EXPECT_EQ(read_text(folder_ / "file"), "short");
}

TEST_F(Files, WriteDurably_empty_makesAnEmptyFile) {
  write_durably(folder_ / "file", "");
  EXPECT_EQ(fs::file_size(folder_ / "file"), 0U);
}

TEST_F(Files, WriteDurably_done_leavesNothingAside) {
  write_durably(folder_ / "file", "x");
  int entries = 0;
  for (const auto& entry : fs::directory_iterator(folder_)) entries += entry.exists() ? 1 : 0;
  EXPECT_EQ(entries, 1);
}

TEST_F(Files, WriteDurably_staleFileAside_isOverwritten) {
  write_durably(folder_ / "file.tmp", "left by a crash, longer than what follows");
  write_durably(folder_ / "file", "new");
  EXPECT_EQ(read_text(folder_ / "file"), "new");
}

TEST_F(Files, WriteDurably_failure_leavesTheOldFile) {
  write_durably(folder_ / "file", "old");
  fs::create_directory(folder_ / "file.tmp");  // the file aside cannot be opened
  EXPECT_THROW(write_durably(folder_ / "file", "new"), IoError);
  EXPECT_EQ(read_text(folder_ / "file"), "old");
}

TEST_F(Files, WriteDurably_fullDisk_isIoErrorAndLeavesTheOldFile) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  write_durably(folder_ / "file", "old");
  fs::create_symlink("/dev/full", folder_ / "file.tmp");
  try {
    write_durably(folder_ / "file", "new");
    FAIL() << "wrote to a full disk";
  } catch (const IoError& error) {
    EXPECT_NE(std::string(error.what()).find("No space left"), std::string::npos) << error.what();
  }
  EXPECT_EQ(read_text(folder_ / "file"), "old");
}

TEST_F(Files, WriteDurably_noFolder_isMissingError) {
  EXPECT_THROW(write_durably(folder_ / "no" / "file", "x"), MissingError);
}

TEST_F(Files, WriteDurably_bareName_worksInTheCurrentFolder) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  write_durably("bare", "x");
  EXPECT_EQ(read_text("bare"), "x");
  fs::current_path(before);
}

TEST_F(Files, Publish_folder_movesItIntoPlace) {
  fs::create_directory(folder_ / "run.tmp");
  write_durably(folder_ / "run.tmp" / "weights", "w");
  publish(folder_ / "run.tmp", folder_ / "run");
  EXPECT_EQ(read_text(folder_ / "run" / "weights"), "w");
  EXPECT_FALSE(fs::exists(folder_ / "run.tmp"));
}

TEST_F(Files, SyncPath_missing_isMissingError) {
  EXPECT_THROW(sync_path(folder_ / "nothing"), MissingError);
  EXPECT_NO_THROW(sync_path(folder_));
}

}  // namespace
}  // namespace epi::core
