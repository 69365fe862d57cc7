#include "data/formats/text_file.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  TextFile file(path);
  std::vector<std::string> lines;
  for (std::string_view line; file.next_line(line);) lines.emplace_back(line);
  return lines;
}

using Lines = std::vector<std::string>;

TEST(TextFile_line_ends, LfCrlfAndNoneAtTheEnd_areTheSameLines) {
  const InputFolder folder;
  EXPECT_EQ((Lines{"a", "", "b"}), lines_of(folder.write("lf", "a\n\nb\n")));
  EXPECT_EQ((Lines{"a", "", "b"}), lines_of(folder.write("crlf", "a\r\n\r\nb\r\n")));
  EXPECT_EQ((Lines{"a", "", "b"}), lines_of(folder.write("open", "a\n\nb")));
  EXPECT_EQ(Lines{}, lines_of(folder.write("empty", "")));
}

TEST(TextFile_blocks, LinesAcrossBlockEnds_stayWhole) {
  const InputFolder folder;
  Lines expected;
  std::string text;
  for (int i = 0; i < 3000; ++i) {  // 600 kB: beyond two blocks of 256 kB
    expected.push_back(std::string(200, static_cast<char>('a' + i % 26)) + std::to_string(i));
    text += expected.back() + "\n";
  }
  EXPECT_EQ(expected, lines_of(folder.write("long", text)));
}

TEST(TextFile_compression, PlainGzipBgzip_readAlike) {
  const InputFolder folder;
  const Lines expected = lines_of(folder.write("plain", kFastaText));
  ASSERT_EQ(6U, expected.size());
  EXPECT_EQ(expected, lines_of(folder.write("x.gz", gzip_bytes())));
  EXPECT_EQ(expected, lines_of(folder.write("x.bgz", bgzip_bytes())));
  EXPECT_EQ(12U, lines_of(folder.write("two.gz", gzip_bytes() + gzip_bytes())).size());
}

TEST(TextFile_compression, CutAtAnyByte_isRefused) {
  const InputFolder folder;
  for (const std::string& whole : {gzip_bytes(), bgzip_bytes()}) {
    for (std::size_t size = 20; size < whole.size(); ++size) {
      SCOPED_TRACE(size);
      const auto path = folder.write("cut.gz", std::string_view(whole).substr(0, size));
      expect_input_error({path.string(), "cut short"}, [&] { (void)lines_of(path); });
    }
  }
}

TEST(TextFile_compression, FlippedByte_isRefused) {
  const InputFolder folder;
  std::string damaged = gzip_bytes();
  damaged[30] = static_cast<char>(damaged[30] ^ 0x10);
  const auto path = folder.write("bad.gz", damaged);
  expect_input_error({"damaged"}, [&] { (void)lines_of(path); });
}

TEST(TextFile_open, AbsentFile_isMissing) {
  const InputFolder folder;
  const auto path = folder.path() / "no.bed";
  expect_error(core::ErrorKind::missing, {path.string()}, [&] { (void)lines_of(path); });
}

TEST(TextFile_lines, OneOfTwoMebibytes_isNoTable) {
  const InputFolder folder;
  const auto path = folder.write("binary", "x\n" + std::string(std::size_t{2} << 20U, 'x'));
  expect_input_error({path.string() + ":2:"}, [&] { (void)lines_of(path); });
}

TEST(TextFile_lines, ByteOrderMark_isNoPartOfTheFirst) {
  const InputFolder folder;
  const std::string text = "\xef\xbb\xbfone\n\xef\xbb\xbftwo\n";
  EXPECT_EQ(lines_of(folder.write("marked", text)),
            (std::vector<std::string>{"one", "\xef\xbb\xbftwo"}));
}

TEST(PlainText_bytes, Utf8IsPlain_controlAndLatin1AreNot) {
  EXPECT_TRUE(is_plain_text("CD4\xe2\x81\xba T \xc3\xa9\t'/"));
  EXPECT_FALSE(is_plain_text("caf\xe9"));
  EXPECT_FALSE(is_plain_text("a\rb"));
  EXPECT_FALSE(is_plain_text("cut \xe2\x81"));
}

}  // namespace
}  // namespace epi::data
