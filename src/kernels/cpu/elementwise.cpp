// Sums, type changes and the sum of squares over flat arrays. Bound by memory.
#include <algorithm>
#include <functional>

#include "core/bf16.hpp"
#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/cut.hpp"
#include "kernels/cpu/elementwise_loops.hpp"
#include "kernels/cpu/isa.hpp"

namespace epi::kernels::cpu {
namespace {

constexpr std::int64_t kElementsOfTask = 32 * 1024;

}  // namespace

const ElementwiseLoops& elementwise_loops() {
  static const ElementwiseLoops& loops =
      pick(base::elementwise_loops, v3::elementwise_loops, v4::elementwise_loops);
  return loops;
}

void combine(const CombineArgs& args, Pool& pool) {
  if (args.a.dtype() == core::DType::f64) {  // totals, a handful
    const auto* a = args.a.as<double>();
    std::transform(a, a + args.a.size(), args.b.as<double>(), args.out.as<double>(), std::plus<>());
    return;
  }
  for_pieces(pool, {args.a.size(), kElementsOfTask}, [&](std::int64_t begin, std::int64_t end) {
    elementwise_loops().combine(args.a.as<float>() + begin, args.b.as<float>() + begin,
                                args.out.as<float>() + begin, end - begin);
  });
}

void convert(const ConvertArgs& args, Pool& pool) {
  // BFloat16 is its sixteen bits and nothing else.
  static_assert(sizeof(core::BFloat16) == sizeof(std::uint16_t));
  if (args.in.dtype() == core::DType::i64) {
    std::copy_n(args.in.as<std::int64_t>(), args.in.size(), args.out.as<double>());
    return;
  }
  const bool narrows = args.in.dtype() == core::DType::f32;
  for_pieces(pool, {args.in.size(), kElementsOfTask}, [&](std::int64_t begin, std::int64_t end) {
    if (narrows) {
      auto* out = reinterpret_cast<std::uint16_t*>(args.out.as<core::BFloat16>());
      elementwise_loops().to_bf16(args.in.as<float>() + begin, out + begin, end - begin);
    } else {
      const auto* in = reinterpret_cast<const std::uint16_t*>(args.in.as<core::BFloat16>());
      elementwise_loops().from_bf16(in + begin, args.out.as<float>() + begin, end - begin);
    }
  });
}

void sum_squares(const SumSquaresArgs& args, Pool& pool) {
  const Cut cut{args.in.size(), kElementsOfTask};
  Scratch scratch(pool, Scratch::bytes<double>(cut.count));
  auto* parts = scratch.take<double>(cut.count);
  pool.run(cut.count, [&](std::int64_t piece, int) {
    const std::int64_t begin = cut.begin(piece);
    parts[piece] =
        elementwise_loops().sum_squares(args.in.as<float>() + begin, cut.end(piece) - begin);
  });
  double total = 0.0;
  for (std::int64_t piece = 0; piece < cut.count; ++piece) total += parts[piece];
  args.out.as<double>()[0] = total;
}

}  // namespace epi::kernels::cpu
