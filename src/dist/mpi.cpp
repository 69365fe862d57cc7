// All of MPI. Errors come back as codes and become CommError with MPI's own text. Collectives are
// complete when `start` returns: Open MPI makes progress only inside calls, so there is no overlap
// to promise.
#include "dist/mpi.hpp"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <numeric>
#include <thread>

#include "core/error.hpp"
#include "dist/launch_trap.hpp"
#include "dist/ordered_reduce.hpp"
#include "dist/staging.hpp"

namespace epi::dist {
namespace {

// Open MPI is about twice as fast on 1 MB pieces as on one large message (105 MB over 2 ranks: 24
// ms against 50 ms), and a piece always fits MPI's int counts.
constexpr std::int64_t kPieceBytes = std::int64_t{1} << 20;
// A rank's share of the shared window; two of them, used in turns. Stays in the second-level cache
// between the rank that writes it and the one that sums it.
constexpr std::int64_t kSlotBytes = std::int64_t{1} << 18;

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  (void)MPI_Error_string(code, text, &length);
  throw core::CommError(
      fmt::format("{} failed: {}", call, std::string_view(text, static_cast<std::size_t>(length))));
}

MPI_Datatype mpi_type(core::DType type) {
  switch (type) {
    case core::DType::f32:
      return MPI_FLOAT;
    case core::DType::f64:
      return MPI_DOUBLE;
    case core::DType::i64:
      return MPI_INT64_T;
    case core::DType::i32:
      return MPI_INT32_T;
    case core::DType::bf16:
      return MPI_UINT16_T;
    case core::DType::u8:
      break;
  }
  return MPI_BYTE;
}

std::size_t element_offset(const ConstView& view, std::int64_t element) {
  return static_cast<std::size_t>(element) * core::size_of(view.dtype());
}

/// Calls piece(first element, number of elements) over [0, count) in pieces of `piece_bytes`.
template <class Piece>
void in_pieces(std::int64_t count, core::DType type, std::int64_t piece_bytes, Piece piece) {
  const std::int64_t step =
      std::max<std::int64_t>(1, piece_bytes / static_cast<std::int64_t>(core::size_of(type)));
  for (std::int64_t first = 0; first < count; first += step) {
    piece(first, static_cast<int>(std::min(step, count - first)));
  }
}

/// Whether MPI objects may be freed: freeing is collective, so not while this rank is failing
/// alone.
class FreeGuard {
 public:
  [[nodiscard]] bool may_free() const {
    int finalized = 0;
    (void)MPI_Finalized(&finalized);
    return finalized == 0 && std::uncaught_exceptions() == at_start_;
  }

 private:
  int at_start_ = std::uncaught_exceptions();
};

/// Owner of an MPI communicator that returns errors instead of ending the program.
class Comm {
 public:
  explicit Comm(MPI_Comm comm) : comm_(comm) {
    check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(comm_, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(comm_, &size_), "MPI_Comm_size");
  }
  ~Comm() {
    if (guard_.may_free()) (void)MPI_Comm_free(&comm_);
  }
  Comm(const Comm&) = delete;
  Comm& operator=(const Comm&) = delete;

  [[nodiscard]] MPI_Comm get() const { return comm_; }
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }

 private:
  FreeGuard guard_;
  MPI_Comm comm_;
  int rank_ = 0;
  int size_ = 1;
};

/// Memory that all ranks of one host see: two sets of one slot per rank. A collective that uses the
/// sets in turns needs no meeting to protect a slot from its next use: whoever writes set s again
/// has met everybody in between, and they had then left the earlier use.
class SharedSlots {
 public:
  explicit SharedSlots(const Comm& comm) : comm_(comm) {
    std::byte* mine = nullptr;
    check(MPI_Win_allocate_shared(2 * kSlotBytes, 1, MPI_INFO_NULL, comm.get(), &mine, &window_),
          "MPI_Win_allocate_shared");
    for (int rank = 0; rank < comm.size(); ++rank) {
      MPI_Aint bytes = 0;
      int unit = 0;
      std::byte* base = nullptr;
      check(MPI_Win_shared_query(window_, rank, &bytes, &unit, &base), "MPI_Win_shared_query");
      bases_.push_back(base);
    }
    check(MPI_Win_lock_all(MPI_MODE_NOCHECK, window_), "MPI_Win_lock_all");
  }
  ~SharedSlots() {
    if (!guard_.may_free()) return;
    (void)MPI_Win_unlock_all(window_);
    (void)MPI_Win_free(&window_);
  }
  SharedSlots(const SharedSlots&) = delete;
  SharedSlots& operator=(const SharedSlots&) = delete;

