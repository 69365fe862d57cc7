// A folder is told by what lies in it: a run has checkpoints, a checkpoint has a model.
#include "train/training_set.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/files.hpp"
#include "data/path_status.hpp"
#include "data/shard.hpp"
#include "train/run_folder.hpp"

namespace epi::train {
namespace fs = std::filesystem;

data::Manifest training_set(const Checkpoint& checkpoint) {
  const std::string file = (checkpoint.path / kStoreFile).string();
  if (std::ranges::count(checkpoint.files, kStoreFile) == 0) {
    throw core::InputError(fmt::format(
        "{}: not there: the program that wrote this checkpoint did not keep what it was trained "
        "on; use the store itself, of digest {}",
        file, checkpoint.note.store_fingerprint));
  }
  data::Manifest manifest = data::manifest_from_json(core::read_text(file), file);
  if (manifest.digest == checkpoint.note.store_fingerprint) return manifest;
  throw core::FormatError(fmt::format("{}: digest {}, but the run was trained on {}", file,
                                      manifest.digest, checkpoint.note.store_fingerprint));
}

data::Manifest trained_on(const fs::path& path) {
  const fs::path checkpoints = RunFolder{path}.checkpoints();
  if (fs::is_directory(data::status_of(checkpoints))) {
    const FoundCheckpoint found = find_checkpoint(checkpoints);
    if (found.newest) return training_set(*found.newest);
    throw core::MissingError(checkpoints.string() + ": holds no whole checkpoint");
  }
  if (fs::exists(data::status_of(path / "model.safetensors")))
    return training_set(open_checkpoint(path));
  return data::read_manifest(path);
}

}  // namespace epi::train
