// Sums over the ranks of one host through memory that all of them see. Knows no library: who makes
// that memory (an MPI window, or a test) lends it as one part per rank.
//
// Three ways, chosen alike by all ranks, and the same bits from each of them:
//   small      every rank lays its numbers into its slot and sums all slots: one meeting
//   in place   the numbers lie in lent memory, at the same place on every rank: each rank sums its
//              share from everybody's memory and writes it to everybody's. Every byte is read once
//              and written once; two meetings
//   in slots   any other memory goes through the slots piece by piece
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

class SharedReduce {
 public:
  /// Bytes that each rank must lend for the slots and the meeting.
  [[nodiscard]] static std::size_t control_bytes();

  /// `control` holds control_bytes() of zeroed memory per rank, aligned to 64 bytes, which outlive
  /// the object. The first call of any other function must come after all ranks have made theirs.
  /// `idle`: see Meeting.
  SharedReduce(SharedParts control, int rank, std::function<void()> idle = {});

  /// From now on views in `parts` (`bytes` each, aligned to 64) are summed in place. All ranks lend
  /// in the same order. Returns a name for `take_back`.
  std::uint64_t lend(SharedParts parts, std::size_t bytes);
  /// Ends a loan: views of that memory must not come any more.
  void take_back(std::uint64_t name) { loans_.erase(name); }

  /// view = the views of all ranks combined in the tree of ranks, complete on return. LogicError on
  /// all ranks unless they bring the same type, size and operation.
  void reduce(Reduce op, const View& view);
  /// part = this rank's share of the sum of `whole`, which has one part per rank.
  void reduce_scatter(const ConstView& whole, const View& part);
  /// Waits for all ranks.
  void meet() { meeting_.meet(); }

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
  [[nodiscard]] Post post_of(Reduce op, const View& view) const;
  void require_same_posts() const;
  /// Whether all posts name one place.
  [[nodiscard]] bool in_place() const;
  void reduce_in_place(Reduce op, const View& view);
  void reduce_piece(Reduce op, const View& piece);
  /// to = elements at `offset` bytes of all slots, combined.
  void combine_slots(Reduce op, std::size_t offset, const View& to);

  SharedParts control_;
  int rank_;
  Meeting meeting_;
  std::map<std::uint64_t, Loan> loans_;
  std::uint64_t last_loan_ = 0;
  std::size_t set_ = 0;
  std::vector<const std::byte*> inputs_;
  std::vector<std::byte*> outputs_;
};

}  // namespace epi::dist
