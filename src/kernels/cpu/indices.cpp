#include "kernels/cpu/indices.hpp"

#include <fmt/format.h>

namespace epi::kernels::cpu {

void require_indices(const char* what, const core::ConstView& indices, std::int64_t limit) {
  const auto* index = indices.as<std::int32_t>();
  const std::int64_t count = indices.size();
  bool good = true;  // without an early exit, so that the scan becomes vectors
  for (std::int64_t i = 0; i < count; ++i) {
    good &= static_cast<std::uint32_t>(index[i]) < static_cast<std::uint64_t>(limit);
  }
  if (good) return;
  std::int64_t i = 0;
  while (index[i] >= 0 && index[i] < limit) ++i;
  throw core::LogicError(
      fmt::format("{}: entry {} is {}, must be in 0..{}", what, i, index[i], limit - 1));
}

}  // namespace epi::kernels::cpu
