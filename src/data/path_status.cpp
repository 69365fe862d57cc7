// One call: the form with an error code never throws an exception of another library.
#include "data/path_status.hpp"

#include <fmt/format.h>

#include <system_error>

#include "core/error.hpp"

namespace epi::data {

std::filesystem::file_status status_of(const std::filesystem::path& path) {
  std::error_code problem;
  const auto status = std::filesystem::status(path, problem);
  // An absent file sets the code as well, but its type is known.
  if (std::filesystem::status_known(status)) return status;
  throw core::IoError(fmt::format("{}: cannot be examined: {}", path.string(), problem.message()));
}

}  // namespace epi::data
