// Elements of a flat block that lie in a row: what buckets and shards are made of, and what
// ranks hold of a sum.
#pragma once

#include <cstdint>

#include "core/view.hpp"

namespace epi::dist {

struct Stretch {
  std::int64_t first = 0, count = 0;

  [[nodiscard]] std::int64_t end() const { return first + count; }
  /// The view's elements there.
  [[nodiscard]] core::View of(const core::View& block) const { return block.slice(first, count); }
  /// Part `part` of `parts` equal ones; `count` is a multiple of `parts`.
  [[nodiscard]] Stretch part(int part_index, int parts) const {
    const std::int64_t size = count / parts;
    return {first + size * part_index, size};
  }
  friend bool operator==(const Stretch&, const Stretch&) = default;
};

}  // namespace epi::dist
