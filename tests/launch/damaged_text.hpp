// Inputs that tests make odd or wrong before the program sees them, and what must hold whatever was
// done to them. The clean inputs and their store are made once per process.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "launch/program.hpp"

namespace epi::launch_test {

namespace fs = std::filesystem;

inline constexpr const char* kPrepare =
    "prepare --genome genome.fa --states sheet.tsv --valid b --valid-cells Z --out store";
inline constexpr int kInput = 65, kMissing = 66, kSystem = 74;

inline std::int64_t count_of(const std::string& text, const std::string& part) {
  std::int64_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// `first`, then `text`. In this way gcc 12 has no false warning about overlapping copies.
inline std::string behind(const char* first, const std::string& text) {
  return std::string(first).append(text);
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

inline std::string text_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

/// Passes a file through a function of its text.
using Change = std::function<std::string(const std::string&)>;
inline void rewrite(const fs::path& path, const Change& change) {
  write(path, change(read(path)));
}

/// Runs a shell line in a folder; for tools that make files.
inline void shell(const fs::path& folder, const std::string& line) {
  const std::string command = "cd '" + folder.string() + "' && " + line;
  ASSERT_EQ(std::system(command.c_str()), 0) << line;  // NOLINT(concurrency-mt-unsafe)
}

/// What a store holds, without what differs by right: the command and the names and digests of
/// files that were made odd.
inline nlohmann::json content_of(const fs::path& store) {
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

/// Every line that `change` is given, by number from 0.
inline std::string each_line(
    const std::string& text,
    const std::function<std::string(std::size_t, const std::string&)>& change) {
  std::vector<std::string> lines = lines_of(text);
  for (std::size_t i = 0; i < lines.size(); ++i) lines[i] = change(i, lines[i]);
  return text_of(lines);
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

  static inline fs::path clean_;
  static inline Outcome prepared_;
};

}  // namespace epi::launch_test
