// Digests travel, not weights: a text of 32 letters per rank.
#include "train/replicas.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/buffer.hpp"
#include "core/digest.hpp"

namespace epi::train {
namespace {

/// Bytes that are brought from a device at a time.
constexpr std::int64_t kPiece = std::int64_t{16} << 20;

core::ConstView bytes_of(const core::ConstView& view) {
  return {view.raw(), core::DType::u8, {static_cast<std::int64_t>(view.bytes())}, view.device()};
}

/// "rank 3", "ranks 1, 2 and 5".
std::string ranks_text(const std::vector<int>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    const char* const before = i == 0 ? "" : i + 1 == ranks.size() ? " and " : ", ";
    text += fmt::format("{}{}", before, ranks[i]);
  }
  return text;
}

}  // namespace

std::string digest_of_block(const core::ConstView& block, core::Stream& stream) {
  core::Digest digest;
  const core::ConstView bytes = bytes_of(block);
  if (block.device() == core::kCpu) {
    stream.synchronize();
    digest.add({bytes.raw(), bytes.bytes()});
    return digest.hex();
  }
  const core::Buffer host =
      core::Buffer::pinned(static_cast<std::size_t>(std::min<std::int64_t>(kPiece, bytes.size())));
  for (std::int64_t first = 0; first < bytes.size(); first += kPiece) {
    const std::int64_t count = std::min(kPiece, bytes.size() - first);
    const core::View piece = host.view(core::DType::u8, {count});
    core::copy(piece, bytes.slice(first, count), stream);
    stream.synchronize();
    digest.add({piece.raw(), piece.bytes()});
  }
  return digest.hex();
}

std::vector<int> odd_ones(std::span<const std::string> texts) {
  std::map<std::string, int> counts;
  for (const std::string& text : texts) ++counts[text];
  // The first of those that are most frequent: by the lowest rank.
  const auto most = std::ranges::max_element(
      texts, [&](const std::string& a, const std::string& b) { return counts[a] < counts[b]; });
  std::vector<int> odd;
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    if (texts[rank] != *most) odd.push_back(static_cast<int>(rank));
  }
  return odd;
}

std::string unlike_replicas(const core::ConstView& block, core::Stream& stream,
                            dist::Communicator& world) {
  const std::vector<std::string> digests = world.gather_text(digest_of_block(block, stream));
  const std::vector<int> odd = odd_ones(digests);
  return odd.empty() ? "" : ranks_text(odd);
}

}  // namespace epi::train
