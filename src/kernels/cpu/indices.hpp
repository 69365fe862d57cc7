// Row numbers and labels come from data: one that is out of range must not become a wild pointer.
#pragma once

#include <cstdint>

#include "core/view.hpp"

namespace epi::kernels::cpu {

/// LogicError naming `what`, the first bad entry and the range unless all are in 0..limit-1. Costs
/// nothing beside the rows that the indices select.
void require_indices(const char* what, const core::ConstView& indices, std::int64_t limit);

}  // namespace epi::kernels::cpu
