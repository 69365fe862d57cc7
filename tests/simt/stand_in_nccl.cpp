// NCCL's functions between threads of one process, on emulated devices: with it the real nccl.cpp
// runs where there is no GPU. Ranks with one id meet; a collective is work of its stream, done when
// the stream comes to it, also from a recorded graph, and ends when all ranks have come. It refuses
// what NCCL refuses: a rank twice, operations outside of a group that need one.
#include "simt/stand_in_nccl.hpp"

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "core/bf16.hpp"
#include "simt/emulated_device.hpp"

namespace {

std::atomic<bool> lost{false};
std::atomic<int> open_comms{0}, aborted_comms{0};

/// The ranks of one id, and where each has its operands while they meet.
struct World {
  explicit World(int ranks) : size(ranks), posted(static_cast<std::size_t>(ranks)) {}

  /// Returns when all have come.
  void meet() {
    std::unique_lock lock(mutex);
    const std::int64_t round = rounds;
    if (++here == size) {
      here = 0;
      ++rounds;
      return all_here.notify_all();
    }
    all_here.wait(lock, [&] { return rounds != round; });
  }

  int size;
  std::vector<const void*> posted;
  std::mutex mutex;
  std::condition_variable all_here;
  int here = 0;
  std::int64_t rounds = 0;
};

std::mutex worlds_mutex;
std::map<std::uint64_t, std::weak_ptr<World>> worlds;

std::size_t bytes_of(ncclDataType_t type) {
  switch (type) {
    case ncclUint8:
      return 1;
    case ncclBfloat16:
      return 2;
    case ncclFloat32:
    case ncclInt32:
      return 4;
    default:
      return 8;
  }
}

template <class T>
T combined(T a, T b, ncclRedOp_t op) {
  return op == ncclSum ? a + b : std::max(a, b);
}

template <class T>
void reduce(const std::vector<const void*>& from, std::size_t first, void* to, std::size_t count,
            ncclRedOp_t op) {
  auto* out = static_cast<T*>(to);
  for (std::size_t i = 0; i < count; ++i) {
    T value = static_cast<const T*>(from[0])[first + i];
    for (std::size_t r = 1; r < from.size(); ++r) {
      value = combined(value, static_cast<const T*>(from[r])[first + i], op);
    }
    out[i] = value;
  }
}

// NCCL adds bf16 in f32 pairwise; here in rank order, rounded once.
void reduce_bf16(const std::vector<const void*>& from, std::size_t first, void* to,
                 std::size_t count) {
  using epi::core::BFloat16;
  for (std::size_t i = 0; i < count; ++i) {
    float sum = 0;
    for (const void* rank : from) {
      sum += epi::core::to_float(static_cast<const BFloat16*>(rank)[first + i]);
    }
    static_cast<BFloat16*>(to)[i] = epi::core::to_bf16(sum);
  }
}

void reduce_typed(const std::vector<const void*>& from, std::size_t first, void* to,
                  std::size_t count, ncclDataType_t type, ncclRedOp_t op) {
  if (type == ncclFloat32) return reduce<float>(from, first, to, count, op);
  if (type == ncclFloat64) return reduce<double>(from, first, to, count, op);
  if (type == ncclInt64) return reduce<std::int64_t>(from, first, to, count, op);
  reduce_bf16(from, first, to, count);
}

thread_local int group_depth = 0;
thread_local std::vector<std::function<void()>> grouped;

}  // namespace

struct ncclComm {
  std::shared_ptr<World> world;
  int rank;
};

namespace {

/// Queues a collective: every rank posts `send`, all meet, `take` makes this rank's result from all
/// of them, all meet again before anybody writes to where another may still read.
ncclResult_t queue(ncclComm_t comm, cudaStream_t stream, const void* send, void* receive,
                   std::size_t receive_bytes,
                   std::function<void(const std::vector<const void*>&, void*)> take) {
  if (lost) return ncclSuccess;  // it will never end
  epi::core::emulated::queue(
      stream,
      [=, take = std::move(take)] {
        World& world = *comm->world;
        world.posted[static_cast<std::size_t>(comm->rank)] = send;
        world.meet();
        std::vector<std::byte> result(receive_bytes);
        take(world.posted, result.data());
        world.meet();
        std::memcpy(receive, result.data(), receive_bytes);
        world.meet();
      },
      "a collective");
  return ncclSuccess;
}

ncclResult_t close(ncclComm_t comm, std::atomic<int>* also) {
  --open_comms;
  if (also != nullptr) ++*also;
  delete comm;
  return ncclSuccess;
}

}  // namespace

