// The whole way from text to store, read back through Store and compared with the text by hand.
#include "data/prepare.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "core/files.hpp"
#include "data/plan.hpp"
#include "data/prepare_inputs.hpp"
#include "data/store.hpp"

namespace epi::data {
namespace {

TEST(Prepare_store, SmallGenome_holdsWhatTheTextSays) {
  const InputFolder folder;
  const PrepareReport report = prepare(options_in(folder));
  const Store store = Store::open(folder.path() / "store", true);
  const Manifest& manifest = store.manifest();
  EXPECT_EQ(200, manifest.bin_bp);
  ASSERT_EQ(3U, manifest.states.size());
  EXPECT_EQ(9, manifest.states[1].number);
  EXPECT_EQ("Enh", manifest.states[1].label);
  ASSERT_EQ(2U, manifest.contigs.size());
  EXPECT_EQ(783, manifest.contigs[0].acgt_bp);
  EXPECT_EQ("cell b", manifest.cells.at(1).name);
  EXPECT_EQ((std::vector<Interval>{{0, 250, 1033}}), manifest.regions[0]);
  EXPECT_EQ((std::vector<Interval>{{1, 0, 600}}), manifest.regions[1]);

  // 7: 250..1033 from bin 200 on in pieces of 400; chr8: 600 in two pieces of at most 400.
  const auto corpus = store.corpus();
  ASSERT_EQ(5U, corpus.segments.size());
  std::map<std::int64_t, std::vector<int>> a, b;  // start -> codes, contig 7
  for (const core::SegmentView& segment : corpus.segments) {
    const std::string text = segment.contig == 0 ? fasta_7().substr(10) : fasta_8().substr(6);
    for (std::int64_t i = 0; i < segment.length_bp; ++i) {
      const char letter = text[static_cast<std::size_t>(segment.start_bp + i)];
      ASSERT_EQ(letter, "ACGTN...acgt"[segment.bases[i]]) << segment.start_bp + i;
    }
    if (segment.contig != 0) continue;
    const std::int64_t bins = (segment.length_bp + 199) / 200;
    a[segment.start_bp].assign(segment.states[0], segment.states[0] + bins);
    b[segment.start_bp].assign(segment.states[1], segment.states[1] + bins);
  }
  using Expected = std::map<std::int64_t, std::vector<int>>;
  EXPECT_EQ((Expected{{200, {1, 3}}, {600, {0, 2}}, {1000, {2}}}), a);
  EXPECT_EQ((Expected{{200, {3, 3}}, {600, {3, 0}}, {1000, {2}}}), b);

  ASSERT_EQ(1U, report.warnings.size());
  EXPECT_NE(std::string::npos, report.warnings[0].find("1 clipped, 1 skipped"));
  EXPECT_NE(std::string::npos, report.warnings[0].find("(chrUn): 1 skipped"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "store.partial"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "store" / "work"));
}

TEST(Prepare_parts, OneTwoAndFiveParts_writeTheSameBytes) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  (void)prepare(options);
  const auto expected = files_of(options.out);
  EXPECT_EQ(6U, expected.size());
  for (const int parts : {2, 5}) {
    options.out = folder.path() / ("store" + std::to_string(parts));
    (void)prepare(options, parts);
    EXPECT_EQ(expected, files_of(options.out)) << parts;
  }
}

TEST(Prepare_threads, AnyNumberOfThreadsAndParts_writesTheSameBytes) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  (void)prepare(options);
  const auto expected = files_of(options.out);
  for (const int threads : {2, 3, 8}) {
    for (const int parts : {1, 2, 3}) {
      options.threads = threads;
      options.out = folder.path() / fmt::format("store-{}-{}", threads, parts);
      (void)prepare(options, parts);
      EXPECT_EQ(expected, files_of(options.out)) << threads << " threads, " << parts << " parts";
    }
  }
}

TEST(Prepare_threads, SeveralBadInputs_giveTheErrorOfOneThread) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  (void)folder.write("a.bed", "7\t0\t200\tbad_a\n");
  (void)folder.write("b.bed", "7\t0\t200\tbad_b and more\n");  // longer: begun before a
  for (const int threads : {1, 2, 4}) {
    options.threads = threads;
    expect_input_error({"b.bed:1:", "bad_b"}, [&] { (void)prepare(options); });
  }
}

