// The recipe of examples/roadmap127, offline: its lists, its scripts with --dry-run and with
// file:// addresses, its configurations, and the whole way from a folder of Roadmap's files to a
// trained model on the bundled chromosomes 20 and 22.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "launch/program.hpp"

namespace epi::launch_test {
namespace {

namespace fs = std::filesystem;

const fs::path kExamples = fs::path(EPI_SOURCE_DIR) / "examples";
const fs::path kRecipe = kExamples / "roadmap127";

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A line of bash in `folder`, with the built program as $EPITRAIN.
Outcome bash(const std::string& line, const fs::path& folder) {
  write(folder / "line.sh", "set -euo pipefail\nexport EPITRAIN='" EPI_PROGRAM "'\n" + line + "\n");
  const std::string command = "cd '" + folder.string() + "' && bash line.sh >out.txt 2>err.txt";
  const int status = std::system(command.c_str());  // NOLINT(concurrency-mt-unsafe)
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          read(folder / "out.txt"), read(folder / "err.txt")};
}

std::string recipe(const std::string& file) {
  std::string quoted = "'";
  quoted += (kRecipe / file).string();
  return quoted += "'";
}

using Row = std::vector<std::string>;

/// Rows of a table without comments; the first is the header.
std::vector<Row> rows_of(const fs::path& path) {
  std::vector<Row> rows;
  std::istringstream text(read(path));
  for (std::string line; std::getline(text, line);) {
    if (line.empty() || line[0] == '#') continue;
    Row row(1);
    for (const char c : line) {
      if (c == '\t') {
        row.emplace_back();
      } else {
        row.back() += c;
      }
    }
    rows.push_back(row);
  }
  return rows;
}

TEST(Roadmap127, files_areThoseOfTheSets) {
  const auto rows = rows_of(kRecipe / "files.tsv");
  ASSERT_EQ(rows.front(), (Row{"set", "file", "url", "bytes", "md5"}));
  std::map<std::string, std::set<std::string>> files;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const Row& row = rows[i];
    ASSERT_EQ(row.size(), 5U) << i;
    EXPECT_TRUE(files[row[0]].insert(row[1]).second) << row[1] << " is there twice";
    EXPECT_TRUE(row[2].ends_with("/" + row[1])) << row[2];
    const bool known = row[2].starts_with("https://hgdownload.soe.ucsc.edu/goldenPath/hg19/") ||
                       row[2].starts_with("https://egg2.wustl.edu/roadmap/data/byFileType/") ||
                       row[2].starts_with("http://bx.psu.edu/~yuzhang/Roadmap_ideas/test1.");
    EXPECT_TRUE(known) << row[2];
    EXPECT_TRUE(row[4] == "-" || row[4].size() == 32U) << row[4];
  }
  EXPECT_EQ(files["15"].size(), 127U);
  EXPECT_EQ(files["18"].size(), 98U);
  EXPECT_EQ(files["25"].size(), 127U);
  EXPECT_EQ(files["ideas"].size(), 127U);
  EXPECT_TRUE(files["genome"].contains("hg19.2bit"));
}

TEST(Roadmap127, sheet_ofTheListedFiles_findsAllEpigenomes) {
  for (const auto& [set, count] : std::map<std::string, std::string>{{"15", "127 of 127"},
                                                                     {"18", "98 of 98"},
                                                                     {"25", "127 of 127"},
                                                                     {"ideas", "127 of 127"}}) {
    const fs::path folder = fresh_folder("listed-" + set);
    fs::create_directories(folder / set);
    for (const Row& row : rows_of(kRecipe / "files.tsv")) {
      if (row[0] == set) write(folder / set / row[1], "");
    }
    const Outcome outcome = epitrain("sheet " + set + " --missing error --out sheet.tsv", folder);
    EXPECT_EQ(outcome.code, 0) << outcome.all();
    EXPECT_TRUE(has(outcome.err, count)) << outcome.all();
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(epitrain("sheet " + set + " --out sheet.tsv", folder).code, 64);
    EXPECT_EQ(epitrain("sheet " + set + " --out sheet.tsv --force", folder).code, 0);
    const Outcome piped = epitrain("sheet " + set, folder);
    EXPECT_EQ(piped.out, read(folder / "sheet.tsv"));
  }
}

