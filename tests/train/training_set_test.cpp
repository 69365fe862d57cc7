// What a model was trained on, read back from its checkpoint after the store is gone.
#include "train/training_set.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/files.hpp"
#include "data/shard.hpp"
#include "data/store_fixture.hpp"

namespace epi::train {
namespace {

namespace fs = std::filesystem;

data::Manifest store_in(const fs::path& folder) {
  fs::create_directories(folder);
  (void)data::testing::write_store(folder);
  return data::read_manifest(folder);
}

/// RUN/checkpoints/step-000000007 of a model with one tensor.
fs::path write_run(const fs::path& run, const std::string& fingerprint, const std::string& store) {
  model::ParameterTable table;
  table.add("w", {2}, true, model::Initial::zeros);
  std::vector<float> block(static_cast<std::size_t>(table.block_size()));
  const core::View view(block.data(), {table.block_size()});
  CheckpointNote note;
  note.progress = {7, 7, 0};
  note.store_fingerprint = fingerprint;
  note.store_manifest = store;
  return write_checkpoint(run / "checkpoints", note, table, {view, view, view});
}

std::string error_of(const fs::path& path, core::ErrorKind kind) {
  try {
    (void)trained_on(path);
  } catch (const core::Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(TrainingSet, RunCheckpointAndStore_giveTheSameManifest) {
  const data::testing::Folder folder;
  const data::Manifest store = store_in(folder.path() / "store");
  const fs::path checkpoint = write_run(folder.path() / "run", store.digest, data::to_json(store));
  EXPECT_EQ(trained_on(folder.path() / "store").digest, store.digest);
  fs::remove_all(folder.path() / "store");
  for (const fs::path& path : {folder.path() / "run", checkpoint}) {
    const data::Manifest found = trained_on(path);
    EXPECT_EQ(found.digest, store.digest);
    EXPECT_EQ(found.regions[0], store.regions[0]);
    EXPECT_EQ(found.cells.size(), 3U);
  }
}

TEST(TrainingSet, StoreFile_isTheManifestByteForByte) {
  const data::testing::Folder folder;
  const data::Manifest store = store_in(folder.path() / "store");
  const fs::path checkpoint = write_run(folder.path() / "run", store.digest, data::to_json(store));
  EXPECT_EQ(core::read_text(checkpoint / "store.json"),
            core::read_text(folder.path() / "store" / "manifest.json"));
}

TEST(TrainingSet, OldCheckpoint_isReadButHasNone) {
  const data::testing::Folder folder;
  const fs::path checkpoint = write_run(folder.path() / "run", "abc", "");
  EXPECT_FALSE(fs::exists(checkpoint / "store.json"));
  EXPECT_EQ(open_checkpoint(checkpoint).note.progress.step, 7);
  const std::string message = error_of(folder.path() / "run", core::ErrorKind::input);
  EXPECT_NE(message.find("abc"), std::string::npos) << message;
}

TEST(TrainingSet, DamagedStoreFile_isADamagedCheckpoint) {
  const data::testing::Folder folder;
  const data::Manifest store = store_in(folder.path() / "store");
  const fs::path checkpoint = write_run(folder.path() / "run", store.digest, data::to_json(store));
  data::testing::flip(checkpoint / "store.json", 100);
  (void)error_of(checkpoint, core::ErrorKind::format);
  (void)error_of(folder.path() / "run", core::ErrorKind::missing);
  fs::remove(checkpoint / "store.json");
  (void)error_of(checkpoint, core::ErrorKind::missing);
}

TEST(TrainingSet, ManifestOfAnotherStore_isRefused) {
  const data::testing::Folder folder;
  const data::Manifest store = store_in(folder.path() / "store");
  const fs::path checkpoint = write_run(folder.path() / "run", "abc", data::to_json(store));
  EXPECT_NE(error_of(checkpoint, core::ErrorKind::format).find("trained on abc"),
            std::string::npos);
}

TEST(TrainingSet, AnythingElse_isMissing) {
  const data::testing::Folder folder;
  (void)error_of(folder.path(), core::ErrorKind::missing);
  (void)error_of(folder.path() / "nowhere", core::ErrorKind::missing);
}

}  // namespace
}  // namespace epi::train
