// linear and its two gradients: one product of cuBLASLt each, with its epilogue where the library
// offers one that is faster than what is here. Otherwise the product lies in f32 for a moment, a
// chunk of rows at a time, and a kernel finishes it: bias, the derivative of GELU, adding, one
// rounding. Column sums are taken in pieces that only the shape decides, added in order. The
// kernels are bound by memory; rows that are whole multiples of 16 bytes are fast.
#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/cuda/gemm.hpp"
#include "kernels/cuda/linear_geometry.hpp"
#include "kernels/cuda/scratch.hpp"
#include "kernels/cuda/vec.cuh"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {
namespace {

using core::BFloat16;
using core::ConstView;
using core::DType;
using core::View;

/// Derivative of gelu_tanh (arXiv 1606.08415, section 2). With u = sqrt(2/pi) (x + 0.044715 x^3)
/// and the gate g = (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)): g + x g (1 - g) 2 u'(x).
__device__ inline float gelu_tanh_slope(float x) {
  constexpr float kScale = 0.7978845608F;
  constexpr float kCube = 0.044715F;
  // Beyond e^80 the gate is 0 to any gradient; NaN comes back with x below.
  const float minus_twice_u = x * (x * x * (-2.0F * kScale * kCube) - 2.0F * kScale);
  const float gate = 1.0F / (1.0F + expf(fminf(minus_twice_u, 80.0F)));
  return gate + x * (gate - gate * gate) * (x * x * (6.0F * kScale * kCube) + 2.0F * kScale);
}

// --- finishing a product that lies in f32

/// A chunk [rows, columns] of a product, and what is to become of it. Widths are elements from row
/// to row.
template <class T>
struct Finish {
  const float* from = nullptr;
  T* to = nullptr;
  const T* bias = nullptr;  ///< [columns] or null
  const T* pre = nullptr;   ///< as `to`, or null: times gelu_tanh'(pre)
  bool add = false;         ///< to what is there
  int rows = 0, columns = 0;
  int from_width = 0;
  std::int64_t to_width = 0;
};

template <bool kWhole, class T>
__global__ void finish_product(Finish<T> p) {
  const int groups = p.from_width / kEight;
  const std::int64_t index = std::int64_t{simt::block_x()} * simt::num_threads() + simt::thread();
  if (index >= std::int64_t{p.rows} * groups) return;
  const int row = static_cast<int>(index / groups);
  const int column = static_cast<int>(index % groups) * kEight;
  const std::int64_t first = row * p.to_width;
  float values[kEight], other[kEight];
  load_floats<true>(p.from + std::int64_t{row} * p.from_width, column, p.columns, values);
  if (p.bias != nullptr) {
    load_floats<kWhole>(p.bias, column, p.columns, other);
#pragma unroll
    for (int i = 0; i < kEight; ++i) values[i] += other[i];
  }
  if (p.pre != nullptr) {
    load_floats<kWhole>(p.pre + first, column, p.columns, other);
#pragma unroll
    for (int i = 0; i < kEight; ++i) values[i] *= gelu_tanh_slope(other[i]);
  }
  if (p.add) {
    load_floats<kWhole>(p.to + first, column, p.columns, other);
#pragma unroll
    for (int i = 0; i < kEight; ++i) values[i] += other[i];
  }
  store_floats<kWhole>(p.to + first, column, p.columns, values);
}

// --- column sums

template <class T>
struct SumPieces {
  const T* from = nullptr;   ///< [rows, columns], rows `width` elements apart
  float* partial = nullptr;  ///< [pieces, columns] =
  std::int64_t rows = 0, width = 0;
  int columns = 0;
};

/// Block (x, y): piece x of the rows of 256 columns. Each warp adds up every eighth row, then the
/// warps are added in order.
template <bool kWhole, class T>
__global__ void sum_pieces(SumPieces<T> p) {
  const int width = static_cast<int>(p.width);
  const int column = simt::block_y() * static_cast<int>(kPieceColumns) + simt::lane() * kEight;
  const std::int64_t begin = simt::block_x() * kPieceRows;
  const std::int64_t end = begin + kPieceRows < p.rows ? begin + kPieceRows : p.rows;
  float sums[kEight] = {};
  if (column < width) {
#pragma unroll 4
    for (std::int64_t row = begin + simt::warp(); row < end; row += kSumWarps) {
      float values[kEight];
      load_floats<kWhole>(p.from + row * p.width, column, width, values);
#pragma unroll
      for (int i = 0; i < kEight; ++i) sums[i] += values[i];
    }
  }
  auto* room = reinterpret_cast<float*>(simt::shared());
  const int own = simt::warp() * static_cast<int>(kPieceColumns) + simt::lane() * kEight;
  for (int i = 0; i < kEight; ++i) room[own + i] = sums[i];
  simt::sync_block();
  const int mine = simt::thread();
  const int out = simt::block_y() * static_cast<int>(kPieceColumns) + mine;
  if (out >= p.columns) return;
  float sum = 0.0F;
  for (int w = 0; w < kSumWarps; ++w) sum += room[w * static_cast<int>(kPieceColumns) + mine];
  p.partial[std::int64_t{simt::block_x()} * p.columns + out] = sum;
}

struct AddPieces {
  const float* partial = nullptr;  ///< [pieces, columns]
  float* sums = nullptr;           ///< [columns] =, or += with `add`
  std::int64_t pieces = 0;
  int columns = 0;
  bool add = false;
};

/// A block for 32 columns: each warp adds up every eighth piece, then the warps are added in order.
__global__ void add_pieces(AddPieces p) {
  const int column = simt::block_x() * static_cast<int>(kFinalColumns) + simt::lane();
  float sum = 0.0F;
  if (column < p.columns) {
#pragma unroll 4
    for (std::int64_t piece = simt::warp(); piece < p.pieces; piece += kSumWarps) {
      sum += p.partial[piece * p.columns + column];
    }
  }
  auto* room = reinterpret_cast<float*>(simt::shared());
  room[simt::thread()] = sum;
  simt::sync_block();
  if (simt::warp() != 0 || column >= p.columns) return;
  float total = p.add ? p.sums[column] : 0.0F;
  for (int w = 0; w < kSumWarps; ++w) total += room[w * simt::kWarp + simt::lane()];
  p.sums[column] = total;
}

// --- launchers

template <class Use>
void with_type(DType type, const Use& use) {
  if (type == DType::f32) {
    use(float{});
  } else {
    use(BFloat16{});
  }
}

template <class T>
void sum_columns(const LinearGradWeightArgs& args, float* partial, const Context& context) {
  const std::int64_t rows = args.dy.shape(0), width = args.dy.shape(1), columns = args.db.size();
  const SumPieces<T> pieces{.from = args.dy.as<T>(),
                            .partial = partial,
                            .rows = rows,
                            .width = width,
                            .columns = static_cast<int>(columns)};
  const auto kernel =
      rows_are_whole(width, pieces.from) ? sum_pieces<true, T> : sum_pieces<false, T>;
  simt::launch(kernel, piece_launch(rows, columns), context.stream, pieces);
  const AddPieces all{.partial = partial,
                      .sums = args.db.as<float>(),
                      .pieces = num_pieces(rows),
                      .columns = static_cast<int>(columns),
                      .add = args.write == Write::add};
  simt::launch(add_pieces, final_launch(columns), context.stream, all);
}

/// Rows first..first + count - 1 of a matrix.
template <class AnyView>
AnyView rows_of(const AnyView& matrix, std::int64_t first, std::int64_t count) {
  const std::int64_t width = matrix.shape(1);
  return matrix.slice(first * width, count * width).reshape({count, width});
}

template <class T>
void finish_as(const Product& whole, const View& chunk, std::int64_t first,
               const Context& context) {
  const std::int64_t rows = chunk.shape(0), width = whole.c.shape(1);
  const Finish<T> p{.from = chunk.as<float>(),
                    .to = whole.c.as<T>() + first * width,
                    .bias = whole.bias ? whole.bias.as<T>() : nullptr,
                    .pre = whole.pre_in ? whole.pre_in.as<T>() + first * width : nullptr,
                    .add = whole.write == Write::add,
                    .rows = static_cast<int>(rows),
                    .columns = static_cast<int>(whole.n),
                    .from_width = static_cast<int>(chunk.shape(1)),
                    .to_width = width};
  const bool is_whole = whole.n % kEight == 0 && rows_are_whole(width, p.to, p.bias, p.pre);
  const auto kernel = is_whole ? finish_product<true, T> : finish_product<false, T>;
  simt::launch(kernel, finish_launch(rows, whole.n), context.stream, p);
}

/// A product whose bias, slope of GELU or adding is done by a kernel of ours.
void multiply_apart(const Product& whole, const Context& context, Gemm& gemm) {
  const std::int64_t step = chunk_rows(whole.m, whole.n), width = chunk_width(whole.n);
  context.scratch.begin(Scratch::bytes<float>(step * width));
  auto* memory = context.scratch.take<float>(step * width);
  for (std::int64_t first = 0; first < whole.m; first += step) {
    const std::int64_t rows = std::min(step, whole.m - first);
    const View chunk(memory, {rows, width}, whole.c.device());
    gemm.run({.m = rows,
              .n = whole.n,
              .k = whole.k,
              .a = rows_of(whole.a, first, rows),
              .b = whole.b,
              .b_layout = whole.b_layout,
              .c = chunk},
             context.stream);
    with_type(whole.c.dtype(), [&]<class T>(T) { finish_as<T>(whole, chunk, first, context); });
  }
}

/// What a way to do it apart needs; one reference to it fits a std::function without an allocation.
struct Call {
  const Product& product;
  const Context& context;
  Gemm& gemm;
};

void multiply(const Product& product, const Context& context, Gemm& gemm) {
  if (product.epilogue == Epilogue::none) return gemm.run(product, context.stream);
  const Call call{product, context, gemm};
  gemm.run(product, context.stream,
           [&call] { multiply_apart(call.product, call.context, call.gemm); });
}

/// The pre-activation as its own product, then its activation: y is computed from what is stored.
void gelu_apart(const Product& product, const Context& context, Gemm& gemm) {
  Product before = product;
  before.c = product.pre_out;
  before.pre_out = {};
  before.epilogue = product.bias ? Epilogue::bias : Epilogue::none;
  multiply(before, context, gemm);
  activate({.activation = Activation::gelu_tanh, .x = product.pre_out, .y = product.c}, context);
}

}  // namespace