TEST(Roadmap127, scripts_haveNoFaultsThatBashSees) {
  const fs::path folder = fresh_folder("syntax");
  for (const char* script : {"download", "prepare.sbatch", "train.sbatch", "settings"}) {
    const Outcome outcome = bash("bash -n " + recipe(script), folder);
    EXPECT_EQ(outcome.code, 0) << outcome.all();
  }
  if (bash("command -v shellcheck", folder).code != 0) GTEST_SKIP() << "shellcheck isn't installed";
  const Outcome outcome =
      bash("shellcheck -x " + recipe("download") + " " + recipe("prepare.sbatch") + " " +
               recipe("train.sbatch") + " " + recipe("settings"),
           folder);
  EXPECT_EQ(outcome.code, 0) << outcome.all();
}

TEST(Roadmap127, downloadDryRun_listsFilesAndFetchesNothing) {
  const fs::path folder = fresh_folder("download-dry");
  const Outcome outcome = bash(recipe("download") + " --dry-run", folder);
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_TRUE(has(outcome.out, "130 files; 816241703 bytes known, 129 files of unknown size"));
  EXPECT_TRUE(has(outcome.out, "work/roadmap127/15/E129_15_coreMarks_mnemonics.bed.gz"));
  EXPECT_FALSE(fs::exists(folder / "work"));
  EXPECT_EQ(bash(recipe("download") + " --only 19", folder).code, 64);
  EXPECT_EQ(bash(recipe("download") + " --onyl 15", folder).code, 64);
}

/// A server of files: a folder, and a list that names its files.
class Download : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fresh_folder("download");
    fs::create_directories(folder_ / "server");
    const Outcome made =
        bash("seq 1 20000 | gzip -n >server/a.gz; echo text >server/b.txt", folder_);
    ASSERT_EQ(made.code, 0) << made.all();
    if (bash("command -v curl", folder_).code != 0) GTEST_SKIP() << "curl isn't installed";
    list({{"a.gz", "-", "-"}, {"b.txt", "5", "e1cbb0c3879af8347246f12c559a86b5"}});
  }
  void list(const std::vector<Row>& files) {
    std::string text = "set\tfile\turl\tbytes\tmd5\n";
    for (const Row& file : files) {
      text += "s\t" + file[0] + "\tfile://" + (folder_ / "server" / file[0]).string() + "\t" +
              file[1] + "\t" + file[2] + "\n";
    }
    write(folder_ / "list.tsv", text);
  }
  Outcome download() {
    return bash(recipe("download") + " --to got --list list.tsv --only s -j 2", folder_);
  }
  [[nodiscard]] std::string got(const std::string& file) const {
    return read(folder_ / "got" / "s" / file);
  }
  [[nodiscard]] std::string served(const std::string& file) const {
    return read(folder_ / "server" / file);
  }
  fs::path folder_;
};

TEST_F(Download, filesThatArrive_areRecordedAndKept) {
  const Outcome first = download();
  ASSERT_EQ(first.code, 0) << first.all();
  EXPECT_EQ(got("a.gz"), served("a.gz"));
  EXPECT_TRUE(has(got("SHA256SUMS"), "  a.gz\n"));
  const Outcome checked = bash("cd got/s && sha256sum -c SHA256SUMS", folder_);
  EXPECT_EQ(checked.code, 0) << checked.all();
  const Outcome second = download();
  EXPECT_EQ(second.code, 0) << second.all();
  EXPECT_TRUE(has(second.out, "kept got/s/a.gz")) << second.all();
}

