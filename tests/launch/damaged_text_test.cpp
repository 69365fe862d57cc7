// Text that is wrong or damaged: one message that says where, the exit code of docs/exit-codes.md,
// and nothing under the store's name.
#include <gtest/gtest.h>

#include <sstream>

#include "launch/damaged_text.hpp"

namespace epi::launch_test {
namespace {

struct Mistake {
  const char* name;
  const char* file;
  Change change;
  int code;
  std::vector<std::string> parts;  ///< of the message: file and line, found, expected
};

/// Line `number` (from 1) through `change`.
Change on_line(std::size_t number, const std::function<std::string(const std::string&)>& change) {
  return [=](const std::string& text) {
    return each_line(text, [&](std::size_t i, const std::string& line) {
      return i + 1 == number ? change(line) : line;
    });
  };
}

/// Starts one higher: how tools that count from 1 write the same intervals.
std::string one_based(const std::string& text) {
  return each_line(text, [](auto, const std::string& line) {
    std::istringstream in(line);
    std::string contig, state;
    std::int64_t start = 0, end = 0;
    in >> contig >> start >> end >> state;
    return contig + "\t" + std::to_string(start + 1) + "\t" + std::to_string(end) + "\t" + state;
  });
}

Change with_columns(const std::string& columns) {
  return on_line(3, [=](const std::string&) { return columns; });
}

const std::vector<Mistake>& mistakes() {
  static const std::vector<Mistake> all = {
      {"empty BED", "X.bed", [](auto&) { return ""; }, kInput, {"X.bed", "empty"}},
      {"BED of blank lines", "X.bed", [](auto&) { return "\n\n"; }, kInput, {"X.bed"}},
      {"BED of comments", "X.bed", [](auto&) { return "# none\n"; }, kInput, {"X.bed"}},
      {"empty sheet", "sheet.tsv", [](auto&) { return ""; }, kInput, {"sheet.tsv"}},
      {"sheet without rows",
       "sheet.tsv",
       [](auto&) { return "cell\tname\tpath\n"; },
       kInput,
       {"sheet.tsv"}},
      {"empty FASTA", "genome.fa", [](auto&) { return ""; }, kInput, {"genome.fa"}},
      {"overlapping intervals",
       "X.bed",
       [](auto& t) { return t + "a\t400\t800\tE1\n"; },
       kInput,
       {"X.bed:", "overlaps", "line"}},
      {"the same line twice",
       "Y.bed",
       [](auto& t) { return t + lines_of(t)[4] + "\n"; },
       kInput,
       {"Y.bed:", "overlaps", "line 5"}},
      {"coordinates from 1", "X.bed", one_based, kInput, {"X.bed:", "1-based"}},
      {"starts and ends from 1",
       "X.bed",
       [](auto& t) {
         return each_line(one_based(t), [](auto, auto& line) {
           std::istringstream in(line);
           std::string contig, state;
           std::int64_t start = 0, end = 0;
           in >> contig >> start >> end >> state;
           return contig + "\t" + std::to_string(start) + "\t" + std::to_string(end + 1) + "\t" +
                  state;
         });
       },
       kInput,
       {"X.bed:", "1-based"}},
      {"blanks and tabs in one line",
       "X.bed",
       with_columns("a 1000\t1200 E1"),
       kInput,
       {"X.bed:3"}},
      {"two columns", "X.bed", with_columns("a\t1000"), kInput, {"X.bed:3", "2 columns"}},
      {"no state", "X.bed", with_columns("a\t1000\t1200"), kInput, {"X.bed:3", "3 columns"}},
      {"start above end", "X.bed", with_columns("a\t1200\t1000\tE1"), kInput, {"X.bed:3", "1200"}},
      {"empty interval", "X.bed", with_columns("a\t1200\t1200\tE1"), kInput, {"X.bed:3", "1200"}},
      {"negative start", "X.bed", with_columns("a\t-200\t1200\tE1"), kInput, {"X.bed:3", "-200"}},
      {"a fraction", "X.bed", with_columns("a\t200.0\t1200\tE1"), kInput, {"X.bed:3", "200.0"}},
      {"thousands", "X.bed", with_columns("a\t1,000\t1,200\tE1"), kInput, {"X.bed:3", "1,000"}},
      {"beyond any chromosome",
       "X.bed",
       with_columns("a\t1000\t99999999999999999999\tE1"),
       kInput,
       {"X.bed:3"}},
      {"a state that is none",
       "X.bed",
       with_columns("a\t1000\t1200\tenhancer!"),
       kInput,
       {"X.bed:3", "enhancer!"}},
      {"two forms of states",
       "X.bed",
       with_columns("a\t1000\t1200\t1_TssA"),
       kInput,
       {"X.bed:3", "E1"}},
      {"off the bins", "X.bed", with_columns("a\t1007\t1013\tE1"), kInput, {"X.bed"}},
      {"a zero byte",
       "X.bed",
       [](auto& t) { return std::string(t).replace(40, 1, 1, '\0'); },
       kInput,
       {"X.bed:"}},
      {"zeros at the end",
       "X.bed",
       [](auto& t) { return t.substr(0, t.size() / 2) + std::string(512, '\0'); },
       kInput,
       {"X.bed:"}},
      {"cut in the middle of a line",
       "X.bed",
       [](auto& t) { return t.substr(0, t.find("E", t.size() / 2)); },
       kInput,
       {"X.bed:"}},
      {"UTF-16",
       "sheet.tsv",
       [](auto& t) {
         std::string wide = "\xff\xfe";
         for (const char letter : t) (wide += letter) += '\0';
         return wide;
       },
       kInput,
       {"sheet.tsv"}},
      {"Latin-1 in the sheet",
       "sheet.tsv",
       [](auto& t) { return replaced(t, "cell X", "Z\xfcrich"); },
       kInput,
       {"sheet.tsv:2", "UTF-8"}},
      {"a cell twice",
       "sheet.tsv",
       [](auto& t) { return t + "X\tagain\tY.bed\n"; },
       kInput,
       {"sheet.tsv:5", "X"}},
      {"a column too few",
       "sheet.tsv",
       on_line(3, [](auto&) { return "Y\tY.bed"; }),
       kInput,
       {"sheet.tsv:3"}},
      {"a comma for the tabs",
       "sheet.tsv",
       [](auto& t) { return replaced(t, "\t", ","); },
       kInput,
       {"sheet.tsv:1"}},
      {"an unknown column",
       "sheet.tsv",
       [](auto& t) { return replaced(t, "name", "label"); },
       kInput,
       {"sheet.tsv:1", "label"}},
      {"a file that is not there",
       "sheet.tsv",
       [](auto& t) { return replaced(t, "Y.bed", "Y.bedd"); },
       kMissing,
       {"sheet.tsv:3", "Y.bedd"}},
      {"a folder for a file",
       "sheet.tsv",
       [](auto& t) { return replaced(t, "Y.bed", "../folder"); },
       kInput,
       {"sheet.tsv:3", "folder"}},
      {"a contig twice",
       "genome.fa",
       [](auto& t) { return t + ">a\nACGT\n"; },
       kInput,
       {"genome.fa:", "'a'", "line 1"}},
      {"bases before a name",
       "genome.fa",
       [](auto& t) { return behind("ACGT\n", t); },
       kInput,
       {"genome.fa:1"}},
      {"a header without a name",
       "genome.fa",
       [](auto& t) { return behind("> a\n", t); },
       kInput,
       {"genome.fa:1"}},
      {"a contig without bases",
       "genome.fa",
       [](auto& t) { return behind(">empty\n", t); },
       kInput,
       {"genome.fa:1", "empty"}},
      {"a letter that is no base",
       "genome.fa",
       on_line(4, [](auto& line) { return line + "J"; }),
       kInput,
       {"genome.fa:4", "'J'"}},
      {"a blank between bases",
       "genome.fa",
       on_line(4, [](auto& line) { return line + " A"; }),
       kInput,
       {"genome.fa:4"}},
      {"BED for FASTA",
       "genome.fa",
       [](auto&) { return "a\t0\t200\tE1\n"; },
       kInput,
       {"genome.fa:1"}},
      {"a web page for FASTA",
       "genome.fa",
       [](auto&) { return "<!DOCTYPE html>\n<html></html>\n"; },
       kInput,
       {"genome.fa:1"}},
      {"a web page for BED",
       "X.bed",
       [](auto&) { return "<!DOCTYPE html>\n<html></html>\n"; },
       kInput,
       {"X.bed:1"}},
      {"other contigs",
       "X.bed",
       [](auto& t) { return replaced(replaced(t, "a\t", "chra\t"), "b\t", "chrb\t"); },
       kInput,
       {"X.bed", "'X'", "chra", "--alias-chr"}},
  };
  return all;
}

TEST_F(Damaged_text, mistake_isOneMessageThatSaysWhere) {
  fs::create_directories(clean_.parent_path() / "folder");
  for (const Mistake& mistake : mistakes()) {
    const fs::path folder = inputs("mistake");
    rewrite(folder / mistake.file, mistake.change);
    const Outcome outcome = epitrain(kPrepare, folder);
    expect_refused(outcome, mistake.code, mistake.parts, folder / "store", mistake.name);
  }
}

TEST_F(Damaged_text, mistake_onTwoRanks_isOneMessage) {
  const fs::path folder = inputs("ranks");
  rewrite(folder / "X.bed", with_columns("a\t1200\t1000\tE1"));
  rewrite(folder / "genome.fa", [](auto& t) { return t + ">a\nACGT\n"; });
  const Outcome outcome = mpirun(2, kPrepare, folder);
  expect_refused(outcome, kInput, {}, folder / "store", "two mistakes");
}

TEST_F(Damaged_text, gzipCutInTheMiddle_isDamage) {
  for (const char* name : {"genome.fa", "X.bed"}) {
    const fs::path folder = inputs("cut");
    const std::string packed = std::string(name) + ".gz";
    shell(folder, std::string("gzip ") + name);
    rewrite(folder / packed, [](auto& t) { return t.substr(0, t.size() / 2); });
    rewrite(folder / "sheet.tsv", [&](auto& t) { return replaced(t, name, packed); });
    const Outcome outcome = epitrain(replaced(kPrepare, name, packed), folder);
    expect_refused(outcome, kInput, {packed, "cut short", "fetch it again"}, folder / "store",
                   packed);
  }
}

TEST_F(Damaged_text, gzipWithAFlippedByte_isDamage) {
  const fs::path folder = inputs("flipped-gzip");
  shell(folder, "gzip X.bed");
  rewrite(folder / "X.bed.gz", [](std::string t) {
    t[t.size() / 2] = static_cast<char>(t[t.size() / 2] ^ 0x10);
    return t;
  });
  rewrite(folder / "sheet.tsv", [](auto& t) { return replaced(t, "X.bed", "X.bed.gz"); });
  expect_refused(epitrain(kPrepare, folder), kInput, {"X.bed.gz"}, folder / "store", "flipped");
}

TEST_F(Damaged_text, folderOrNothing_forAFile_isNamed) {
  const fs::path folder = inputs("no-file");
  fs::create_directories(folder / "folder");
  for (const auto& [given, code] : {std::pair("folder", kInput), std::pair("nothing", kMissing)}) {
    for (const char* name : {"genome.fa", "sheet.tsv"}) {
      const Outcome outcome = epitrain(replaced(kPrepare, name, given), folder);
      expect_refused(outcome, code, {given}, folder / "store",
                     name + (" as " + std::string(given)));
    }
    const Outcome outcome = epitrain(std::string(kPrepare) + " --blacklist " + given, folder);
    expect_refused(outcome, code, {"--blacklist", given}, folder / "store", given);
  }
}

}  // namespace
}  // namespace epi::launch_test
