// Runs a fuzz target over kept inputs, without libFuzzer: what was found once stays found. Called
// with files and folders; ends as the target does, or says how many inputs passed.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "fuzz/target.hpp"

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> inputs_of(const fs::path& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::uint8_t> bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

int main(int count, char** arguments) {
  int passed = 0;
  for (int i = 1; i < count; ++i) {
    for (const fs::path& file : inputs_of(arguments[i])) {
      // Named before it runs: a crash says no more than where it was.
      std::fprintf(stderr, "%s\n", file.c_str());
      const std::vector<std::uint8_t> bytes = bytes_of(file);
      (void)LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
      ++passed;
    }
  }
  std::printf("%d inputs passed\n", passed);
  return passed > 0 ? 0 : 1;
}
