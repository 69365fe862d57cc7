// What a sum over the ranks costs on this machine, measured as a run begins: buckets of gradients
// are as large as the way between the ranks needs, and no larger, so that the first of them starts
// early.
#pragma once

#include <cstddef>

#include "core/device.hpp"
#include "dist/communicator.hpp"
#include "dist/cost_model.hpp"

namespace epi::dist {

/// Seconds before the first byte of a sum over `world` of f32 on `device`, and bytes summed per
/// second from then on: small and large sums, the fastest of several, on the slowest rank. The same
/// on all ranks; takes about ten large sums. Unknown for one rank. Collective; CommError,
/// PeerError, and DeviceError without memory.
[[nodiscard]] Link measure_sums(Communicator& world, core::Device device);

/// About ten latencies' worth of bytes: a tenth of a bucket's time is then spent on starting it. A
/// power of two of MiB, 4 to 64, so that a measurement that differs a little from run to run gives
/// the same buckets; see docs/configuration.md for what depends on that. 8 MiB where the link is
/// unknown.
[[nodiscard]] std::size_t bucket_bytes_for(const Link& link);

}  // namespace epi::dist
