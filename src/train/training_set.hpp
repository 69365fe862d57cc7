// What a model was trained on, as its checkpoint remembers it: the store may be gone by then, or be
// another one under the same name.
#pragma once

#include <filesystem>

#include "data/store.hpp"
#include "train/checkpoint.hpp"

namespace epi::train {

/// The manifest of the store that the run was trained on. InputError for a checkpoint of an early
/// version, which does not hold it; FormatError when it is damaged or another store's.
[[nodiscard]] data::Manifest training_set(const Checkpoint& checkpoint);

/// The same of a run's newest whole checkpoint, of a checkpoint or of a store, whichever folder
/// `path` is. Errors as above; MissingError when it is none of them.
[[nodiscard]] data::Manifest trained_on(const std::filesystem::path& path);

}  // namespace epi::train
