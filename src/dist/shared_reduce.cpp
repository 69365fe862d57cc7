// Slots and posts come in two sets that are used in turns. Whoever writes a set again has met
// everybody since, in the use of the other set, and they had then left the earlier use: no meeting
// is needed to protect a slot from its next use.
#include "dist/shared_reduce.hpp"

#include <algorithm>
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
  Meeting::State meeting;  ///< of rank 0's control only
  alignas(kLine) Post posts[2];
  alignas(kLine) std::byte slots[2][kSlotBytes];
};

std::size_t SharedReduce::control_bytes() {
  return sizeof(Control);
}

SharedReduce::SharedReduce(SharedParts control, int rank, std::function<void()> idle)
    : control_(std::move(control)),
      rank_(rank),
      meeting_(of(0).meeting, static_cast<int>(control_.size()), std::move(idle)),
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

SharedReduce::Post SharedReduce::post_of(Reduce op, const View& view) const {
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

void SharedReduce::require_same_posts() const {
  const Post& first = post(0);
  for (int rank = 1; rank < ranks(); ++rank) {
    const Post& other = post(rank);
    core::require(other.count == first.count && other.type == first.type && other.op == first.op,
                  "all ranks bring the same type, size and operation to a collective");
  }
}

bool SharedReduce::in_place() const {
  const Post& first = post(0);
  bool same = first.loan != 0;
  for (int rank = 1; rank < ranks(); ++rank) {
    same = same && post(rank).loan == first.loan && post(rank).begin == first.begin;
  }
  return same;
}

void SharedReduce::reduce(Reduce op, const View& view) {
  turn();
  const bool small = view.bytes() <= kSmallBytes;
  if (small) copy_bytes(slot(rank_), view.raw(), view.bytes());
  post(rank_) = post_of(op, view);
  meet();
  require_same_posts();
  if (small) return combine_slots(op, 0, view);
  if (in_place()) return reduce_in_place(op, view);
  const auto step = static_cast<std::int64_t>(kSlotBytes / core::size_of(view.dtype()));
  for (std::int64_t first = 0; first < view.size(); first += step) {
    reduce_piece(op, view.slice(first, std::min(step, view.size() - first)));
  }
}

void SharedReduce::reduce_in_place(Reduce op, const View& view) {
  const Post& mine = post(rank_);
  const Loan& loan = loans_.at(mine.loan);
  const std::uint64_t end = mine.begin + view.bytes();
  const std::uint64_t first_line = mine.begin / kLine;
  const auto lines = static_cast<std::int64_t>((end + kLine - 1) / kLine - first_line);
  const auto cut = [&](int part) {
    const auto line = first_line + static_cast<std::uint64_t>(part_begin(lines, part, ranks()));
    return std::clamp(line * kLine, mine.begin, end);
  };
  const std::uint64_t from = cut(rank_);
  const auto count =
      static_cast<std::int64_t>((cut(rank_ + 1) - from) / core::size_of(view.dtype()));
  for (std::size_t rank = 0; rank < outputs_.size(); ++rank)
    outputs_[rank] = loan.parts[rank] + from;
  reduce_everywhere(op, view.dtype(), outputs_, count);
  meet();
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
  combine_slots(op, offset, View(slot(0) + offset, piece.dtype(), {end - first}, core::kCpu));
  meet();
  copy_bytes(piece.raw(), slot(0), piece.bytes());
}

void SharedReduce::reduce_scatter(const ConstView& whole, const View& part) {
  const std::size_t element = core::size_of(part.dtype());
  const auto step = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(kSlotBytes / element) / static_cast<std::int64_t>(ranks()));
  for (std::int64_t first = 0; first < part.size(); first += step) {
    const View piece = part.slice(first, std::min(step, part.size() - first));
    turn();
    for (int rank = 0; rank < ranks(); ++rank) {
      const ConstView theirs = whole.slice(part.size() * rank + first, piece.size());
      copy_bytes(slot(rank_) + piece.bytes() * static_cast<std::size_t>(rank), theirs.raw(),
                 piece.bytes());
    }
    meet();
    combine_slots(Reduce::sum, piece.bytes() * static_cast<std::size_t>(rank_), piece);
  }
}

void SharedReduce::combine_slots(Reduce op, std::size_t offset, const View& to) {
  for (int rank = 0; rank < ranks(); ++rank) {
    inputs_[static_cast<std::size_t>(rank)] = slot(rank) + offset;
  }
  reduce_in_tree(op, to.dtype(), inputs_, to.raw(), to.size());
}

}  // namespace epi::dist
