// Sums over the ranks of one host through memory that all of them see. Knows no library: who makes
// that memory (an MPI window, or a test) lends it as one part per rank.
//
// Three ways, chosen alike by all ranks, and the same bits from each of them, those of the tree of
// ranks:
//   small      every rank lays its numbers into its slot and sums all slots: one meeting
//   in place   the numbers lie in lent memory, at the same place on every rank: each rank sums its
//              share from everybody's memory and writes it to everybody's. Every byte is read once
//              and written once; two meetings
//   in slots   any other memory goes through the slots piece by piece
//
// Where a job has several hosts, each rank lets its share of its host's sum be summed with the same
// share of the other hosts' before all ranks of the host take it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "dist/communicator.hpp"
#include "dist/meeting.hpp"

namespace epi::dist {

/// The memory of every rank, in rank order, as this rank sees it; all parts are equally large.
using SharedParts = std::vector<std::byte*>;

/// How a sum goes on between hosts, among the ranks that have the same place on theirs. All hosts
/// have equally many ranks, and host h has the h-th of them in a row.
struct BetweenHosts {
  int hosts = 1;  ///< 1: the functions are not called
  /// view = the peers' views combined in the tree of hosts.
  std::function<void(Reduce op, const View& view)> reduce;
  /// part = this host's share of the sum of the peers' `whole`s, which have one part per host.
  std::function<void(const ConstView& whole, const View& part)> reduce_scatter;
  /// Puts each peer's part where it belongs in `whole`, which has one part for each rank of all
  /// hosts.
  std::function<void(const ConstView& part, const View& whole)> all_gather;
};

class SharedReduce {
 public:
  /// Bytes that each rank must lend for the slots and the meeting.
  [[nodiscard]] static std::size_t control_bytes();

  /// `control` holds control_bytes() of zeroed memory per rank, aligned to 64 bytes, which outlive
  /// the object; `rank` is the place on this host. The first call of any other function must come
  /// after all ranks have made theirs. `idle`: see Meeting.
  SharedReduce(SharedParts control, int rank, std::function<void()> idle = {},
               BetweenHosts between = {});

  /// From now on views in `parts` (`bytes` each, aligned to 64) are summed in place. All ranks of
  /// all hosts lend in the same order. Returns a name for `take_back`.
  std::uint64_t lend(SharedParts parts, std::size_t bytes);
  /// Ends a loan: views of that memory must not come any more.
  void take_back(std::uint64_t name) { loans_.erase(name); }

  /// view = the views of all ranks combined in the tree of ranks, complete on return. LogicError on
  /// all ranks unless they bring the same type, size and operation.
  void reduce(Reduce op, const View& view);
  /// part = this rank's share of the sum of `whole`, which has one part per rank of all hosts;
  /// `part` may be that share of `whole`.
  void reduce_scatter(const ConstView& whole, const View& part);
  /// whole = the parts of all ranks of all hosts, where `whole` is lent memory at the same place on
  /// every rank; otherwise returns false and has done nothing. `part` may be its place in `whole`.
  [[nodiscard]] bool all_gather(const ConstView& part, const View& whole);
  /// Waits for all ranks of this host.
  void meet() { meeting_.meet(); }

  /// Counts this rank's calls for `missing`, here and by whatever other way the ranks meet.
  void count_call();
  /// The ranks of this host that have made fewer calls than this one. From any thread.
  [[nodiscard]] std::vector<int> missing() const;

 private:
  struct Loan {
    SharedParts parts;
    std::size_t bytes = 0;
  };
  /// What a rank brings to a reduction, shown to the others.
  struct Post {
    std::uint64_t loan = 0;   ///< name of the loan that the view lies in, 0 for other memory
    std::uint64_t begin = 0;  ///< its first byte there
    std::int64_t count = 0;
    core::DType type = core::DType::u8;
    Reduce op = Reduce::sum;
  };
  struct Control;

  [[nodiscard]] int ranks() const { return static_cast<int>(control_.size()); }
  [[nodiscard]] Control& of(int rank) const;
  [[nodiscard]] std::byte* slot(int rank) const;
  [[nodiscard]] Post& post(int rank) const;
  /// Begins a use of the slots and posts: the other set than last time.
  void turn() { set_ = 1 - set_; }
  [[nodiscard]] Post post_of(Reduce op, const ConstView& view) const;
  /// Whether all ranks of this host have brought the same type, size and operation.
  [[nodiscard]] bool same_posts() const;
  /// Shows what this rank brings, meets, and returns whether all hosts work in place. LogicError on
  /// all ranks unless all bring the same.
  [[nodiscard]] bool meet_with(const Post& mine);
  /// Whether all posts name one place.
  [[nodiscard]] bool in_place() const;
  void reduce_small(Reduce op, const View& view);
  void reduce_in_place(Reduce op, const View& view);
  /// The same bytes of everybody's lent memory summed into this rank's, among hosts too, and
  /// written to everybody's.
  void reduce_share(Reduce op, std::size_t from, std::size_t bytes);
  /// Sums of the parts that belong to this rank and to its peers on other hosts, into `sums`.
  void sum_parts_in_place(const View& sums, std::int64_t part);
  void sum_parts_in_slots(const ConstView& whole, const View& sums, std::int64_t part);
  void reduce_piece(Reduce op, const View& piece);
  /// Where rank `rank` has lent the memory of this call.
  [[nodiscard]] std::byte* lent(int rank) const;
  /// Which part of a whole belongs to the rank with my place on host `host`.
  [[nodiscard]] std::int64_t part_on(int host) const {
    return std::int64_t{host} * ranks() + rank_;
  }
  /// to = elements at `offset` bytes of all slots, combined.
  void combine_slots(Reduce op, std::size_t offset, const View& to);

  SharedParts control_;
  int rank_;
  Meeting meeting_;
  BetweenHosts between_;
  std::map<std::uint64_t, Loan> loans_;
  std::uint64_t last_loan_ = 0;
  std::size_t set_ = 0;
  std::vector<const std::byte*> inputs_;
  std::vector<std::byte*> outputs_;
  std::vector<std::byte> sums_;  ///< of the parts of one rank on each host
};

}  // namespace epi::dist
