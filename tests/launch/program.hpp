// Runs the built program as a user does, and small real-looking input for it.
#pragma once

#include <filesystem>
#include <string>

namespace epi::launch_test {

struct Outcome {
  int code = -1;    ///< exit status; 128 + n after signal n
  std::string out;  ///< stdout
  std::string err;  ///< stderr
  /// For failure messages.
  [[nodiscard]] std::string all() const;
};

/// Runs `epitrain ARGUMENTS` through the shell in `folder`.
[[nodiscard]] Outcome epitrain(const std::string& arguments, const std::filesystem::path& folder);

/// Runs a shell line there, for what only a shell can do to the program.
[[nodiscard]] Outcome run(const std::string& line, const std::filesystem::path& folder);

/// The same under mpirun with this many ranks. A shell line in `meanwhile` runs beside it; there
/// $job is mpirun's process id.
[[nodiscard]] Outcome mpirun(int ranks, const std::string& arguments,
                             const std::filesystem::path& folder,
                             const std::string& meanwhile = {});

/// A new empty folder for one test.
[[nodiscard]] std::filesystem::path fresh_folder(const std::string& name);

void write(const std::filesystem::path& path, const std::string& text);
[[nodiscard]] std::string read(const std::filesystem::path& path);

/// Writes genome.fa (contigs a: 60 kb, b: 20 kb), sheet.tsv with cells X, Y, Z in four states of
/// 200 bp bins, and config.toml for a run of seconds whose store is "store".
void write_inputs(const std::filesystem::path& folder);

}  // namespace epi::launch_test
