// One NCCL communicator and one stream a rank. NCCL orders its work by that stream, so the buckets
// of a step are summed in the order in which they were started, on all ranks.
//
// NCCL is called in its blocking mode: a call returns once the work is queued. What happens to the
// work later is told by ncclCommGetAsyncError, which may be asked from any thread.
#include "dist/nccl.hpp"

#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <nccl.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include "core/error.hpp"
#include "dist/ordered_reduce.hpp"

namespace epi::dist {
namespace {

// Between two looks at work that the host waits for: far below what a message takes to be set up.
constexpr std::chrono::microseconds kPoll(20);

std::string text_of(ncclResult_t result, ncclComm_t comm) {
  const char* const detail = ncclGetLastError(comm);
  const bool told = detail != nullptr && *detail != '\0';
  return fmt::format("{}{}{} (NCCL_DEBUG=INFO shows more)", ncclGetErrorString(result),
                     told ? ": " : "", told ? detail : "");
}

void check(ncclResult_t result, const char* call, ncclComm_t comm = nullptr) {
  if (result == ncclSuccess) return;
  const std::string text = fmt::format("{} failed: {}", call, text_of(result, comm));
  if (result == ncclRemoteError) throw core::PeerError(text);
  throw core::CommError(text);
}

ncclDataType_t nccl_type(core::DType type) {
  switch (type) {
    case core::DType::f32:
      return ncclFloat32;
    case core::DType::f64:
      return ncclFloat64;
    case core::DType::i64:
      return ncclInt64;
    case core::DType::i32:
      return ncclInt32;
    case core::DType::bf16:
      return ncclBfloat16;
    case core::DType::u8:
      break;
  }
  return ncclUint8;
}

std::size_t count_of(const ConstView& view) {
  return static_cast<std::size_t>(view.size());
}

/// Owner of an NCCL communicator.
class Comm {
 public:
  Comm() = default;
  ~Comm() {
    if (comm_ == nullptr) return;
    // Destroying waits for work under way, and that for peers which may never come.
    const bool failing = failed_ || std::uncaught_exceptions() > at_start_;
    (void)(failing ? ncclCommAbort(comm_) : ncclCommDestroy(comm_));
  }
  Comm(const Comm&) = delete;
  Comm& operator=(const Comm&) = delete;

  /// Connects all ranks that bring the same `id`. Of one GPU each.
  void connect(const ncclUniqueId& id, int rank, int size) {
    check(ncclCommInitRank(&comm_, size, id, rank), "ncclCommInitRank");
  }
  [[nodiscard]] ncclComm_t get() const { return comm_; }

  /// What has gone wrong since; "" when nothing has.
  [[nodiscard]] std::string failure() const {
    ncclResult_t result = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &result);
    if (asked != ncclSuccess) result = asked;
    if (result == ncclSuccess || result == ncclInProgress) return "";
    failed_ = true;
    return fmt::format("NCCL has lost a peer or the network: {}", text_of(result, comm_));
  }

