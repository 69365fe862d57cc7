// The resident corpus: what training reads, as arrays, and how a sample names a place in it.
#pragma once

#include <cstdint>
#include <span>

namespace epi::core {

/// Base codes as stored: 0 A, 1 C, 2 G, 3 T, 4 N; bit 3 set on soft-masked (lower-case) bases.
inline constexpr std::uint8_t kBaseN = 4;
inline constexpr std::uint8_t kBaseMask = 7;
inline constexpr std::uint8_t kSoftMasked = 8;

/// State codes as stored: 0 missing, 1..S the states of the vocabulary.
inline constexpr std::uint8_t kStateMissing = 0;

/// One contiguous genomic interval whose bases and bins are resident.
struct SegmentView {
  std::int32_t contig = 0;    ///< index into the store's contigs
  std::int64_t start_bp = 0;  ///< 0-based; a multiple of the bin size
  std::int64_t length_bp = 0;
  const std::uint8_t* bases = nullptr;  ///< [length_bp] base codes
  /// [num_cells] pointers to [ceil(length_bp / bin_bp)] state codes; bin i covers
  /// [start_bp + i * bin_bp, start_bp + (i + 1) * bin_bp).
  const std::uint8_t* const* states = nullptr;
};

/// All resident arrays. Does not own; the store that made it must outlive it.
struct CorpusView {
  std::span<const SegmentView> segments;
  std::int32_t num_cells = 0;
  std::int32_t num_states = 0;  ///< S
  std::int32_t bin_bp = 0;
};

/// A window's place: it starts at base `offset_bp` of segment `segment`.
struct WindowRef {
  std::int32_t segment = 0;
  std::int64_t offset_bp = 0;  ///< relative to the segment's start
  friend bool operator==(const WindowRef&, const WindowRef&) = default;
};

enum class Strand : std::uint8_t { forward, reverse };

/// One training or evaluation sample.
struct SampleRef {
  WindowRef window;
  std::int32_t cell = 0;  ///< index of the cell type; -1: no epigenome, every state is missing
  Strand strand = Strand::forward;
  std::int32_t label = 0;  ///< of labelled regions; 0 in pre-training
  friend bool operator==(const SampleRef&, const SampleRef&) = default;
};

}  // namespace epi::core
