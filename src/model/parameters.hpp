// All parameters live in one flat f32 block in forward order, and this table names its slices. So
// do gradients and moments, under the same offsets; exchange, checkpoint and optimizer use this
// table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/view.hpp"
#include "kernels/ops.hpp"

namespace epi::model {

/// sinusoid: row p holds the waves of position p (Vaswani et al., arXiv 1706.03762, section 3.5),
/// scaled to the deviation of `normal`. Learned positions that start so know neighbours from
/// strangers; from noise, every position has to learn its own.
/// kmers: rows of k-mers are sums of one vector per base and place, plus noise of the same
/// variance, with the deviation of `normal`: GC content and the bases at a k-mer's ends can be read
/// off its vector before any k-mer has been seen. Rows of special tokens are as `normal`.
enum class Initial : std::uint8_t { normal, zeros, ones, sinusoid, kmers };

struct Parameter {
  std::string name;                 ///< as in Hugging Face's BertForMaskedLM where it has one
  std::vector<std::int64_t> shape;  ///< 1 or 2 sizes, [out, in]
  std::int64_t offset = 0;          ///< in elements; a multiple of 16 (64 bytes)
  std::int64_t size = 0;
  bool decay = false;  ///< weight decay: matrices yes, biases and LayerNorm no
  Initial initial = Initial::normal;
};

class ParameterTable {
 public:
  /// Appends a parameter and returns its index. Names are unique.
  std::int64_t add(std::string name, std::vector<std::int64_t> shape, bool decay, Initial initial);

  /// In the order of their offsets, which is forward order.
  [[nodiscard]] const std::vector<Parameter>& parameters() const { return parameters_; }
  /// Elements of the block, padding included (padding stays 0).
  [[nodiscard]] std::int64_t block_size() const { return block_size_; }
  /// Elements that are parameters.
  [[nodiscard]] std::int64_t num_parameters() const;
  /// LogicError unless `index` is one that `add` has returned.
  [[nodiscard]] const Parameter& at(std::int64_t index) const;
  /// LogicError when there is no such name.
  [[nodiscard]] const Parameter& find(const std::string& name) const;
  /// What Ops::update takes: offsets ascend, padding belongs to no slice.
  [[nodiscard]] std::vector<kernels::ParameterSlice> slices() const;

 private:
  std::vector<Parameter> parameters_;
  std::int64_t block_size_ = 0;
};

/// Truncated normal (2 sigma) with this standard deviation for Initial::normal, from Philox keyed
/// by (seed, parameter index, element): the same on every rank. `block` is f32 host memory.
void initialise(const ParameterTable& table, std::uint64_t seed, float deviation,
                const core::View& block);

}  // namespace epi::model
