// The store that a checkpoint is evaluated on: that of its training, or another one whose states
// are said to mean the same or mapped to those of the training. Nothing of this is guessed: two
// models' states with equal numbers would score without an error, and mean nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "data/store.hpp"
#include "train/checkpoint.hpp"

namespace epi::train {

enum class StoreDepth : std::uint8_t { headers, every_byte };

struct StoreChoice {
  std::filesystem::path folder;
  bool other_store = false;                        ///< it is meant to be another one
  std::optional<std::filesystem::path> state_map;  ///< likewise; see data/formats/state_names.hpp
  StoreDepth depth = StoreDepth::headers;          ///< how closely it is checked, see Store::open
};

struct EvaluationStore {
  data::Store store;        ///< its vocabulary is that of the training
  std::string other_store;  ///< path and fingerprint, when it is not the store of the training
};

/// Errors of Store::open and read_state_map. ConfigError when the store is not that of the training
/// and neither `other_store` nor `state_map` says that this is meant, when bins have another size,
/// or when, without a map, the vocabularies differ (both are shown). InputError when the map does
/// not lead from the one vocabulary to the other, or when the checkpoint does not hold what it was
/// trained on.
[[nodiscard]] EvaluationStore open_evaluation_store(const Checkpoint& checkpoint,
                                                    const StoreChoice& choice);

}  // namespace epi::train
