#include "core/error.hpp"

#include <fmt/format.h>

namespace epi::core {

void require(bool ok, std::string_view promise, std::source_location where) {
  if (ok) return;
  throw LogicError(fmt::format("{}:{}: in {}: broken promise: {}", where.file_name(), where.line(),
                               where.function_name(), promise));
}

}  // namespace epi::core