 private:
  ncclComm_t comm_ = nullptr;
  mutable std::atomic<bool> failed_ = false;
  int at_start_ = std::uncaught_exceptions();
};

/// Rank 0's id reaches all ranks through the host's communicator; then all connect.
std::unique_ptr<Comm> connect(Communicator& host, core::Device device) {
  ncclUniqueId id{};
  agree(host, [&] {
    if (host.rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
  });
  auto* const bytes = reinterpret_cast<std::uint8_t*>(id.internal);
  host.broadcast(View(bytes, {NCCL_UNIQUE_ID_BYTES}), 0);
  auto comm = std::make_unique<Comm>();
  agree(host, [&] {
    // NCCL connects the current device of the thread.
    if (const cudaError_t status = cudaSetDevice(device.index); status != cudaSuccess) {
      throw core::DeviceError(fmt::format("cudaSetDevice failed: {}", cudaGetErrorString(status)));
    }
    comm->connect(id, host.rank(), host.size());
  });
  return comm;
}

class NcclRank final : public Communicator {
 public:
  NcclRank(std::unique_ptr<Communicator> host, Stream stream, std::unique_ptr<Comm> comm)
      : host_(std::move(host)),
        device_(stream.device()),
        stream_(std::move(stream)),
        comm_(std::move(comm)) {}

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  int node_rank() const override { return host_->node_rank(); }
  int node_size() const override { return host_->node_size(); }

  Pending start(Reduce op, const View& view, const Event& after) override {
    if (!here(view)) return host_->start(op, view, after);
    require_reducible(view.dtype());
    stream_.wait(after);
    check(ncclAllReduce(view.raw(), view.raw(), count_of(view), nccl_type(view.dtype()),
                        op == Reduce::sum ? ncclSum : ncclMax, comm_->get(), native()),
          "ncclAllReduce", comm_->get());
    return queued();
  }

  core::Tensor reducible(core::DType type, std::int64_t count, core::Device device) override {
    if (device != device_) return host_->reducible(type, count, device);
    require_reducible(type);
    return {type, {count}, device};
  }

  Pending reduce_scatter(const ConstView& whole, const View& part, const Event& after) override {
    if (!here(part)) return host_->reduce_scatter(whole, part, after);
    require_reducible(whole.dtype());
    require_parts(part, whole);
    stream_.wait(after);
    check(ncclReduceScatter(whole.raw(), part.raw(), count_of(part), nccl_type(part.dtype()),
                            ncclSum, comm_->get(), native()),
          "ncclReduceScatter", comm_->get());
    return queued();
  }

  Pending all_gather(const ConstView& part, const View& whole, const Event& after) override {
    if (!here(part)) return host_->all_gather(part, whole, after);
    require_parts(part, whole);
    stream_.wait(after);
    check(ncclAllGather(part.raw(), whole.raw(), count_of(part), nccl_type(part.dtype()),
                        comm_->get(), native()),
          "ncclAllGather", comm_->get());
    return queued();
  }

  void broadcast(const View& view, int root) override {
    core::require(root >= 0 && root < size(), "the root of a broadcast is a rank");
    if (!here(view)) return host_->broadcast(view, root);
    check(ncclBroadcast(view.raw(), view.raw(), count_of(view), nccl_type(view.dtype()), root,
                        comm_->get(), native()),
          "ncclBroadcast", comm_->get());
    drain();
  }

  Pending exchange(int partner, const ConstView& send, const View& receive,
                   const Event& after) override {
    core::require(partner >= 0 && partner < size(), "the partner of an exchange is a rank");
    if (!here(send)) return host_->exchange(partner, send, receive, after);
    core::require(here(receive), "what is exchanged lies on one device");
    stream_.wait(after);
    // In one group, so that neither side waits for the other to receive first.
    check(ncclGroupStart(), "ncclGroupStart");
    const ncclResult_t sent =
        ncclSend(send.raw(), send.bytes(), ncclUint8, partner, comm_->get(), native());
    const ncclResult_t received =
        ncclRecv(receive.raw(), receive.bytes(), ncclUint8, partner, comm_->get(), native());
    const ncclResult_t ended =
        ncclGroupEnd();  // also after a failure: the group must not stay open
    check(sent, "ncclSend", comm_->get());
    check(received, "ncclRecv", comm_->get());
    check(ended, "ncclGroupEnd", comm_->get());
    return queued();
  }

  std::vector<std::string> gather_text(const std::string& mine) override {
    return host_->gather_text(mine);
  }
  void barrier() override { host_->barrier(); }
  // Connected anew: groups are made once in a run, and need no help of NCCL's for that.
  std::unique_ptr<Communicator> node_group() override {
    return make_nccl(host_->node_group(), device_);
  }
  std::unique_ptr<Communicator> peer_group() override {
    return make_nccl(host_->peer_group(), device_);
  }
  void abort(int exit_code) override { host_->abort(exit_code); }
  std::string failure() const override {
    std::string own = comm_->failure();
    return own.empty() ? host_->failure() : own;
  }
  std::string waiting() const override { return host_->waiting(); }
  bool sums_in_tree(core::Device device) const override {
    return device != device_ && host_->sums_in_tree(device);
  }
  bool capturable() const override { return true; }
  std::string description() const override {
    int version = 0;
    (void)ncclGetVersion(&version);
    return fmt::format("NCCL {}.{}.{} between GPUs; {}", version / 10000, version / 100 % 100,
                       version % 100, host_->description());
  }

  /// Ends the use of the host's communicator and returns it.
  [[nodiscard]] std::unique_ptr<Communicator> release_host() { return std::move(host_); }

  /// Blocks the host until all work of this communicator is done. PeerError for a peer that has
  /// gone meanwhile: the device would wait for ever.
  void drain() const {
    for (cudaError_t status = cudaErrorNotReady; status != cudaSuccess;) {
      status = cudaStreamQuery(native());
      if (status == cudaSuccess) return;
      (void)cudaGetLastError();  // "not ready" is kept as an error, which others would meet
      if (status != cudaErrorNotReady) {
        throw core::DeviceError(fmt::format("work of NCCL failed: {}", cudaGetErrorString(status)));
      }
      if (const std::string gone = comm_->failure(); !gone.empty()) throw core::PeerError(gone);
      std::this_thread::sleep_for(kPoll);
    }
  }

 private:
  [[nodiscard]] cudaStream_t native() const { return static_cast<cudaStream_t>(stream_.native()); }
  [[nodiscard]] bool here(const ConstView& view) const { return view.device() == device_; }
  /// What was just queued.
  [[nodiscard]] Pending queued() const {
    return Pending([done = Event::record(stream_)](Stream& stream) { stream.wait(done); });
  }
  void require_parts(const ConstView& part, const ConstView& whole) const {
    core::require(here(part) && here(whole), "part and whole lie on one device");
    core::require(whole.dtype() == part.dtype() && whole.size() == part.size() * size(),
                  "whole has one part for each rank");
  }

  std::unique_ptr<Communicator> host_;
  core::Device device_;
  Stream stream_;
  std::unique_ptr<Comm> comm_;  ///< ends first, since its work runs in the stream
};

/// NCCL connects at the first use, which must not be while a graph is recorded.
void sum_once(NcclRank& nccl, core::Device device) {
  const core::Tensor ones(core::DType::f32, {nccl.size()}, device);
  std::vector<float> mine(static_cast<std::size_t>(nccl.size()), 1.0F);
  const View host(mine.data(), {nccl.size()});
  Stream stream(device);
  core::copy(ones, host, stream);
  nccl.start(Reduce::sum, ones, Event::record(stream)).wait(stream);
  nccl.drain();
  core::copy(host, ones, stream);
  stream.synchronize();
  for (const float sum : mine) {
    if (sum == static_cast<float>(nccl.size())) continue;
    throw core::CommError(fmt::format("NCCL's first sum over {} ranks is {} instead of {}",
                                      nccl.size(), sum, nccl.size()));
  }
}

}  // namespace

std::string nccl_missing() {
  return "";
}

std::unique_ptr<Communicator> make_nccl(std::unique_ptr<Communicator>&& host, core::Device device) {
  core::require(device.kind == core::DeviceKind::cuda, "NCCL sums on GPUs");
  std::optional<Stream> stream;
  // Few blocks, for which all ranks wait: they go before the many of backward.
  agree(*host, [&] { stream.emplace(device, core::Priority::high); });
  std::unique_ptr<Comm> comm = connect(*host, device);
  Communicator& ranks = *host;
  auto nccl = std::make_unique<NcclRank>(std::move(host), std::move(*stream), std::move(comm));
  try {
    agree(ranks, [&] { sum_once(*nccl, device); });
  } catch (...) {
    host = nccl->release_host();
    throw;
  }
  return nccl;
}

}  // namespace epi::dist
