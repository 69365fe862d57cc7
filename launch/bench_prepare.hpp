// The whole of `prepare` on a synthetic genome, timed phase by phase beside the disk's own write
// rate of the same minute; then the store opened and the first batch assembled.
#pragma once

#include <cstdint>
#include <filesystem>

#include "core/log.hpp"
#include "data/prepare.hpp"
#include "synthetic_inputs.hpp"

namespace epi::launch {

struct PrepareBenchOptions {
  SyntheticSize size;          ///< `threads` is `threads` below
  int threads = 1;             ///< of prepare
  std::filesystem::path keep;  ///< a folder for the files, which then stay; empty: a temporary one
};

struct PrepareBenchResult {
  SyntheticInputs inputs;
  double make_s = 0.0;         ///< writing the inputs; not part of the rest
  double disk_mb_per_s = 0.0;  ///< one plain file, written and fsynced; in 10^6 bytes
  double read_s = 0.0, plan_s = 0.0, write_s = 0.0, finish_s = 0.0;
  double total_s = 0.0;          ///< of the four
  double processor_s = 0.0;      ///< used meanwhile: little beside total_s x threads means waiting
  data::PrepareSeconds seconds;  ///< sums over threads
  double peak_memory_mib = 0.0;  ///< resident, until the store is whole
  std::int64_t store_bytes = 0;  ///< of the whole folder
  std::int64_t shards = 0;
  double open_s = 0.0;         ///< every byte compared with its digests; the store is in memory
  double first_batch_s = 0.0;  ///< windows, order, samples, assembled tokens of one micro-batch
  std::int64_t windows = 0;    ///< for training
};

/// Errors as Preparation and write_synthetic_inputs; UsageError when `keep` is not an empty folder.
[[nodiscard]] PrepareBenchResult bench_prepare(const PrepareBenchOptions& options,
                                               const core::Log& log);

}  // namespace epi::launch