TEST(Prepare_lock, SecondPreparation_isRefusedWhileTheFirstLives) {
  const InputFolder folder;
  const PrepareOptions options = options_in(folder);
  {
    Preparation first(options, core::Log());
    first.claim(0);
    Preparation second(options, core::Log());
    const std::string holder = fmt::format("process {} on ", getpid());
    expect_error(core::ErrorKind::usage, {"store.partial", holder, "already"},
                 [&] { second.claim(0); });
    expect_error(core::ErrorKind::usage, {"already"}, [&] { second.read_inputs(0, 1); });
    EXPECT_NO_THROW(second.claim(1));  // a rank of the first run
    EXPECT_NO_THROW(first.read_inputs(0, 2));
  }
  // The file is still there, the lock is not.
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "store.partial" / "work" / "lock"));
  EXPECT_NO_THROW((void)prepare(options));
  EXPECT_FALSE(std::filesystem::exists(options.out / "work"));
}

TEST(Prepare_lock, WaitingForOneThatFinished_isRefused) {
  const InputFolder folder;
  const PrepareOptions options = options_in(folder);
  Preparation late(options, core::Log());
  (void)prepare(options);
  expect_error(core::ErrorKind::usage, {"there already"}, [&] { late.claim(0); });
}

TEST(Prepare_interrupted, SecondRun_keepsWholePiecesAndRepairsTheRest) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  (void)prepare(options);
  const auto expected = files_of(options.out);
  options.out = folder.path() / "again";
  {
    Preparation killed(options, core::Log());
    killed.read_inputs(0, 1);
    killed.plan();
    killed.write_shards(0, 1);
  }
  const auto partial = folder.path() / "again.partial";
  const auto kept = partial / "shard-00000.h5";
  const auto time = std::filesystem::last_write_time(kept) - std::chrono::hours(1);
  std::filesystem::last_write_time(kept, time);
  std::filesystem::last_write_time(partial / "work" / "cell-0000.bin", time);
  std::string damaged = core::read_text(partial / "shard-00001.h5");
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  (void)folder.write("again.partial/shard-00001.h5", damaged);
  std::filesystem::remove(partial / "shard-00002.h5");
  (void)folder.write("again.partial/shard-00077.h5", "of an earlier attempt");
  (void)folder.write("again.partial/work/genome-0000.bin", "damaged");

  Preparation next(options, core::Log());
  next.read_inputs(0, 1);
  EXPECT_EQ(time, std::filesystem::last_write_time(partial / "work" / "cell-0000.bin"));
  next.plan();
  next.write_shards(0, 1);
  EXPECT_EQ(time, std::filesystem::last_write_time(kept));
  (void)next.finish();
  EXPECT_EQ(expected, files_of(options.out));
}

