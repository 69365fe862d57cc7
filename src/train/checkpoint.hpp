// Checkpoints: a folder per step that appears whole or not at all, and is believed only when every
// digest matches. The grammar is in CHECKPOINT_FORMAT.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/buffer.hpp"
#include "core/view.hpp"
#include "model/parameters.hpp"
#include "train/reproducibility.hpp"
#include "train/run_config.hpp"

namespace epi::train {

/// Where a run stands. Data order, masks and dropout follow from the step alone.
struct RunProgress {
  std::int64_t step = 0;     ///< finished optimizer steps, skipped ones included
  std::int64_t updates = 0;  ///< steps that were applied: the clock of Adam's bias corrections
  std::int64_t skipped = 0;  ///< steps that were not, because their gradient was not finite
  /// Of all samples of finished steps: see sample_fingerprint.hpp. The same on any number of ranks.
  std::uint64_t fingerprint = 0;
  friend bool operator==(const RunProgress&, const RunProgress&) = default;
};

/// What a manifest says about its run.
struct CheckpointNote {
  RunProgress progress;
  std::int64_t samples = 0;  ///< windows consumed
  std::uint64_t seed = 0;
  int world_size = 1;
  std::int64_t bucket_bytes = 0;  ///< of sums over ranks; 0: one rank, or an early checkpoint
  std::string precision;          ///< "fp32" or "bf16"; early checkpoints lack it: they are fp32
  std::string instruction_set;    ///< see PrecisionChoice; empty in early ones: unknown
  BitsSoFar bits = BitsSoFar::unknown;  ///< whether they are those of any number of ranks
  std::string choices;                  ///< Ops::choices of the run; "" where nothing was timed
  std::string store_fingerprint;        ///< digest of the store's manifest
  std::string store_manifest;  ///< its text, for the checkpoint's store.json; read by training_set
  std::string config;          ///< resolved configuration, TOML
  Identity identity;           ///< see identity_of
};

/// The file of a checkpoint that holds CheckpointNote::store_manifest; early ones lack it.
inline constexpr const char* kStoreFile = "store.json";

/// The flat blocks of a run as checkpoints hold them: f32, laid out by `table`, in host memory.
struct TrainingBlocks {
  core::View parameters, moment1, moment2;
};

/// Owner of such blocks: what a checkpoint is written from while training goes on, and read into.
class HostBlocks {
 public:
  /// Three blocks of so many elements. DeviceError without memory.
  explicit HostBlocks(std::int64_t elements);
  [[nodiscard]] TrainingBlocks views() const { return {parameters_, moment1_, moment2_}; }
  /// Bytes that blocks of so many elements take once they are written to.
  [[nodiscard]] static std::size_t footprint(std::int64_t elements);

 private:
  core::Tensor parameters_, moment1_, moment2_;
};

/// A checkpoint whose files all have the digests that its manifest says.
struct Checkpoint {
  std::filesystem::path path;
  CheckpointNote note;
  std::vector<std::string> files;  ///< that the manifest lists
};

/// A folder that looks like a checkpoint but is not one, and why.
struct DamagedCheckpoint {
  std::filesystem::path path;
  std::string reason;
};

struct FoundCheckpoint {
  std::optional<Checkpoint> newest;        ///< newest valid one
  std::vector<DamagedCheckpoint> damaged;  ///< newer ones that were passed over
};

/// Writes RUN/checkpoints/step-NNNNNNNNN (aside, fsync, rename, fsync), replacing a folder of that
/// name, and returns its path. Throws IoError; earlier checkpoints are then untouched.
std::filesystem::path write_checkpoint(const std::filesystem::path& checkpoints,
                                       const CheckpointNote& note,
                                       const model::ParameterTable& table,
                                       const TrainingBlocks& blocks);

/// Reads a manifest and checks every file that it lists. FormatError or MissingError name the file.
[[nodiscard]] Checkpoint open_checkpoint(const std::filesystem::path& folder);

/// The newest valid checkpoint of RUN/checkpoints; nothing when the folder does not exist.
[[nodiscard]] FoundCheckpoint find_checkpoint(const std::filesystem::path& checkpoints);

/// Fills the parameter block; FormatError when the tensors are not those of `table`.
void read_parameters(const Checkpoint& checkpoint, const model::ParameterTable& table,
                     const core::View& parameters);
/// Fills parameters and moments.
void read_blocks(const Checkpoint& checkpoint, const model::ParameterTable& table,
                 const TrainingBlocks& blocks);

/// Removes all but the newest `keep` checkpoints up to step `newest`.
void prune_checkpoints(const std::filesystem::path& checkpoints, std::int64_t newest,
                       std::int64_t keep);

/// Removes folders that a killed writer left, and renames damaged checkpoints to NAME.damaged so
/// that nobody takes them for good ones.
void clean_checkpoints(const std::filesystem::path& checkpoints,
                       const std::vector<DamagedCheckpoint>& damaged);

}  // namespace epi::train
