// The build without NCCL: says so, and the exchange goes through the host.
#include "core/error.hpp"
#include "dist/nccl.hpp"

namespace epi::dist {

std::string nccl_missing() {
  return "this build has no NCCL: install it (Debian and Ubuntu: libnccl-dev) and build with the "
         "preset `cuda`, or use exchange = \"staged\"";
}

std::unique_ptr<Communicator> make_nccl(std::unique_ptr<Communicator>&&, core::Device) {
  throw core::ConfigError(nccl_missing());
}

}  // namespace epi::dist