TEST_F(Download, halfAFile_isContinuedUnderItsPartName) {
  fs::create_directories(folder_ / "got" / "s");
  write(folder_ / "got" / "s" / "a.gz.part", served("a.gz").substr(0, 1000));
  const Outcome outcome = download();
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_EQ(got("a.gz"), served("a.gz"));
  EXPECT_FALSE(fs::exists(folder_ / "got" / "s" / "a.gz.part"));
}

TEST_F(Download, wholeFileUnderItsPartName_isTaken) {
  fs::create_directories(folder_ / "got" / "s");
  write(folder_ / "got" / "s" / "a.gz.part", served("a.gz"));
  write(folder_ / "got" / "s" / "b.txt.part", served("b.txt"));
  const Outcome outcome = download();
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_EQ(got("a.gz"), served("a.gz"));
  EXPECT_EQ(got("b.txt"), served("b.txt"));
}

TEST_F(Download, cutGzip_neverGetsItsName) {
  write(folder_ / "server" / "a.gz", served("a.gz").substr(0, 5000));
  const Outcome outcome = download();
  EXPECT_EQ(outcome.code, 65) << outcome.all();
  EXPECT_TRUE(has(outcome.err, "a.gz: is cut, damaged")) << outcome.all();
  EXPECT_TRUE(has(outcome.err, "1 of 2 files are not there")) << outcome.all();
  EXPECT_FALSE(fs::exists(folder_ / "got" / "s" / "a.gz"));
  EXPECT_TRUE(fs::exists(folder_ / "got" / "s" / "b.txt"));
}

TEST_F(Download, wrongSizeMd5OrAbsence_areToldApart) {
  list({{"b.txt", "6", "-"}});
  EXPECT_TRUE(has(download().err, "has 5 bytes; expected 6"));
  list({{"b.txt", "-", "00000000000000000000000000000000"}});
  const Outcome md5 = download();
  EXPECT_EQ(md5.code, 65);
  EXPECT_TRUE(has(md5.err, "has MD5 e1cbb0c3")) << md5.all();
  list({{"absent.gz", "-", "-"}});
  EXPECT_EQ(download().code, 66);
}

TEST_F(Download, fileThatChangedSinceTheLastRun_isRefused) {
  ASSERT_EQ(download().code, 0);
  write(folder_ / "got" / "s" / "b.txt", "tuxt\n");
  list({{"b.txt", "5", "-"}});
  const Outcome outcome = download();
  EXPECT_EQ(outcome.code, 65) << outcome.all();
  EXPECT_TRUE(has(outcome.err, "an earlier run recorded")) << outcome.all();
}

TEST(Roadmap127, dryRuns_printCommandsAndRunNone) {
  const fs::path folder = fresh_folder("dry-runs");
  const Outcome prepare =
      bash("EPITRAIN_WORK=work " + recipe("prepare.sbatch") + " --dry-run", folder);
  ASSERT_EQ(prepare.code, 0) << prepare.all();
  for (const char* part :
       {" sheet work/15 --model 15", "--genome work/genome/hg19.2bit", "chr22,chrX",
        "--test chr1,chr8,chr21", "--valid-cells E071,E123", " verify work/store15 --deep"}) {
    EXPECT_TRUE(has(prepare.out, part)) << part << prepare.all();
  }
  const Outcome train =
      bash("EPITRAIN_DRY_RUN=1 EPITRAIN_WORK=work SLURM_ARRAY_TASK_ID=3 " + recipe("train.sbatch") +
               " " + recipe("pretrain-large.toml") + " train.steps=7 schedule.warmup_steps=1",
           folder);
  ASSERT_EQ(train.code, 0) << train.all();
  for (const char* part : {"--out work/run15-pretrain-large-seed3", "steps = 7", "seed = 3",
                           "size = 'large'", "store = 'work/store15'"}) {
    EXPECT_TRUE(has(train.out, part)) << part << train.all();
  }
  const Outcome wrong = bash(recipe("train.sbatch") + " --dry-run train.stepz=7", folder);
  EXPECT_EQ(wrong.code, 78) << wrong.all();
  EXPECT_FALSE(fs::exists(folder / "work"));
}

