// Sums over ranks by messages of our own, in the tree of ranks: MPI's reductions choose their order
// by size and number of ranks, and so their bits. Of the room only: see mpi_comm.hpp.
//
// Large vectors: vector halving with distance doubling, then doubling with distance halving. Near
// ranks exchange the large halves, and only small parts travel between hosts. A number of ranks
// that is no power of two is cut into groups that are (6 = 4 + 2), which sum alike; then the sums
// are added from the last group to the first, as the tree does, and the result goes back.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "dist/mpi_comm.hpp"
#include "dist/rank_tree.hpp"

namespace epi::dist {

class MpiTree {
 public:
  /// Called before each wait with the rank of `comm` that is waited for.
  using TalksTo = std::function<void(int)>;

  /// `comm` must outlive it.
  explicit MpiTree(const Comm& comm, TalksTo talks_to = {});

  /// view = the views of all ranks combined in the tree, in host memory. bf16 is rounded at every
  /// exchange. CommError; LogicError when a partner brings another size.
  void reduce(Reduce op, const View& view);
  /// part = this rank's share of the sum of `whole`, which has one part per rank; `part` may be
  /// that part of `whole`.
  void reduce_scatter(const ConstView& whole, const View& part);

 private:
  /// 2^levels ranks in a row.
  struct Group {
    int first = 0;
    int levels = 0;
    [[nodiscard]] int size() const { return 1 << levels; }
  };
  /// What a call works on.
  struct Work {
    Reduce op;
    View view;
  };

  void reduce_small(const Work& work);
  void reduce_large(const Work& work);
  /// Afterwards each rank of my group holds the group's sum of its own range.
  void halve(const Work& work);
  /// Adds the later groups' sums to my range, and hands it to the group before mine.
  void add_later_groups(const Work& work);
  /// The way back: my range becomes the sum over all ranks.
  void spread_to_later_groups(const Work& work);
  void double_up(const Work& work);

  /// Elements that rank `member` of a group of 2^levels holds.
  [[nodiscard]] static View range_of(const View& view, int member, int levels);
  /// mine = mine op theirs, the lower rank on the left.
  void combine(const Work& work, const View& mine, const View& theirs, bool partner_is_lower) const;
  [[nodiscard]] View received(const View& like);
  void swap(int partner, const View& send, const View& receive);
  void send(int partner, const View& view);
  void receive(int partner, const View& view);

  const Comm& comm_;
  TalksTo talks_to_;
  std::vector<Group> groups_;
  std::size_t mine_ = 0;  ///< my group
  std::vector<std::byte> received_, packed_;
};

}  // namespace epi::dist
