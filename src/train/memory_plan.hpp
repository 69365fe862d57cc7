// What a run will take of a rank's memory, before its first step: tensors as training itself plans
// them, and the rest measured on a model of one layer, whose products have the same shapes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "train/training_step.hpp"

namespace epi::train {

/// Bytes of one rank, resident once the first step is done.
struct MemoryPlan {
  StepMemory tensors;
  std::size_t scratch = 0;  ///< of the back end: packed operands, workspaces, partial sums
  std::size_t store = 0;    ///< pages of the store, which the ranks of a host share
  /// Pages of the gradients of other ranks on this host: each rank sums its part of all of them
  /// where they lie, and the system counts pages for every process that has used them.
  /// With a sharded optimizer, of their parameters too.
  std::size_t peers = 0;
  /// On rank 0's host alone: the copy of parameters and moments that checkpoints are written from.
  std::size_t snapshot = 0;
  std::size_t program = 0;  ///< the program, its libraries and compiled products
  /// The corpus on a GPU. There tensors and scratch lie on the device as well, and the rest on the
  /// host.
  std::size_t corpus = 0;
  bool on_device = false;
  std::int64_t num_parameters = 0;

  /// Of the GPU; 0 on the CPU.
  [[nodiscard]] std::size_t device_total() const {
    return on_device ? tensors.total() + scratch + corpus : 0;
  }
  /// Of rank 0's host, the fullest one: what the peak resident size of the process will be.
  [[nodiscard]] std::size_t total() const {
    return (on_device ? 0 : tensors.total() + scratch) + store + peers + snapshot + program;
  }
};

/// Allocates what training allocates, and runs one forward and backward pass of one layer: about
/// 1/L of a step. `store_bytes`: of the mapped files. Throws as TrainingStep's constructor.
[[nodiscard]] MemoryPlan plan_memory(const StepSetup& setup, std::size_t store_bytes);

}  // namespace epi::train
