#include "core/version.hpp"

#include "version_values.hpp"

namespace epi::core {

const char* version_text() {
  return EPI_VERSION " (git " EPI_REVISION ")";
}

const char* build_text() {
  return EPI_BUILD;
}

}  // namespace epi::core
