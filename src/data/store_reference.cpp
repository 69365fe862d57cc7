// Segments are few per contig and asked for one after the other: a scan finds them fast enough.
#include "data/store_reference.hpp"

#include <algorithm>

namespace epi::data {

StoreReference::StoreReference(const Store& store, ContigNames names)
    : store_(&store), names_(std::move(names)), segments_(store.manifest().contigs.size()) {
  for (const core::SegmentView& segment : store.corpus().segments) {
    segments_.at(static_cast<std::size_t>(segment.contig)).push_back(segment);
  }
}

std::optional<std::int32_t> StoreReference::find(std::string_view name) const {
  return names_.find(name);
}

const Contig& StoreReference::contig(std::int32_t index) const {
  return manifest().contigs.at(static_cast<std::size_t>(index));
}

std::string StoreReference::bases(std::int32_t contig_index, Range range) const {
  const std::int64_t start = std::max<std::int64_t>(range.start_bp, 0);
  const std::int64_t end = std::min(range.end_bp, contig(contig_index).length_bp);
  if (start >= end) return {};
  std::string text(static_cast<std::size_t>(end - start), 'N');
  for (const core::SegmentView& segment : segments_[static_cast<std::size_t>(contig_index)]) {
    const std::int64_t from = std::max(start, segment.start_bp);
    const std::int64_t to = std::min(end, segment.start_bp + segment.length_bp);
    for (std::int64_t at = from; at < to; ++at) {
      const std::uint8_t code = segment.bases[at - segment.start_bp] & core::kBaseMask;
      text[static_cast<std::size_t>(at - start)] = "ACGTNNNN"[code];
    }
  }
  return text;
}

}  // namespace epi::data
