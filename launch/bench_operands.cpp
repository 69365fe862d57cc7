// Numbers are drawn on the host and copied to where ops compute.
#include "bench_operands.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/bf16.hpp"
#include "core/philox.hpp"

namespace epi::launch {
namespace {

// So many numbers are drawn, then repeated: more than a core's caches tell apart, and quick.
constexpr std::int64_t kDrawn = 1 << 16;

/// About normal: the sum of four uniform numbers, centred, with deviation 1.
float draw(std::uint32_t tensor, std::int64_t i) {
  const core::PhiloxBlock words =
      core::philox(1, core::RandomUse::test, {static_cast<std::uint32_t>(i), tensor, 0, 1});
  float sum = -2.0F;
  for (const std::uint32_t word : words) sum += core::uniform_float(word);
  return sum * std::sqrt(3.0F);
}

void fill(const core::View& view, std::uint32_t tensor, float scale) {
  const std::int64_t drawn = std::min(kDrawn, view.size());
  for (std::int64_t i = 0; i < drawn; ++i) {
    const float number = scale * draw(tensor, i);
    if (view.dtype() == core::DType::bf16) {
      view.as<core::BFloat16>()[i] = core::to_bf16(number);
    } else {
      view.as<float>()[i] = number;
    }
  }
  const std::size_t chunk = static_cast<std::size_t>(drawn) * core::size_of(view.dtype());
  for (std::size_t at = chunk; at < view.bytes(); at += chunk) {
    std::memcpy(view.raw() + at, view.raw(), std::min(chunk, view.bytes() - at));
  }
}

core::Tensor alike(const core::View& view, core::Device device) {
  switch (view.rank()) {
    case 1:
      return {view.dtype(), {view.shape(0)}, device};
    case 2:
      return {view.dtype(), {view.shape(0), view.shape(1)}, device};
    default:
      return {view.dtype(), {view.shape(0), view.shape(1), view.shape(2)}, device};
  }
}

}  // namespace

core::Tensor random_tensor(core::DType type, std::initializer_list<std::int64_t> shape,
                           std::uint32_t number, float scale, core::Stream& stream) {
  core::Tensor tensor(type, shape);
  fill(tensor, number, scale);
  return moved(std::move(tensor), stream);
}

core::Tensor moved(core::Tensor host, core::Stream& stream) {
  if (stream.device() == core::kCpu) return host;
  core::Tensor there = alike(host.view(), stream.device());
  core::copy(there, host, stream);
  stream.synchronize();
  return there;
}

DeviceState::DeviceState(kernels::StepState host, core::Stream& stream)
    : bytes_(core::DType::u8, {static_cast<std::int64_t>(sizeof(host))}, stream.device()),
      device_(stream.device()) {
  const core::View view(reinterpret_cast<std::byte*>(&host), core::DType::u8,
                        {static_cast<std::int64_t>(sizeof(host))}, core::kCpu);
  core::copy(bytes_, view, stream);
  stream.synchronize();
}

kernels::StepState* DeviceState::get() const {
  return reinterpret_cast<kernels::StepState*>(bytes_.view().raw());
}

core::View DeviceState::sum_squares() const {
  return {&get()->gradient_sum_squares, {1}, device_};
}

}  // namespace epi::launch
