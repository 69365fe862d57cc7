// Stores and manifests: what was written is what training sees, and nothing else is accepted.
#include "data/store.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <string>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/files.hpp"
#include "data/store_fixture.hpp"

namespace {

using namespace epi::data;
using namespace epi::data::testing;
using epi::core::FormatError;
using epi::core::MissingError;

/// The message of the FormatError that `text` as a manifest causes; "" without one.
std::string complaint(const std::string& text) {
  try {
    (void)manifest_from_json(text, "m.json");
  } catch (const FormatError& error) {
    return error.what();
  }
  return "";
}

Manifest small_manifest() {
  Manifest manifest;
  manifest.version = 2;
  manifest.bin_bp = 200;
  manifest.assembly = "hg19";
  manifest.inputs = {{"--genome", "g.fa", "j"}};
  manifest.contigs = {{"chrA", 1000, 1000, 0, 0, "d", "k"}, {"chrB", 500, 1, 2, 3, "e", "l"}};
  manifest.cells = {{"E1", "one", Split::valid, "path", "f", "Blood", 0.75}};
  manifest.states = {{1, "TssA", "255,0,0"}, {7, "", ""}};
  manifest.regions[0] = {{0, 0, 400}, {0, 600, 1000}, {1, 5, 10}};
  manifest.shards = {{"a.h5", 0, 200, 800, 99, "g", "h", "i"}};
  return manifest;
}

TEST(Manifest_test, Text_andBack_isTheSame) {
  const Manifest in = small_manifest();
  const std::string text = to_json(in);
  const Manifest out = manifest_from_json(text, "m.json");
  EXPECT_EQ(to_json(out), text);
  EXPECT_EQ(out.contigs[1].iupac_bp, 3);
  EXPECT_EQ(out.cells[0].split, Split::valid);
  EXPECT_EQ(out.cells[0].group, "Blood");
  EXPECT_EQ(out.cells[0].weight, 0.75);
  EXPECT_EQ(out.contigs[0].md5, "k");
  EXPECT_EQ(out.states[0].colour, "255,0,0");
  EXPECT_EQ(out.inputs.at(0).path, "g.fa");
  EXPECT_EQ(out.states[1].number, 7);
  EXPECT_EQ(out.regions[0], in.regions[0]);
  EXPECT_TRUE(out.regions[1].empty());
  EXPECT_EQ(out.shards[0].states_digest, "i");
  EXPECT_EQ(out.digest.size(), 32U);
}

TEST(Manifest_test, Digest_isOfTheTextWithoutIt) {
  const std::string text = to_json(small_manifest());
  const std::size_t key = text.rfind(",\n \"digest\"");
  ASSERT_NE(key, std::string::npos);
  const std::string content = text.substr(0, key) + "\n}\n";
  EXPECT_EQ(manifest_from_json(text, "m.json").digest, epi::core::digest_of(content));
}

TEST(Manifest_test, AnyFlippedBit_isFoundOrHarmless) {
  const std::string text = to_json(small_manifest());
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (unsigned bit = 0; bit < 8; bit += 3) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(static_cast<unsigned char>(damaged[i]) ^ (1U << bit));
      if (!complaint(damaged).empty()) continue;
      // Blanks may change, content may not.
      EXPECT_EQ(to_json(manifest_from_json(damaged, "m.json")), text) << "byte " << i;
    }
  }
}

TEST(Manifest_test, AnyTruncation_isFound) {
  const std::string text = to_json(small_manifest());
  for (std::size_t size = 0; size + 2 < text.size(); ++size) {
    EXPECT_NE(complaint(text.substr(0, size)), "") << size;
  }
}

