// Text as it comes from downloads, spreadsheets and other people's scripts: what only looks odd
// gives the same store as the clean files, what is wrong ends in one message that says where, with
// the exit code of docs/exit-codes.md, and nothing is left under the store's name.
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "launch/program.hpp"

namespace epi::launch_test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrepare =
    "prepare --genome genome.fa --states sheet.tsv --valid b --valid-cells Z --out store";
constexpr int kInput = 65, kMissing = 66, kSystem = 74;

std::int64_t count_of(const std::string& text, const std::string& part) {
  std::int64_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// `first`, then `text`. In this way gcc 12 has no false warning about overlapping copies.
std::string behind(const char* first, const std::string& text) {
  return std::string(first).append(text);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string text_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

/// Passes a file through a function of its text.
using Change = std::function<std::string(const std::string&)>;
void rewrite(const fs::path& path, const Change& change) {
  write(path, change(read(path)));
}

/// Runs a shell line in a folder; for tools that make files.
void shell(const fs::path& folder, const std::string& line) {
  const std::string command = "cd '" + folder.string() + "' && " + line;
  ASSERT_EQ(std::system(command.c_str()), 0) << line;  // NOLINT(concurrency-mt-unsafe)
}

/// What a store holds, without what differs by right: the command and the names and digests of
/// files that were made odd.
nlohmann::json content_of(const fs::path& store) {
  nlohmann::json manifest = nlohmann::json::parse(read(store / "manifest.json"));
  for (const char* key : {"command", "digest", "inputs"}) manifest.erase(key);
  for (auto& cell : manifest["cells"]) {
    for (const char* key : {"digest", "source", "name"}) cell.erase(key);
  }
  for (auto& shard : manifest["shards"]) {
    shard["content"] = nlohmann::json::binary({});
    const std::string bytes = read(store / shard["file"].get<std::string>());
    shard["content"].get_binary().assign(bytes.begin(), bytes.end());
  }
  return manifest;
}

/// Clean inputs and their store, made once.
class Damaged_text : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    clean_ = fresh_folder("clean");
    write_inputs(clean_);
    prepared_ = epitrain(kPrepare, clean_);
  }
  void SetUp() override { ASSERT_EQ(prepared_.code, 0) << prepared_.all(); }

  /// A copy of the inputs without the store.
  static fs::path inputs(const std::string& name) {
    const fs::path folder = fresh_folder(name);
    for (const auto& entry : fs::directory_iterator(clean_)) {
      if (entry.is_regular_file()) fs::copy(entry.path(), folder);
    }
    return folder;
  }

  static void expect_refused(const Outcome& outcome, int code,
                             const std::vector<std::string>& parts, const fs::path& store,
                             const std::string& name) {
    EXPECT_EQ(outcome.code, code) << name << "\n" << outcome.all();
    EXPECT_EQ(count_of(outcome.err, "epitrain: error: "), 1) << name << "\n" << outcome.all();
    for (const std::string& part : parts) {
      EXPECT_NE(outcome.err.find(part), std::string::npos) << name << ": no '" << part << "' in\n"
                                                           << outcome.err;
    }
    EXPECT_FALSE(fs::exists(store)) << name;
  }

  static fs::path clean_;
  static Outcome prepared_;
};
fs::path Damaged_text::clean_;
Outcome Damaged_text::prepared_;

struct Oddity {
  const char* name;
  const char* file;
  Change change;
};

std::string with_crlf(const std::string& text) {
  return replaced(text, "\n", "\r\n");
}

/// Every line that `change` is given, by number from 0.
std::string each_line(const std::string& text,
                      const std::function<std::string(std::size_t, const std::string&)>& change) {
  std::vector<std::string> lines = lines_of(text);
  for (std::size_t i = 0; i < lines.size(); ++i) lines[i] = change(i, lines[i]);
  return text_of(lines);
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

// ---- what must be read as if it were clean

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

// ---- what must be refused

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

// ---- what the system refuses

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
