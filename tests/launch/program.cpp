#include "launch/program.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <gtest/gtest.h>

namespace epi::launch_test {
namespace {

namespace fs = std::filesystem;

/// A small linear congruential generator (Knuth's MMIX constants): the same text everywhere.
class Letters {
 public:
  std::uint32_t below(std::uint32_t n) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::uint32_t>((state_ >> 33U) % n);
  }

 private:
  std::uint64_t state_ = 7;
};

Outcome shell(const std::string& line, const fs::path& folder) {
  const fs::path out = folder / "stdout.txt";
  const fs::path err = folder / "stderr.txt";
  const std::string command = "cd '" + folder.string() + "' && { " + line + " ; } >'" +
                              out.string() + "' 2>'" + err.string() + "'";
  const int status = std::system(command.c_str());  // NOLINT(concurrency-mt-unsafe)
  Outcome outcome;
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.out = read(out);
  outcome.err = read(err);
  return outcome;
}

std::string contig(const std::string& name, int lines, Letters& letters) {
  std::string text = ">" + name + "\n";
  for (int line = 0; line < lines; ++line) {
    for (int i = 0; i < 100; ++i) text += "ACGT"[letters.below(4)];
    text += '\n';
  }
  return text;
}

std::string segments(Letters& letters) {
  std::string text;
  for (const auto& [name, length] : {std::pair{"a", 60000}, std::pair{"b", 20000}}) {
    for (int start = 0; start < length;) {
      const int bins = 1 + static_cast<int>(letters.below(8));
      const int end = std::min(length, start + 200 * bins);
      text += std::string(name) + "\t" + std::to_string(start) + "\t" + std::to_string(end) +
              "\tE" + std::to_string(1 + letters.below(4)) + "\n";
      start = end;
    }
  }
  return text;
}

constexpr const char* kConfig = R"([data]
store = "store"
[tokens]
k = 3
stride = 3
length = 400
[model]
layers = 1
hidden = 32
heads = 2
intermediate = 64
[train]
steps = 6
global_batch = 4
micro_batch = 2
threads = 1
[schedule]
steps = 100
[evaluate]
every = 3
windows = 8
[checkpoint]
every = 3
[log]
every = 1
)";

}  // namespace

std::string Outcome::all() const {
  return "exit " + std::to_string(code) + "\nstdout:\n" + out + "\nstderr:\n" + err;
}

Outcome run(const std::string& line, const fs::path& folder) {
  return shell(line, folder);
}

Outcome epitrain(const std::string& arguments, const fs::path& folder) {
  return shell("'" EPI_PROGRAM "' " + arguments, folder);
}

Outcome mpirun(int ranks, const std::string& arguments, const fs::path& folder,
               const std::string& meanwhile) {
  std::string line = "'" EPI_MPIEXEC "' -np " + std::to_string(ranks) + " --bind-to none '" +
                     EPI_PROGRAM "' " + arguments;
  if (!meanwhile.empty()) {
    line += " & job=$! ; ( " + meanwhile + " ) ; wait $job";
  }
  return shell(line, folder);
}

namespace {

/// One folder for this process alone, gone when it ends: two users, or two builds, may test at
/// once.
class OwnFolder {
 public:
  OwnFolder()
      : path_(fs::path(testing::TempDir()) / ("epitrain-launch-" + std::to_string(getpid()))) {}
  OwnFolder(const OwnFolder&) = delete;
  OwnFolder& operator=(const OwnFolder&) = delete;
  ~OwnFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

fs::path fresh_folder(const std::string& name) {
  static const OwnFolder own;
  const fs::path folder = own.path() / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_inputs(const fs::path& folder) {
  Letters letters;
  write(folder / "genome.fa", contig("a", 600, letters) + contig("b", 200, letters));
  std::string sheet = "cell\tname\tpath\n";
  for (const std::string cell : {"X", "Y", "Z"}) {
    write(folder / (cell + ".bed"), segments(letters));
    sheet += cell + "\tcell " + cell + "\t" + cell + ".bed\n";
  }
  write(folder / "sheet.tsv", sheet);
  write(folder / "config.toml", kConfig);
}

}  // namespace epi::launch_test
