// The exchange of gradients while backward still runs. Backward fills one flat block from its end
// and says how far it has come; each slice that is complete starts its sum over the ranks. Knows
// the model only as an offset.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "dist/communicator.hpp"

namespace epi::dist {

/// What one step's exchange cost.
struct ExchangeStatistics {
  std::int64_t buckets = 0;  ///< collectives
  std::int64_t bytes = 0;    ///< summed over the buckets; 0 in a world of one
  double exposed_s = 0.0;    ///< seconds that the caller spent inside starts and waits
};

class GradientBuckets {
 public:
  /// Called with (first element, number of elements) just before the bucket is summed over the
  /// ranks: here train merges the blocks of its micro-batches into the flat one.
  using BeforeStart = std::function<void(std::int64_t, std::int64_t)>;

  /// `gradients` is f32 [n] and stays where it is. Buckets hold `bucket_bytes`; the one at offset
  /// 0, which nothing is left to hide behind, an eighth of that.
  GradientBuckets(Communicator& world, const View& gradients, std::size_t bucket_bytes,
                  BeforeStart before_start = {});

  /// Gradients at and after `offset` are final once the work queued in `stream` is done. Offsets
  /// fall within a step, and are the same on all ranks.
  void done_from(std::int64_t offset, const Stream& stream);

  /// Waits for all buckets and makes ready for the next step. Requires that the offset has reached
  /// 0. Throws CommError or PeerError.
  ExchangeStatistics finish(Stream& stream);

 private:
  /// Starts the sum of elements [first, end) after what `stream` holds now.
  void start_bucket(std::int64_t first, std::int64_t end, const Stream& stream);

  Communicator& world_;
  View gradients_;
  BeforeStart before_start_;
  std::vector<std::int64_t> begins_;  ///< first elements of the buckets, falling, the last one 0
  std::size_t next_ = 0;              ///< bucket to start next
  std::vector<Pending> pending_;
  ExchangeStatistics statistics_;
};

}  // namespace epi::dist
