// linear and its two gradients. First all threads pack what the product reads (and round weights to
// the type of activations), then they multiply panel by panel and finish each panel (bias, GELU,
// its derivative, add, rounding) while it lies in cache.
//
// Packing reads and writes each operand once; at 1,024 rows that is about 3 % of the product's
// time, and it lets every product run at 99 % of a core's peak (packed.hpp).
#include <algorithm>
#include <array>

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/cut.hpp"
#include "kernels/cpu/elements.hpp"
#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/gemm_loops.hpp"
#include "kernels/cpu/isa.hpp"
#include "kernels/cpu/packed.hpp"

namespace epi::kernels::cpu {
namespace {

// x, y, dy .. are as in ops.hpp; m, n, k are those of the product at hand, so k of linear is n of
// linear_grad_input.

// Rows of a right operand that one task packs: a column block of them is 128 KiB of floats.
constexpr std::int64_t kPackRows = 512;

template <class T>
const Epilogues<T>& epilogues() {
  const GemmLoops& table = pick(base::gemm_loops, v3::gemm_loops, v4::gemm_loops);
  if constexpr (std::is_same_v<T, Bf16>) {
    return table.half;
  } else {
    return table.full;
  }
}

/// A product before it is cut into panels: both operands as oneDNN will read them.
template <class T>
struct Operands {
  std::int64_t m, n, k;
  const T* left;  ///< [m, k], rows `lda` apart
  std::int64_t lda;
  const T* right;  ///< [k, n], packed
};

/// The kernels of full and last panels, by [last row of panels][last column of panels].
using PanelKernels = std::array<std::array<const Gemm::Kernel*, 2>, 2>;

template <class T>
PanelKernels kernels_of(const Operands<T>& whole, const Panels& panels, Gemm& gemm) {
  PanelKernels kernels{};
  for (const bool last_row : {false, true}) {
    for (const bool last_col : {false, true}) {
      const std::int64_t cols = panels.cols(last_col);
      kernels[static_cast<std::size_t>(last_row)][static_cast<std::size_t>(last_col)] =
          &gemm.kernel({.m = panels.rows(last_row),
                        .n = cols,
                        .k = whole.k,
                        .b = Layout::packed,
                        .lda = whole.lda,
                        .ldc = cols,
                        .inputs = type_of<T>()});
    }
  }
  return kernels;
}

/// Multiplies panel by panel and calls finish(from, panel) with each result, which lies without
/// gaps at `from` in the thread's workspace.
template <class T, class Finish>
void each_panel(const Operands<T>& whole, Pool& pool, Gemm& gemm, const Finish& finish) {
  const Panels panels(whole.m, whole.n);
  const PanelKernels kernels = kernels_of(whole, panels, gemm);
  // The only row or column of panels is the last one; else the first ones are the largest.
  gemm.reserve(panels.rows(panels.down() == 1) * panels.cols(panels.across() == 1));
  const std::int64_t depth = packed_depth(whole.k, type_of<T>());
  pool.run(panels.count(), [&](std::int64_t task, int thread) {
    const Panels::Panel panel = panels.at(task);
    const auto last_row = static_cast<std::size_t>(panel.down + 1 == panels.down());
    const auto last_col = static_cast<std::size_t>(panel.across + 1 == panels.across());
    float* product = gemm.workspace(thread);
    gemm.multiply(*kernels[last_row][last_col], whole.left + panel.row * whole.lda,
                  whole.right + panel.col * depth, product, thread);
    finish(product, panel);
  });
}

/// `from` and its place in the row-major matrix `to` with `stride` columns.
template <class T>
Product<T> place(const float* from, const Panels::Panel& panel, T* to, std::int64_t stride) {
  return {.from = from,
          .to = to + panel.row * stride + panel.col,
          .stride = stride,
          .rows = panel.rows,
          .cols = panel.cols};
}

/// How a right operand [k, n] is packed: in tasks of one column block and at most kPackRows rows.
template <class From, class To>
struct RightPacking {
  const From* from;
  std::int64_t stride;
  std::int64_t k, n;
  bool transposed;  ///< in memory it is [n, k]
  typename PackLoops<From, To>::Right pack;
  To* to;