/// While it lives, files of this process can't grow beyond `bytes`: what a full disk looks like.
class SmallFiles {
 public:
  explicit SmallFiles(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    (void)::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    (void)::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SmallFiles() {
    (void)::setrlimit(RLIMIT_FSIZE, &before_);
    (void)std::signal(SIGXFSZ, handler_);
  }
  SmallFiles(const SmallFiles&) = delete;
  SmallFiles& operator=(const SmallFiles&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(Prepare_interrupted, DiskThatFills_isOneErrorAndTheNextRunGoesOn) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  (void)prepare(options);
  const auto expected = files_of(options.out);
  std::size_t largest = 0;
  for (const auto& [name, text] : expected) largest = std::max(largest, text.size());
  std::set<std::string> failed;
  for (std::size_t bytes = 20; bytes < largest; bytes += 450) {
    options.out = folder.path() / fmt::format("store-{}", bytes);
    options.threads = 1 + static_cast<int>(bytes % 3);
    std::string message;
    try {
      const SmallFiles full(bytes);
      (void)prepare(options);
    } catch (const core::IoError& error) {
      message = error.what();
    }
    EXPECT_NE(std::string::npos, message.find("File too large")) << bytes << ": " << message;
    failed.insert(message.substr(message.rfind('/', message.find(':')) + 1, 8));
    EXPECT_FALSE(std::filesystem::exists(options.out));
    for (const auto& [name, text] : files_of(options.out.string() + ".partial")) {
      const auto whole = expected.find(name);
      if (name.ends_with(".h5")) {
        EXPECT_EQ(whole->second, text) << name;
      }
    }
    (void)prepare(options);
    EXPECT_EQ(expected, files_of(options.out)) << bytes;
  }
  // Work files, shards, their notes and the manifest have all been too large once.
  EXPECT_TRUE(failed.contains("genome-0")) << failed.size();
  EXPECT_TRUE(failed.contains("shard-00")) << failed.size();
  EXPECT_TRUE(failed.contains("manifest")) << failed.size();
}

TEST(Prepare_interrupted, ChangedInput_isReadAgain) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  {
    Preparation killed(options, core::Log());
    killed.read_inputs(0, 1);
    killed.plan();
    killed.write_shards(0, 1);
  }
  std::string other = kCellA;
  other.replace(other.find("1_Tss"), 5, "9_Enh");
  (void)folder.write("a.bed", other);
  (void)prepare(options);
  const Store store = Store::open(options.out, true);
  EXPECT_EQ(2, store.corpus().segments[0].states[0][0]);
}

TEST(Prepare_interrupted, KilledWhileTidying_isFinishedByTheSameCommandOnly) {
  const InputFolder folder;
  const PrepareOptions options = options_in(folder);
  (void)prepare(options);
  const auto expected = files_of(options.out);
  (void)folder.write("store/work/cell-0000.bin", "half removed");
  PrepareOptions other = options;
  other.command = "another";
  expect_error(core::ErrorKind::usage, {"there already"}, [&] { (void)prepare(other); });
  EXPECT_TRUE(std::filesystem::exists(options.out / "work"));
  const std::string bed = core::read_text(folder.path() / "a.bed");
  (void)folder.write("a.bed", bed + "chr8\t600\t800\t9_Enh\n");  // the same command, another input
  expect_error(core::ErrorKind::usage, {"there already"}, [&] { (void)prepare(options); });
  (void)folder.write("a.bed", bed);
  const PrepareReport report = prepare(options, 2);
  EXPECT_EQ(1U, report.warnings.size());
  EXPECT_EQ(expected, files_of(options.out));
  EXPECT_FALSE(std::filesystem::exists(options.out / "work"));
  expect_error(core::ErrorKind::usage, {"there already"}, [&] { (void)prepare(options); });
}

TEST(Prepare_interrupted, KilledWhileTidying_isFinishedWithAnyNumberOfThreads) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  options.command = "epitrain prepare --threads 8 --out store";
  (void)prepare(options);
  const auto expected = files_of(options.out);
  for (const char* command :
       {"epitrain prepare --threads 16 --out store", "epitrain prepare --out store --threads=2",
        "epitrain prepare --out store --threads 1", "epitrain prepare --out store"}) {
    (void)folder.write("store/work/cell-0000.bin", "half removed");
    options.command = command;
    EXPECT_NO_THROW((void)prepare(options)) << command;
    EXPECT_EQ(expected, files_of(options.out)) << command;
  }
  (void)folder.write("store/work/cell-0000.bin", "half removed");
  options.command = "epitrain prepare --threads 8 --out store --valid 7";
  expect_error(core::ErrorKind::usage, {"there already"}, [&] { (void)prepare(options); });
}

TEST(Prepare_interrupted, OtherAliases_makeOtherShards) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  // "chr7" of cell A is contig 7 only with --alias-chr; cell B has contig 7 either way.
  (void)folder.write("a.bed", "chr7\t200\t400\t1_Tss\nchr8\t0\t600\t9_Enh\n");
  {
    Preparation killed(options, core::Log());
    killed.read_inputs(0, 1);
    killed.plan();
    killed.write_shards(0, 1);
  }
  options.alias_chr = true;
  (void)prepare(options);
  EXPECT_EQ(1, Store::open(options.out, true).corpus().segments[0].states[0][0]);
}

TEST(Prepare_coordinates, EndFarPastTheContig_isCutAndAnImpossibleOneRefused) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  options.guard_bp = kFarthestBp;
  (void)folder.write("a.bed", "7\t200\t1099511627776\t1_Tss\nchr8\t0\t600\t9_Enh\n");
  (void)prepare(options);
  EXPECT_EQ(1, Store::open(options.out).corpus().segments[2].states[0][0]);
  options.out = folder.path() / "other";
  (void)folder.write("a.bed", "7\t0\t9223372036854775807\t1_Tss\n");
  expect_input_error({"a.bed:1:", "9223372036854775807"}, [&] { (void)prepare(options); });
}