TEST(Manifest_test, WrongKeys_areNamed) {
  const std::string text = to_json(small_manifest());
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    const std::size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return complaint(changed.replace(at, from.size(), to));
  };
  const auto names = [](const std::string& message, const std::string& part) {
    return message.find(part) != std::string::npos && message.find("m.json") == 0;
  };
  EXPECT_PRED2(names, replaced("\"version\": 2", "\"version\": 3"),
               "version 1 to 2 expected, 3 found");
  EXPECT_PRED2(names, replaced("\"version\": 2", "\"version\": 1"), "unknown key");
  EXPECT_PRED2(names, replaced("\"weight\": 0.75", "\"weight\": 0"), "cells[0]: key weight");
  EXPECT_PRED2(names, replaced("epitrain store", "other store"), "key format");
  EXPECT_PRED2(names, replaced("\"guard_bp\"", "\"guard\""), "key guard_bp is missing");
  EXPECT_PRED2(names, replaced("\"guard_bp\"", "\"new\": 1,\n \"guard_bp\""), "unknown key new");
  EXPECT_PRED2(names, replaced("\"bin_bp\": 200", "\"bin_bp\": \"x\""), "key bin_bp: expected an");
  EXPECT_PRED2(names, replaced("\"bin_bp\": 200", "\"bin_bp\": 0"), "key bin_bp");
  EXPECT_PRED2(names, replaced("\"valid\",", "\"vaild\","), "cells[0]: key split");
  EXPECT_PRED2(names, replaced("\"bytes\": 99", "\"bytes\": -1"), "shards[0]: key bytes");
  EXPECT_PRED2(names, replaced("a.h5", "../a"), "shards[0]: key file");
  EXPECT_PRED2(names, replaced("chrA", "chrC"), "key digest");
}

TEST(Manifest_test, ImpossibleMeaning_isRefused) {
  const auto broken = [](const std::function<void(Manifest&)>& change) {
    Manifest manifest = small_manifest();
    change(manifest);
    return complaint(to_json(manifest));
  };
  EXPECT_NE(broken([](Manifest& m) { m.contigs[1].name = "chrA"; }), "");
  EXPECT_NE(broken([](Manifest& m) { m.cells.push_back(m.cells[0]); }), "");
  EXPECT_NE(broken([](Manifest& m) { m.regions[0][0].end_bp = 601; }), "");
  EXPECT_NE(broken([](Manifest& m) { m.regions[2] = {{2, 0, 1}}; }), "");
  EXPECT_NE(broken([](Manifest& m) { m.regions[1] = {{1, 5, 501}}; }), "");
  EXPECT_NE(broken([](Manifest& m) { m.regions[1] = {{1, 5, 5}}; }), "");
  EXPECT_NE(broken([](Manifest& m) { m.shards[0].start_bp = 100; }), "");
  EXPECT_NE(broken([](Manifest& m) { m.shards[0].length_bp = 801; }), "");
  EXPECT_NE(broken([](Manifest& m) { m.states.resize(255); }), "");
  EXPECT_EQ(broken([](Manifest& m) { m.states.resize(254); }), "");
}

TEST(Store_test, Open_corpus_isWhatWasWritten) {
  const Folder folder;
  const Manifest manifest = write_store(folder.path());
  const Store store = Store::open(folder.path(), true);
  const auto corpus = store.corpus();
  ASSERT_EQ(corpus.segments.size(), 3U);
  EXPECT_EQ(corpus.num_cells, kNumCells);
  EXPECT_EQ(corpus.num_states, kNumStates);
  EXPECT_EQ(corpus.bin_bp, kBinBp);
  EXPECT_EQ(corpus.segments[1].start_bp, 5000);
  EXPECT_EQ(corpus.segments[2].contig, 1);
  for (unsigned s = 0; s < 3; ++s) {
    const auto& segment = corpus.segments[s];
    const Content content = random_content(1 + s, static_cast<std::size_t>(segment.length_bp));
    EXPECT_TRUE(std::equal(content.bases.begin(), content.bases.end(), segment.bases));
    const auto bins = std::ssize(content.states) / kNumCells;
    for (std::int32_t cell = 0; cell < kNumCells; ++cell) {
      const auto row = content.states.begin() + cell * bins;
      EXPECT_TRUE(std::equal(row, row + bins, segment.states[cell])) << s << " " << cell;
    }
  }
}

TEST(Store_test, MovedStore_views_stayValid) {
  const Folder folder;
  (void)write_store(folder.path());
  Store store = Store::open(folder.path());
  const auto corpus = store.corpus();
  const std::uint8_t first = corpus.segments[0].bases[0];
  const Store moved = std::move(store);
  EXPECT_EQ(corpus.segments[0].bases[0], first);
  EXPECT_EQ(moved.corpus().segments.data(), corpus.segments.data());
}