void linear(const LinearArgs& args, const Context& context, Gemm& gemm) {
  const Product product{.m = args.x.shape(0),
                        .n = args.w.shape(0),
                        .k = args.x.shape(1),
                        .a = args.x,
                        .b = args.w,
                        .b_layout = Layout::transposed,
                        .epilogue = args.epilogue == Activation::gelu_tanh ? Epilogue::bias_gelu
                                    : args.b                               ? Epilogue::bias
                                                                           : Epilogue::none,
                        .bias = args.b,
                        .pre_out = args.pre,
                        .c = args.y};
  if (args.epilogue == Activation::none) return multiply(product, context, gemm);
  const Call call{product, context, gemm};
  gemm.run(product, context.stream, [&call] { gelu_apart(call.product, call.context, call.gemm); });
}

void linear_grad_input(const LinearGradInputArgs& args, const Context& context, Gemm& gemm) {
  const bool is_bare = args.epilogue == Activation::none;
  const Product product{.m = args.dy.shape(0),
                        .n = args.w.shape(1),
                        .k = args.w.shape(0),
                        .a = args.dy,
                        .b = args.w,
                        .write = args.write,
                        .epilogue = is_bare ? Epilogue::none : Epilogue::gelu_grad,
                        .pre_in = args.pre,
                        .c = args.dx};
  // The library adds before its epilogue, we after.
  if (!is_bare && args.write == Write::add) return multiply_apart(product, context, gemm);
  multiply(product, context, gemm);
}

