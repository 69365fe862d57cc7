// A model knows its states by code only; what they are called, the manifest in the checkpoint
// tells.
#include "train/evaluation_store.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "data/formats/state_names.hpp"
#include "train/training_set.hpp"

namespace epi::train {
namespace {

/// "1_TssA 2_TssFlnk 3".
std::string list_of(const std::vector<data::State>& states) {
  std::string text;
  for (const data::State& state : states) {
    text += fmt::format("{}{}{}{}", text.empty() ? "" : " ", state.number,
                        state.label.empty() ? "" : "_", state.label);
  }
  return text;
}

/// Equal numbers, and no label that contradicts the other one.
bool same_vocabulary(const std::vector<data::State>& a, const std::vector<data::State>& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [](const data::State& one, const data::State& other) {
        const bool unnamed = one.label.empty() || other.label.empty();
        return one.number == other.number &&
               (unnamed || data::plain_label(one.label) == data::plain_label(other.label));
      });
}

void check_meant(const Checkpoint& checkpoint, const StoreChoice& choice,
                 const data::Manifest& manifest) {
  if (choice.other_store || choice.state_map) return;
  throw core::ConfigError(fmt::format(
      "{}: this is not the store that the run was trained on (fingerprint {}, expected {}): its "
      "splits could differ; name the right one with --store, or say with --other-store or "
      "--state-map that another one is meant",
      choice.folder.string(), manifest.digest, checkpoint.note.store_fingerprint));
}

void check_bins(const StoreChoice& choice, const data::Manifest& manifest,
                const data::Manifest& trained) {
  if (manifest.bin_bp == trained.bin_bp) return;
  throw core::ConfigError(
      fmt::format("{}: bins of {} bp, but the run was trained on bins of {} bp; states of other "
                  "bins are another task",
                  choice.folder.string(), manifest.bin_bp, trained.bin_bp));
}

void check_vocabulary(const StoreChoice& choice, const data::Manifest& manifest,
                      const data::Manifest& trained) {
  if (same_vocabulary(manifest.states, trained.states)) return;
  throw core::ConfigError(
      fmt::format("{}: its {} states are not the {} that the run was trained on: {}; expected {}; "
                  "give a table of which is which with --state-map",
                  choice.folder.string(), manifest.states.size(), trained.states.size(),
                  list_of(manifest.states), list_of(trained.states)));
}

}  // namespace

EvaluationStore open_evaluation_store(const Checkpoint& checkpoint, const StoreChoice& choice) {
  data::Store store = data::Store::open(choice.folder, choice.depth == StoreDepth::every_byte);
  const data::Manifest& manifest = store.manifest();
  const bool same = manifest.digest == checkpoint.note.store_fingerprint;
  if (same && !choice.state_map) return {std::move(store), {}};
  if (!same) check_meant(checkpoint, choice, manifest);
  const data::Manifest trained = training_set(checkpoint);
  check_bins(choice, manifest, trained);
  const std::string other =
      same ? "" : fmt::format("{} (fingerprint {})", choice.folder.string(), manifest.digest);
  if (!choice.state_map) {
    check_vocabulary(choice, manifest, trained);
    return {std::move(store), other};
  }
  const data::StateMap map = data::read_state_map(*choice.state_map);
  const auto codes = data::mapped_codes(map, manifest.states, trained.states);
  return {std::move(store).with_states(codes, trained.states), other};
}

}  // namespace epi::train
