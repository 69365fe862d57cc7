// How device memory travels between ranks: by NCCL, or copied through the host. Chosen once, by all
// ranks alike.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "dist/communicator.hpp"
#include "dist/rank_gpus.hpp"

namespace epi::dist {

enum class Transport : std::uint8_t {
  automatic,  ///< NCCL where every rank has a GPU of its own and the build has NCCL
  nccl,       ///< or an error that says why not
  staged,     ///< through page-locked memory of the host, by the communicator that is there
};

/// "auto", "nccl" or "staged"; ConfigError for anything else.
[[nodiscard]] Transport transport_named(const std::string& name);

/// Which of the two, and why in a few words for the log.
struct TransportChoice {
  bool nccl = false;
  std::string why;
};

/// The rule, from every rank's GPU and from why there is no NCCL ("" where there is).
/// ConfigError for GPUs of several models and for NCCL where the build has none; UsageError for
/// NCCL where two ranks share a GPU.
[[nodiscard]] TransportChoice choose_transport(Transport wish, std::span<const RankGpu> gpus,
                                               const std::string& nccl_missing);

/// Makes `world` fit for views on `device`: replaces it by NCCL's communicator around it, or leaves
/// it. Returns what was chosen and why, for the log. Collective; every failure is thrown by all
/// ranks, and then `world` is as it was. On the CPU, and alone unless NCCL is asked for, nothing is
/// to be chosen: ConfigError when NCCL is asked for on the CPU.
std::string use_transport(std::unique_ptr<Communicator>& world, core::Device device,
                          Transport wish);

}  // namespace epi::dist
