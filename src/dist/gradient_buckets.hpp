// The exchange of gradients while backward still runs. Backward fills one flat block from its end
// and says how far it has come; each slice that is complete starts its sum over the ranks. Knows
// the model only as an offset.
//
// Two ways to run a step:
//   at once, or recorded into a graph as a whole   done_from ... done_from, join
//   as graphs cut at the buckets, where the exchange can't be recorded (`recordable` is false)
//     recording:  merge(b) for each bucket that `complete` newly counts; end the graph there
//     replaying:  launch a graph, launch the next one (so that the device has work), then start the
//                 buckets of the former after its event; at last join
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "core/buffer.hpp"
#include "dist/communicator.hpp"
#include "dist/stretch.hpp"

namespace epi::dist {

/// What one step's exchange cost, by the device's clock.
struct ExchangeStatistics {
  std::int64_t buckets = 0;  ///< collectives
  std::int64_t bytes = 0;    ///< summed over the buckets, as they travel; 0 in a world of one
  double exchange_s = 0.0;   ///< in which a bucket was on its way
  double exposed_s = 0.0;    ///< of these, the seconds in which backward stood still

  /// Share of the exchange that was hidden behind backward, 0 to 1.
  [[nodiscard]] double overlap() const;
};

/// In what form gradients travel, and how they are summed.
struct GradientWire {
  /// Queues the conversion of `from` into `to` of another type.
  using Convert = std::function<void(const ConstView& from, const View& to, Stream& stream)>;
  /// Starts the sum of a bucket over the ranks, in place.
  using Sum = std::function<Pending(const View& bucket, const Event& after)>;

  core::Tensor memory{};  ///< bf16 [n] of `Communicator::reducible`; absent: they travel as f32
  Convert convert{};      ///< both ways; needed with `memory`
  Sum sum{};              ///< absent: the communicator's `start`; must be as recordable as that
  std::int64_t unit = 1;  ///< buckets hold a multiple of so many gradients, and the block does
};

class GradientBuckets {
 public:
  /// Called with (first element, number of elements) just before the bucket is summed over the
  /// ranks: here train merges the blocks of its micro-batches into the flat one.
  using BeforeStart = std::function<void(std::int64_t, std::int64_t)>;
  using Wire = GradientWire;
  /// Called as a bucket is started, with marks around its way over the ranks, which need not be
  /// reached yet.
  using Watcher =
      std::function<void(std::size_t bucket, std::int64_t bytes, core::Mark begin, core::Mark end)>;

  /// `gradients` is f32 [n] and stays where it is. Buckets hold `bucket_bytes` of it; the one at
  /// offset 0, which nothing is left to hide behind, an eighth of that. In bf16 the ranks' values
  /// are rounded before they are summed, and so is the sum. DeviceError.
  GradientBuckets(Communicator& world, const View& gradients, std::size_t bucket_bytes,
                  BeforeStart before_start = {}, Wire wire = {});

  /// Other buckets from the next step on. Between steps, and not once steps are recorded.
  void cut(std::size_t bucket_bytes);

  /// Gradients at and after `offset` are final once the work queued in `stream` is done: merges and
  /// starts the buckets that are complete. Offsets fall within a step, and are the same on all
  /// ranks.
  void done_from(std::int64_t offset, const Stream& stream);
  /// Work queued in `stream` from now on sees all sums; makes ready for the next step. Requires
  /// that all buckets were started. Throws CommError or PeerError.
  void join(Stream& stream);
  /// Of the last step that was joined or replayed; blocks the host until that step has exchanged
  /// its gradients. Zeros before the first step.
  [[nodiscard]] ExchangeStatistics statistics() const;
  /// join, then statistics: for callers that wait anyway.
  ExchangeStatistics finish(Stream& stream);
  /// From now on `watcher` hears of every bucket that is not recorded; empty: nobody, as at first.
  void watch(Watcher watcher) { watcher_ = std::move(watcher); }

  /// Whether done_from and join may be recorded into a graph.
  [[nodiscard]] bool recordable() const { return world_.size() == 1 || world_.capturable(); }
  /// Number of buckets; bucket 0 is the one at the block's end, which is started first.
  [[nodiscard]] std::size_t size() const { return begins_.size(); }
  /// The buckets' places in the block, ascending: bucket 0 comes last.
  [[nodiscard]] std::vector<Stretch> stretches() const;
  /// How many buckets are complete once gradients at and after `offset` are final.
  [[nodiscard]] std::size_t complete(std::int64_t offset) const;
  /// Calls BeforeStart for a bucket; may be recorded.
  void merge(std::size_t bucket);
  /// Starts a bucket's exchange after `ready`; not recorded. In the order of buckets.
  void start(std::size_t bucket, const Event& ready);

 private:
  /// The times of one bucket.
  struct Marks {
    core::Mark begin;   ///< ready, and queued for its exchange
    core::Mark end;     ///< summed
    core::Mark resume;  ///< backward goes on; only of starts that it waits for
    bool waited = false;
  };
  [[nodiscard]] View slice(const View& block, std::size_t bucket) const;

  Communicator& world_;
  View gradients_;
  BeforeStart before_start_;
  Wire wire_;
  Watcher watcher_;
  std::vector<std::int64_t> begins_;  ///< first elements of the buckets, falling, the last one 0
  std::size_t started_ = 0;           ///< buckets of this step
  Stream before_, after_;             ///< of what leads to the exchanges, and of what follows them
  std::vector<Marks> marks_;
  core::Mark backward_end_, all_end_;
  bool joined_ = false;  ///< a step's marks are there
};

}  // namespace epi::dist
