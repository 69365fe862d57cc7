#include "data/store.hpp"

#include <fmt/format.h>

#include <utility>

#include "core/error.hpp"
#include "data/mapped_shard.hpp"

namespace epi::data {

/// Segments point into `states`, and those into the mapped shards; none of them moves afterwards.
struct Store::State {
  Manifest manifest;
  std::vector<MappedShard> shards;
  std::vector<std::vector<const std::uint8_t*>> states;  // [shard][cell]
  std::vector<std::vector<std::uint8_t>> own_states;     // rows that with_states made
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

std::vector<std::uint8_t> recoded(std::span<const std::uint8_t> row,
                                  std::span<const std::uint8_t> codes, const std::string& file) {
  std::vector<std::uint8_t> copy;
  copy.reserve(row.size());
  for (const std::uint8_t code : row) {
    if (code >= codes.size()) {
      throw core::FormatError(fmt::format("{}: state code {} where the manifest has {} states",
                                          file, code, codes.size() - 1));
    }
    copy.push_back(codes[code]);
  }
  return copy;
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

Store Store::with_states(std::span<const std::uint8_t> codes, std::vector<data::State> states) && {
  Manifest& manifest = state_->manifest;
  core::require(codes.size() == manifest.states.size() + 1, "every old code has a new one");
  for (const std::uint8_t code : codes) {
    core::require(code <= states.size(), "new codes are those of the new states");
  }
  std::vector<std::vector<std::uint8_t>> rows;
  for (std::size_t i = 0; i < state_->shards.size(); ++i) {
    for (const std::uint8_t*& row : state_->states[i]) {
      const auto cell = static_cast<std::int32_t>(&row - state_->states[i].data());
      const std::size_t bins = state_->shards[i].states(cell).size();
      rows.push_back(recoded({row, bins}, codes, manifest.shards[i].file));
      row = rows.back().data();  // the elements of a vector stay where they are when it is moved
    }
  }
  manifest.states = std::move(states);
  state_->own_states = std::move(rows);
  return std::move(*this);
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
