#include "kernels/operands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "core/bf16.hpp"
#include "core/philox.hpp"

namespace epi::kernels {
namespace {

using core::DType;

// An odd number of elements, so that views start anywhere but on a vector's boundary.
constexpr std::size_t kGuardElements = 37;
constexpr std::byte kPoison{0xA5};
constexpr std::uint32_t kSeed = 1;

void put(const View& view, std::int64_t i, double value) {
  switch (view.dtype()) {
    case DType::i32:
      view.as<std::int32_t>()[i] = static_cast<std::int32_t>(value);
      break;
    case DType::bf16:
      view.as<core::BFloat16>()[i] = core::to_bf16(static_cast<float>(value));
      break;
    case DType::f32:
      view.as<float>()[i] = static_cast<float>(value);
      break;
    // The reference starts from the product's numbers, so it gets what a float holds.
    case DType::f64:
      view.as<double>()[i] = static_cast<double>(static_cast<float>(value));
      break;
    default:
      FAIL() << "no test operand has this type";
  }
}

}  // namespace

DType Operands::real() const {
  return side_ == Side::product ? DType::f32 : DType::f64;
}

DType Operands::active() const {
  return side_ == Side::product ? activations_ : DType::f64;
}

Operands::Value Operands::rounded(Value value) const {
  if (activations_ != DType::bf16) return value;
  return [value = std::move(value)](std::int64_t i) {
    return static_cast<double>(core::to_float(core::to_bf16(static_cast<float>(value(i)))));
  };
}

Operands::Value Operands::uniform(float low, float high) const {
  const auto number = static_cast<std::uint32_t>(operands_.size());
  return [number, low, high](std::int64_t i) {
    const core::PhiloxBlock words =
        core::philox(kSeed, core::RandomUse::test, {number, static_cast<std::uint32_t>(i), 0, 0});
    return static_cast<double>(low + (high - low) * core::uniform_float(words[0]));
  };
}

View Operands::add(const char* name, bool is_written, DType type, Shape shape, const Value& value) {
  Operand& operand = operands_.emplace_back();
  operand.name = name;
  operand.is_written = is_written;
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  const std::size_t guard = kGuardElements * core::size_of(type);
  const std::size_t bytes = static_cast<std::size_t>(count) * core::size_of(type);
  operand.memory.assign(bytes + 2 * guard, kPoison);
  operand.view = View(operand.memory.data() + guard, type, shape, core::kCpu);
  for (std::int64_t i = 0; i < count; ++i) put(operand.view, i, value(i));
  operand.before = operand.memory;
  return operand.view;
}

ConstView Operands::activation(const char* name, Shape shape, float low, float high) {
  return add(name, false, active(), shape, rounded(uniform(low, high)));
}

ConstView Operands::activation(const char* name, Shape shape, const std::vector<double>& values) {
  return add(name, false, active(), shape,
             rounded([&](std::int64_t i) { return values.at(static_cast<std::size_t>(i)); }));
}

View Operands::activation_out(const char* name, Shape shape) {
  return add(name, true, active(), shape,
             [](std::int64_t) { return std::numeric_limits<double>::quiet_NaN(); });
}

View Operands::activation_inout(const char* name, Shape shape, float low, float high) {
  return add(name, true, active(), shape, rounded(uniform(low, high)));
}

ConstView Operands::weight(const char* name, Shape shape) {
  const Value value = uniform(-1.0F, 1.0F);
  if (side_ == Side::reference) return add(name, false, real(), shape, rounded(value));
  return add(name, false, tested_ops().weights_type(activations_), shape, value);
}

ConstView Operands::bias(const char* name, Shape shape) {
  const core::DType type = tested_ops().weights_type(activations_);
  const Value value = uniform(-1.0F, 1.0F);
  return add(name, false, side_ == Side::reference ? real() : type, shape,
             type == core::DType::f32 ? value : rounded(value));
}

ConstView Operands::in(const char* name, Shape shape, float low, float high) {
  return add(name, false, real(), shape, uniform(low, high));
}

ConstView Operands::index(const char* name, Shape shape, std::int32_t limit) {
  const Value value = uniform(0.0F, 1.0F);
  return add(name, false, DType::i32, shape,
             [&](std::int64_t i) { return std::min(value(i) * limit, limit - 1.0); });
}

ConstView Operands::values(const char* name, Shape shape, const std::vector<double>& values) {
  return add(name, false, real(), shape,
             [&](std::int64_t i) { return values.at(static_cast<std::size_t>(i)); });
}

ConstView Operands::whole(const char* name, const std::vector<std::int32_t>& values) {
  return add(name, false, DType::i32, {static_cast<std::int64_t>(values.size())},
             [&](std::int64_t i) { return values.at(static_cast<std::size_t>(i)); });
}

ConstView Operands::half(const char* name, Shape shape) {
  return add(name, false, DType::bf16, shape, uniform(-1.0F, 1.0F));
}

View Operands::out(const char* name, Shape shape) {
  return add(name, true, real(), shape,
             [](std::int64_t) { return std::numeric_limits<double>::quiet_NaN(); });
}

View Operands::out_whole(const char* name, Shape shape) {
  return add(name, true, DType::i32, shape, [](std::int64_t) { return -1.0; });
}

View Operands::out_half(const char* name, Shape shape) {
  return add(name, true, DType::bf16, shape,
             [](std::int64_t) { return std::numeric_limits<double>::quiet_NaN(); });
}

View Operands::inout(const char* name, Shape shape, float low, float high) {
  return add(name, true, real(), shape, uniform(low, high));
}

View Operands::inout_half(const char* name, Shape shape) {
  return add(name, true, DType::bf16, shape, uniform(-1.0F, 1.0F));
}

View Operands::totals(const char* name, std::int64_t count) {
  return add(name, true, DType::f64, {count}, uniform(-1.0F, 1.0F));
}

void Operands::in_parts(const char* name, std::int64_t parts) {
  for (Operand& operand : operands_) {
    if (operand.name == name) operand.parts = parts;
  }
}

std::vector<double> Operands::part(const Operand& operand, std::int64_t number) {
  const std::vector<double> all = reference::as_doubles(operand.view);
  const std::int64_t width = operand.view.shape(operand.view.rank() - 1);
  std::vector<double> values;
  for (std::int64_t i = 0; i < operand.view.size(); ++i) {
    if (i % width / (width / operand.parts) == number) {
      values.push_back(all.at(static_cast<std::size_t>(i)));
    }
  }
  return values;
}

void Operands::allow(const char* name, reference::Tolerance tolerance) {
  allowed_.emplace_back(name, tolerance);
}

reference::Tolerance Operands::tolerance_of(const Operand& operand,
                                            reference::Tolerance otherwise) const {
  for (const auto& [name, tolerance] : allowed_) {
    if (name == operand.name) return tolerance;
  }
  // `half` and `out_half` are bf16 on both sides and compared bit by bit.
  if (operand.view.dtype() == DType::bf16 && activations_ == DType::bf16) {
    otherwise.relative += kHalfPlace;
  }
  return otherwise;
}

View Operands::written(const std::string& name) const {
  for (const Operand& operand : operands_) {
    if (operand.name == name && operand.is_written) return operand.view;
  }
  ADD_FAILURE() << "no written operand " << name;
  return {};
}

void Operands::expect_untouched() const {
  for (const Operand& operand : operands_) {
    const std::size_t guard = kGuardElements * core::size_of(operand.view.dtype());
    const auto is_poison = [](std::byte byte) { return byte == kPoison; };
    const auto begin = operand.memory.begin();
    EXPECT_TRUE(std::all_of(begin, begin + static_cast<std::ptrdiff_t>(guard), is_poison))
        << operand.name << ": written before its first element";
    EXPECT_TRUE(std::all_of(operand.memory.end() - static_cast<std::ptrdiff_t>(guard),
                            operand.memory.end(), is_poison))
        << operand.name << ": written past its last element";
    EXPECT_TRUE(operand.is_written || operand.memory == operand.before)
        << operand.name << ": an input was changed";
  }
}

void Operands::expect_same(const Operands& reference, reference::Tolerance tolerance) const {
  ASSERT_EQ(operands_.size(), reference.operands_.size());
  for (std::size_t i = 0; i < operands_.size(); ++i) {
    const Operand& mine = operands_.at(i);
    if (!mine.is_written) continue;
    for (std::int64_t number = 0; number < mine.parts; ++number) {
      reference::expect_close(part(mine, number), part(reference.operands_.at(i), number),
                              tolerance_of(mine, tolerance),
                              fmt::format("{}, part {} of {}", mine.name, number + 1, mine.parts));
    }
  }
  EXPECT_EQ(state.skipped, reference.state.skipped);
}

void Operands::expect_same_bits(const Operands& other) const {
  ASSERT_EQ(operands_.size(), other.operands_.size());
  for (std::size_t i = 0; i < operands_.size(); ++i) {
    EXPECT_TRUE(operands_.at(i).memory == other.operands_.at(i).memory)
        << operands_.at(i).name << ": other bits in another order of work";
  }
}

}  // namespace epi::kernels
