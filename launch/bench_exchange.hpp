// The exchange of gradients between ranks, timed as training does it, beside MPI's own sum and the
// memory of the same machine in the same minute.
#pragma once

#include "core/log.hpp"
#include "dist/communicator.hpp"

namespace epi::launch {

struct BenchExchangeOptions {
  double mb = 100.0;       ///< gradients, f32, in 10^6 bytes
  double bucket_mb = 8.0;  ///< of one bucket, in 10^6 bytes
  int repeats = 10;        ///< of each measurement; the best counts
};

/// Rates are bytes of the gradients (not of what moves) over seconds, in 10^9.
struct BenchExchangeResult {
  int ranks = 1;
  double bytes = 0.0;               ///< of the gradients
  double whole_gb_per_s = 0.0;      ///< summed in one collective, where they lie
  double buckets_gb_per_s = 0.0;    ///< bucket by bucket, as a training step does it
  double elsewhere_gb_per_s = 0.0;  ///< in memory that is not the communicator's
  double library_gb_per_s = 0.0;    ///< one plain MPI_Allreduce
  double roof_gb_per_s = 0.0;       ///< every rank reads and writes as many bytes of its own memory
  double copy_gb_per_s = 0.0;       ///< memcpy of all ranks together, bytes read and written
  double small_us = 0.0;            ///< microseconds of a sum of ten doubles
  double library_small_us = 0.0;    ///< the same by MPI_Allreduce
};

/// Every rank of `world` calls it; the figures are rank 0's. UsageError when there is one rank.
[[nodiscard]] BenchExchangeResult bench_exchange(const BenchExchangeOptions& options,
                                                 dist::Communicator& world, const core::Log& log);

}  // namespace epi::launch
