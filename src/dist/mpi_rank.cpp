// Collectives are complete when `start` returns: Open MPI makes progress only inside calls, so
// there is no overlap to promise. Sums go through the memory of each host and by messages of our
// own between hosts, all in the tree of ranks; what only moves goes through MPI.
#include "dist/mpi_rank.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <thread>

#include "core/error.hpp"
#include "dist/call_note.hpp"
#include "dist/mpi_hosts.hpp"
#include "dist/mpi_tree.hpp"
#include "dist/ordered_reduce.hpp"
#include "dist/shared_reduce.hpp"
#include "dist/shared_window.hpp"
#include "dist/staging.hpp"

namespace epi::dist {
namespace {

class MpiRank final : public Communicator {
 public:
  MpiRank(MPI_Comm comm, HostExchange exchange, PretendedHosts pretended)
      : comm_(comm),
        hosts_(find_hosts(comm_, pretended.ranks)),
        exchange_(exchange),
        tree_(comm_, [this](int rank) { note_.talks_to(rank); }) {
    // One host is the root of the tree, alone; and alone on a host there is nothing to share.
    const bool worth = exchange == HostExchange::shared_memory && hosts_.regular && node_size() > 1;
    if (worth) share_memory();
  }

  int rank() const override { return comm_.rank(); }
  int size() const override { return comm_.size(); }
  int node_rank() const override { return hosts_.node->rank(); }
  int node_size() const override { return hosts_.node->size(); }

  Pending start(Reduce op, const View& view, const Event& after) override {
    require_reducible(view.dtype());
    const auto call = begin(op == Reduce::sum ? Call::sum : Call::maximum, view.bytes(), after);
    if (size() == 1) return {};
    const View host = staging_.load(view);
    if (shared_)
      shared_->reduce(op, host);
    else
      tree_.reduce(op, host);
    staging_.store(view);
    return {};
  }

  core::Tensor reducible(core::DType type, std::int64_t count, core::Device device) override {
    require_reducible(type);
    const auto call = begin(Call::none, 0);
    const std::size_t bytes = static_cast<std::size_t>(count) * core::size_of(type);
    const bool wanted = shared_ && device == core::kCpu && count > 0;
    if (wanted && !room_everywhere(bytes)) no_room_ = true;
    if (!wanted) return {type, {count}, device};
    if (no_room_) {
      // The next call asks for room again: a rank without memory must not leave the others there.
      core::Tensor own;
      agree(*this, [&] { own = core::Tensor(type, {count}, device); });
      return own;
    }
    return {core::Buffer(device, lent_memory(bytes), bytes), type, {count}};
  }

  Pending reduce_scatter(const ConstView& whole, const View& part, const Event& after) override {
    require_reducible(whole.dtype());
    require_parts(part, whole);
    const auto call = begin(Call::scattered_sum, whole.bytes(), after);
    const ConstView from = staging_.load(whole);
    const View to = part_staging_.reserve(part);
    if (shared_)
      shared_->reduce_scatter(from, to);
    else
      tree_.reduce_scatter(from, to);
    part_staging_.store(part);
    return {};
  }

  Pending all_gather(const ConstView& part, const View& whole, const Event& after) override {
    require_parts(part, whole);
    const auto call = begin(Call::gathering, whole.bytes(), after);
    const ConstView from = part_staging_.load(part);
    const View to = staging_.reserve(whole);
    if (!shared_ || !shared_->all_gather(from, to))
      gather_parts(comm_, from, to.raw(), from.bytes());
    staging_.store(whole);
    return {};
  }

  void broadcast(const View& view, int root) override {
    core::require(root >= 0 && root < size(), "the root of a broadcast is a rank");
    const auto call = begin(Call::broadcast, view.bytes());
    const View host = staging_.load(view);
    in_pieces(host.size(), host.dtype(), kMessageBytes, [&](std::int64_t first, int count) {
      check(MPI_Bcast(host.slice(first, count).raw(), count, mpi_type(host.dtype()), root,
                      comm_.get()),
            "MPI_Bcast");
    });
    staging_.store(view);
  }

