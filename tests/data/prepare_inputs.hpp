// A genome of two contigs and two segmentations, small enough to check by hand, and a whole
// preparation of them.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/files.hpp"
#include "data/prepare.hpp"
#include "data/text_inputs.hpp"

namespace epi::data {

/// A small genome: contig "7" of 1033 bases with N around it, contig "chr8" of 600.
inline constexpr std::int64_t kLength7 = 1033;

inline std::string fasta_7() {
  std::string bases(static_cast<std::size_t>(kLength7), 'A');
  for (std::size_t i = 0; i < 250; ++i) bases[i] = 'N';
  for (std::size_t i = 250; i < 1033; ++i) bases[i] = "ACGTacgt"[i % 8];
  return ">7 with N\n" + bases + "\n";
}
inline std::string fasta_8() {
  return ">chr8\n" + std::string(600, 'g') + "\n";
}

inline constexpr const char* kCellA =
    "7\t200\t400\t1_Tss\n7\t400\t600\t18_Quies\n7\t800\t1033\t9_Enh\n"
    "chr8\t0\t200\t18_Quies\nchr8\t200\t600\t1_Tss\n";
inline constexpr const char* kCellB =
    "7\t0\t800\t18_Quies\n7\t1000\t1200\t9_Enh\n7\t1200\t1400\t1_Tss\nchr8\t0\t200\t9_Enh\n"
    "chr8\t200\t400\t18_Quies\nchrUn\t0\t200\t1_Tss\n";

inline PrepareOptions options_in(const InputFolder& folder) {
  PrepareOptions options;
  options.genomes = {folder.write("7.fa", fasta_7()), folder.write("8.fa", fasta_8())};
  (void)folder.write("a.bed", kCellA);
  (void)folder.write("b.bed", kCellB);
  options.sheet =
      folder.write("sheet.tsv", "cell\tname\tpath\nA\tcell a\ta.bed\nB\tcell b\tb.bed\n");
  options.out = folder.path() / "store";
  options.valid = "chr8";
  options.guard_bp = 100;
  options.shard_bp = 450;  // 400 after rounding to bins
  options.command = "test";
  return options;
}

inline PrepareReport prepare(const PrepareOptions& options, int parts = 1) {
  std::vector<Preparation> all;
  for (int i = 0; i < parts; ++i) all.emplace_back(options, core::Log());
  for (int i = 0; i < parts; ++i) all[static_cast<std::size_t>(i)].read_inputs(i, parts);
  for (Preparation& part : all) part.plan();
  for (int i = 0; i < parts; ++i) all[static_cast<std::size_t>(i)].write_shards(i, parts);
  return all.front().finish();
}

inline std::map<std::string, std::string> files_of(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) {
      files[entry.path().filename().string()] = core::read_text(entry.path());
    }
  }
  return files;
}

/// Whether one of a report's lines has `text` in it.
inline bool any_holds(const std::vector<std::string>& lines, const std::string& text) {
  return std::any_of(lines.begin(), lines.end(), [&text](const std::string& line) {
    return line.find(text) != std::string::npos;
  });
}

}  // namespace epi::data
