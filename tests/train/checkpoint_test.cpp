// Checkpoints: what is written is read back; what is damaged is passed over; old ones go.
#include "train/checkpoint.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "core/error.hpp"
#include "train/run_folder.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

struct Blocks {
  explicit Blocks(std::int64_t size)
      : parameters(static_cast<std::size_t>(size)), moment1(parameters), moment2(parameters) {}
  TrainingBlocks views() {
    const auto size = static_cast<std::int64_t>(parameters.size());
    return {core::View(parameters.data(), {size}), core::View(moment1.data(), {size}),
            core::View(moment2.data(), {size})};
  }
  std::vector<float> parameters, moment1, moment2;
};

model::ParameterTable table() {
  model::ParameterTable table;
  table.add("w", {3, 5}, true, model::Initial::normal);
  table.add("b", {3}, false, model::Initial::zeros);
  return table;
}

// Block values that are their own place, padding 0.
Blocks filled(const model::ParameterTable& table, float shift) {
  Blocks blocks(table.block_size());
  for (const model::Parameter& p : table.parameters()) {
    for (std::int64_t i = p.offset; i < p.offset + p.size; ++i) {
      const auto at = static_cast<std::size_t>(i);
      blocks.parameters[at] = shift + static_cast<float>(i);
      blocks.moment1[at] = -static_cast<float>(i);
      blocks.moment2[at] = 0.5F * static_cast<float>(i);
    }
  }
  return blocks;
}

CheckpointNote note_at(std::int64_t step) {
  CheckpointNote note;
  note.progress = {step, step - 1, 1};
  note.samples = 8 * step;
  note.seed = 5;
  note.world_size = 2;
  note.bits = BitsSoFar::promised;
  note.choices = "linear 64x32x32 bf16 7\nlinear 64x64x32 bf16 0";
  note.store_fingerprint = "abc";
  note.config = "[x]\ny = \"\\u00e9\"\n";
  note.identity = {{"a", "1"}, {"b", "two"}};
  return note;
}

fs::path write_at(const fs::path& folder, std::int64_t step) {
  Blocks blocks = filled(table(), static_cast<float>(step));
  return write_checkpoint(folder, note_at(step), table(), blocks.views());
}

TEST(Checkpoint_written_isReadBack, bitForBit) {
  const TestFolder folder("checkpoint");
  const fs::path path = write_at(folder.path(), 100);
  EXPECT_EQ(path.filename(), "step-000000100");
  const FoundCheckpoint found = find_checkpoint(folder.path());
  ASSERT_TRUE(found.newest);
  EXPECT_TRUE(found.damaged.empty());
  const CheckpointNote& note = found.newest->note;
  EXPECT_EQ(note.progress, note_at(100).progress);
  EXPECT_EQ(note.samples, 800);
  EXPECT_EQ(note.world_size, 2);
  EXPECT_EQ(note.bits, BitsSoFar::promised);
  EXPECT_EQ(note.choices, note_at(100).choices);
  EXPECT_EQ(note.store_fingerprint, "abc");
  EXPECT_EQ(note.config, note_at(100).config);
  EXPECT_EQ(note.identity, note_at(100).identity);
  Blocks read(table().block_size());
  read_blocks(*found.newest, table(), read.views());
  const Blocks expected = filled(table(), 100.0F);
  EXPECT_EQ(read.parameters, expected.parameters);
  EXPECT_EQ(read.moment1, expected.moment1);
  EXPECT_EQ(read.moment2, expected.moment2);
}

// As early programs wrote them: the key is absent, and what nobody says is unknown.
TEST(Checkpoint_reproducible_isKept, orUnknown) {
  const TestFolder folder("checkpoint");
  for (const BitsSoFar bits : {BitsSoFar::unknown, BitsSoFar::of_these_ranks,
                               BitsSoFar::of_any_ranks, BitsSoFar::promised}) {
    CheckpointNote note = note_at(1);
    note.bits = bits;
    Blocks blocks = filled(table(), 1.0F);
    const fs::path path = write_checkpoint(folder.path(), note, table(), blocks.views());
    EXPECT_EQ(open_checkpoint(path).note.bits, bits) << name_of(bits);
    const std::string manifest = core::read_text(path / "manifest.json");
    EXPECT_EQ(manifest.find("\"reproducible\"") == std::string::npos, bits == BitsSoFar::unknown);
  }
  EXPECT_EQ(bits_named("of the future"), BitsSoFar::unknown);
}

TEST(Checkpoint_optimizerFile_followsItsGrammar, byteByByte) {
  const TestFolder folder("checkpoint");
  const std::string bytes = core::read_text(write_at(folder.path(), 1) / "optimizer.bin");
  const auto size = static_cast<std::size_t>(table().block_size());
  ASSERT_EQ(bytes.size(), 24 + 8 * size);
  EXPECT_EQ(bytes.substr(0, 8), "EPIOPTIM");
  EXPECT_EQ(bytes.substr(8, 8), std::string("\1\0\0\0\2\0\0\0", 8));
  EXPECT_EQ(static_cast<std::size_t>(static_cast<unsigned char>(bytes[16])), size);
  float element2 = 0.0F;
  std::memcpy(&element2, bytes.data() + 24 + 4 * size + 8, 4);
  EXPECT_EQ(element2, 1.0F);
}