  Pending exchange(int partner, const ConstView& send, const View& receive,
                   const Event& after) override {
    core::require(partner >= 0 && partner < size(), "the partner of an exchange is a rank");
    // Not counted among the calls: other ranks need not make one.
    require_thread();
    after.synchronize();
    const CallNote::Scope call(note_, Call::exchange, send.bytes(), partner);
    const ConstView from = part_staging_.load(send);
    const View to = staging_.reserve(receive);
    const auto send_bytes = static_cast<std::int64_t>(from.bytes());
    const auto receive_bytes = static_cast<std::int64_t>(to.bytes());
    // Both partners count the same pieces, as what one sends is what the other receives.
    in_pieces(std::max(send_bytes, receive_bytes), core::DType::u8, kMessageBytes,
              [&](std::int64_t first, int count) {
                const auto mine = std::clamp<std::int64_t>(send_bytes - first, 0, count);
                const auto theirs = std::clamp<std::int64_t>(receive_bytes - first, 0, count);
                exchange_piece(partner, from.raw() + first, static_cast<int>(mine),
                               to.raw() + first, static_cast<int>(theirs));
              });
    staging_.store(receive);
    return {};
  }

  std::vector<std::string> gather_text(const std::string& mine) override {
    const auto call = begin(Call::gathering_of_texts, 0);
    const auto ranks = static_cast<std::size_t>(size());
    const int length = static_cast<int>(mine.size());
    std::vector<int> lengths(ranks), begins(ranks);
    check(MPI_Allgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, comm_.get()),
          "MPI_Allgather");
    std::exclusive_scan(lengths.begin(), lengths.end(), begins.begin(), 0);
    std::string all(static_cast<std::size_t>(begins.back() + lengths.back()), '\0');
    check(MPI_Allgatherv(mine.data(), length, MPI_CHAR, all.data(), lengths.data(), begins.data(),
                         MPI_CHAR, comm_.get()),
          "MPI_Allgatherv");
    std::vector<std::string> texts;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      texts.push_back(all.substr(static_cast<std::size_t>(begins[rank]),
                                 static_cast<std::size_t>(lengths[rank])));
    }
    return texts;
  }

  void barrier() override {
    const auto call = begin(Call::barrier, 0);
    if (shared_ && hosts_.num_hosts == 1) return shared_->meet();
    check(MPI_Barrier(comm_.get()), "MPI_Barrier");
  }

  std::unique_ptr<Communicator> node_group() override {
    const auto call = begin(Call::none, 0);
    MPI_Comm group = MPI_COMM_NULL;
    check(MPI_Comm_dup(hosts_.node->get(), &group), "MPI_Comm_dup");
    return std::make_unique<MpiRank>(group, exchange_, PretendedHosts{});
  }

  std::unique_ptr<Communicator> peer_group() override {
    const auto call = begin(Call::none, 0);
    MPI_Comm group = MPI_COMM_NULL;
    check(MPI_Comm_split(comm_.get(), node_rank(), rank(), &group), "MPI_Comm_split");
    return std::make_unique<MpiRank>(group, exchange_, PretendedHosts{1});
  }

  // Open MPI serves this from any thread: it is a message to the launcher.
  void abort(int exit_code) override { (void)MPI_Abort(MPI_COMM_WORLD, exit_code); }
  // Whoever started the ranks ends all of them when one dies.
  std::string failure() const override { return ""; }
  std::string waiting() const override { return note_.text(missing()); }
  // Those of devices too: they are summed in host memory.
  bool sums_in_tree(core::Device) const override { return true; }
  bool capturable() const override { return false; }
  std::string description() const override {
    return fmt::format(
        "MPI, {} rank{} on {} node{}{}{}", size(), size() == 1 ? "" : "s", hosts_.num_hosts,
        hosts_.num_hosts == 1 ? "" : "s",
        hosts_.regular ? "" : "; sums by messages, since nodes hold no equal rows of ranks",
        no_room_ ? "; sums slowed by too small a /dev/shm" : "");
  }