  /// Begins a use of the slots: the other set than last time.
  void turn() { set_ = kSlotBytes - set_; }
  [[nodiscard]] std::byte* slot(int rank) const {
    return bases_[static_cast<std::size_t>(rank)] + set_;
  }
  /// Waits for all ranks; what each of them wrote before is visible to all after.
  void meet() {
    check(MPI_Win_sync(window_), "MPI_Win_sync");
    check(MPI_Barrier(comm_.get()), "MPI_Barrier");
    check(MPI_Win_sync(window_), "MPI_Win_sync");
  }

 private:
  FreeGuard guard_;
  const Comm& comm_;
  MPI_Win window_ = MPI_WIN_NULL;
  std::vector<std::byte*> bases_;
  std::int64_t set_ = 0;
};

std::unique_ptr<Comm> same_host(const Comm& comm) {
  MPI_Comm node = MPI_COMM_NULL;
  check(MPI_Comm_split_type(comm.get(), MPI_COMM_TYPE_SHARED, comm.rank(), MPI_INFO_NULL, &node),
        "MPI_Comm_split_type");
  return std::make_unique<Comm>(node);
}

class MpiRank final : public Communicator {
 public:
  MpiRank(MPI_Comm comm, HostExchange exchange)
      : comm_(comm), node_(same_host(comm_)), exchange_(exchange) {
    int nodes = node_->rank() == 0 ? 1 : 0;
    check(MPI_Allreduce(MPI_IN_PLACE, &nodes, 1, MPI_INT, MPI_SUM, comm_.get()), "MPI_Allreduce");
    num_nodes_ = nodes;
    if (exchange == HostExchange::shared_memory && num_nodes_ == 1 && size() > 1) {
      slots_ = std::make_unique<SharedSlots>(comm_);
    }
    inputs_.resize(static_cast<std::size_t>(size()));
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
    if (slots_)
      reduce_in_slots(op, host);
    else
      reduce_by_messages(op, host);
    staging_.store(view);
    return {};
  }

