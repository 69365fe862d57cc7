// A rule over what all ranks know (choose_transport), and the collective part around it.
#include "dist/transport.hpp"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "core/error.hpp"
#include "dist/nccl.hpp"

namespace epi::dist {
namespace {

void refuse_mixed_models(std::span<const RankGpu> gpus) {
  const std::string mixed = mixed_models(gpus);
  if (mixed.empty()) return;
  throw core::ConfigError(fmt::format(
      "the ranks' GPUs are of different models: {}. They would compute different bits and wait for "
      "the slowest: ask for nodes of one model (Slurm: --gpus=MODEL:N or --constraint), or leave "
      "the odd ones out with CUDA_VISIBLE_DEVICES",
      mixed));
}

TransportChoice only_nccl(const std::string& shared, const std::string& nccl_missing) {
  if (!nccl_missing.empty()) throw core::ConfigError(nccl_missing);
  if (shared.empty()) return {true, "NCCL, as asked for"};
  throw core::UsageError(fmt::format(
      "{}, which NCCL refuses: start one rank per GPU (Slurm: --gpus-per-task=1; mpirun: as many "
      "ranks a node as it has GPUs, or CUDA_VISIBLE_DEVICES for each), or let the gradients go "
      "through the host with exchange = \"staged\"",
      shared));
}

}  // namespace

Transport transport_named(const std::string& name) {
  if (name == "auto") return Transport::automatic;
  if (name == "nccl") return Transport::nccl;
  if (name == "staged") return Transport::staged;
  throw core::ConfigError(
      fmt::format("exchange = \"{}\" is unknown; it is auto, nccl or staged", name));
}

TransportChoice choose_transport(Transport wish, std::span<const RankGpu> gpus,
                                 const std::string& nccl_missing) {
  refuse_mixed_models(gpus);
  const std::string shared = shared_gpu(gpus);
  if (wish == Transport::nccl) return only_nccl(shared, nccl_missing);
  const std::string staged = "through page-locked memory of the host, ";
  if (wish == Transport::staged) return {false, staged + "as asked for"};
  if (!shared.empty()) return {false, staged + "since " + shared};
  if (!nccl_missing.empty()) return {false, staged + "since " + nccl_missing};
  return {true, "NCCL, since every rank has a GPU of its own"};
}

std::string use_transport(std::unique_ptr<Communicator>& world, core::Device device,
                          Transport wish) {
  if (device == core::kCpu) {
    if (wish != Transport::nccl) return "in memory of the host";
    agree(*world, [] {
      throw core::ConfigError(
          "exchange = \"nccl\" sums in the memory of GPUs and device is \"cpu\": use exchange = "
          "\"auto\"");
    });
  }
  if (world->size() == 1 && wish != Transport::nccl) return "none, there is one rank";
  const std::vector<RankGpu> gpus = gather_gpus(*world, device);
  TransportChoice choice;
  agree(*world, [&] { choice = choose_transport(wish, gpus, nccl_missing()); });
  if (choice.nccl) world = make_nccl(std::move(world), device);
  return choice.why;
}

}  // namespace epi::dist
