// What a training step works on, as trainer, dry run and step know it.
#pragma once

#include <cstdint>

#include "data/sample_source.hpp"
#include "dist/communicator.hpp"
#include "kernels/ops.hpp"
#include "model/masked_model.hpp"
#include "train/device_corpus.hpp"
#include "train/run_config.hpp"

namespace epi::train {

/// All must outlive the step.
struct StepSetup {
  const RunConfig& config;
  const model::ModelConfig& model;  ///< config.model with the store's number of states
  const DeviceCorpus& corpus;
  const data::SampleSource& samples;  ///< slot = sample number of the run
  kernels::Ops& ops;
  dist::Communicator& world;
  core::Stream& stream;
  model::Execution execution{};  ///< activations must be of a type that `ops` takes
};

/// Micro-batch shape that a configuration and a bin size give.
[[nodiscard]] model::BatchShape batch_shape(const RunConfig& config, std::int32_t bin_bp);

}  // namespace epi::train
