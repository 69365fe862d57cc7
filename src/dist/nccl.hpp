// NCCL as a communicator: device memory is summed by the GPUs themselves. No NCCL type appears
// here: rule of the house.
#pragma once

#include <memory>
#include <string>

#include "dist/communicator.hpp"

namespace epi::dist {

/// Why this build has no NCCL, and what to do; "" where it has.
[[nodiscard]] std::string nccl_missing();

/// A communicator of the ranks of `host`, of which each has a GPU of its own, `device`. Views on
/// that device go through NCCL, on a stream of its own that waits for each call's event and that
/// `Pending::wait` makes the caller's stream wait for; host memory, texts and barriers go through
/// `host`, and so does the bootstrap. `start`, `reduce_scatter` and `all_gather` of device memory
/// never wait on the host and may be recorded; graphs that hold them must end before the
/// communicator does.
///
/// Collective; sums once, to connect and to see that it works. Throws CommError or PeerError on all
/// ranks, ConfigError where nccl_missing() says why; `host` is taken over only on success.
///
/// A collective whose peer has died never ends on the device: `failure` says so then, to the
/// watchdog that asks. After a failure, or when an exception unwinds, the end of the object aborts
/// what is under way instead of waiting for it.
[[nodiscard]] std::unique_ptr<Communicator> make_nccl(std::unique_ptr<Communicator>&& host,
                                                      core::Device device);

}  // namespace epi::dist
