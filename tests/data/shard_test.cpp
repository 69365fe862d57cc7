// Shards: what is written reads back, through bare reads at the offsets that HDF5 gives; damage is
// found wherever it is; a failed write leaves nothing.
#include "data/shard.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "data/store_fixture.hpp"

namespace {

using namespace epi::data;
using namespace epi::data::testing;
using epi::core::FormatError;

std::vector<std::uint8_t> bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::uint8_t> part(const std::vector<std::uint8_t>& all, std::int64_t from,
                               std::size_t count) {
  const auto first = all.begin() + from;
  return {first, first + static_cast<std::ptrdiff_t>(count)};
}

TEST(Shard_test, WriteShard_payload_liesPlainAtItsOffsets) {
  const Folder folder;
  for (const std::size_t length : {1U, 199U, 200U, 201U, 4001U}) {
    const Content content = random_content(3, length);
    const auto path = folder.path() / "s.h5";
    const Shard shard = write_shard(path, as_shard(content, "chr7", 600));
    const ShardLayout layout = read_layout(path);
    const auto file = bytes_of(path);
    EXPECT_EQ(shard.bytes, std::ssize(file));
    EXPECT_EQ(shard.digest, epi::core::digest_of(std::as_bytes(std::span(file))));
    EXPECT_EQ(layout.contig, "chr7");
    EXPECT_EQ(layout.start_bp, 600);
    EXPECT_EQ(layout.length_bp, std::ssize(content.bases));
    EXPECT_EQ(part(file, layout.bases_offset, length), content.bases);
    const std::size_t bins = (length + kBinBp - 1) / kBinBp;
    std::vector<std::uint8_t> states;
    for (const std::int64_t offset : layout.states_offsets) {
      const auto row = part(file, offset, bins);
      states.insert(states.end(), row.begin(), row.end());
    }
    EXPECT_EQ(states, content.states);
    EXPECT_FALSE(std::filesystem::exists(path.string() + ".tmp"));
  }
}

TEST(Shard_test, WriteShard_twice_givesTheSameBytes) {
  const Folder folder;
  const Content content = random_content(3, 1000);
  const Shard one = write_shard(folder.path() / "one.h5", as_shard(content, "chr7", 0));
  const Shard two = write_shard(folder.path() / "two.h5", as_shard(content, "chr7", 0));
  EXPECT_EQ(one.digest, two.digest);
  EXPECT_EQ(one.file, "one.h5");
  const Shard again = read_shard_entry(folder.path() / "one.h5");
  EXPECT_EQ(again.digest, one.digest);
  EXPECT_EQ(again.bytes, one.bytes);
  EXPECT_EQ(again.states_digest, one.states_digest);
}

TEST(Shard_test, WriteShard_noCells_hasNoStates) {
  const Folder folder;
  const Content content = random_content(3, 1000, 0);
  const Shard shard = write_shard(folder.path() / "s.h5", as_shard(content, "chr7", 0, 0));
  EXPECT_EQ(shard.states_digest, "");
  EXPECT_TRUE(read_layout(folder.path() / "s.h5").states_offsets.empty());
}

TEST(Shard_test, WriteShard_missingFolder_throwsAndLeavesNothing) {
  const Folder folder;
  const Content content = random_content(3, 1000);
  EXPECT_THROW((void)write_shard(folder.path() / "no" / "s.h5", as_shard(content, "c", 0)),
               epi::core::IoError);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Shard_test, WriteShard_impossibleContent_isALogicError) {
  const Folder folder;
  const auto path = folder.path() / "s.h5";
  Content content = random_content(3, 1000);
  EXPECT_THROW((void)write_shard(path, as_shard(content, "c", 100)), epi::core::LogicError);
  content.bases[5] = 6;
  EXPECT_THROW((void)write_shard(path, as_shard(content, "c", 0)), epi::core::LogicError);
  content.bases[5] = 0;
  content.states.pop_back();
  EXPECT_THROW((void)write_shard(path, as_shard(content, "c", 0)), epi::core::LogicError);
}

TEST(Shard_test, ReadEntry_flippedPayload_isFound) {
  const Folder folder;
  const auto path = folder.path() / "s.h5";
  (void)write_shard(path, as_shard(random_content(3, 3000), "c", 0));
  const ShardLayout layout = read_layout(path);
  for (const std::int64_t byte : {layout.bases_offset, layout.bases_offset + 2999,
                                  layout.states_offsets[2], layout.states_offsets[0] + 14}) {
    flip(path, byte);
    EXPECT_THROW((void)read_shard_entry(path), FormatError) << byte;
    flip(path, byte);
  }
  EXPECT_NO_THROW((void)read_shard_entry(path));
}

TEST(Shard_test, ReadLayout_truncatedOrForeignFile_saysWhatHdf5Says) {
  const Folder folder;
  const auto path = folder.path() / "s.h5";
  std::ofstream(path) << "this is no HDF5 file";
  try {
    (void)read_layout(path);
    FAIL() << "a text file was taken for a shard";
  } catch (const FormatError& error) {
    EXPECT_NE(std::string(error.what()).find("HDF5 says"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("s.h5"), std::string::npos) << error.what();
  }
}

TEST(Shard_test, H5py_alone_readsAStore) {
  const std::string python = "/usr/bin/python3";
  if (std::system((python + " -c 'import h5py' 2>/dev/null").c_str()) != 0) {
    GTEST_SKIP() << "SKIPPED: " << python << " has no h5py (Debian: python3-h5py)";
  }
  const Folder folder;
  (void)write_store(folder.path());
  // The expected contents, as plain files beside the store.
  const std::size_t lengths[] = {5000, 4001, 4321};
  for (unsigned i = 0; i < 3; ++i) {
    const Content content = random_content(1 + i, lengths[i]);
    const auto name = folder.path() / ("shard-" + std::to_string(i) + ".h5");
    const auto put = [](const std::string& file, const std::vector<std::uint8_t>& data) {
      std::ofstream(file, std::ios::binary)
          .write(reinterpret_cast<const char*>(data.data()), std::ssize(data));
    };
    put(name.string() + ".bases", content.bases);
    put(name.string() + ".states", content.states);
  }
  const std::string script = std::string(EPI_SOURCE_DIR) + "/tests/data/read_store_with_h5py.py";
  const auto command = python + " '" + script + "' '" + folder.path().string() + "'";
  EXPECT_EQ(std::system(command.c_str()), 0);
  flip(folder.path() / "shard-1.h5.states", 3);
  EXPECT_NE(std::system((command + " 2>/dev/null").c_str()), 0) << "the script compares nothing";
}

}  // namespace
