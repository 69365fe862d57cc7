// Failing together: a rank that failed alone would leave the others waiting in their next
// collective.
#include <fmt/format.h>

#include "core/failure.hpp"
#include "dist/communicator.hpp"

namespace epi::dist {
namespace {

using core::ErrorKind;

core::Failure outcome_of(const std::function<void()>& local) {
  try {
    local();
    return {};
  } catch (const Agreed&) {
    throw;  // known to all ranks already, from an agreement inside of this one
  } catch (...) {
    // Not only ours (out of memory, a library): no reason to leave the others waiting.
    return core::describe(std::current_exception());
  }
}

/// The error as its own type, marked as known to all ranks.
template <ErrorKind K>
struct AgreedError : core::ErrorOf<K>, Agreed {
  using core::ErrorOf<K>::ErrorOf;
};

[[noreturn]] void throw_agreed(ErrorKind kind, const std::string& message) {
  switch (kind) {
    case ErrorKind::peer:
      throw AgreedError<ErrorKind::peer>(message);
    case ErrorKind::usage:
      throw AgreedError<ErrorKind::usage>(message);
    case ErrorKind::config:
      throw AgreedError<ErrorKind::config>(message);
    case ErrorKind::missing:
      throw AgreedError<ErrorKind::missing>(message);
    case ErrorKind::input:
      throw AgreedError<ErrorKind::input>(message);
    case ErrorKind::format:
      throw AgreedError<ErrorKind::format>(message);
    case ErrorKind::io:
      throw AgreedError<ErrorKind::io>(message);
    case ErrorKind::device:
      throw AgreedError<ErrorKind::device>(message);
    case ErrorKind::comm:
      throw AgreedError<ErrorKind::comm>(message);
    case ErrorKind::numeric:
      throw AgreedError<ErrorKind::numeric>(message);
    case ErrorKind::none:
    case ErrorKind::logic:
      break;
  }
  throw AgreedError<ErrorKind::logic>(message);
}

// Worst kind first, then lowest rank, as one number for a max-reduction.
constexpr std::int64_t kRanksEnd = std::int64_t{1} << 32;

std::int64_t worst_over(Communicator& world, ErrorKind mine) {
  std::int64_t key = static_cast<std::int64_t>(mine) * kRanksEnd + (kRanksEnd - 1 - world.rank());
  Stream stream(core::kCpu);
  world.start(Reduce::max, View(&key, {1}), Event()).wait(stream);
  return key;
}

}  // namespace

void agree(Communicator& world, const std::function<void()>& local) {
  if (world.size() == 1) return local();
  const core::Failure mine = outcome_of(local);
  const std::int64_t worst = worst_over(world, mine.kind);
  const auto kind = static_cast<ErrorKind>(worst / kRanksEnd);
  if (kind == ErrorKind::none) return;
  const auto rank = static_cast<std::size_t>(kRanksEnd - 1 - worst % kRanksEnd);
  const std::vector<std::string> messages = world.gather_text(mine.message);
  throw_agreed(kind, fmt::format("rank {}: {}", rank, messages.at(rank)));
}

}  // namespace epi::dist
