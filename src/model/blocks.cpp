// Each of these is one op call; they exist so that layers and heads read as mathematics.
#include "model/blocks.hpp"

namespace epi::model {

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

core::View Workspace::add(std::initializer_list<std::int64_t> shape) {
  tensors_.emplace_back(core::DType::f32, shape, device_);
  const core::View& view = tensors_.back().view();
  bytes_ += view.bytes();
  return view;
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
              .w = dense.weight.of(pass.parameters),
              .b = dense.bias.of(pass.parameters),
              .epilogue = activation,
              .y = y,
              .pre = pre},
             pass.stream);
}

void dense_forward(kernels::Ops& ops, const Dense& dense, const core::ConstView& x,
                   const core::View& y, const Pass& pass) {
  ops.linear(
      {.x = x, .w = dense.weight.of(pass.parameters), .b = dense.bias.of(pass.parameters), .y = y},
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
  ops.linear_grad_input({.dy = dy, .w = dense.weight.of(pass.parameters), .write = write, .dx = dx},
                        pass.stream);
}

}  // namespace epi::model
