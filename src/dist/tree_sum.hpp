// Sums over ranks whose order is ours, where the transport's own sums have none that is promised
// (NCCL): pairs of ranks exchange and add, in the tree of ranks. A sum over 2n ranks then continues
// the sums over two times n, so that the same numbers give the same bits on 1, 2, 4, 8 ... ranks.
//
// Large views: vector halving with distance doubling, then doubling with distance halving
// (Rabenseifner 2004, "Optimization of Collective Reduction Operations", section 2, with the
// distances the other way round: only so do neighbours add first). Each rank sends and receives
// 2 (n-1)/n of the view. Small views are exchanged whole: half as many messages.
#pragma once

#include <cstdint>
#include <functional>

#include "core/buffer.hpp"
#include "dist/communicator.hpp"

namespace epi::dist {

class TreeSum {
 public:
  /// Queues sum = mine + theirs, elementwise; `sum` is the memory of `mine`. Addition is
  /// commutative, so both partners get the same bits.
  using Combine = std::function<void(const ConstView& mine, const ConstView& theirs,
                                     const View& sum, Stream& stream)>;

  /// For views of at most `most_bytes` on `device`; takes half of that, for what partners send.
  /// LogicError unless the number of ranks is a power of two; DeviceError without memory. `world`
  /// must outlive it.
  TreeSum(Communicator& world, core::Device device, std::size_t most_bytes, Combine combine);

  /// view = its sum over the ranks, after `after`; f32 or f64, as `combine` takes them. Sums are
  /// made in the order of calls, on a stream of its own; may be recorded where the communicator's
  /// exchange may. All ranks call it alike. CommError, PeerError.
  [[nodiscard]] Pending start(const View& view, const Event& after);

  /// Bytes that a sum of views of at most `most_bytes` takes beside them, on each rank.
  [[nodiscard]] static std::size_t bytes(std::size_t most_bytes);

 private:
  void sum_whole(const View& view);
  void sum_halves(const View& view);
  /// `count` elements for what a partner sends.
  [[nodiscard]] View received(core::DType type, std::int64_t count) const;
  void exchange(int partner, const ConstView& send, const View& receive);

  Communicator& world_;
  Combine combine_;
  Stream stream_;
  core::Buffer received_;
};

}  // namespace epi::dist