TEST(Roadmap127, scriptsSubmittedFromElsewhere_sayWhatIsMissing) {
  const fs::path folder = fresh_folder("elsewhere");
  for (const char* script : {"prepare.sbatch", "train.sbatch"}) {
    const Outcome outcome = bash("SLURM_SUBMIT_DIR=$PWD " + recipe(script) + " --dry-run", folder);
    EXPECT_EQ(outcome.code, 64);
    EXPECT_TRUE(has(outcome.err, "submit this script from its own folder")) << outcome.all();
  }
}

TEST(Roadmap127, configurations_areWholeAndOfTheirSizes) {
  const fs::path folder = fresh_folder("configurations");
  for (const auto& [name, layers] :
       std::map<std::string, std::string>{{"base", "layers = 12"}, {"large", "layers = 24"}}) {
    const Outcome outcome =
        epitrain("pretrain " + recipe("pretrain-" + name + ".toml") + " --print-config", folder);
    ASSERT_EQ(outcome.code, 0) << outcome.all();
    EXPECT_TRUE(has(outcome.out, layers)) << outcome.all();
    EXPECT_TRUE(has(outcome.out, "global_batch = 2048")) << outcome.all();
  }
}

/// The bundled 25-state files under Roadmap's names, and what makes the recipe small.
void write_small_recipe(const fs::path& folder) {
  fs::create_directories(folder / "work" / "25");
  for (const auto& entry : fs::directory_iterator(kExamples / "data" / "states")) {
    const std::string eid = entry.path().filename().string().substr(0, 4);
    fs::create_symlink(entry.path(),
                       folder / "work" / "25" / (eid + "_25_imputed12marks_mnemonics.bed.gz"));
  }
  const std::string sequence = (kExamples / "data" / "sequence").string();
  write(folder / "env.sh",
        "export EPITRAIN_WORK=$PWD/work EPITRAIN_MODEL=25 EPITRAIN_MISSING=skip EPITRAIN_SIZES=\n"
        "export EPITRAIN_BLACKLIST= EPITRAIN_GENOME='" +
            sequence + "/chr22_part.fa.gz:" + sequence +
            "/chr20_part.fa.gz'\n"
            "export EPITRAIN_CONTIGS=22,chr20 EPITRAIN_ALIAS=hg19 EPITRAIN_TEST= "
            "EPITRAIN_VALID=chr20\n"
            "export EPITRAIN_VALID_CELLS=E048 EPITRAIN_TEST_CELLS=E021\n");
}

void write_leftover(const fs::path& work) {
  fs::create_directories(work);
  write(work / "cell-0000.bin", "half removed");
}

