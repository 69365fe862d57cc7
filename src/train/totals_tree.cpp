// Row of leaf i of group g: those of equal i stand together, and among them g with its bits
// reversed. Then the groups 2k and 2k + 1 are half of the rows apart, and so are their sums on
// every level above.
#include "train/totals_tree.hpp"

namespace epi::train {
namespace {

/// The number's bits in reverse, of as many as numbers below `count` = 2^n have.
std::int64_t reversed(std::int64_t number, std::int64_t count) {
  std::int64_t out = 0;
  for (std::int64_t bit = 1; bit < count; bit *= 2) {
    out = 2 * out + ((number & bit) != 0 ? 1 : 0);
  }
  return out;
}

}  // namespace

TotalsTree::TotalsTree(std::int64_t leaves, const core::View& result, kernels::Ops& ops)
    : tree_(CanonicalTree::over(leaves)), result_(result), ops_(ops) {
  if (leaves > 1) {
    rows_ = core::Tensor(core::DType::f64, {leaves * result.size()}, ops.device());
  }
}

void TotalsTree::clear(core::Stream& stream) const {
  if (rows_.view()) core::fill_zero(rows_, stream);
}

core::View TotalsTree::leaf(std::int64_t leaf) const {
  if (!rows_.view()) return result_;
  const std::int64_t group = leaf / tree_.group;
  return rows((leaf % tree_.group) * tree_.groups + reversed(group, tree_.groups), 1);
}

core::View TotalsTree::rows(std::int64_t first, std::int64_t count) const {
  return rows_.view().slice(first * result_.size(), count * result_.size());
}

void TotalsTree::add(std::int64_t first, std::int64_t count, core::Stream& stream) const {
  const bool last = count == 1 && first + 1 == (tree_.groups > 1 ? 2 : tree_.leaves());
  ops_.combine(
      {.a = rows(0, count), .b = rows(first, count), .out = last ? result_ : rows(0, count)},
      stream);
}

void TotalsTree::sum(core::Stream& stream) const {
  for (std::int64_t i = 1; i < tree_.group; ++i) add(i * tree_.groups, tree_.groups, stream);
  for (std::int64_t half = tree_.groups / 2; half > 0; half /= 2) add(half, half, stream);
}

}  // namespace epi::train
