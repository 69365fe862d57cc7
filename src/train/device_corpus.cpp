// One block: the table of segments, the tables of states by cell type, then bases and states.
#include "train/device_corpus.hpp"

#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

namespace epi::train {
namespace {

using core::SegmentView;

/// Kernels read arrays in words of 16 bytes; lines of the device's cache hold 128.
constexpr std::size_t kAlignment = 128;

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

std::vector<std::int32_t> all_or(std::span<const std::int32_t> cells, std::int32_t count) {
  std::vector<std::int32_t> chosen(cells.begin(), cells.end());
  if (!chosen.empty()) return chosen;
  chosen.resize(static_cast<std::size_t>(count));
  std::iota(chosen.begin(), chosen.end(), 0);
  return chosen;
}

std::size_t bins_of(const SegmentView& segment, std::int32_t bin_bp) {
  return static_cast<std::size_t>((segment.length_bp + bin_bp - 1) / bin_bp);
}

/// The tables, with addresses of the copy.
struct Tables {
  std::vector<SegmentView> segments;
  std::vector<const std::uint8_t*> states;  ///< [segments][num_cells]; null for cells left out
};

std::size_t tables_bytes(const core::CorpusView& host) {
  const std::size_t count = host.segments.size();
  return aligned(count * sizeof(SegmentView)) +
         aligned(count * static_cast<std::size_t>(host.num_cells) * sizeof(const std::uint8_t*));
}

/// Hands out stretches of the block.
class Places {
 public:
  Places(std::byte* memory, std::size_t used) : memory_(memory), used_(used) {}
  std::byte* take(std::size_t bytes) {
    return memory_ + std::exchange(used_, used_ + aligned(bytes));
  }

 private:
  std::byte* memory_;
  std::size_t used_;
};

void send(std::byte* to, const void* from, std::size_t bytes, core::Device device,
          core::Stream& stream) {
  const auto count = static_cast<std::int64_t>(bytes);
  core::copy(core::View(to, core::DType::u8, {count}, device),
             core::ConstView(static_cast<const std::uint8_t*>(from), {count}), stream);
}

}  // namespace

std::size_t DeviceCorpus::bytes_of(const core::CorpusView& host,
                                   std::span<const std::int32_t> cells) {
  std::size_t bytes = tables_bytes(host);
  const std::size_t count = cells.empty() ? static_cast<std::size_t>(host.num_cells) : cells.size();
  for (const SegmentView& segment : host.segments) {
    bytes += aligned(static_cast<std::size_t>(segment.length_bp)) +
             count * aligned(bins_of(segment, host.bin_bp));
  }
  return bytes;
}

DeviceCorpus::DeviceCorpus(const core::CorpusView& host, core::Device device,
                           std::span<const std::int32_t> cells)
    : host_(host), view_(host) {
  if (device == core::kCpu) return;
  memory_ = core::Buffer(device, bytes_of(host, cells));
  core::Stream stream(device);
  Places places(memory_.data(), tables_bytes(host));
  const std::vector<std::int32_t> chosen = all_or(cells, host.num_cells);
  const auto num_cells = static_cast<std::size_t>(host.num_cells);
  const std::size_t segment_bytes = host.segments.size() * sizeof(SegmentView);
  auto* const states_table =
      reinterpret_cast<const std::uint8_t**>(memory_.data() + aligned(segment_bytes));
  Tables tables{{host.segments.begin(), host.segments.end()},
                std::vector<const std::uint8_t*>(host.segments.size() * num_cells)};
  for (std::size_t i = 0; i < tables.segments.size(); ++i) {
    SegmentView& segment = tables.segments[i];
    const auto length = static_cast<std::size_t>(segment.length_bp);
    std::byte* const bases = places.take(length);
    send(bases, segment.bases, length, device, stream);
    for (const std::int32_t cell : chosen) {
      const std::size_t bins = bins_of(segment, host.bin_bp);
      std::byte* const states = places.take(bins);
      send(states, segment.states[cell], bins, device, stream);
      tables.states[i * num_cells + static_cast<std::size_t>(cell)] =
          reinterpret_cast<const std::uint8_t*>(states);
    }
    segment.bases = reinterpret_cast<const std::uint8_t*>(bases);
    segment.states = states_table + i * num_cells;
  }
  send(memory_.data(), tables.segments.data(), segment_bytes, device, stream);
  send(memory_.data() + aligned(segment_bytes), tables.states.data(),
       tables.states.size() * sizeof(const std::uint8_t*), device, stream);
  stream.synchronize();
  view_.segments = {reinterpret_cast<const SegmentView*>(memory_.data()), host.segments.size()};
}

}  // namespace epi::train
