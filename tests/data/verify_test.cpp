// Verification: every damaged byte is found, all problems are listed, a whole store has none.
#include "data/verify.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/error.hpp"
#include "core/files.hpp"
#include "data/store_fixture.hpp"

namespace {

using namespace epi::data;
using namespace epi::data::testing;

bool any_names(const VerifyReport& report, const std::string& text) {
  for (const std::string& problem : report.problems) {
    if (problem.find(text) != std::string::npos) return true;
  }
  return false;
}

TEST(Verify_test, WholeStore_hasNoProblem) {
  const Folder folder;
  const Manifest manifest = write_store(folder.path());
  for (const bool deep : {false, true}) {
    const VerifyReport report = verify(folder.path(), deep);
    EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.problems.front());
    EXPECT_EQ(report.num_shards, 3);
    EXPECT_EQ(report.bytes,
              manifest.shards[0].bytes + manifest.shards[1].bytes + manifest.shards[2].bytes);
  }
}

TEST(Verify_test, Deep_anyFlippedByte_isFound) {
  const Folder folder;
  const Manifest manifest = write_store(folder.path());
  // Every byte of the header, then one in 397.
  for (std::int64_t byte = 0; byte < manifest.shards[0].bytes; byte += byte < 256 ? 1 : 397) {
    flip(folder.path() / "shard-0.h5", byte, static_cast<int>(byte % 8));
    EXPECT_FALSE(verify(folder.path(), true).ok()) << byte;
    flip(folder.path() / "shard-0.h5", byte, static_cast<int>(byte % 8));
  }
  EXPECT_TRUE(verify(folder.path(), true).ok());
}

TEST(Verify_test, Deep_flippedState_namesTheFile) {
  const Folder folder;
  (void)write_store(folder.path());
  const auto path = folder.path() / "shard-0.h5";
  flip(path, read_layout(path).states_offsets[1], 7);
  EXPECT_TRUE(any_names(verify(folder.path(), true), "shard-0.h5: digest"));
  EXPECT_TRUE(verify(folder.path(), false).ok()) << "without deep, payload is not read";
}

TEST(Verify_test, Deep_stateOutsideOfTheVocabulary_isFound) {
  const Folder folder;
  Manifest manifest = write_store(folder.path());
  manifest.states.pop_back();  // codes go to 5
  epi::core::write_durably(folder.path() / kManifestName, to_json(manifest));
  EXPECT_TRUE(any_names(verify(folder.path(), true), "dataset states: code 5"));
}

TEST(Verify_test, SeveralProblems_areAllListed) {
  const Folder folder;
  (void)write_store(folder.path());
  std::filesystem::remove(folder.path() / "shard-0.h5");
  std::filesystem::resize_file(folder.path() / "shard-1.h5", 100);
  flip(folder.path() / "shard-2.h5", read_layout(folder.path() / "shard-2.h5").bases_offset);
  const VerifyReport report = verify(folder.path(), true);
  EXPECT_TRUE(any_names(report, "shard-0.h5"));
  EXPECT_TRUE(any_names(report, "shard-1.h5"));
  EXPECT_TRUE(any_names(report, "shard-2.h5"));
}

TEST(Verify_test, NoStoreOrAnUnreadableOne_isNoDamage) {
  const Folder folder;
  EXPECT_THROW((void)verify(folder.path() / "none", false), epi::core::MissingError);
  // A link to itself: the system refuses to say what it is, even to root.
  std::filesystem::create_symlink("loop", folder.path() / "loop");
  EXPECT_THROW((void)verify(folder.path() / "loop", false), epi::core::IoError);
  std::filesystem::create_symlink(kManifestName, folder.path() / kManifestName);
  EXPECT_THROW((void)verify(folder.path(), false), epi::core::IoError);
}

TEST(Verify_test, NoManifest_isAProblem) {
  const Folder folder;
  EXPECT_EQ(verify(folder.path(), false).problems.size(), 1U);
  epi::core::write_durably(folder.path() / kManifestName, "{}");
  EXPECT_TRUE(any_names(verify(folder.path(), false), "key format is missing"));
}

}  // namespace
