#include "kernels/check.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>

namespace epi::kernels {
namespace {

using core::ConstView;
using core::describe;
using core::DType;

bool has_shape(const ConstView& view, Check::Shape shape) {
  if (view.rank() != static_cast<int>(shape.size())) return false;
  int axis = 0;
  for (const std::int64_t size : shape) {
    if (view.shape(axis++) != size) return false;
  }
  return true;
}

bool same_shape(const ConstView& one, const ConstView& other) {
  if (one.rank() != other.rank()) return false;
  for (int axis = 0; axis < one.rank(); ++axis) {
    if (one.shape(axis) != other.shape(axis)) return false;
  }
  return true;
}

/// "f32[2, 3]" of a shape that has no memory: a view of nothing would read as absent.
std::string describe(DType type, Check::Shape shape) {
  const std::string name =
      core::describe(ConstView(reinterpret_cast<const std::byte*>(&type), type, {1}, core::kCpu));
  return fmt::format("{}[{}]", name.substr(0, name.find('[')), fmt::join(shape, ", "));
}

bool overlap(const ConstView& one, const ConstView& other) {
  const std::less<const std::byte*> before;
  return before(one.raw(), other.raw() + other.bytes()) &&
         before(other.raw(), one.raw() + one.bytes());
}

}  // namespace

Check::Check(const char* op, core::Device device, const core::Stream& stream, bool takes_bf16)
    : op_(op), device_(device), takes_bf16_(takes_bf16) {
  promise(stream.device() == device, "the stream belongs to another device than the op");
}

DType Check::activation_type(const ConstView& model) const {
  const bool known = model.dtype() == DType::f32 || model.dtype() == DType::bf16;
  promise(known, "activations must be f32 or bf16, one type for all of a call");
  promise(model.dtype() == DType::f32 || takes_bf16_, "this device does not take bf16");
  return model.dtype();
}

void Check::fail(std::string_view what) const {
  throw core::LogicError(fmt::format("{}: {}", op_, what));
}

void Check::promise(bool ok, std::string_view what) const {
  if (!ok) fail(what);
}

void Check::absent(const char* name, const ConstView& view) const {
  if (view) fail(fmt::format("{} is {}, must be absent", name, describe(view)));
}

void Check::shaped(const char* name, const ConstView& view, int rank) const {
  if (!view) fail(fmt::format("{} is absent", name));
  if (rank != 0 && view.rank() != rank) {
    fail(fmt::format("{} is {}, must have {} dimensions", name, describe(view), rank));
  }
  if (view.size() < 1) fail(fmt::format("{} is {}, sizes must be >= 1", name, describe(view)));
}

void Check::has(const char* name, const ConstView& view, DType type, Shape shape) const {
  if (!view || view.dtype() != type || !has_shape(view, shape)) {
    fail(fmt::format("{} is {}, must be {}", name, describe(view), describe(type, shape)));
  }
  shaped(name, view, 0);
}

void Check::has_size(const char* name, const ConstView& view, DType type,
                     std::int64_t count) const {
  if (!view || view.dtype() != type || view.size() != count) {
    fail(fmt::format("{} is {}, must be {} in any shape", name, describe(view),
                     describe(type, {count})));
  }
}

void Check::in(const char* name, const ConstView& view, DType type, Shape shape) {
  has(name, view, type, shape);
  add(name, view, false);
}

void Check::out(const char* name, const core::View& view, DType type, Shape shape) {
  has(name, view, type, shape);
  add(name, view, true);
}

void Check::in_list(const char* name, const ConstView& view, DType type, std::int64_t count) {
  has_size(name, view, type, count);
  add(name, view, false);
}

void Check::out_list(const char* name, const core::View& view, DType type, std::int64_t count) {
  has_size(name, view, type, count);
  add(name, view, true);
}

void Check::in_like(const char* name, const ConstView& view, const ConstView& model) {
  if (!view || view.dtype() != model.dtype() || !same_shape(view, model)) {
    fail(fmt::format("{} is {}, must be {}", name, describe(view), describe(model)));
  }
  add(name, view, false);
}

void Check::out_like(const char* name, const core::View& view, const ConstView& model) {
  in_like(name, view, model);
  operands_.at(num_operands_ - 1).written = true;
}

void Check::add(const char* name, const ConstView& view, bool written) {
  if (view.device() != device_) fail(fmt::format("{} lies on another device", name));
  operands_.at(num_operands_++) = {name, view, written};
}

void Check::may_be_same(const ConstView& one, const ConstView& other) {
  same_.at(num_same_++) = {one.raw(), other.raw()};
}

bool Check::same_allowed(const ConstView& one, const ConstView& other) const {
  if (one.raw() != other.raw() || one.bytes() != other.bytes()) return false;
  for (std::size_t i = 0; i < num_same_; ++i) {
    const auto& [first, second] = same_.at(i);
    if (first == second && first == one.raw()) return true;
  }
  return false;
}

void Check::apart(const Operand& one, const Operand& other) const {
  if (!one.written && !other.written) return;
  if (!overlap(one.view, other.view) || same_allowed(one.view, other.view)) return;
  fail(fmt::format("{} {} and {} {} overlap in memory", one.name, describe(one.view), other.name,
                   describe(other.view)));
}

void Check::no_overlaps() const {
  for (std::size_t i = 0; i < num_operands_; ++i) {
    for (std::size_t j = i + 1; j < num_operands_; ++j) apart(operands_.at(i), operands_.at(j));
  }
}

}  // namespace epi::kernels
