// A store as a reference that files are compared with: its contigs by name, and their bases.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/contig_names.hpp"
#include "data/ranges.hpp"
#include "data/store.hpp"

namespace epi::data {

class StoreReference {
 public:
  /// Keeps views of `store`, which must outlive this object.
  StoreReference(const Store& store, ContigNames names);

  /// Index of the store's contig; none where it has no such name.
  [[nodiscard]] std::optional<std::int32_t> find(std::string_view name) const;
  /// Of a contig found before.
  [[nodiscard]] const Contig& contig(std::int32_t index) const;

  /// Upper-case bases of a range, cut at the contig's ends; N where the store holds no sequence.
  [[nodiscard]] std::string bases(std::int32_t contig, Range range) const;

  [[nodiscard]] const Manifest& manifest() const { return store_->manifest(); }

 private:
  const Store* store_;
  ContigNames names_;
  std::vector<std::vector<core::SegmentView>> segments_;  ///< [contig], by start
};

}  // namespace epi::data