 private:
  void share_memory() {
    const std::size_t bytes = SharedReduce::control_bytes();
    if (!room_everywhere(bytes)) {
      no_room_ = true;
      return;
    }
    control_ = std::make_shared<SharedWindow>(*hosts_.node, bytes);
    // A rank that waits for others may still hold a message that one of them needs first.
    const auto progress = [this] {
      int flag = 0;
      (void)MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm_.get(), &flag, MPI_STATUS_IGNORE);
    };
    shared_ = std::make_shared<SharedReduce>(control_->parts(), node_rank(), progress, between());
    check(MPI_Barrier(comm_.get()), "MPI_Barrier");  // every rank's control is made
  }

  BetweenHosts between() {
    if (hosts_.num_hosts == 1) return {};
    const int first = node_rank();
    peer_tree_.emplace(*hosts_.peers,
                       [this, first](int host) { note_.talks_to(host * node_size() + first); });
    const auto finished = [this] { note_.talks_to(CallNote::kNobody); };
    return {hosts_.num_hosts,
            [this, finished](Reduce op, const View& view) {
              peer_tree_->reduce(op, view);
              finished();
            },
            [this, finished](const ConstView& whole, const View& part) {
              peer_tree_->reduce_scatter(whole, part);
              finished();
            },
            [this](const ConstView& part, const View& whole) {
              std::byte* const mine =
                  whole.raw() + part.bytes() * static_cast<std::size_t>(node_rank());
              gather_parts(*hosts_.peers, part, mine,
                           part.bytes() * static_cast<std::size_t>(node_size()));
            }};
  }

  /// Whether every host has room for `bytes` more of each rank. Collective.
  [[nodiscard]] bool room_everywhere(std::size_t bytes) const {
    int room = has_room(*hosts_.node, bytes) ? 1 : 0;
    check(MPI_Allreduce(MPI_IN_PLACE, &room, 1, MPI_INT, MPI_MIN, comm_.get()), "MPI_Allreduce");
    return room == 1;
  }

  /// As far as this host knows.
  [[nodiscard]] std::vector<int> missing() const {
    if (!shared_) return {};
    std::vector<int> ranks = shared_->missing();
    for (int& rank : ranks) rank = hosts_.node_ranks[static_cast<std::size_t>(rank)];
    return ranks;
  }

  /// This rank's part of a new window; the loan and the window end with its last owner.
  std::shared_ptr<std::byte> lent_memory(std::size_t bytes) {
    auto window = std::make_shared<SharedWindow>(*hosts_.node, bytes);
    const std::uint64_t loan = shared_->lend(window->parts(), bytes);
    std::byte* const mine = window->parts()[static_cast<std::size_t>(node_rank())];
    return {mine, [window, loan, shared = std::weak_ptr(shared_)](std::byte*) mutable {
              if (const auto still = shared.lock()) still->take_back(loan);
              window.reset();
            }};
  }

  void require_thread() const {
    core::require(std::this_thread::get_id() == thread_, "MPI is called from one thread");
  }

  /// Waits for what the call needs, and notes it until the result goes out of scope.
  [[nodiscard]] CallNote::Scope begin(Call call, std::size_t bytes, const Event& after = Event()) {
    require_thread();
    after.synchronize();
    if (shared_) shared_->count_call();
    return {note_, call, bytes};
  }

  void require_parts(const ConstView& part, const ConstView& whole) const {
    core::require(whole.dtype() == part.dtype() && whole.size() == part.size() * size(),
                  "whole has one part for each rank");
  }

  void exchange_piece(int partner, const std::byte* send, int send_bytes, std::byte* receive,
                      int receive_bytes) {
    MPI_Status status;
    check(MPI_Sendrecv(send, send_bytes, MPI_BYTE, partner, 0, receive, receive_bytes, MPI_BYTE,
                       partner, 0, comm_.get(), &status),
          "MPI_Sendrecv");
    int received = 0;
    check(MPI_Get_count(&status, MPI_BYTE, &received), "MPI_Get_count");
    core::require(received == receive_bytes, "partners exchange what they expect");
  }

  Comm comm_;
  MpiHosts hosts_;
  HostExchange exchange_;
  std::thread::id thread_ = std::this_thread::get_id();
  CallNote note_;
  MpiTree tree_;                           ///< over all ranks
  std::optional<MpiTree> peer_tree_;       ///< over hosts; where shared_ and several of them
  std::shared_ptr<SharedWindow> control_;  ///< what shared_ works with
  std::shared_ptr<SharedReduce> shared_;   ///< where hosts are branches of the tree
  bool no_room_ = false;                   ///< for windows
  Staging staging_, part_staging_;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_rank(MPI_Comm comm, HostExchange exchange,
                                            PretendedHosts hosts) {
  return std::make_unique<MpiRank>(comm, exchange, hosts);
}

}  // namespace epi::dist
