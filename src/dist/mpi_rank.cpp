// Collectives are complete when `start` returns: Open MPI makes progress only inside calls, so
// there is no overlap to promise. Sums of one host go through shared memory, everything else
// through MPI.
#include "dist/mpi_rank.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <thread>

#include "core/error.hpp"
#include "dist/ordered_reduce.hpp"
#include "dist/shared_reduce.hpp"
#include "dist/shared_window.hpp"
#include "dist/staging.hpp"

namespace epi::dist {
namespace {

// Open MPI is about twice as fast on 1 MB pieces as on one large message (105 MB over 2 ranks: 24
// ms against 50 ms), and a piece always fits MPI's int counts.
constexpr std::int64_t kPieceBytes = std::int64_t{1} << 20;

std::size_t element_offset(const ConstView& view, std::int64_t element) {
  return static_cast<std::size_t>(element) * core::size_of(view.dtype());
}

class MpiRank final : public Communicator {
 public:
  MpiRank(MPI_Comm comm, HostExchange exchange)
      : comm_(comm), node_(same_host(comm_)), exchange_(exchange) {
    int nodes = node_->rank() == 0 ? 1 : 0;
    check(MPI_Allreduce(MPI_IN_PLACE, &nodes, 1, MPI_INT, MPI_SUM, comm_.get()), "MPI_Allreduce");
    num_nodes_ = nodes;
    if (exchange == HostExchange::shared_memory && num_nodes_ == 1 && size() > 1) share_memory();
  }

  int rank() const override { return comm_.rank(); }
  int size() const override { return comm_.size(); }
  int node_rank() const override { return node_->rank(); }
  int node_size() const override { return node_->size(); }

  Pending start(Reduce op, const View& view, const Event& after) override {
    require_reducible(view.dtype());
    begin(after);
    if (size() == 1) return {};
    const View host = staging_.load(view);
    if (shared_)
      shared_->reduce(op, host);
    else
      reduce_by_messages(op, host);
    staging_.store(view);
    return {};
  }

  core::Tensor reducible(core::DType type, std::int64_t count, core::Device device) override {
    require_reducible(type);
    begin(Event());
    const std::size_t bytes = static_cast<std::size_t>(count) * core::size_of(type);
    const bool wanted = shared_ && device == core::kCpu && count > 0;
    if (wanted && !has_room(comm_, bytes)) no_room_ = true;
    if (!wanted || no_room_) return {type, {count}, device};
    return {core::Buffer(device, lent_memory(bytes), bytes), type, {count}};
  }

  Pending reduce_scatter(const ConstView& whole, const View& part, const Event& after) override {
    require_reducible(whole.dtype());
    require_parts(part, whole);
    begin(after);
    const ConstView from = staging_.load(whole);
    const View to = part_staging_.reserve(part);
    if (shared_)
      shared_->reduce_scatter(from, to);
    else
      scatter_by_messages(from, to);
    part_staging_.store(part);
    return {};
  }

  Pending all_gather(const ConstView& part, const View& whole, const Event& after) override {
    require_parts(part, whole);
    begin(after);
    const ConstView from = part_staging_.load(part);
    const View to = staging_.reserve(whole);
    in_pieces(from.size(), from.dtype(), kPieceBytes,
              [&](std::int64_t first, int count) { gather_piece(from, to, first, count); });
    staging_.store(whole);
    return {};
  }

  void broadcast(const View& view, int root) override {
    core::require(root >= 0 && root < size(), "the root of a broadcast is a rank");
    begin(Event());
    const View host = staging_.load(view);
    in_pieces(host.size(), host.dtype(), kPieceBytes, [&](std::int64_t first, int count) {
      check(MPI_Bcast(host.raw() + element_offset(host, first), count, mpi_type(host.dtype()), root,
                      comm_.get()),
            "MPI_Bcast");
    });
    staging_.store(view);
  }

  Pending exchange(int partner, const ConstView& send, const View& receive,
                   const Event& after) override {
    core::require(partner >= 0 && partner < size(), "the partner of an exchange is a rank");
    begin(after);
    const ConstView from = part_staging_.load(send);
    const View to = staging_.reserve(receive);
    const auto send_bytes = static_cast<std::int64_t>(from.bytes());
    const auto receive_bytes = static_cast<std::int64_t>(to.bytes());
    // Both partners count the same pieces, as what one sends is what the other receives.
    in_pieces(std::max(send_bytes, receive_bytes), core::DType::u8, kPieceBytes,
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
    begin(Event());
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
    begin(Event());
    if (shared_) return shared_->meet();
    check(MPI_Barrier(comm_.get()), "MPI_Barrier");
  }

  std::unique_ptr<Communicator> node_group() override {
    begin(Event());
    MPI_Comm group = MPI_COMM_NULL;
    check(MPI_Comm_dup(node_->get(), &group), "MPI_Comm_dup");
    return std::make_unique<MpiRank>(group, exchange_);
  }

  std::unique_ptr<Communicator> peer_group() override {
    begin(Event());
    MPI_Comm group = MPI_COMM_NULL;
    check(MPI_Comm_split(comm_.get(), node_->rank(), rank(), &group), "MPI_Comm_split");
    return std::make_unique<MpiRank>(group, exchange_);
  }

  // Open MPI serves this from any thread: it is a message to the launcher.
  void abort(int exit_code) override { (void)MPI_Abort(MPI_COMM_WORLD, exit_code); }
  // Whoever started the ranks ends all of them when one dies.
  std::string failure() const override { return ""; }
  std::string waiting() const override { return ""; }
  // Those of devices too: they are summed in host memory.
  bool sums_in_tree(core::Device) const override { return shared_ || size() == 1; }
  bool capturable() const override { return false; }
  std::string description() const override {
    return fmt::format("MPI, {} rank{} on {} node{}{}", size(), size() == 1 ? "" : "s", num_nodes_,
                       num_nodes_ == 1 ? "" : "s",
                       no_room_ ? ", sums slowed by too small a /dev/shm" : "");
  }

 private:
  void share_memory() {
    control_ = std::make_shared<SharedWindow>(comm_, SharedReduce::control_bytes());
    // A rank that waits for others may still hold a message that one of them needs first.
    const auto progress = [this] {
      int flag = 0;
      (void)MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm_.get(), &flag, MPI_STATUS_IGNORE);
    };
    shared_ = std::make_shared<SharedReduce>(control_->parts(), rank(), progress);
    check(MPI_Barrier(comm_.get()), "MPI_Barrier");  // every rank's control is made
  }