  Pending reduce_scatter(const ConstView& whole, const View& part, const Event& after) override {
    require_reducible(whole.dtype());
    require_parts(part, whole);
    begin(after);
    const ConstView from = staging_.load(whole);
    const View to = part_staging_.reserve(part);
    const std::int64_t piece = slots_ ? kSlotBytes : kPieceBytes;
    in_pieces(to.size(), to.dtype(), piece / size(), [&](std::int64_t first, int count) {
      if (slots_)
        scatter_in_slots(from, to, first, count);
      else
        scatter_by_messages(from, to, first, count);
    });
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

  void exchange(int partner, const ConstView& send, const View& receive) override {
    core::require(partner >= 0 && partner < size(), "the partner of an exchange is a rank");
    begin(Event());
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

  void abort(int exit_code) override { (void)MPI_Abort(MPI_COMM_WORLD, exit_code); }
  bool capturable() const override { return false; }
  std::string description() const override {
    return fmt::format("MPI, {} rank{} on {} node{}", size(), size() == 1 ? "" : "s", num_nodes_,
                       num_nodes_ == 1 ? "" : "s");
  }

 private:
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

  /// Sums `count` elements that lie `offset` bytes into everybody's slot, in rank order.
  void sum_slots(Reduce op, core::DType type, std::size_t offset, std::byte* to,
                 std::int64_t count) {
    for (int rank = 0; rank < size(); ++rank) {
      inputs_[static_cast<std::size_t>(rank)] = slots_->slot(rank) + offset;
    }
    reduce_in_order(op, type, inputs_, to, count);
  }

  /// Every rank puts its piece into its slot, sums its share of all slots into the first slot, and
  /// takes the sums from there.
  void reduce_in_slots(Reduce op, const View& host) {
    in_pieces(host.size(), host.dtype(), kSlotBytes, [&](std::int64_t first, int count) {
      std::byte* piece = host.raw() + element_offset(host, first);
      const std::size_t bytes = element_offset(host, count);
      slots_->turn();
      std::memcpy(slots_->slot(rank()), piece, bytes);
      slots_->meet();
      const std::int64_t mine = part_begin(count, rank(), size());
      const std::int64_t end = part_begin(count, rank() + 1, size());
      const std::size_t offset = element_offset(host, mine);
      sum_slots(op, host.dtype(), offset, slots_->slot(0) + offset, end - mine);
      slots_->meet();
      std::memcpy(piece, slots_->slot(0), bytes);
    });
  }

  void reduce_by_messages(Reduce op, const View& host) {
    const MPI_Op operation = op == Reduce::sum ? MPI_SUM : MPI_MAX;
    in_pieces(host.size(), host.dtype(), kPieceBytes, [&](std::int64_t first, int count) {
      check(MPI_Allreduce(MPI_IN_PLACE, host.raw() + element_offset(host, first), count,
                          mpi_type(host.dtype()), operation, comm_.get()),
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

  void scatter_in_slots(const ConstView& from, const View& to, std::int64_t first, int count) {
    slots_->turn();
    pack_parts(from, first, count, slots_->slot(rank()));
    slots_->meet();
    sum_slots(Reduce::sum, to.dtype(), element_offset(to, count) * static_cast<std::size_t>(rank()),
              to.raw() + element_offset(to, first), count);
  }

  void scatter_by_messages(const ConstView& from, const View& to, std::int64_t first, int count) {
    packed_.resize(element_offset(from, count) * static_cast<std::size_t>(size()));
    pack_parts(from, first, count, packed_.data());
    check(MPI_Reduce_scatter_block(packed_.data(), to.raw() + element_offset(to, first), count,
                                   mpi_type(to.dtype()), MPI_SUM, comm_.get()),
          "MPI_Reduce_scatter_block");
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
  std::unique_ptr<SharedSlots> slots_;  ///< when all ranks share one host
  Staging staging_, part_staging_;
  std::vector<const std::byte*> inputs_;
  std::vector<std::byte> packed_;
};

std::optional<std::string> from_process(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

/// Without a launcher Open MPI starts a daemon of its own, only for MPI_Comm_spawn, which we never
/// call. Must be said before MPI_Init; what the user has set stays.
void need_no_daemon() {
  (void)setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
}

}  // namespace

MpiRuntime::MpiRuntime(int& argc, char**& argv) : exceptions_at_start_(std::uncaught_exceptions()) {
  need_no_daemon();
  int provided = MPI_THREAD_SINGLE;
  check(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
  const std::optional<std::string> trap = size_ == 1 ? singleton_trap(from_process) : std::nullopt;
  if (!trap && provided >= MPI_THREAD_FUNNELED) return;
  (void)MPI_Finalize();  // no destructor runs for an object that was not made
  if (trap) throw core::UsageError(*trap);
  throw core::CommError("this MPI was built without thread support (MPI_THREAD_FUNNELED)");
}

MpiRuntime::~MpiRuntime() {
  if (size_ > 1 && std::uncaught_exceptions() > exceptions_at_start_) return;
  (void)MPI_Finalize();
}

std::unique_ptr<Communicator> MpiRuntime::world(HostExchange exchange) {
  MPI_Comm copy = MPI_COMM_NULL;
  check(MPI_Comm_dup(MPI_COMM_WORLD, &copy), "MPI_Comm_dup");
  return std::make_unique<MpiRank>(copy, exchange);
}

}  // namespace epi::dist
