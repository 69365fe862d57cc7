// The roofs of a GPU, measured with ops and copies of its back end, and the makers' figures.
#pragma once

#include <memory>
#include <string>

#include "bench_roofs.hpp"
#include "core/device.hpp"
#include "kernels/ops.hpp"

namespace epi::launch {

/// How large the measurements are; smaller ones serve tests.
struct RoofSizes {
  std::int64_t product = 8192;  ///< M = N = K of bf16; half of that for f32
  int largest_log = 30;         ///< of memory's working set: 1 GiB, beyond all caches
};

/// Arithmetic: one square product of random numbers through Ops::linear. Memory: a device-to-device
/// copy, sum_squares (reads), combine (a = b + c, and a = a + b in place). Works for the ops of any
/// device; `ops` and `stream` must outlive it.
[[nodiscard]] std::unique_ptr<RoofSource> make_ops_roofs(kernels::Ops& ops, core::Stream& stream,
                                                         const std::string& gpu_name,
                                                         const RoofSizes& sizes = {});

/// Dense FLOP/s of a GPU of this name (DeviceProperties::name) by the maker's data sheet: bf16 on
/// tensor cores summed in fp32, and fp32 without them. 0 for a name that is not known.
[[nodiscard]] Peaks data_sheet(const std::string& gpu_name);

}  // namespace epi::launch
