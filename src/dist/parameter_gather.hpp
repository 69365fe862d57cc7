// Parameters that each rank has updated for its shard only come back to all ranks while forward
// already runs: the second half of ZeRO-1 (Rajbhandari et al., arXiv 1910.02054, section 5.1). The
// buckets of the exchange of gradients, front first, as forward reads them; knows the model only as
// an offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "dist/communicator.hpp"
#include "dist/stretch.hpp"

namespace epi::dist {

class ParameterGather {
 public:
  /// Queues what follows once a stretch has come to this rank, such as rounding it.
  using Arrived = std::function<void(Stretch stretch, Stream& stream)>;

  /// `block` is cut into `buckets`, ascending and without gaps, each a multiple of the number of
  /// ranks; rank r's shard is the r-th part of every bucket. `world` must outlive it.
  ParameterGather(Communicator& world, const View& block, std::vector<Stretch> buckets,
                  Arrived arrived = {});

  /// Starts all buckets, after `ready`: from then on until they are waited for nobody may touch the
  /// block. Gathering twice changes nothing. May be recorded where the communicator's collectives
  /// may. CommError, PeerError.
  void start(const Event& ready);
  /// Work queued in `stream` from now on sees the elements before `end`. Without a start before it
  /// there is nothing to wait for.
  void wait_before(std::int64_t end, Stream& stream);

  /// Ascending.
  [[nodiscard]] const std::vector<Stretch>& buckets() const { return buckets_; }

 private:
  Communicator& world_;
  View block_;
  std::vector<Stretch> buckets_;
  Arrived arrived_;
  Stream stream_;             ///< of what follows the gathers
  std::vector<Event> ready_;  ///< by bucket
  std::size_t waited_ = 0;    ///< buckets that the caller's stream has waited for
};

/// Rank `rank`'s part of every bucket.
[[nodiscard]] std::vector<Stretch> shard_of(const std::vector<Stretch>& buckets, int rank,
                                            int ranks);

}  // namespace epi::dist
