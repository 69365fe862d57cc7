// Each of these is one op call; they exist so that layers and heads read as mathematics.
#include "model/blocks.hpp"

#include <algorithm>

namespace epi::model {
namespace {

/// Alignment of a tensor, and a buffer's usual size: memory that no tensor takes is never touched,
/// so the rest of the last buffer costs addresses only.
constexpr std::size_t kLine = 64;
constexpr std::size_t kBufferBytes = std::size_t{64} << 20U;

}  // namespace

Slice add_matrix(ParameterTable& table, const std::string& name, std::int64_t rows,
                 std::int64_t columns, Initial initial) {
  constexpr bool kDecay = true;
  const std::int64_t index = table.add(name, {rows, columns}, kDecay, initial);
  return {table.at(index).offset, rows, columns};
}

Slice add_vector(ParameterTable& table, const std::string& name, std::int64_t size,
                 Initial initial) {
  constexpr bool kDecay = false;
  const std::int64_t index = table.add(name, {size}, kDecay, initial);
  return {table.at(index).offset, size, 0};
}

Dense add_dense(ParameterTable& table, const std::string& name, std::int64_t out, std::int64_t in) {
  const Slice weight = add_matrix(table, name + ".weight", out, in);
  return {weight, add_vector(table, name + ".bias", out, Initial::zeros)};
}

Norm add_norm(ParameterTable& table, const std::string& name, std::int64_t size) {
  const Slice gamma = add_vector(table, name + ".weight", size, Initial::ones);
  return {gamma, add_vector(table, name + ".bias", size, Initial::zeros)};
}

core::View Workspace::activation(std::initializer_list<std::int64_t> shape) {
  return add(activations_, shape);
}

core::View Workspace::statistic(std::initializer_list<std::int64_t> shape) {
  return add(core::DType::f32, shape);
}

core::View Workspace::add(core::DType type, std::initializer_list<std::int64_t> shape) {
  const std::size_t size = core::View(nullptr, type, shape, device_).bytes();
  const std::size_t lines = (size + kLine - 1) / kLine * kLine;
  if (lines <= borrowed_.bytes()) {
    std::byte* const first = borrowed_.raw();
    const auto floats = static_cast<std::int64_t>(lines / sizeof(float));
    borrowed_ = borrowed_.slice(floats, borrowed_.size() - floats);
    return {first, type, shape, device_};
  }
  if (lines > free_) {
    buffers_.emplace_back(device_, std::max(lines, kBufferBytes));
    free_ = buffers_.back().bytes();
  }
  const core::Buffer& buffer = buffers_.back();
  std::byte* const first = buffer.data() + (buffer.bytes() - free_);
  free_ -= lines;
  bytes_ += lines;
  return {first, type, shape, device_};
}

void dense_forward(kernels::Ops& ops, const Dense& dense, kernels::Activation activation,
                   const core::ConstView& x, const core::View& pre, const core::View& y,
                   const Pass& pass) {
  if (activation != kernels::Activation::gelu_tanh) {
    dense_forward(ops, dense, x, pre, pass);
    ops.activate({.activation = activation, .x = pre, .y = y}, pass.stream);
    return;
  }
  ops.linear({.x = x,
              .w = dense.weight.of(pass.weights),
              .b = dense.bias.of(pass.weights),
              .epilogue = activation,
              .y = y,
              .pre = pre},
             pass.stream);
}

void dense_forward(kernels::Ops& ops, const Dense& dense, const core::ConstView& x,
                   const core::View& y, const Pass& pass) {
  ops.linear({.x = x, .w = dense.weight.of(pass.weights), .b = dense.bias.of(pass.weights), .y = y},
             pass.stream);
}

void dense_grad_weight(kernels::Ops& ops, const Dense& dense, const core::ConstView& dy,
                       const core::ConstView& x, const Pass& pass) {
  ops.linear_grad_weight({.dy = dy,
                          .x = x,
                          .dw = dense.weight.of(pass.gradients),
                          .db = dense.bias.of(pass.gradients)},
                         pass.stream);
}

void dense_grad_input(kernels::Ops& ops, const Dense& dense, const core::ConstView& dy,
                      kernels::Write write, const core::View& dx, const Pass& pass) {
  ops.linear_grad_input({.dy = dy, .w = dense.weight.of(pass.weights), .write = write, .dx = dx},
                        pass.stream);
}

}  // namespace epi::model