void linear_grad_weight(const LinearGradWeightArgs& args, const Context& context, Gemm& gemm) {
  const std::int64_t rows = args.dy.shape(0), inputs = args.x.shape(1);
  const std::int64_t num_sums = args.db ? num_pieces(rows) * args.db.size() : 0;
  const bool activates = args.activation != Activation::none;
  Scratch& scratch = context.scratch;
  scratch.begin(
      Scratch::bytes<float>(num_sums) +
      (activates ? Scratch::bytes<std::byte>(static_cast<std::int64_t>(args.x.bytes())) : 0));
  auto* partial = scratch.take<float>(num_sums);
  ConstView x = args.x;
  if (activates) {
    const View active(scratch.take<std::byte>(static_cast<std::int64_t>(args.x.bytes())),
                      args.x.dtype(), {rows, inputs}, args.x.device());
    activate({.activation = args.activation, .x = args.x, .y = active}, context);
    x = active;
  }
  Product product{.m = args.dw.shape(0),
                  .n = inputs,
                  .k = rows,
                  .a = args.dy,
                  .b = x,
                  .a_layout = Layout::transposed,
                  .write = args.write,
                  .c = args.dw};
  const auto sum = [&args, partial, &context] {
    with_type(args.dy.dtype(), [&]<class T>(T) { sum_columns<T>(args, partial, context); });
  };
  const auto apart = [&] {
    gemm.run(product, context.stream);
    if (args.db) sum();
  };
  // Sums that are added to are taken here: the library only writes them.
  if (!args.db || args.write == Write::add) return apart();
  Product fused = product;
  fused.epilogue = Epilogue::column_sums;
  fused.sums = args.db;
  gemm.run(fused, context.stream, [&apart] { apart(); });
}

}  // namespace epi::kernels::cuda
