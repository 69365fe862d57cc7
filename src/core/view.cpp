#include "core/view.hpp"

#include <fmt/format.h>

namespace epi::core {
namespace {

const char* name_of(DType type) {
  switch (type) {
    case DType::u8:
      return "u8";
    case DType::i32:
      return "i32";
    case DType::i64:
      return "i64";
    case DType::bf16:
      return "bf16";
    case DType::f32:
      return "f32";
    case DType::f64:
      return "f64";
  }
  return "?";
}

}  // namespace

std::string describe(const ConstView& view) {
  if (!view) return "absent";
  std::string sizes;
  for (int axis = 0; axis < view.rank(); ++axis) {
    sizes += fmt::format("{}{}", axis == 0 ? "" : ", ", view.shape(axis));
  }
  return fmt::format("{}[{}]", name_of(view.dtype()), sizes);
}

}  // namespace epi::core
