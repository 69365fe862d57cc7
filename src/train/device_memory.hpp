// What a run takes of a GPU's memory, known before any of it is taken; and what to say when it does
// not fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "kernels/ops.hpp"
#include "model/model_config.hpp"
#include "train/run_config.hpp"
#include "train/training_step.hpp"

namespace epi::train {

/// What a plan depends on. All must outlive the call.
struct DeviceLoad {
  const RunConfig& config;
  const model::ModelConfig& model;
  std::int32_t bin_bp = 0;
  std::size_t corpus_bytes = 0;  ///< DeviceCorpus::bytes_of
  const kernels::Ops& ops;       ///< of the device
  int ranks = 1;
  core::DType activations = core::DType::f32;
};

/// Bytes on the device.
struct DeviceMemory {
  StepMemory tensors;
  std::size_t corpus = 0;
  std::size_t scratch = 0;  ///< of ops: what they have taken, or an allowance for it
  [[nodiscard]] std::size_t total() const { return tensors.total() + corpus + scratch; }
};

/// The run as configured. Takes host memory, hardly any of it touched.
[[nodiscard]] DeviceMemory plan_device(const DeviceLoad& load);

/// "parameters 0.3, weights 0.2, ...", in GiB.
[[nodiscard]] std::string describe_parts(const DeviceMemory& memory);

/// For the user: what failed, what the run needs by part, what is free, and which settings would
/// fit.
[[nodiscard]] std::string describe_shortage(const std::string& failure, const DeviceLoad& load,
                                            std::size_t free_bytes);

/// Does the work. Where it meets a GPU without memory left, `give_up` gives back what was taken so
/// far and says what the load was; then DeviceError with describe_shortage.
void explain_shortage(core::Device device, const std::function<void()>& work,
                      const std::function<DeviceLoad()>& give_up);

}  // namespace epi::train
