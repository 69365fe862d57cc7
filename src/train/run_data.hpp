// What a run reads: its store, the order of training, and the list for validation.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/corpus.hpp"
#include "data/sample_source.hpp"
#include "data/store.hpp"
#include "data/windows.hpp"
#include "dist/communicator.hpp"
#include "train/run_config.hpp"

namespace epi::train {

struct RunData {
  data::Store store;
  core::CorpusView corpus;                    ///< valid while `store` lives, also after a move
  std::unique_ptr<data::SampleSource> order;  ///< training windows x training cell types
  /// Validation windows x training and validation cell types; null without a validation split.
  std::unique_ptr<data::SampleSource> valid;
  std::int64_t train_windows = 0;  ///< of the training split
  std::int64_t valid_windows = 0;  ///< of the validation split
  /// RunConfig::min_acgt; 0 where no training window has too few A C G T, wherever it is moved, so
  /// that the order is as without it.
  double min_acgt = 0.0;
};

/// The windows of a split as a run is configured. ConfigError naming the setting at fault when a
/// held-out split has regions but not one window: what is to be judged by must not vanish unseen.
[[nodiscard]] data::WindowTable windows_of(const data::Manifest& manifest,
                                           const core::CorpusView& corpus, data::Split split,
                                           const RunConfig& config);

/// Cell types that training or validation read: what a GPU gets of a corpus.
[[nodiscard]] std::vector<std::int32_t> cells_read(const data::Manifest& manifest);

/// Every byte of the store is compared with its digests, by one rank of each node; the caller lets
/// the ranks agree on the outcome. MissingError, FormatError: the store is not there or damaged.
/// InputError: no window or cell type to train on. ConfigError: rates or lengths leave an objective
/// without a target in a window, or there are fewer cell types than data.cells_per_window.
[[nodiscard]] RunData open_run_data(const RunConfig& config, const dist::Communicator& world);

}  // namespace epi::train