TEST(Store_test, Open_withoutManifest_saysHowToMakeAStore) {
  const Folder folder;
  try {
    (void)Store::open(folder.path());
    FAIL();
  } catch (const MissingError& error) {
    EXPECT_NE(std::string(error.what()).find("epitrain prepare"), std::string::npos);
  }
}

TEST(Store_test, Open_truncatedShard_isRefusedAtAnyLength) {
  const Folder folder;
  (void)write_store(folder.path());
  const auto path = folder.path() / "shard-1.h5";
  const auto whole = std::filesystem::file_size(path);
  for (std::uintmax_t size = whole; size-- > 0; size = size > 13 ? size - size / 13 : size) {
    std::filesystem::resize_file(path, size);
    EXPECT_THROW((void)Store::open(folder.path()), FormatError) << size;
  }
}

TEST(Store_test, Open_swappedShards_areRefused) {
  const Folder folder;
  (void)write_store(folder.path());
  std::filesystem::rename(folder.path() / "shard-0.h5", folder.path() / "x");
  std::filesystem::rename(folder.path() / "shard-1.h5", folder.path() / "shard-0.h5");
  std::filesystem::rename(folder.path() / "x", folder.path() / "shard-1.h5");
  EXPECT_THROW((void)Store::open(folder.path()), FormatError);
}

TEST(Store_test, WithStates_recodesRowsAndKeepsTheRest) {
  const Folder folder;
  const Manifest written = write_store(folder.path());
  const Store plain = Store::open(folder.path());
  // Codes 0..5 -> 0, 1, 1, 0, 2, 2 of two new states.
  const std::vector<std::uint8_t> codes = {0, 1, 1, 0, 2, 2};
  Store opened = Store::open(folder.path());
  const Store mapped = std::move(opened).with_states(codes, {{1, "A", ""}, {7, "B", ""}});
  EXPECT_EQ(2, mapped.corpus().num_states);
  EXPECT_EQ("B", mapped.manifest().states.at(1).label);
  EXPECT_EQ(plain.manifest().digest, mapped.manifest().digest);
  for (std::size_t i = 0; i < written.shards.size(); ++i) {
    const auto& before = plain.corpus().segments[i];
    const auto& after = mapped.corpus().segments[i];
    EXPECT_EQ(0,
              std::memcmp(before.bases, after.bases, static_cast<std::size_t>(before.length_bp)));
    for (std::size_t cell = 0; cell < kNumCells; ++cell) {
      for (std::int64_t bin = 0; bin < (before.length_bp + kBinBp - 1) / kBinBp; ++bin) {
        ASSERT_EQ(codes.at(before.states[cell][bin]), after.states[cell][bin]);
      }
    }
  }
}

TEST(Store_test, Open_shardOfAnotherStore_isRefused) {
  const Folder folder;
  const auto other = folder.path() / "other";
  std::filesystem::create_directories(other);
  (void)write_store(folder.path(), 1);
  (void)write_store(other, 50);  // the same shapes and sizes, other contents
  ASSERT_EQ(std::filesystem::file_size(other / "shard-2.h5"),
            std::filesystem::file_size(folder.path() / "shard-2.h5"));
  std::filesystem::copy_file(other / "shard-2.h5", folder.path() / "shard-2.h5",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THROW((void)Store::open(folder.path()), FormatError);
}

TEST(Store_test, Open_missingShard_isNamed) {
  const Folder folder;
  (void)write_store(folder.path());
  std::filesystem::remove(folder.path() / "shard-2.h5");
  try {
    (void)Store::open(folder.path());
    FAIL();
  } catch (const MissingError& error) {
    EXPECT_NE(std::string(error.what()).find("shard-2.h5"), std::string::npos);
  }
}

TEST(Store_test, OpenDeep_flippedBase_isRefused) {
  const Folder folder;
  (void)write_store(folder.path());
  const auto path = folder.path() / "shard-2.h5";
  flip(path, read_layout(path).bases_offset + 17);
  EXPECT_THROW((void)Store::open(folder.path(), true), FormatError);
}

}  // namespace