TEST(Roadmap127, fromAFolderOfFiles_toATrainedModel) {
  const fs::path folder = fresh_folder("whole");
  write_small_recipe(folder);
  const Outcome prepared = bash("source ./env.sh; bash " + recipe("prepare.sbatch"), folder);
  ASSERT_EQ(prepared.code, 0) << prepared.all();
  EXPECT_TRUE(has(prepared.err, "set 25: 11 of 127 epigenomes found")) << prepared.all();
  EXPECT_TRUE(has(prepared.out, "Primary T CD8+ memory cells")) << prepared.all();
  // Killed while it tidied up, with another number of cores: the same script ends it.
  write_leftover(folder / "work" / "store25" / "work");
  const Outcome tidied =
      bash("source ./env.sh; SLURM_CPUS_PER_TASK=2 bash " + recipe("prepare.sbatch"), folder);
  ASSERT_EQ(tidied.code, 0) << tidied.all();
  EXPECT_FALSE(fs::exists(folder / "work" / "store25" / "work")) << tidied.all();
  const Outcome looked =
      bash("source ./env.sh; bash " + recipe("prepare.sbatch") + " --dry-run", folder);
  ASSERT_EQ(looked.code, 0) << looked.all();
  EXPECT_TRUE(has(looked.out, "store25 is there: kept")) << looked.all();
  const std::string tiny =
      " model.size=tiny tokens.length=128 train.global_batch=4 train.micro_batch=2"
      " evaluate.windows=4 schedule.warmup_steps=1 schedule.steps=4";
  const std::string train = "source ./env.sh; bash " + recipe("train.sbatch");
  const Outcome dry = bash(train + " --dry-run" + tiny, folder);
  ASSERT_EQ(dry.code, 0) << dry.all();
  EXPECT_TRUE(has(dry.out, "9 cell types")) << dry.all();
  const Outcome trained = bash(train + tiny + " train.steps=2", folder);
  ASSERT_EQ(trained.code, 0) << trained.all();
  const fs::path run = folder / "work" / "run25-pretrain-base";
  EXPECT_TRUE(fs::exists(run / "checkpoints" / "step-000000002")) << trained.all();
  // The same command is what goes on: under Slurm after a requeue.
  const Outcome again = bash(train + tiny + " train.steps=3", folder);
  EXPECT_EQ(again.code, 0) << again.all();
  EXPECT_TRUE(fs::exists(run / "checkpoints" / "step-000000003")) << again.all();
}

/// Stand-ins for Slurm: scontrol knows a running job, and writes down what else it is asked for.
Outcome stopped_in_a_job(const std::string& variables, const fs::path& folder) {
  fs::create_directories(folder / "bin");
  write(folder / "bin" / "scontrol",
        "#!/bin/sh\n[ \"$1\" = show ] && echo 'JobId=17 JobState=RUNNING x' && exit\n"
        "echo \"$@\" >asked.txt\n");
  write(folder / "bin" / "program",
        "#!/bin/sh\ntrap 'echo stopped >signal.txt; exit 75' USR1\ntouch ready\n"
        "i=0; while [ $i -lt 300 ]; do sleep 0.1; i=$((i + 1)); done\n");
  return bash(
      "chmod +x bin/*; export PATH=$PWD/bin:$PATH EPITRAIN=$PWD/bin/program EPITRAIN_LAUNCHER=\n"
      "export SLURM_SUBMIT_DIR='" +
          kRecipe.string() + "' " + variables + "\nbash " + recipe("train.sbatch") +
          " & job=$!\n"
          "for i in $(seq 100); do [ -f ready ] && break; sleep 0.1; done\n"
          "kill -USR1 $job; code=0; wait $job || code=$?; exit $code",
      folder);
}

TEST(Roadmap127, usr1_endsInACheckpointAndBackInTheQueue) {
  const fs::path folder = fresh_folder("requeue");
  const Outcome outcome = stopped_in_a_job("SLURM_JOB_ID=17", folder);
  EXPECT_EQ(outcome.code, 75) << outcome.all();
  EXPECT_EQ(read(folder / "signal.txt"), "stopped\n") << outcome.all();
  EXPECT_EQ(read(folder / "asked.txt"), "requeue 17\n") << outcome.all();
}

TEST(Roadmap127, taskOfAnArray_goesBackByItsOwnName) {
  const fs::path folder = fresh_folder("requeue-task");
  const Outcome outcome =
      stopped_in_a_job("SLURM_JOB_ID=16 SLURM_ARRAY_JOB_ID=16 SLURM_ARRAY_TASK_ID=2", folder);
  EXPECT_EQ(outcome.code, 75) << outcome.all();
  EXPECT_EQ(read(folder / "asked.txt"), "requeue 16_2\n") << outcome.all();
}

}  // namespace
}  // namespace epi::launch_test
