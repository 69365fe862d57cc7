// The small parts that layers and heads are made of: slices of the flat block, and a workspace that
// is planned once.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "core/buffer.hpp"
#include "kernels/ops.hpp"
#include "model/parameters.hpp"
#include "model/pass.hpp"

namespace epi::model {

/// Where a parameter, or several adjacent ones, lie in the flat block.
struct Slice {
  std::int64_t offset = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;  ///< 0: a vector of `rows` elements

  /// The slice of a block of parameters or gradients.
  template <class Block>
  [[nodiscard]] Block of(const Block& block) const {
    if (columns == 0) return block.slice(offset, rows);
    return block.slice(offset, rows * columns).reshape({rows, columns});
  }
};

/// y = x w^T + b.
struct Dense {
  Slice weight;  ///< [out, in]
  Slice bias;    ///< [out]
};

struct Norm {
  Slice gamma, beta;  ///< [H]
};

/// Each appends to the table, with BERT's initial values and decay (matrices decay, vectors don't).
Slice add_matrix(ParameterTable& table, const std::string& name, std::int64_t rows,
                 std::int64_t columns, Initial initial = Initial::normal);
/// Without weight decay: biases, and gamma and beta of LayerNorm.
Slice add_vector(ParameterTable& table, const std::string& name, std::int64_t size,
                 Initial initial);
/// NAME.weight and NAME.bias.
Dense add_dense(ParameterTable& table, const std::string& name, std::int64_t out, std::int64_t in);
/// NAME.weight (ones) and NAME.bias (zeros).
Norm add_norm(ParameterTable& table, const std::string& name, std::int64_t size);

/// Owns the activations of a model. All of them are added in constructors, so a step allocates
/// none. They lie side by side in large buffers, so that none wastes the rest of a huge page.
class Workspace {
 public:
  /// Holds nothing yet; all of it will lie on `device`, activations as elements of `activations`.
  Workspace(core::Device device, core::DType activations)
      : device_(device), activations_(activations) {}
  /// As given.
  [[nodiscard]] core::DType activations() const { return activations_; }
  /// A zeroed tensor of activations or their gradients that lives as long as this object.
  core::View activation(std::initializer_list<std::int64_t> shape);
  /// The same of f32 whatever the type of activations: means, deviations, log-sum-exps.
  core::View statistic(std::initializer_list<std::int64_t> shape);
  /// Tensors added from now on lie in `memory`, not zeroed, as far as they fit; with the absent
  /// view in memory of this object again. `memory` begins on a cache line and must outlive the
  /// tensors.
  void borrow(const core::View& memory) { borrowed_ = memory; }
  /// Bytes of the tensors added so far that this object owns, each on whole cache lines.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  core::View add(core::DType type, std::initializer_list<std::int64_t> shape);

  core::Device device_;
  core::DType activations_;
  core::View borrowed_;  ///< what is left of it
  std::vector<core::Buffer> buffers_;
  std::size_t free_ = 0;  ///< bytes at the end of the last buffer
  std::size_t bytes_ = 0;
};

/// The same elements as [rows, last size]: what matrix ops take.
template <class AnyView>
[[nodiscard]] AnyView as_rows(const AnyView& view) {
  const std::int64_t last = view.shape(view.rank() - 1);
  return view.reshape({view.size() / last, last});
}

/// y = activation(pre), pre = x w^T + b; fused where an epilogue has the activation.
void dense_forward(kernels::Ops& ops, const Dense& dense, kernels::Activation activation,
                   const core::ConstView& x, const core::View& pre, const core::View& y,
                   const Pass& pass);

/// y = x w^T + b.
void dense_forward(kernels::Ops& ops, const Dense& dense, const core::ConstView& x,
                   const core::View& y, const Pass& pass);

/// Writes the gradients of weight and bias.
void dense_grad_weight(kernels::Ops& ops, const Dense& dense, const core::ConstView& dy,
                       const core::ConstView& x, const Pass& pass);

/// dx (=|+=) dy w.
void dense_grad_input(kernels::Ops& ops, const Dense& dense, const core::ConstView& dy,
                      kernels::Write write, const core::View& dx, const Pass& pass);

}  // namespace epi::model