  Cut columns{n, kColumnBlock};
  Cut rows{k, kPackRows};
  [[nodiscard]] std::int64_t tasks() const { return columns.count * rows.count; }
  void run(std::int64_t task) const {
    const std::int64_t col = columns.begin(task / rows.count);
    const std::int64_t row = rows.begin(task % rows.count);
    pack(from + (transposed ? col * stride + row : row * stride + col), stride,
         std::min(kPackRows, k - row), std::min(kColumnBlock, n - col),
         to + col * packed_depth(k, type_of<To>()) + row * kColumnBlock);
  }
};

template <class T>
std::size_t packed_bytes(std::int64_t k, std::int64_t n) {
  return Scratch::bytes<T>(packed_size(k, n, type_of<T>()));
}

/// Packs the weights w, [out, in] in memory, into the pool's scratch: transposed for y = x w^T, as
/// they are for dx = dy w.
template <class T>
const T* pack_weights(const ConstView& w, bool transposed, Pool& pool) {
  const std::int64_t out = w.shape(0), in = w.shape(1);
  const std::int64_t k = transposed ? in : out, n = transposed ? out : in;
  Scratch scratch(pool, packed_bytes<T>(k, n));
  T* to = scratch.take<T>(packed_size(k, n, type_of<T>()));
  const PackLoops<float, T>& loops = pack_loops<float, T>();
  const RightPacking<float, T> packing{.from = w.as<float>(),
                                       .stride = in,
                                       .k = k,
                                       .n = n,
                                       .transposed = transposed,
                                       .pack = transposed ? loops.columns : loops.rows,
                                       .to = to};
  pool.run(packing.tasks(), [&](std::int64_t task, int) { packing.run(task); });
  return to;
}

template <class T>
void linear_as(const LinearArgs& args, Pool& pool, Gemm& gemm) {
  const std::int64_t m = args.x.shape(0), k = args.x.shape(1), n = args.w.shape(0);
  const Operands<T> whole{.m = m,
                          .n = n,
                          .k = k,
                          .left = elements<T>(args.x),
                          .lda = k,
                          .right = pack_weights<T>(args.w, true, pool)};
  const float* bias = elements<float>(args.b);
  T* pre = elements<T>(args.pre);
  T* y = elements<T>(args.y);
  each_panel(whole, pool, gemm, [&](const float* from, const Panels::Panel& panel) {
    const Product<T> product = place(from, panel, y, n);
    const float* own_bias = bias != nullptr ? bias + panel.col : nullptr;
    if (args.epilogue == Activation::none) return epilogues<T>().set(product, own_bias);
    epilogues<T>().set_gelu(product, own_bias, pre + panel.row * n + panel.col);
  });
}

/// Puts a panel of dy w, whose first element is element `at` of dx, in its place.
template <class T>
void finish_grad_input(const LinearGradInputArgs& args, const Product<T>& product,
                       std::int64_t at) {
  const bool set = args.write == Write::set;
  if (args.epilogue == Activation::none) {
    return set ? epilogues<T>().set(product, nullptr) : epilogues<T>().add(product);
  }
  const auto finish = set ? epilogues<T>().set_gelu_grad : epilogues<T>().add_gelu_grad;
  finish(product, elements<T>(args.pre) + at);
}

// The bias gradient of the layer before is the column sums of dx. Each panel adds up its own rows;
// then panels are added from top to bottom, in an order that only the shape decides.
template <class T>
void linear_grad_input_as(const LinearGradInputArgs& args, Pool& pool, Gemm& gemm) {
  const std::int64_t m = args.dy.shape(0), n = args.w.shape(1), k = args.dy.shape(1);
  const Operands<T> whole{.m = m,
                          .n = n,
                          .k = k,
                          .left = elements<T>(args.dy),
                          .lda = k,
                          .right = pack_weights<T>(args.w, false, pool)};
  T* dx = elements<T>(args.dx);
  // Column sums of each panel, taken while it is in cache: [panels down, n].
  const std::int64_t down = Panels(m, n).down();
  float* sums = args.db_before ? gemm.shared(down * n) : nullptr;
  each_panel(whole, pool, gemm, [&](const float* from, const Panels::Panel& panel) {
    const Product<T> product = place(from, panel, dx, n);
    finish_grad_input(args, product, panel.row * n + panel.col);
    if (sums == nullptr) return;
    epilogues<T>().column_sums(product.to, n, panel.rows, panel.cols,
                               sums + panel.down * n + panel.col);
  });
  if (sums != nullptr) {
    epilogues<float>().column_sums(sums, n, down, n, elements<float>(args.db_before));
  }
}

template <class T>
typename PackLoops<T, T>::Right pack_of(Activation activation) {
  const PackLoops<T, T>& loops = pack_loops<T, T>();
  if (activation == Activation::none) return loops.rows;
  return activation == Activation::gelu ? loops.rows_gelu : loops.rows_gelu_tanh;
}

void add_or_set(Write write, const float* from, const View& to) {
  auto* out = to.as<float>();
  for (std::int64_t i = 0; i < to.size(); ++i) {
    out[i] = write == Write::set ? from[i] : out[i] + from[i];
  }
}

/// dy transposed, x (through its activation) packed, and the column sums of dy, made in one go.
template <class T>
struct WeightOperands {
  WeightOperands(const LinearGradWeightArgs& args, Pool& pool)
      : rows(args.dy.shape(0)),
        n(args.dy.shape(1)),
        k(args.x.shape(1)),
        lda(packed_depth(rows, core::DType::bf16)) {
    Scratch scratch(
        pool, Scratch::bytes<T>(n * lda) + Scratch::bytes<float>(n) + packed_bytes<T>(rows, k));
    left = scratch.take<T>(n * lda);
    sums = scratch.take<float>(n);
    right = scratch.take<T>(packed_size(rows, k, type_of<T>()));
    const RightPacking<T, T> packing{.from = elements<T>(args.x),
                                     .stride = k,
                                     .k = rows,
                                     .n = k,
                                     .transposed = false,
                                     .pack = pack_of<T>(args.activation),
                                     .to = right};
    const Cut strips{n, kColumnBlock};
    const T* dy = elements<T>(args.dy);
    pool.run(strips.count + packing.tasks(), [&](std::int64_t task, int) {
      if (task >= strips.count) return packing.run(task - strips.count);
      const std::int64_t col = strips.begin(task);
      transpose_loop<T>()(dy + col, n, rows, strips.end(task) - col, left + col * lda, lda,
                          sums + col);
    });
  }

