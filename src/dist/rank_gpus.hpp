// Which GPU each rank has: chosen by the local rank, told to the others, and refused where it can't
// work. The rules are plain functions of what the ranks have told each other.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/device.hpp"
#include "dist/communicator.hpp"

namespace epi::dist {

/// What a rank says of its GPU.
struct RankGpu {
  std::string host;    ///< name of the machine
  std::string bus_id;  ///< PCI address on that machine
  std::string name;    ///< model, "NVIDIA H200"
};

/// The device of local rank `node_rank` of `node_size` when the process sees `visible` devices: its
/// own number where there are enough, 0 where each rank was given just one. UsageError with the
/// three numbers otherwise.
[[nodiscard]] int device_index_for(int node_rank, int node_size, int visible);

/// Every rank's GPU, in rank order, on every rank; `device` is a CUDA device on all of them.
/// Collective; a rank's DeviceError is thrown by all.
[[nodiscard]] std::vector<RankGpu> gather_gpus(Communicator& world, core::Device device);

/// "ranks 0 and 2 share GPU 0000:17:00.0 (NVIDIA H200) of node1", or "" when each has its own.
[[nodiscard]] std::string shared_gpu(std::span<const RankGpu> gpus);

/// "rank 0 on node1 has NVIDIA H200, rank 3 on node2 NVIDIA A100", or "" when all are of one model.
[[nodiscard]] std::string mixed_models(std::span<const RankGpu> gpus);

}  // namespace epi::dist
