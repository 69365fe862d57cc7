// The parts of a note are read one by one: in the moment between two calls it may mix them, and
// who asks is about to end a run in which there are no such moments any more.
#include "dist/call_note.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace epi::dist {
namespace {

/// More ranks than these are counted, not named.
constexpr std::size_t kNamed = 8;

const char* name_of(Call call) {
  switch (call) {
    case Call::none:
      return "";
    case Call::sum:
      return "a sum";
    case Call::maximum:
      return "a maximum";
    case Call::scattered_sum:
      return "a scattered sum";
    case Call::gathering:
      return "a gathering of parts";
    case Call::broadcast:
      return "a broadcast";
    case Call::exchange:
      return "an exchange";
    case Call::gathering_of_texts:
      return "a gathering of texts";
    case Call::barrier:
      return "a barrier";
  }
  return "";
}

std::string size_text(std::size_t bytes) {
  if (bytes == 0) return "";
  if (bytes < 1000) return fmt::format(" of {} bytes", bytes);
  if (bytes < 1000000) return fmt::format(" of {:.1f} KB", 1e-3 * static_cast<double>(bytes));
  return fmt::format(" of {:.1f} MB", 1e-6 * static_cast<double>(bytes));
}

/// "rank 1", "ranks 1 and 2", "ranks 1, 2 and 3", "ranks 0, ..., 7 and 24 more".
std::string names_of(std::span<const int> ranks) {
  if (ranks.size() == 1) return fmt::format("rank {}", ranks[0]);
  const std::size_t named = std::min(ranks.size(), kNamed + 1) - 1;
  std::string text = fmt::format("ranks {}", fmt::join(ranks.first(named), ", "));
  const std::size_t left = ranks.size() - named;
  return text +
         (left == 1 ? fmt::format(" and {}", ranks.back()) : fmt::format(" and {} more", left));
}

}  // namespace

CallNote::Scope::Scope(CallNote& note, Call call, std::size_t bytes, int partner) : note_(note) {
  note_.bytes_.store(bytes, std::memory_order_relaxed);
  note_.talks_to(partner);
  note_.call_.store(call, std::memory_order_release);
}

CallNote::Scope::~Scope() {
  note_.call_.store(Call::none, std::memory_order_release);
}

std::string CallNote::text(std::span<const int> missing) const {
  const Call call = call_.load(std::memory_order_acquire);
  if (call == Call::none) return "";
  std::string text = name_of(call) + size_text(bytes_.load(std::memory_order_relaxed));
  const int partner = partner_.load(std::memory_order_relaxed);
  if (!missing.empty()) {
    return text +
           fmt::format("; {} {} not come", names_of(missing), missing.size() == 1 ? "has" : "have");
  }
  if (partner != kNobody) text += fmt::format("; rank {} has not answered", partner);
  return text;
}

}  // namespace epi::dist
