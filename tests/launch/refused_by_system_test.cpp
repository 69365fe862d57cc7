// Files that may not be read, folders that may not be written, a disk that is full: the system's
// refusal in one message, exit code 74, and nothing under the store's name.
#include <gtest/gtest.h>

#include <unistd.h>

#include "launch/damaged_text.hpp"

namespace epi::launch_test {
namespace {

/// Runs as a user who may not read everything; root may.
Outcome as_nobody(const std::string& arguments, const fs::path& folder) {
  if (geteuid() != 0) return epitrain(arguments, folder);
  return run("setpriv --reuid=65534 --regid=65534 --clear-groups '" EPI_PROGRAM "' " + arguments,
             folder);
}

TEST_F(Damaged_text, unreadableFile_isTheSystemsRefusal) {
  for (const char* name : {"genome.fa", "X.bed", "sheet.tsv"}) {
    const fs::path folder = inputs("unreadable");
    fs::permissions(folder, fs::perms::all);
    fs::permissions(folder / name, fs::perms::none);
    const Outcome outcome = as_nobody(kPrepare, folder);
    if (outcome.code == 126 || outcome.code == 127) {
      GTEST_SKIP() << "root reads everything and there is no setpriv: " << outcome.err;
    }
    expect_refused(outcome, kSystem, {name, "Permission denied"}, folder / "store", name);
  }
}

TEST_F(Damaged_text, outWhereNothingMayBeWritten_isTheSystemsRefusal) {
  const fs::path folder = inputs("unwritable");
  fs::permissions(folder, fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_read |
                              fs::perms::others_exec);
  const Outcome outcome = as_nobody(kPrepare, folder);
  fs::permissions(folder, fs::perms::owner_all);
  if (outcome.code == 126 || outcome.code == 127) GTEST_SKIP() << "no setpriv: " << outcome.err;
  expect_refused(outcome, kSystem, {"store"}, folder / "store", "read-only folder");
}

// A disk that fills looks to a program as a write that is refused; the shell's limit on the size of
// files does the same to every file above it.
TEST_F(Damaged_text, filesThatCannotGrow_endAsAFullDiskDoes) {
  const fs::path folder = inputs("full");
  std::vector<std::string> refused;
  for (const char* blocks : {"1", "8", "40", "130", "158", "170"}) {  // of 512 bytes
    const Outcome outcome =
        run("trap '' XFSZ; ulimit -f " + std::string(blocks) + "; '" EPI_PROGRAM "' " + kPrepare,
            folder);
    if (outcome.code == 0) break;
    expect_refused(outcome, kSystem, {}, folder / "store", std::string(blocks) + " blocks");
    refused.push_back(outcome.err);
  }
  ASSERT_GE(refused.size(), 3U);
  // What was done before the disk was full is used, and the end is the same.
  fs::remove_all(folder / "store");
  const Outcome again = epitrain(kPrepare, folder);
  ASSERT_EQ(again.code, 0) << again.all();
  EXPECT_TRUE(content_of(folder / "store") == content_of(clean_ / "store"));
}

}  // namespace
}  // namespace epi::launch_test