TEST(Prepare_cells, HeldOutCells_areMarkedAndUnknownOnesRefused) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  options.valid_cells = "C";
  expect_input_error({"--valid-cells", "'C'", "A, B"}, [&] { (void)prepare(options); });
  options.valid_cells = options.test_cells = "B";
  expect_error(core::ErrorKind::config, {"--test-cells", "'B'"}, [&] { (void)prepare(options); });
  options.test_cells = "";
  (void)prepare(options);
  const Store store = Store::open(options.out);
  EXPECT_EQ(Split::train, store.manifest().cells[0].split);
  EXPECT_EQ(Split::valid, store.manifest().cells[1].split);
}

TEST(Prepare_cells, OneSegmentationTwice_isAWarningOrInTwoSplitsAnError) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  (void)folder.write("b.bed", kCellA);
  options.valid_cells = "B";
  expect_input_error({"'A'", "a.bed", "'B'", "b.bed", "train", "valid"},
                     [&] { (void)prepare(options); });
  options.valid_cells = "";
  EXPECT_TRUE(any_holds(prepare(options).warnings, "'A' and 'B' have the same segmentation"));
}

TEST(Prepare_contigs, OneSequenceTwice_mustNotLieInTwoSplits) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  (void)folder.write("7.fa", ">7\n" + std::string(600, 'g') + "\n");
  expect_input_error({"contigs 7, chr8", "same sequence"}, [&] { (void)prepare(options); });
  // Masked in one copy only.
  (void)folder.write("7.fa", ">7\n" + std::string(500, 'G') + std::string(100, 'g') + "\n");
  expect_input_error({"contigs 7, chr8", "same sequence"}, [&] { (void)prepare(options); });
  options.valid = "";
  EXPECT_NO_THROW((void)prepare(options));
}

TEST(Prepare_lengths, MoreThanABinApart_areListedInTheWarning) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  EXPECT_TRUE(any_holds(prepare(options).warnings,
                        "in the genome: 7 (1033 bp), chr8 (600 bp); in the segmentations: 7 (to "
                        "1400), chr8 (to 600)"));
  options.out = folder.path() / "short";
  (void)folder.write("a.bed", "7\t0\t200\t1_Tss\n7\t200\t800\t9_Enh\nchr8\t0\t400\t9_Enh\n");
  (void)folder.write("b.bed", "7\t0\t200\t9_Enh\n7\t200\t400\t1_Tss\nchr8\t0\t200\t1_Tss\n");
  EXPECT_TRUE(any_holds(prepare(options).warnings, "7 (to 800), chr8 (to 400)"));
  options.out = folder.path() / "near";
  (void)folder.write("b.bed", "7\t0\t200\t9_Enh\n7\t200\t1000\t1_Tss\nchr8\t0\t200\t1_Tss\n");
  EXPECT_FALSE(any_holds(prepare(options).warnings, "lengths differ"));
}

TEST(Prepare_contigs, WithoutStates_printsBothListsAndTheWayOut) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  (void)folder.write("a.bed", "chr7\t0\t200\t1_Tss\nchr7\t200\t400\t9_Enh\n");
  (void)folder.write("b.bed", "chr7\t0\t200\t1_Tss\nchr7\t200\t400\t9_Enh\nchr8\t0\t200\t1_Tss\n");
  expect_input_error({"on contig 7", "7 (1033 bp), chr8 (600 bp)", "chr7 (to 400)", "--alias-chr"},
                     [&] { (void)prepare(options); });
  options.alias_chr = true;
  EXPECT_NO_THROW((void)prepare(options));

  options.out = folder.path() / "other";
  (void)folder.write("8.fa", ">chr8\nACGT\n>chrUn\nACGT\n");
  expect_input_error({"on contig chrUn", "--contigs 7,chr8"}, [&] { (void)prepare(options); });
  options.contigs = "7,chr8";
  EXPECT_NO_THROW((void)prepare(options));
  EXPECT_EQ(2U, Store::open(options.out).manifest().contigs.size());

  options.out = folder.path() / "third";
  options.contigs = "7,chr9";
  expect_input_error({"--contigs", "'chr9'"}, [&] { (void)prepare(options); });
}

TEST(Prepare_contigs, InTwoGenomeFilesOrOfAnotherAssembly_areRefused) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  (void)folder.write("b.bed", "7\t0\t200\t1_Tss\n7\t200\t933\t9_Enh\nchr8\t0\t200\t1_Tss\n");
  expect_input_error({"b.bed:2:", "933", "1033", "another assembly"},
                     [&] { (void)prepare(options); });
  (void)folder.write("8.fa", fasta_7());
  expect_input_error({"8.fa", "'7'", "7.fa"}, [&] { (void)prepare(options); });
}

