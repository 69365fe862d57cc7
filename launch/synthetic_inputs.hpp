// Inputs of `prepare` that look like the public ones and mean nothing: FASTA with the contigs of
// hg19, with soft-masked runs and runs of N, and ChromHMM segmentations of its 15-state model.
// Files and names say "synthetic".
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace epi::launch {

enum class Packing : std::uint8_t { plain, gzip };

struct SyntheticSize {
  std::int64_t genome_mb = 0;        ///< megabases in all; 0: hg19's 1-22, X and Y at full length
  std::int64_t cells = 127;          ///< Roadmap's epigenomes
  std::int64_t intervals = 444'000;  ///< of each segmentation, the mean of Roadmap's
  Packing packing = Packing::plain;
  int threads = 1;  ///< to write with; the files do not depend on it
};

struct SyntheticInputs {
  std::filesystem::path genome, sheet;
  std::int64_t bases = 0, lines = 0;                ///< of all contigs; of all segmentations
  std::int64_t genome_text = 0, states_text = 0;    ///< bytes before packing
  std::int64_t genome_bytes = 0, states_bytes = 0;  ///< bytes of the files
};

/// Writes the files into a folder that is there. IoError naming the file; ConfigError when a contig
/// has fewer bins than intervals.
[[nodiscard]] SyntheticInputs write_synthetic_inputs(const std::filesystem::path& folder,
                                                     const SyntheticSize& size);

}  // namespace epi::launch
