#include "data/store.hpp"

#include <utility>

#include "data/mapped_shard.hpp"

namespace epi::data {

/// Segments point into `states`, and those into the mapped shards; none of them moves afterwards.
struct Store::State {
  Manifest manifest;
  std::vector<MappedShard> shards;
  std::vector<std::vector<const std::uint8_t*>> states;  // [shard][cell]
  std::vector<core::SegmentView> segments;
};

namespace {

core::SegmentView segment_of(const Shard& shard, const MappedShard& mapped,
                             const std::vector<const std::uint8_t*>& states) {
  return {shard.contig, shard.start_bp, shard.length_bp, mapped.bases().data(), states.data()};
}

std::vector<const std::uint8_t*> state_pointers(const MappedShard& shard) {
  std::vector<const std::uint8_t*> pointers;
  for (std::int32_t cell = 0; cell < shard.layout().num_cells; ++cell) {
    pointers.push_back(shard.states(cell).data());
  }
  return pointers;
}

}  // namespace

std::vector<std::int32_t> cells_of(const Manifest& manifest, Split split) {
  std::vector<std::int32_t> cells;
  for (std::size_t i = 0; i < manifest.cells.size(); ++i) {
    if (manifest.cells[i].split == split) cells.push_back(static_cast<std::int32_t>(i));
  }
  return cells;
}

const char* name_of(Split split) {
  switch (split) {
    case Split::train:
      return "train";
    case Split::valid:
      return "valid";
    case Split::test:
      return "test";
  }
  return "?";
}

Store Store::open(const std::filesystem::path& folder, bool deep) {
  const Depth depth = deep ? Depth::every_byte : Depth::header;
  auto state = std::make_unique<State>();
  state->manifest = read_manifest(folder);
  const std::size_t count = state->manifest.shards.size();
  state->shards.reserve(count);
  for (const Shard& shard : state->manifest.shards) {
    const auto& mapped = state->shards.emplace_back(folder, state->manifest, shard, depth);
    state->states.push_back(state_pointers(mapped));
  }
  for (std::size_t i = 0; i < count; ++i) {
    state->segments.push_back(
        segment_of(state->manifest.shards[i], state->shards[i], state->states[i]));
  }
  return Store(std::move(state));
}

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

const Manifest& Store::manifest() const {
  return state_->manifest;
}

core::CorpusView Store::corpus() const {
  return {state_->segments, static_cast<std::int32_t>(state_->manifest.cells.size()),
          static_cast<std::int32_t>(state_->manifest.states.size()), state_->manifest.bin_bp};
}

}  // namespace epi::data
