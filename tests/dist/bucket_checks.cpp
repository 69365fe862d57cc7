// Gradient buckets over any communicator.
#include <gtest/gtest.h>

#include "core/bf16.hpp"
#include "core/buffer.hpp"
#include "dist/check_values.hpp"
#include "dist/collective_checks.hpp"
#include "dist/gradient_buckets.hpp"

namespace epi::dist {
namespace {

void sums_gradient_buckets(Communicator& world) {
  Stream stream(core::kCpu);
  for (const std::int64_t count : {1, 5, 1000, 70001}) {
    for (const std::size_t bucket_bytes :
         {std::size_t{4}, std::size_t{4000}, std::size_t{1} << 20}) {
      if (count > 1000 && bucket_bytes == 4) continue;
      std::vector<float> gradients = values_of<float>(count, world.rank());
      GradientBuckets buckets(world, view_of(gradients), bucket_bytes);
      for (std::int64_t offset = count; offset > 0; offset -= 1 + offset / 3) {
        buckets.done_from(offset, stream);
      }
      buckets.done_from(0, stream);
      const ExchangeStatistics statistics = buckets.finish(stream);
      EXPECT_EQ(count_wrong(gradients, 0, world.size(), sum_of_values), 0) << count;
      EXPECT_EQ(statistics.bytes, world.size() == 1 ? 0 : count * 4);
    }
  }
}

/// Either way between f32 and bf16, as train's op does it.
void convert(const ConstView& from, const View& to, Stream&) {
  for (std::int64_t i = 0; i < from.size(); ++i) {
    if (to.dtype() == core::DType::bf16) {
      to.as<core::BFloat16>()[i] = core::to_bf16(from.as<float>()[i]);
    } else {
      to.as<float>()[i] = core::to_float(from.as<core::BFloat16>()[i]);
    }
  }
}

/// Half the bytes, and each rank's value is rounded before the sum: what is 2^-10 of a value, less
/// than half of bf16's last place, is gone.
void sums_gradient_buckets_in_bf16(Communicator& world) {
  Stream stream(core::kCpu);
  const std::int64_t count = 70001;
  std::vector<float> gradients = values_of<float>(count, world.rank());
  for (float& value : gradients) value *= 1.0F + 0x1p-10F;
  GradientBuckets buckets(
      world, view_of(gradients), 40000, {},
      {.memory = world.reducible(core::DType::bf16, count, core::kCpu), .convert = convert});
  buckets.done_from(0, stream);
  const ExchangeStatistics statistics = buckets.finish(stream);
  EXPECT_EQ(statistics.bytes, world.size() == 1 ? 0 : count * 2);
  if (world.size() == 1) return;  // stays as it is
  EXPECT_EQ(count_wrong(gradients, 0, world.size(), sum_of_values), 0);
}

void measures_what_the_exchange_costs(Communicator& world) {
  Stream stream(core::kCpu);
  std::vector<float> gradients(300007, 1.0F);
  GradientBuckets buckets(world, view_of(gradients), 100000);
  EXPECT_EQ(buckets.statistics().exchange_s, 0.0);
  buckets.done_from(0, stream);
  const ExchangeStatistics statistics = buckets.finish(stream);
  EXPECT_EQ(statistics.exchange_s > 0.0, world.size() > 1);
  // On the CPU nothing hides: backward waits inside the starts.
  EXPECT_GE(statistics.exposed_s, 0.9 * statistics.exchange_s);
  EXPECT_LE(statistics.overlap(), 0.1);
}

}  // namespace

std::vector<CollectiveCheck> bucket_checks() {
  return {
      {"gradient_buckets", sums_gradient_buckets},
      {"gradient_buckets_bf16", sums_gradient_buckets_in_bf16},
      {"exchange_statistics", measures_what_the_exchange_costs},
  };
}

}  // namespace epi::dist