  std::int64_t rows, n, k, lda;
  T* left;      ///< [n, lda]: zeros from `rows` on
  T* right;     ///< [rows, k] packed
  float* sums;  ///< [n]
};

// One product over all rows of the micro-batch.
template <class T>
void linear_grad_weight_as(const LinearGradWeightArgs& args, Pool& pool, Gemm& gemm) {
  const WeightOperands<T> own(args, pool);
  // Both operands go on with zeros, so the product has no odd end.
  const Operands<T> whole{.m = own.n,
                          .n = own.k,
                          .k = packed_depth(own.rows, type_of<T>()),
                          .left = own.left,
                          .lda = own.lda,
                          .right = own.right};
  auto* dw = args.dw.as<float>();
  const auto finish = args.write == Write::set
                          ? [](const Product<float>& p) { epilogues<float>().set(p, nullptr); }
                          : [](const Product<float>& p) { epilogues<float>().add(p); };
  each_panel(whole, pool, gemm, [&](const float* from, const Panels::Panel& panel) {
    finish(place(from, panel, dw, own.k));
  });
  if (args.db) add_or_set(args.write, own.sums, args.db);
}

}  // namespace

// Weights are [out, in], so y = x w^T multiplies by a transposed matrix.
void linear(const LinearArgs& args, Pool& pool, Gemm& gemm) {
  with_element(args.x.dtype(), [&]<class T>(T) { linear_as<T>(args, pool, gemm); });
}

void linear_grad_input(const LinearGradInputArgs& args, Pool& pool, Gemm& gemm) {
  with_element(args.dy.dtype(), [&]<class T>(T) { linear_grad_input_as<T>(args, pool, gemm); });
}

void linear_grad_weight(const LinearGradWeightArgs& args, Pool& pool, Gemm& gemm) {
  with_element(args.dy.dtype(), [&]<class T>(T) { linear_grad_weight_as<T>(args, pool, gemm); });
}

}  // namespace epi::kernels::cpu
