// Both partners of an exchange combine "lower op higher", so they get the same bits also where the
// order of operands shows: not-a-numbers of unlike payloads.
#include "dist/mpi_tree.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/error.hpp"
#include "dist/ordered_reduce.hpp"

namespace epi::dist {
namespace {

// Up to here, powers of two of ranks exchange everything: half as many messages.
constexpr std::size_t kSmallBytes = std::size_t{1} << 13U;
constexpr int kTag = 1;

std::int64_t elements(std::int64_t bytes, core::DType type) {
  return std::max<std::int64_t>(1, bytes / static_cast<std::int64_t>(core::size_of(type)));
}

/// Calls piece(slice) over a vector in messages.
template <class Piece>
void in_messages(std::size_t bytes, Piece piece) {
  in_pieces(static_cast<std::int64_t>(bytes), core::DType::u8, kMessageBytes, piece);
}

void require_received(const MPI_Status& status, int bytes) {
  int received = 0;
  check(MPI_Get_count(&status, MPI_BYTE, &received), "MPI_Get_count");
  core::require(received == bytes, "partners exchange what they expect");
}

}  // namespace

MpiTree::MpiTree(const Comm& comm, TalksTo talks_to) : comm_(comm), talks_to_(std::move(talks_to)) {
  for (int first = 0; first < comm.size();) {
    const auto left = static_cast<unsigned>(comm.size() - first);
    groups_.push_back({first, static_cast<int>(std::bit_width(left)) - 1});
    if (comm.rank() >= first) mine_ = groups_.size() - 1;
    first += groups_.back().size();
  }
}

void MpiTree::reduce(Reduce op, const View& view) {
  if (comm_.size() == 1) return;
  if (view.bytes() <= kSmallBytes && groups_.size() == 1) return reduce_small({op, view});
  // What stays in the caches between its arrival and its sum, and still fills messages.
  const std::int64_t step = elements(kMessageBytes * std::max(2, comm_.size() / 4), view.dtype());
  for (std::int64_t first = 0; first < view.size(); first += step) {
    reduce_large({op, view.slice(first, std::min(step, view.size() - first))});
  }
}

void MpiTree::reduce_small(const Work& work) {
  const View theirs = received(work.view);
  for (int distance = 1; distance < comm_.size(); distance *= 2) {
    const int partner = comm_.rank() ^ distance;
    swap(partner, work.view, theirs);
    combine(work, work.view, theirs, partner < comm_.rank());
  }
}

void MpiTree::reduce_large(const Work& work) {
  halve(work);
  add_later_groups(work);
  spread_to_later_groups(work);
  double_up(work);
}

void MpiTree::halve(const Work& work) {
  const Group& group = groups_[mine_];
  const int member = comm_.rank() - group.first;
  for (int level = 0; level < group.levels; ++level) {
    const int other = member ^ (1 << level);
    const View keep = range_of(work.view, member, level + 1);
    const View theirs = received(keep);
    swap(group.first + other, range_of(work.view, other, level + 1), theirs);
    combine(work, keep, theirs, other < member);
  }
}

void MpiTree::add_later_groups(const Work& work) {
  const Group& group = groups_[mine_];
  const int member = comm_.rank() - group.first;
  const View range = range_of(work.view, member, group.levels);
  if (mine_ + 1 < groups_.size()) {
    const Group& later = groups_[mine_ + 1];
    const View theirs = received(range);
    receive(later.first + member % later.size(), theirs);
    combine(work, range, theirs, false);
  }
  if (mine_ == 0) return;
  const Group& before = groups_[mine_ - 1];
  for (int to = member; to < before.size(); to += group.size()) {
    send(before.first + to, range_of(work.view, to, before.levels));
  }
}

void MpiTree::spread_to_later_groups(const Work& work) {
  const Group& group = groups_[mine_];
  const int member = comm_.rank() - group.first;
  if (mine_ > 0) {
    const Group& before = groups_[mine_ - 1];
    for (int from = member; from < before.size(); from += group.size()) {
      receive(before.first + from, range_of(work.view, from, before.levels));
    }
  }
  if (mine_ + 1 == groups_.size()) return;
  const Group& later = groups_[mine_ + 1];
  send(later.first + member % later.size(), range_of(work.view, member, group.levels));
}

void MpiTree::double_up(const Work& work) {
  const Group& group = groups_[mine_];
  const int member = comm_.rank() - group.first;
  for (int level = group.levels - 1; level >= 0; --level) {
    const int other = member ^ (1 << level);
    swap(group.first + other, range_of(work.view, member, level + 1),
         range_of(work.view, other, level + 1));
  }
}

/// The parts lie in the order of ranks, and halving hands them out by the lowest bit first: they
/// are laid out so that what is left of them after the halving is one's own.
void MpiTree::reduce_scatter(const ConstView& whole, const View& part) {
  const std::size_t bytes = part.bytes();
  const auto ranks = static_cast<std::size_t>(comm_.size());
  packed_.resize(bytes * ranks);
  const View packed(packed_.data(), whole.dtype(), {whole.size()}, core::kCpu);
  const bool halves = groups_.size() == 1;
  const auto place = [&](int rank) {
    return halves ? range_of(packed, rank, groups_[0].levels)
                  : packed.slice(part.size() * rank, part.size());
  };
  for (int rank = 0; rank < comm_.size() && bytes > 0; ++rank) {
    std::memcpy(place(rank).raw(), whole.raw() + bytes * static_cast<std::size_t>(rank), bytes);
  }
  // Other numbers of ranks don't end with one part each, and sum everything.
  if (halves)
    halve({Reduce::sum, packed});
  else
    reduce(Reduce::sum, packed);
  if (bytes > 0) std::memcpy(part.raw(), place(comm_.rank()).raw(), bytes);
}

View MpiTree::range_of(const View& view, int member, int levels) {
  return halving_range(view.size(), member, levels).of(view);
}

void MpiTree::combine(const Work& work, const View& mine, const View& theirs,
                      bool partner_is_lower) const {
  const std::byte* inputs[] = {mine.raw(), theirs.raw()};
  if (partner_is_lower) std::swap(inputs[0], inputs[1]);
  reduce_in_tree(work.op, mine.dtype(), inputs, mine.raw(), mine.size());
}

View MpiTree::received(const View& like) {
  if (received_.size() < like.bytes()) received_.resize(like.bytes());
  return {received_.data(), like.dtype(), {like.size()}, core::kCpu};
}

void MpiTree::swap(int partner, const View& send, const View& receive) {
  if (talks_to_) talks_to_(partner);
  in_messages(std::max(send.bytes(), receive.bytes()), [&](std::int64_t first, int count) {
    const auto part = [&](const View& view) {
      return static_cast<int>(
          std::clamp<std::int64_t>(static_cast<std::int64_t>(view.bytes()) - first, 0, count));
    };
    MPI_Status status;
    check(
        MPI_Sendrecv(send.raw() + first, part(send), MPI_BYTE, partner, kTag, receive.raw() + first,
                     part(receive), MPI_BYTE, partner, kTag, comm_.get(), &status),
        "MPI_Sendrecv");
    require_received(status, part(receive));
  });
}

void MpiTree::send(int partner, const View& view) {
  if (talks_to_) talks_to_(partner);
  in_messages(view.bytes(), [&](std::int64_t first, int count) {
    check(MPI_Send(view.raw() + first, count, MPI_BYTE, partner, kTag, comm_.get()), "MPI_Send");
  });
}

void MpiTree::receive(int partner, const View& view) {
  if (talks_to_) talks_to_(partner);
  in_messages(view.bytes(), [&](std::int64_t first, int count) {
    MPI_Status status;
    check(MPI_Recv(view.raw() + first, count, MPI_BYTE, partner, kTag, comm_.get(), &status),
          "MPI_Recv");
    require_received(status, count);
  });
}

}  // namespace epi::dist
