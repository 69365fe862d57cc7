// What a run reads: its store, the order of training, and the list for validation.
#pragma once

#include <memory>
#include <vector>

#include "core/corpus.hpp"
#include "data/sample_source.hpp"
#include "data/store.hpp"
#include "dist/communicator.hpp"
#include "train/run_config.hpp"

namespace epi::train {

struct RunData {
  data::Store store;
  core::CorpusView corpus;                    ///< valid while `store` lives, also after a move
  std::unique_ptr<data::SampleSource> order;  ///< training windows x training cell types
  /// Validation windows x training and validation cell types; null without a validation split.
  std::unique_ptr<data::SampleSource> valid;
};

/// Every byte of the store is compared with its digests, by one rank of each node; the caller lets
/// the ranks agree on the outcome. MissingError, FormatError: the store is not there or damaged.
/// InputError: no window or cell type to train on. ConfigError: rates or lengths leave an objective
/// without a target in a window.
[[nodiscard]] RunData open_run_data(const RunConfig& config, const dist::Communicator& world);

}  // namespace epi::train
