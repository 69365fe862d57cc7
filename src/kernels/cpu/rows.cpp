// Weighted gather and scatter of rows. Bound by memory.
#include <algorithm>

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/cut.hpp"
#include "kernels/cpu/indices.hpp"
#include "kernels/cpu/norm_loops.hpp"

namespace epi::kernels::cpu {
namespace {

constexpr std::int64_t kRowsOfTask = 32;

float weight_of(const ConstView& weights, std::int64_t row) {
  return weights ? weights.as<float>()[row] : 1.0F;
}

}  // namespace

void gather_rows(const GatherRowsArgs& args, Pool& pool) {
  require_indices("gather_rows: rows", args.rows, args.in.shape(0));
  const std::int64_t hidden = args.in.shape(1);
  const auto* rows = args.rows.as<std::int32_t>();
  for_pieces(pool, {args.rows.size(), kRowsOfTask}, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t m = begin; m < end; ++m) {
      norm_loops().scaled(weight_of(args.weights, m), args.in.as<float>() + rows[m] * hidden,
                          hidden, args.out.as<float>() + m * hidden);
    }
  });
}

// Each task owns a range of output rows and looks through all of `rows` for its own, so every sum
// runs in the order of m without locks; scanning 4-byte indices costs little beside whole rows.
void scatter_rows(const ScatterRowsArgs& args, Pool& pool) {
  require_indices("scatter_rows: rows", args.rows, args.out.shape(0));
  const std::int64_t hidden = args.in.shape(1);
  const auto* rows = args.rows.as<std::int32_t>();
  auto* out = args.out.as<float>();
  const Cut owned = cut_into(args.out.shape(0), 64, 8);
  for_pieces(pool, owned, [&](std::int64_t begin, std::int64_t end) {
    if (args.write == Write::set) std::fill(out + begin * hidden, out + end * hidden, 0.0F);
    for (std::int64_t m = 0; m < args.rows.size(); ++m) {
      if (rows[m] < begin || rows[m] >= end) continue;
      norm_loops().add_scaled(weight_of(args.weights, m), args.in.as<float>() + m * hidden, hidden,
                              out + rows[m] * hidden);
    }
  });
}

}  // namespace epi::kernels::cpu
