// The seam between ranks: who am I, sum these numbers, fail together. Twins: one process, threads
// of one process (tests, and GPUs of one process), MPI, NCCL. World size 1 is an ordinary case.
//
// Every rank makes the same calls in the same order. Results are equal on all ranks, bit for bit,
// and do not depend on timing. A communicator is used from one thread; only `abort`, `failure` and
// `waiting` may be called from any.
//
// Sums are taken in the tree of ranks (rank_tree.hpp) wherever `sums_in_tree` says so: then the
// sum over 2n ranks continues the sums over two times n, and the same numbers give the same bits
// on 1, 2, 4, 8 ... ranks, on however many hosts.
//
// Views may lie in device memory. Only NCCL reads it where it is; the others copy it through
// page-locked memory of the host, and return when it is back.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/buffer.hpp"
#include "core/device.hpp"
#include "core/view.hpp"

namespace epi::dist {

using core::ConstView;
using core::Event;
using core::Stream;
using core::View;

enum class Reduce : std::uint8_t { sum, max };

/// A started collective. Its views must stay alive and untouched until `wait` returns.
class Pending {
 public:
  Pending() = default;  ///< nothing to wait for
  /// `finish` is called once, by the first wait; a transport puts there what it still has to do.
  explicit Pending(std::function<void(Stream&)> finish) : finish_(std::move(finish)) {}
  /// Work queued on `stream` from now on sees the result; for host memory, the result is there on
  /// return. Throws CommError or PeerError.
  void wait(Stream& stream) {
    if (finish_) finish_(stream);
    finish_ = nullptr;
  }

 private:
  std::function<void(Stream&)> finish_;
};

class Communicator {
 public:
  /// Made by make_solo, run_threads, MpiRuntime::world or make_nccl.
  Communicator() = default;
  /// Not copied: a second object would make the same rank call twice.
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  /// Every Pending of it must have been waited for.
  virtual ~Communicator() = default;

  /// This rank, 0..size()-1; rank 0 writes the run's files.
  [[nodiscard]] virtual int rank() const = 0;
  /// Number of ranks, at least 1.
  [[nodiscard]] virtual int size() const = 0;
  /// Rank and size among the ranks that share this host's memory; the local rank chooses the GPU.
  [[nodiscard]] virtual int node_rank() const = 0;
  /// How many ranks share this host, at least 1.
  [[nodiscard]] virtual int node_size() const = 0;

  /// Reduces `view` (f32, f64, i64, bf16; sum or max) over all ranks in place, after `after`. Sums
  /// of bf16 are rounded at least once; where ranks pass them on, at every hop.
  [[nodiscard]] virtual Pending start(Reduce op, const View& view, const Event& after) = 0;
  /// Zeroed memory of `count` elements of a type that is reduced, whose slices `start` reduces
  /// fastest: MPI on one host sums them where they lie. All ranks call it alike, keep it no longer
  /// than the communicator, and free it in the same order. DeviceError, CommError.
  [[nodiscard]] virtual core::Tensor reducible(core::DType type, std::int64_t count,
                                               core::Device device) = 0;
  /// part (= 1/size of whole, this rank's share) = sum over ranks of whole.
  [[nodiscard]] virtual Pending reduce_scatter(const ConstView& whole, const View& part,
                                               const Event& after) = 0;
  /// whole = the parts of all ranks in rank order.
  [[nodiscard]] virtual Pending all_gather(const ConstView& part, const View& whole,
                                           const Event& after) = 0;
  /// view = root's view, complete on return; the root's must be final when it is called.
  virtual void broadcast(const View& view, int root) = 0;
  /// Sends `send` to `partner` and receives `receive` from it, after `after`; both call it.
  [[nodiscard]] virtual Pending exchange(int partner, const ConstView& send, const View& receive,
                                         const Event& after) = 0;
  /// Every rank's text, in rank order, on every rank.
  [[nodiscard]] virtual std::vector<std::string> gather_text(const std::string& mine) = 0;
  /// Returns when all ranks have called it. CommError or PeerError.
  virtual void barrier() = 0;
  /// The ranks that share this host's memory, as a communicator of their own.
  [[nodiscard]] virtual std::unique_ptr<Communicator> node_group() = 0;
  /// The ranks with my node_rank on every host.
  [[nodiscard]] virtual std::unique_ptr<Communicator> peer_group() = 0;
  /// Ends all ranks with this exit code, now. Does not return for MPI; throws PeerError for
  /// threads.
  virtual void abort(int exit_code) = 0;
  /// What has failed beside the calls, such as a peer that died while the device waits for it; ""
  /// when nothing has. A watchdog asks, because the calling thread may wait for ever then.
  [[nodiscard]] virtual std::string failure() const = 0;
  /// What this rank waits for in a call that has not returned: "a sum of 8.0 MB; ranks 2 and 3 have
  /// not come", as far as it can know; "" outside of calls. For the message of a watchdog.
  [[nodiscard]] virtual std::string waiting() const = 0;
  /// Whether `start` and `reduce_scatter` sum views of this device in the tree of ranks, f32 and
  /// f64 to the same bits on any power of two of ranks. Not NCCL: see tree_sum.hpp.
  [[nodiscard]] virtual bool sums_in_tree(core::Device device) const = 0;
  /// Whether `start` of device memory may be recorded into a CUDA graph; it does not hold the host
  /// up then.
  [[nodiscard]] virtual bool capturable() const = 0;
  /// "MPI, 4 ranks on 2 nodes", for logs.
  [[nodiscard]] virtual std::string description() const = 0;
};

/// World size 1 without any library.
[[nodiscard]] std::unique_ptr<Communicator> make_solo();

/// Runs `body` on `ranks` threads, each with its communicator; rethrows the failure of the lowest
/// failing rank after all have ended. A rank that throws ends the others' collectives with
/// PeerError.
void run_threads(int ranks, const std::function<void(Communicator&)>& body);

/// Base of what `agree` throws, next to the core::Error: every rank throws it, so the job can end
/// without one rank ending the others.
struct Agreed {};

/// Runs `local` and lets all ranks agree on the outcome: if it throws core::Error on any rank,
/// every rank throws the same error (worst kind, then lowest rank; the message names the rank).
/// `local` may agree itself: what that throws passes through.
void agree(Communicator& world, const std::function<void()>& local);

}  // namespace epi::dist
