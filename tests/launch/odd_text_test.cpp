// Text as it comes from downloads, spreadsheets and other people's scripts, odd but right: it gives
// the same store as the clean files, byte for byte.
#include <gtest/gtest.h>

#include "launch/damaged_text.hpp"

namespace epi::launch_test {
namespace {

struct Oddity {
  const char* name;
  const char* file;
  Change change;
};

std::string with_crlf(const std::string& text) {
  return replaced(text, "\n", "\r\n");
}

std::string reversed(const std::string& text) {
  std::vector<std::string> lines = lines_of(text);
  return text_of({lines.rbegin(), lines.rend()});
}

/// Contig b before contig a, each in its own order.
std::string other_contig_order(const std::string& text) {
  std::string a, b;
  for (const std::string& line : lines_of(text)) (line[0] == 'a' ? a : b) += line + "\n";
  return b + a;
}

TEST_F(Damaged_text, oddButRight_givesTheSameStore) {
  const std::vector<Oddity> oddities = {
      {"CRLF in BED", "X.bed", with_crlf},
      {"CRLF in FASTA", "genome.fa", with_crlf},
      {"CRLF in the sheet", "sheet.tsv", with_crlf},
      {"blank lines in BED", "X.bed",
       [](auto& t) { return behind("\n", replaced(t, "\n", "\n\n")); }},
      {"blank lines in FASTA", "genome.fa", [](auto& t) { return replaced(t, "\n", "\n\n"); }},
      {"comments and blank lines in the sheet", "sheet.tsv",
       [](auto& t) { return behind("# mine\n\n", t) + "\n#end\n"; }},
      {"track and browser lines", "Y.bed",
       [](auto& t) {
         return behind("browser position a:1-100\ntrack name=\"Y b\" itemRgb=\"On\"\n# a comment\n",
                       t);
       }},
      {"trailing spaces", "X.bed",
       [](auto& t) { return each_line(t, [](auto, auto& line) { return line + "  "; }); }},
      {"a trailing tab", "X.bed",
       [](auto& t) { return each_line(t, [](auto, auto& line) { return line + "\t"; }); }},
      {"blanks for tabs", "X.bed", [](auto& t) { return replaced(t, "\t", " "); }},
      {"several blanks for tabs", "X.bed", [](auto& t) { return replaced(t, "\t", "   "); }},
      {"more columns", "X.bed",
       [](auto& t) {
         return each_line(t, [](auto, auto& line) { return line + "\t0\t.\t0\t0\t255,0,0"; });
       }},
      {"unsorted lines", "X.bed", reversed},
      {"contigs in another order", "X.bed", other_contig_order},
      {"no line end at the end of BED", "Z.bed", [](auto& t) { return t.substr(0, t.size() - 1); }},
      {"no line end at the end of FASTA", "genome.fa",
       [](auto& t) { return t.substr(0, t.size() - 1); }},
      {"a byte order mark before the sheet", "sheet.tsv",
       [](auto& t) { return behind("\xef\xbb\xbf", t); }},
      {"a byte order mark before BED", "X.bed", [](auto& t) { return behind("\xef\xbb\xbf", t); }},
      {"one line a contig in FASTA", "genome.fa",
       [](auto& t) {
         return replaced(replaced(replaced(t, "\n", ""), ">a", ">a\n"), ">b", "\n>b\n");
       }},
      {"descriptions behind FASTA names", "genome.fa",
       [](auto& t) { return replaced(t, ">a", ">a  dna:chromosome GRCh37"); }},
  };
  const nlohmann::json expected = content_of(clean_ / "store");
  for (const Oddity& oddity : oddities) {
    const fs::path folder = inputs("odd");
    rewrite(folder / oddity.file, oddity.change);
    const Outcome outcome = epitrain(kPrepare, folder);
    ASSERT_EQ(outcome.code, 0) << oddity.name << "\n" << outcome.all();
    EXPECT_TRUE(content_of(folder / "store") == expected) << oddity.name;
  }
}

TEST_F(Damaged_text, packedFiles_giveTheSameStore) {
  const fs::path folder = inputs("packed");
  shell(folder, "gzip genome.fa X.bed Y.bed && cat X.bed.gz > X && gzip -c Z.bed > Z.bed.gz");
  rewrite(folder / "sheet.tsv", [](auto& t) {
    // What a file is, its content says, not its name.
    return replaced(replaced(replaced(t, "X.bed", "X"), "Y.bed", "Y.bed.gz"), "Z.bed", "Z.bed.gz");
  });
  const Outcome outcome = epitrain(replaced(kPrepare, "genome.fa", "genome.fa.gz"), folder);
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_TRUE(content_of(folder / "store") == content_of(clean_ / "store"));
}

TEST_F(Damaged_text, namesWithBlanksAndUnicode_giveTheSameStore) {
  const fs::path folder = inputs("names");
  const std::string odd = "Zellen aus Z\xc3\xbcrich";  // "Zürich" in UTF-8
  fs::create_directories(folder / odd);
  fs::rename(folder / "X.bed", folder / odd / "X \xe7\xb4\xb0\xe8\x83\x9e.bed");
  fs::rename(folder / "genome.fa", folder / odd / "my genome.fa");
  rewrite(folder / "sheet.tsv", [&](auto& t) {
    return replaced(replaced(t, "X.bed", odd + "/X \xe7\xb4\xb0\xe8\x83\x9e.bed"), "cell X",
                    "\xce\xb2-cells, \"naive\"");
  });
  const Outcome outcome =
      epitrain("prepare --genome '" + odd + "/my genome.fa' --states sheet.tsv" +
                   " --valid b --valid-cells Z --out 'my st\xc3\xb6re'",
               folder);
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  const fs::path store = folder / "my st\xc3\xb6re";
  EXPECT_TRUE(content_of(store) == content_of(clean_ / "store"));
  const auto manifest = nlohmann::json::parse(read(store / "manifest.json"));
  EXPECT_EQ(manifest["cells"][0]["name"], "\xce\xb2-cells, \"naive\"");
  EXPECT_EQ(epitrain("verify --deep 'my st\xc3\xb6re'", folder).code, 0);
}

}  // namespace
}  // namespace epi::launch_test
