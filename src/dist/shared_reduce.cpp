// Slots and posts come in two sets that are used in turns. Whoever writes a set again has met
// everybody since, in the use of the other set, and they had then left the earlier use: no meeting
// is needed to protect a slot from its next use.
#include "dist/shared_reduce.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <utility>

#include "core/error.hpp"
#include "dist/ordered_reduce.hpp"

namespace epi::dist {
namespace {

// Of one rank and set. Stays in the second-level cache between the rank that writes it and the one
// that sums it.
constexpr std::size_t kSlotBytes = std::size_t{1} << 18U;
// Up to here all ranks sum everything: cheaper than a second meeting.
constexpr std::size_t kSmallBytes = std::size_t{1} << 13U;
// Shares of the sum begin at cache lines, so that no two ranks write to one.
constexpr std::uint64_t kLine = 64;

void copy_bytes(std::byte* to, const std::byte* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

}  // namespace

struct alignas(kLine) SharedReduce::Control {
  Meeting::State meeting;                ///< of rank 0's control only
  std::atomic<std::uint64_t> calls = 0;  ///< of this rank
  alignas(kLine) Post posts[2];
  alignas(kLine) std::byte slots[2][kSlotBytes];
};

std::size_t SharedReduce::control_bytes() {
  return sizeof(Control);
}

SharedReduce::SharedReduce(SharedParts control, int rank, std::function<void()> idle,
                           BetweenHosts between)
    : control_(std::move(control)),
      rank_(rank),
      meeting_(of(0).meeting, static_cast<int>(control_.size()), std::move(idle)),
      between_(std::move(between)),
      inputs_(control_.size()),
      outputs_(control_.size()) {
  // Each rank begins the life of its own; the slots keep what they hold.
  (void)::new (static_cast<void*>(&of(rank_))) Control;
}

SharedReduce::Control& SharedReduce::of(int rank) const {
  return *reinterpret_cast<Control*>(control_[static_cast<std::size_t>(rank)]);
}

std::byte* SharedReduce::slot(int rank) const {
  return &of(rank).slots[set_][0];
}

SharedReduce::Post& SharedReduce::post(int rank) const {
  return of(rank).posts[set_];
}

std::uint64_t SharedReduce::lend(SharedParts parts, std::size_t bytes) {
  loans_[++last_loan_] = {std::move(parts), bytes};
  return last_loan_;
}

SharedReduce::Post SharedReduce::post_of(Reduce op, const ConstView& view) const {
  Post post = {0, 0, view.size(), view.dtype(), op};
  // Compared as numbers: pointers into unlike objects have no order.
  const auto first = reinterpret_cast<std::uintptr_t>(view.raw());
  for (const auto& [name, loan] : loans_) {
    const auto begin =
        reinterpret_cast<std::uintptr_t>(loan.parts[static_cast<std::size_t>(rank_)]);
    const bool inside = first >= begin && first + view.bytes() <= begin + loan.bytes;
    if (!inside || (first - begin) % core::size_of(view.dtype()) != 0) continue;
    post.loan = name;
    post.begin = first - begin;
  }
  return post;
}

bool SharedReduce::same_posts() const {
  const Post& first = post(0);
  for (int rank = 1; rank < ranks(); ++rank) {
    const Post& other = post(rank);
    if (other.count != first.count || other.type != first.type || other.op != first.op)
      return false;
  }
  return true;
}

bool SharedReduce::in_place() const {
  const Post& first = post(0);
  bool same = first.loan != 0;
  for (int rank = 1; rank < ranks(); ++rank) {
    same = same && post(rank).loan == first.loan && post(rank).begin == first.begin;
  }
  return same;
}

/// Hosts agree by the largest of what each says: a place that is not the same, or a size of which
/// they have several.
bool SharedReduce::meet_with(const Post& mine) {
  post(rank_) = mine;
  meet();
  bool same = same_posts();
  bool apart = !in_place();
  if (between_.hosts > 1) {
    // Shares begin at cache lines, so the place decides where they are cut.
    const auto begin = static_cast<std::int64_t>(mine.begin);
    std::int64_t facts[] = {apart ? 1 : 0, same ? 0 : 1, mine.count, -mine.count, begin, -begin};
    between_.reduce(Reduce::max, View(facts, {6}));
    apart = facts[0] != 0 || facts[4] != -facts[5];
    same = facts[1] == 0 && facts[2] == -facts[3];
  }
  core::require(same, "all ranks bring the same type, size and operation to a collective");
  return !apart;
}

void SharedReduce::reduce(Reduce op, const View& view) {
  turn();
  if (view.bytes() <= kSmallBytes) return reduce_small(op, view);
  if (meet_with(post_of(op, view))) return reduce_in_place(op, view);
  const auto step = static_cast<std::int64_t>(kSlotBytes / core::size_of(view.dtype()));
  for (std::int64_t first = 0; first < view.size(); first += step) {
    reduce_piece(op, view.slice(first, std::min(step, view.size() - first)));
  }
}

/// Hosts don't agree on the size of a small one: that would take as long as the sum.
void SharedReduce::reduce_small(Reduce op, const View& view) {
  copy_bytes(slot(rank_), view.raw(), view.bytes());
  post(rank_) = post_of(op, view);
  meet();
  core::require(same_posts(), "all ranks bring the same type, size and operation to a collective");
  combine_slots(op, 0, view);
  if (between_.hosts > 1) between_.reduce(op, view);
}

std::byte* SharedReduce::lent(int rank) const {
  const Post& mine = post(rank_);
  return loans_.at(mine.loan).parts[static_cast<std::size_t>(rank)] + mine.begin;
}

void SharedReduce::reduce_in_place(Reduce op, const View& view) {
  const std::uint64_t begin = post(rank_).begin;
  const std::uint64_t end = begin + view.bytes();
  const std::uint64_t first_line = begin / kLine;
  const auto lines = static_cast<std::int64_t>((end + kLine - 1) / kLine - first_line);
  const auto cut = [&](int part) {
    const auto line = first_line + static_cast<std::uint64_t>(part_begin(lines, part, ranks()));
    return std::clamp(line * kLine, begin, end) - begin;
  };
  reduce_share(op, cut(rank_), cut(rank_ + 1) - cut(rank_));
  meet();
}

void SharedReduce::reduce_share(Reduce op, std::size_t from, std::size_t bytes) {
  const core::DType type = post(rank_).type;
  const auto count = static_cast<std::int64_t>(bytes / core::size_of(type));
  for (int rank = 0; rank < ranks(); ++rank) {
    outputs_[static_cast<std::size_t>(rank)] = lent(rank) + from;
  }
  if (between_.hosts == 1) return reduce_everywhere(op, type, outputs_, count);
  std::byte* const mine = lent(rank_) + from;
  std::copy(outputs_.begin(), outputs_.end(), inputs_.begin());
  reduce_in_tree(op, type, inputs_, mine, count);
  between_.reduce(op, View(mine, type, {count}, core::kCpu));
  for (std::byte* const other : outputs_) {
    if (other != mine) copy_bytes(other, mine, bytes);
  }
}

/// Every rank puts its piece into its slot, sums its share of all slots into the first slot, and
/// takes the sums from there.
void SharedReduce::reduce_piece(Reduce op, const View& piece) {
  turn();
  copy_bytes(slot(rank_), piece.raw(), piece.bytes());
  meet();
  const std::int64_t first = part_begin(piece.size(), rank_, ranks());
  const std::int64_t end = part_begin(piece.size(), rank_ + 1, ranks());
  const std::size_t offset = static_cast<std::size_t>(first) * core::size_of(piece.dtype());
  const View share(slot(0) + offset, piece.dtype(), {end - first}, core::kCpu);
  combine_slots(op, offset, share);
  if (between_.hosts > 1) between_.reduce(op, share);
  meet();
  copy_bytes(piece.raw(), slot(0), piece.bytes());
}

void SharedReduce::reduce_scatter(const ConstView& whole, const View& part) {
  turn();
  const bool here = meet_with(post_of(Reduce::sum, whole));
  const bool alone = between_.hosts == 1;
  const std::size_t bytes = part.bytes() * static_cast<std::size_t>(between_.hosts);
  if (!alone && sums_.size() < bytes) sums_.resize(bytes);
  const View sums =
      alone ? part.slice(0, part.size())
            : View(sums_.data(), part.dtype(), {part.size() * between_.hosts}, core::kCpu);
  if (here)
    sum_parts_in_place(sums, part.size());
  else
    sum_parts_in_slots(whole, sums, part.size());
  if (!alone) between_.reduce_scatter(sums, part);
}

/// A part is read by one rank only, so it may become that rank's sum at once.
void SharedReduce::sum_parts_in_place(const View& sums, std::int64_t part) {
  const std::size_t bytes = static_cast<std::size_t>(part) * core::size_of(sums.dtype());
  for (int host = 0; host < between_.hosts; ++host) {
    for (int rank = 0; rank < ranks(); ++rank) {
      inputs_[static_cast<std::size_t>(rank)] =
          lent(rank) + bytes * static_cast<std::size_t>(part_on(host));
    }
    reduce_in_tree(Reduce::sum, sums.dtype(), inputs_, sums.slice(part * host, part).raw(), part);
  }
  meet();  // everybody has read what others may now change
}

void SharedReduce::sum_parts_in_slots(const ConstView& whole, const View& sums, std::int64_t part) {
  const std::int64_t parts = std::int64_t{between_.hosts} * ranks();
  const auto room = static_cast<std::int64_t>(kSlotBytes / core::size_of(sums.dtype()));
  const std::int64_t step = std::max<std::int64_t>(1, room / parts);
  for (std::int64_t first = 0; first < part; first += step) {
    const std::int64_t count = std::min(step, part - first);
    const std::size_t bytes = static_cast<std::size_t>(count) * core::size_of(sums.dtype());
    turn();
    for (std::int64_t to = 0; to < parts; ++to) {
      copy_bytes(slot(rank_) + bytes * static_cast<std::size_t>(to),
                 whole.slice(part * to + first, count).raw(), bytes);
    }
    meet();
    for (int host = 0; host < between_.hosts; ++host) {
      combine_slots(Reduce::sum, bytes * static_cast<std::size_t>(part_on(host)),
                    sums.slice(part * host + first, count));
    }
  }
}

bool SharedReduce::all_gather(const ConstView& part, const View& whole) {
  turn();
  // Nobody is still at work on the memory that is written below once all have come.
  if (!meet_with(post_of(Reduce::sum, whole))) return false;
  const std::size_t bytes = part.bytes();
  const auto place = [&](int rank, int host) {
    return lent(rank) + bytes * static_cast<std::size_t>(part_on(host));
  };
  if (between_.hosts > 1) between_.all_gather(part, whole);
  const std::byte* const mine = between_.hosts > 1 ? nullptr : part.raw();
  for (int rank = 0; rank < ranks(); ++rank) {
    for (int host = 0; host < between_.hosts; ++host) {
      const std::byte* const from = mine != nullptr ? mine : place(rank_, host);
      if (place(rank, host) != from) copy_bytes(place(rank, host), from, bytes);
    }
  }
  meet();
  return true;
}

void SharedReduce::count_call() {
  of(rank_).calls.fetch_add(1, std::memory_order_relaxed);
}

std::vector<int> SharedReduce::missing() const {
  const std::uint64_t mine = of(rank_).calls.load(std::memory_order_relaxed);
  std::vector<int> ranks_behind;
  for (int rank = 0; rank < ranks(); ++rank) {
    if (of(rank).calls.load(std::memory_order_relaxed) < mine) ranks_behind.push_back(rank);
  }
  return ranks_behind;
}

void SharedReduce::combine_slots(Reduce op, std::size_t offset, const View& to) {
  for (int rank = 0; rank < ranks(); ++rank) {
    inputs_[static_cast<std::size_t>(rank)] = slot(rank) + offset;
  }
  reduce_in_tree(op, to.dtype(), inputs_, to.raw(), to.size());
}

}  // namespace epi::dist