namespace epi::dist {

void lose_peers(bool now) {
  lost = now;
}
int open_communicators() {
  return open_comms;
}
int aborted_communicators() {
  return aborted_comms;
}

}  // namespace epi::dist

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclRemoteError ? "remote process exited or there was a network error"
                                   : "refused by the stand-in";
}
const char* ncclGetLastError(ncclComm_t) {
  return "";
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static std::atomic<std::uint64_t> next{1};
  *id = {};
  const std::uint64_t number = next++;
  std::memcpy(id->internal, &number, sizeof number);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t* comm, int size, ncclUniqueId id, int rank) {
  std::uint64_t number = 0;
  std::memcpy(&number, id.internal, sizeof number);
  if (number == 0 || rank < 0 || rank >= size) return ncclInvalidArgument;
  std::shared_ptr<World> world;
  {
    const std::lock_guard lock(worlds_mutex);
    world = worlds[number].lock();
    if (!world) worlds[number] = world = std::make_shared<World>(size);
  }
  if (world->size != size) return ncclInvalidArgument;
  ++open_comms;
  *comm = new ncclComm{world, rank};
  world->meet();
  return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  return close(comm, nullptr);
}
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  return close(comm, &aborted_comms);
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* error) {
  *error = lost ? ncclRemoteError : ncclSuccess;
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* send, void* receive, std::size_t count, ncclDataType_t type,
                           ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  return queue(comm, stream, send, receive, count * bytes_of(type),
               [=](const std::vector<const void*>& all, void* to) {
                 reduce_typed(all, 0, to, count, type, op);
               });
}

ncclResult_t ncclReduceScatter(const void* send, void* receive, std::size_t count,
                               ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
                               cudaStream_t stream) {
  const auto first = static_cast<std::size_t>(comm->rank) * count;
  return queue(comm, stream, send, receive, count * bytes_of(type),
               [=](const std::vector<const void*>& all, void* to) {
                 reduce_typed(all, first, to, count, type, op);
               });
}

ncclResult_t ncclAllGather(const void* send, void* receive, std::size_t count, ncclDataType_t type,
                           ncclComm_t comm, cudaStream_t stream) {
  const std::size_t bytes = count * bytes_of(type);
  return queue(comm, stream, send, receive, bytes * static_cast<std::size_t>(comm->world->size),
               [=](const std::vector<const void*>& all, void* to) {
                 for (std::size_t r = 0; r < all.size(); ++r) {
                   std::memcpy(static_cast<std::byte*>(to) + r * bytes, all[r], bytes);
                 }
               });
}

ncclResult_t ncclBroadcast(const void* send, void* receive, std::size_t count, ncclDataType_t type,
                           int root, ncclComm_t comm, cudaStream_t stream) {
  const std::size_t bytes = count * bytes_of(type);
  return queue(comm, stream, send, receive, bytes,
               [=](const std::vector<const void*>& all, void* to) {
                 std::memcpy(to, all[static_cast<std::size_t>(root)], bytes);
               });
}

// A pair of these makes one exchange, in which all ranks of the world take part.
ncclResult_t ncclGroupStart() {
  ++group_depth;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  if (--group_depth > 0) return ncclSuccess;
  for (const std::function<void()>& call : grouped) call();
  grouped.clear();
  return ncclSuccess;
}
ncclResult_t ncclSend(const void* send, std::size_t, ncclDataType_t, int, ncclComm_t comm,
                      cudaStream_t) {
  if (group_depth == 0) return ncclInvalidUsage;
  comm->world->posted[static_cast<std::size_t>(comm->rank)] = send;
  return ncclSuccess;
}
ncclResult_t ncclRecv(void* receive, std::size_t count, ncclDataType_t type, int partner,
                      ncclComm_t comm, cudaStream_t stream) {
  if (group_depth == 0) return ncclInvalidUsage;
  const std::size_t bytes = count * bytes_of(type);
  const void* const send = comm->world->posted[static_cast<std::size_t>(comm->rank)];
  grouped.emplace_back([=] {
    (void)queue(comm, stream, send, receive, bytes,
                [=](const std::vector<const void*>& all, void* to) {
                  std::memcpy(to, all[static_cast<std::size_t>(partner)], bytes);
                });
  });
  return ncclSuccess;
}

// What nccl.cpp asks the runtime itself.
cudaError_t cudaStreamQuery(cudaStream_t) {
  return lost ? cudaErrorNotReady : cudaSuccess;
}
cudaError_t cudaGetLastError() {
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) {
  return cudaSuccess;
}
const char* cudaGetErrorString(cudaError_t) {
  return "an error of the stand-in";
}

}  // extern "C"