TEST(Checkpoint_anyDamagedByte_isPassedOver, forThePreviousOne) {
  const TestFolder folder("checkpoint");
  for (const char* file : {"manifest.json", "model.safetensors", "optimizer.bin"}) {
    fs::remove_all(folder.path());
    write_at(folder.path(), 10);
    const fs::path newer = write_at(folder.path(), 20);
    const std::size_t size = fs::file_size(newer / file);
    for (const std::size_t byte : {std::size_t{40}, size / 2, size - 4}) {
      damage(newer / file, byte);
      const FoundCheckpoint found = find_checkpoint(folder.path());
      ASSERT_TRUE(found.newest);
      EXPECT_EQ(found.newest->note.progress.step, 10) << file << " byte " << byte;
      ASSERT_EQ(found.damaged.size(), 1U);
      EXPECT_NE(found.damaged[0].reason.find(file), std::string::npos) << found.damaged[0].reason;
      damage(newer / file, byte);
      EXPECT_EQ(find_checkpoint(folder.path()).newest->note.progress.step, 20);
    }
    fs::remove(newer / file);
    EXPECT_EQ(find_checkpoint(folder.path()).newest->note.progress.step, 10) << file;
  }
}

TEST(Checkpoint_truncatedFile_isPassedOver, atAnyLength) {
  const TestFolder folder("checkpoint");
  const fs::path path = write_at(folder.path(), 20);
  for (const char* file : {"manifest.json", "model.safetensors", "optimizer.bin"}) {
    const auto size = fs::file_size(path / file);
    for (const auto length : {size - 1 - (size == 0 ? 0 : 1), size / 2, decltype(size){0}}) {
      const std::string whole = core::read_text(path / file);
      fs::resize_file(path / file, length);
      EXPECT_FALSE(find_checkpoint(folder.path()).newest) << file << " cut to " << length;
      std::ofstream(path / file, std::ios::binary) << whole;
    }
  }
  EXPECT_TRUE(find_checkpoint(folder.path()).newest);
}

TEST(Checkpoint_copiedUnderAnotherStep_isNotBelieved, evenIfWhole) {
  const TestFolder folder("checkpoint");
  fs::rename(write_at(folder.path(), 10), folder.path() / "step-000000011");
  EXPECT_FALSE(find_checkpoint(folder.path()).newest);
}

TEST(Checkpoint_unfinishedAndDamaged_areCleaned, andOthersKept) {
  const TestFolder folder("checkpoint");
  write_at(folder.path(), 10);
  const fs::path damaged = write_at(folder.path(), 20);
  damage(damaged / "optimizer.bin", 30);
  fs::create_directories(folder.path() / "step-000000030.tmp");
  clean_checkpoints(folder.path(), find_checkpoint(folder.path()).damaged);
  EXPECT_TRUE(fs::exists(folder.path() / "step-000000010"));
  EXPECT_FALSE(fs::exists(damaged));
  EXPECT_TRUE(fs::exists(folder.path() / "step-000000020.damaged"));
  EXPECT_FALSE(fs::exists(folder.path() / "step-000000030.tmp"));
}

TEST(Checkpoint_pruned_keepsTheNewest, andWritesOverItsOwnStep) {
  const TestFolder folder("checkpoint");
  for (const int step : {5, 10, 15, 20, 20}) write_at(folder.path(), step);
  prune_checkpoints(folder.path(), 20, 2);
  EXPECT_FALSE(fs::exists(folder.path() / "step-000000010"));
  EXPECT_TRUE(fs::exists(folder.path() / "step-000000015"));
  EXPECT_TRUE(fs::exists(folder.path() / "step-000000020"));
}

TEST(Checkpoint_unwritableFolder_isAnIoError, namingIt) {
  const TestFolder folder("checkpoint");
  std::ofstream(folder.path() / "file") << "x";
  EXPECT_THROW(write_at(folder.path() / "file" / "checkpoints", 1), core::IoError);
}

TEST(Checkpoint_unreadableFolder_isAnIoError, neverAnEmptyOne) {
  const TestFolder folder("checkpoint");
  EXPECT_FALSE(find_checkpoint(folder.path() / "none").newest);
  // A link to itself: the system refuses to open it, even for root.
  std::filesystem::create_symlink("loop", folder.path() / "loop");
  EXPECT_THROW((void)find_checkpoint(folder.path() / "loop"), core::IoError);
  EXPECT_THROW(clean_checkpoints(folder.path() / "loop", {}), core::IoError);
}

TEST(RunLock_secondHolder_isRefused, untilTheFirstLetsGo) {
  const TestFolder folder("lock");
  {
    const RunLock first(folder.path());
    ASSERT_TRUE(first.held());
    EXPECT_THROW(RunLock{folder.path()}, core::UsageError);
  }
  EXPECT_TRUE(RunLock(folder.path()).held());
}

}  // namespace
}  // namespace epi::train