  /// This rank's part of a new window; the loan and the window end with its last owner.
  std::shared_ptr<std::byte> lent_memory(std::size_t bytes) {
    auto window = std::make_shared<SharedWindow>(comm_, bytes);
    const std::uint64_t loan = shared_->lend(window->parts(), bytes);
    std::byte* const mine = window->parts()[static_cast<std::size_t>(rank())];
    return {mine, [window, loan, shared = std::weak_ptr(shared_)](std::byte*) mutable {
              if (const auto still = shared.lock()) still->take_back(loan);
              window.reset();
            }};
  }

  void begin(const Event& after) const {
    core::require(std::this_thread::get_id() == thread_, "MPI is called from one thread");
    after.synchronize();
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

  void reduce_by_messages(Reduce op, const View& host) {
    const ReduceOp operation(op, host.dtype());
    in_pieces(host.size(), host.dtype(), kPieceBytes, [&](std::int64_t first, int count) {
      check(MPI_Allreduce(MPI_IN_PLACE, host.raw() + element_offset(host, first), count,
                          mpi_type(host.dtype()), operation.get(), comm_.get()),
            "MPI_Allreduce");
    });
  }

  /// Copies elements [first, first + count) of each rank's part to `to`, side by side.
  void pack_parts(const ConstView& whole, std::int64_t first, int count, std::byte* to) const {
    const std::int64_t part = whole.size() / size();
    const std::size_t bytes = element_offset(whole, count);
    for (int rank = 0; rank < size(); ++rank) {
      std::memcpy(to, whole.raw() + element_offset(whole, part * rank + first), bytes);
      to += bytes;
    }
  }

  void scatter_by_messages(const ConstView& from, const View& to) {
    const ReduceOp operation(Reduce::sum, to.dtype());
    in_pieces(to.size(), to.dtype(), kPieceBytes / size(), [&](std::int64_t first, int count) {
      packed_.resize(element_offset(from, count) * static_cast<std::size_t>(size()));
      pack_parts(from, first, count, packed_.data());
      check(MPI_Reduce_scatter_block(packed_.data(), to.raw() + element_offset(to, first), count,
                                     mpi_type(to.dtype()), operation.get(), comm_.get()),
            "MPI_Reduce_scatter_block");
    });
  }

  /// Elements [first, first + count) of every part go straight to their places in the whole: the
  /// receive type is a piece whose extent is a whole part.
  void gather_piece(const ConstView& from, const View& to, std::int64_t first, int count) {
    const MPI_Datatype element = mpi_type(from.dtype());
    MPI_Datatype piece = MPI_DATATYPE_NULL;
    MPI_Datatype spaced = MPI_DATATYPE_NULL;
    check(MPI_Type_contiguous(count, element, &piece), "MPI_Type_contiguous");
    check(MPI_Type_create_resized(piece, 0, static_cast<MPI_Aint>(from.bytes()), &spaced),
          "MPI_Type_create_resized");
    check(MPI_Type_commit(&spaced), "MPI_Type_commit");
    const std::byte* mine = from.raw() + element_offset(from, first);
    std::byte* whole = to.raw() + element_offset(to, first);
    const bool in_place =
        mine == whole + from.bytes() * static_cast<std::size_t>(rank());  // already where it goes
    check(MPI_Allgather(in_place ? MPI_IN_PLACE : mine, count, element, whole, 1, spaced,
                        comm_.get()),
          "MPI_Allgather");
    check(MPI_Type_free(&spaced), "MPI_Type_free");
    check(MPI_Type_free(&piece), "MPI_Type_free");
  }

  Comm comm_;
  std::unique_ptr<Comm> node_;
  HostExchange exchange_;
  std::thread::id thread_ = std::this_thread::get_id();
  int num_nodes_ = 1;
  std::shared_ptr<SharedWindow> control_;  ///< what shared_ works with
  std::shared_ptr<SharedReduce> shared_;   ///< when all ranks share one host
  bool no_room_ = false;                   ///< for memory that is reduced in place
  Staging staging_, part_staging_;
  std::vector<std::byte> packed_;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_rank(MPI_Comm comm, HostExchange exchange) {
  return std::make_unique<MpiRank>(comm, exchange);
}

}  // namespace epi::dist
