// linear and its two gradients: panels of a GEMM, each finished (bias, GELU, its derivative, add)
// while it lies in cache.
#include <algorithm>
#include <array>

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/gemm_loops.hpp"
#include "kernels/cpu/isa.hpp"

namespace epi::kernels::cpu {
namespace {

// x, y, dy .. are as in ops.hpp; m, n, k are those of the product at hand, so k of linear is n of
// linear_grad_input.

const GemmLoops& loops() {
  return pick(base::gemm_loops, v3::gemm_loops, v4::gemm_loops);
}

/// A whole product before it is cut; ldc and write of `shape` are not used.
struct Operands {
  GemmShape shape;
  const float* a = nullptr;
  const float* b = nullptr;
};

/// Where the operands of the panel that starts at row `row` or column `col` begin: with
/// `transposed` these are columns or rows of memory.
const float* rows_from(const Operands& whole, std::int64_t row) {
  return whole.a + (whole.shape.a == Layout::plain ? row * whole.shape.lda : row);
}

const float* cols_from(const Operands& whole, std::int64_t col) {
  return whole.b + (whole.shape.b == Layout::plain ? col : col * whole.shape.ldb);
}

/// The kernels of full and last panels, by [last row of panels][last column of panels].
using PanelKernels = std::array<std::array<const Gemm::Kernel*, 2>, 2>;

PanelKernels kernels_of(const Operands& whole, const Panels& panels, Gemm& gemm) {
  PanelKernels kernels{};
  for (const bool last_row : {false, true}) {
    for (const bool last_col : {false, true}) {
      GemmShape shape = whole.shape;
      shape.m = panels.rows(last_row);
      shape.n = shape.ldc = panels.cols(last_col);
      kernels[static_cast<std::size_t>(last_row)][static_cast<std::size_t>(last_col)] =
          &gemm.kernel(shape);
    }
  }
  return kernels;
}

/// Multiplies panel by panel and calls finish(from, panel, thread) with each result, which lies
/// without gaps at `from` in the thread's workspace.
template <class Finish>
void each_panel(const Operands& whole, Pool& pool, Gemm& gemm, const Finish& finish) {
  if (whole.shape.m == 0 || whole.shape.n == 0) return;
  const Panels panels(whole.shape.m, whole.shape.n);
  const PanelKernels kernels = kernels_of(whole, panels, gemm);
  // The only row or column of panels is the last one; else the first ones are the largest.
  gemm.reserve(panels.rows(panels.down() == 1) * panels.cols(panels.across() == 1));
  pool.run(panels.count(), [&](std::int64_t task, int thread) {
    const Panels::Panel panel = panels.at(task);
    const auto last_row = static_cast<std::size_t>(panel.down + 1 == panels.down());
    const auto last_col = static_cast<std::size_t>(panel.across + 1 == panels.across());
    float* product = gemm.workspace(thread);
    gemm.multiply(*kernels[last_row][last_col], rows_from(whole, panel.row),
                  cols_from(whole, panel.col), product, thread);
    finish(product, panel, thread);
  });
}

/// `from` and its place in the row-major matrix `to` with `stride` columns.
Product place(const float* from, const Panels::Panel& panel, float* to, std::int64_t stride) {
  return {.from = from,
          .to = to + panel.row * stride + panel.col,
          .stride = stride,
          .rows = panel.rows,
          .cols = panel.cols};
}

/// Elements, or null for an operand that is left out.
float* optional(const View& view) {
  return view ? view.as<float>() : nullptr;
}
const float* optional(const ConstView& view) {
  return view ? view.as<float>() : nullptr;
}

}  // namespace

// Weights are [out, in], so y = x w^T multiplies by a transposed matrix.
void linear(const LinearArgs& args, Pool& pool, Gemm& gemm) {
  const std::int64_t m = args.x.shape(0), k = args.x.shape(1), n = args.w.shape(0);
  const Operands whole{
      .shape = {.m = m, .n = n, .k = k, .b = Layout::transposed, .lda = k, .ldb = k},
      .a = args.x.as<float>(),
      .b = args.w.as<float>()};
  const float* bias = optional(args.b);
  float* pre = optional(args.pre);
  float* y = args.y.as<float>();
  each_panel(whole, pool, gemm, [&](const float* from, const Panels::Panel& panel, int) {
    const Product product = place(from, panel, y, n);
    const float* own_bias = bias != nullptr ? bias + panel.col : nullptr;
    if (args.epilogue == Activation::none) return loops().set(product, own_bias);
    loops().set_gelu(product, own_bias, pre + panel.row * n + panel.col);
  });
}

namespace {

/// Puts a panel of dy w, whose first element is element `at` of dx, in its place.
void finish_grad_input(const LinearGradInputArgs& args, const Product& product, std::int64_t at) {
  const bool set = args.write == Write::set;
  if (args.epilogue == Activation::none) {
    return set ? loops().set(product, nullptr) : loops().add(product);
  }
  const auto finish = set ? loops().set_gelu_grad : loops().add_gelu_grad;
  finish(product, args.pre.as<float>() + at);
}

}  // namespace

// The bias gradient of the layer before is the column sums of dx. Each panel adds up its own rows;
// then panels are added from top to bottom, in an order that only the shape decides.
void linear_grad_input(const LinearGradInputArgs& args, Pool& pool, Gemm& gemm) {
  const std::int64_t m = args.dy.shape(0), n = args.w.shape(1), k = args.dy.shape(1);
  const Operands whole{.shape = {.m = m, .n = n, .k = k, .lda = k, .ldb = n},
                       .a = args.dy.as<float>(),
                       .b = args.w.as<float>()};
  float* dx = args.dx.as<float>();
  // Column sums of each panel, taken while it is in cache: [panels down, n].
  const std::int64_t down = Panels(m, n).down();
  float* sums = args.db_before ? gemm.shared(down * n) : nullptr;
  each_panel(whole, pool, gemm, [&](const float* from, const Panels::Panel& panel, int) {
    const Product product = place(from, panel, dx, n);
    finish_grad_input(args, product, panel.row * n + panel.col);
    if (sums == nullptr) return;
    loops().column_sums(product.to, n, panel.rows, panel.cols, sums + panel.down * n + panel.col);
  });
  if (sums != nullptr) loops().column_sums(sums, n, down, n, args.db_before.as<float>());
}

// One product over all rows of the micro-batch; the first panel of a row of panels also takes db.
void linear_grad_weight(const LinearGradWeightArgs& args, Pool& pool, Gemm& gemm) {
  const std::int64_t rows = args.dy.shape(0), n = args.dy.shape(1), k = args.x.shape(1);
  const Operands whole{
      .shape = {.m = n, .n = k, .k = rows, .a = Layout::transposed, .lda = n, .ldb = k},
      .a = args.dy.as<float>(),
      .b = args.x.as<float>()};
  const bool set = args.write == Write::set;
  float* dw = args.dw.as<float>();
  float* db = optional(args.db);
  each_panel(whole, pool, gemm, [&](float* from, const Panels::Panel& panel, int) {
    const Product product = place(from, panel, dw, k);
    set ? loops().set(product, nullptr) : loops().add(product);
    if (db == nullptr || panel.across != 0) return;
    // The panel's columns of dy have just been read: they are in cache.
    loops().column_sums(whole.a + panel.row, n, rows, panel.rows, from);
    const Product sums{.from = from, .to = db + panel.row, .rows = 1, .cols = panel.rows};
    set ? loops().set(sums, nullptr) : loops().add(sums);
  });
}

}  // namespace epi::kernels::cpu
