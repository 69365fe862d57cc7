#include "core/digest.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/files.hpp"

namespace epi::core {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(Digest_knownTexts, haveThePublishedValues) {
  // XXH128 with seed 0, as printed by `xxhsum -H2`.
  EXPECT_EQ(digest_of(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(digest_of("abc"), "06b05ab6733a618578af5f94892f3950");
  EXPECT_EQ(digest_of(std::string(1000, 'a')), "b01da365eddaa29cb3e7af627147db7c");
}

TEST(Digest_pieces, giveTheDigestOfTheWhole) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i * i);
  for (const std::size_t piece : {1U, 7U, 64U, 240U, 241U, 1024U, 9999U}) {
    Digest digest;
    for (std::size_t first = 0; first < text.size(); first += piece) {
      digest.add(bytes_of(text).subspan(first, std::min(piece, text.size() - first)));
    }
    EXPECT_EQ(digest.hex(), digest_of(text)) << piece;
  }
}

TEST(Digest_anyFlippedBit, changesIt) {
  std::string text(100, 'x');
  const std::string before = digest_of(text);
  for (std::size_t i = 0; i < text.size() * 8; ++i) {
    text[i / 8] = static_cast<char>(text[i / 8] ^ (1 << i % 8));
    EXPECT_NE(digest_of(text), before);
    text[i / 8] = static_cast<char>(text[i / 8] ^ (1 << i % 8));
  }
}

TEST(DigestOfFile_severalBlocks, equalsThatOfItsBytes) {
  const std::string path = testing::TempDir() + "epi_digest_test_" + std::to_string(getpid());
  const std::string text((std::size_t{2} << 20U) + 3, 'q');
  write_durably(path, text);
  EXPECT_EQ(digest_of_file(path), digest_of(text));
  std::filesystem::remove(path);
}

TEST(DigestOfFile_missing, namesThePath) {
  try {
    (void)digest_of_file("/nowhere/at/all");
    FAIL() << "a digest of nothing";
  } catch (const MissingError& error) {
    EXPECT_NE(std::string(error.what()).find("/nowhere/at/all"), std::string::npos);
  }
}

}  // namespace
}  // namespace epi::core