TEST(Prepare_aliases, TwoNamesOfOneContigInAFile_areRefused) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  options.alias_chr = true;
  (void)folder.write("b.bed", "7\t0\t200\t1_Tss\nchr7\t200\t400\t9_Enh\n");
  expect_input_error({"b.bed", "'7'", "'chr7'"}, [&] { (void)prepare(options); });
}

TEST(Prepare_checks, WhatCannotWork_failsBeforeReading) {
  const InputFolder folder;
  const PrepareOptions good = options_in(folder);
  const auto refuses = [](core::ErrorKind kind, const PrepareOptions& options,
                          const std::string& says) {
    expect_error(kind, {says}, [&] { const Preparation none(options, core::Log()); });
  };
  PrepareOptions bad = good;
  bad.genomes.emplace_back("no.fa");
  refuses(core::ErrorKind::missing, bad, "no.fa");
  bad = good;
  bad.genomes.clear();
  refuses(core::ErrorKind::usage, bad, "--genome");
  bad = good;
  bad.valid = "no.bed";
  refuses(core::ErrorKind::missing, bad, "no.bed");
  bad = good;
  std::filesystem::create_symlink("loop.bed", folder.path() / "loop.bed");
  bad.test = (folder.path() / "loop.bed").string();
  refuses(core::ErrorKind::io, bad, "loop.bed");
  bad = good;
  bad.blacklist = "no.bed";
  refuses(core::ErrorKind::missing, bad, "--blacklist");
  for (const std::int64_t huge : {std::numeric_limits<std::int64_t>::max(), std::int64_t{0}}) {
    bad = good;
    bad.shard_bp = huge;
    refuses(core::ErrorKind::config, bad, "--shard");
    bad = good;
    bad.states.line_bin_bp = huge;
    refuses(core::ErrorKind::config, bad, "--bin");
    bad = good;
    bad.states.big.memory_mib = huge;
    refuses(core::ErrorKind::config, bad, "--big-memory");
    bad = good;
    bad.states.big.seconds = huge;
    refuses(core::ErrorKind::config, bad, "--big-seconds");
  }
  bad = good;
  bad.out = folder.path();
  refuses(core::ErrorKind::usage, bad, "there already");
  (void)folder.write("store.partial/mine.txt", "x");
  refuses(core::ErrorKind::usage, good, "in the way");
}

TEST(StoredRanges_pieces, LongRunsOfN_areLeftOut) {
  // Head of 1,050 and tail of 100 N go; 999,999 inside stay; a million inside goes.
  const Ranges gaps = {
      {0, 1'050}, {2'000'000, 2'999'999}, {5'000'000, 6'000'000}, {7'999'900, 8'000'000}};
  EXPECT_EQ((Ranges{{1'000, 5'000'000}, {6'000'000, 8'000'000}}),
            stored_ranges(8'000'000, gaps, 200, 10'000'000));
  const Ranges pieces = stored_ranges(8'000'000, gaps, 200, 2'000'100);
  EXPECT_EQ((Ranges{{1'000, 1'667'400},
                    {1'667'400, 3'333'800},
                    {3'333'800, 5'000'000},
                    {6'000'000, 8'000'000}}),
            pieces);
  EXPECT_TRUE(stored_ranges(500, {{0, 500}}, 200, 1000).empty());
}

TEST(ShareOf_items, EachItem_belongsToOnePartAndLoadsAreEven) {
  const std::vector<std::int64_t> sizes = {5, 90, 7, 30, 30, 30, 1, 0};
  for (int parts = 1; parts <= 9; ++parts) {
    std::vector<int> owners(sizes.size(), 0);
    std::int64_t heaviest = 0;
    for (int part = 0; part < parts; ++part) {
      std::int64_t load = 0;
      for (const std::size_t item : share_of(sizes, part, parts)) {
        ++owners[item];
        load += sizes[item];
      }
      heaviest = std::max(heaviest, load);
    }
    EXPECT_EQ(std::vector<int>(sizes.size(), 1), owners) << parts;
    if (parts == 2) {
      EXPECT_LE(heaviest, 103);  // of 193: 97 is the best there is
    }
  }
}

}  // namespace
}  // namespace epi::data
