// The seam between models and devices: every op of training, once per device.
//
// One op = one fusion boundary. Each public entry checks shapes once (ops.cpp) and then calls its
// private virtual; twins are cpu/ (oneDNN and vectorised loops) and, with CUDA, cuda/. The slow
// plain truth in double is in tests/reference.
//
// Letters: B batch, T tokens, N = B*T rows, H hidden, D = H/heads, V classes, M gathered rows.
// All matrices are row-major; weights are [out, in] as in PyTorch. Types are f32 unless an operand
// says otherwise. Those marked A are activations or their gradients: f32 or bf16, one type for all
// of a call. Arithmetic is in f32 either way (products of bf16 are summed in f32) and each element
// of A is rounded once, when it is written. Those marked W are weights and biases of products, of
// Ops::weights_type. Those marked [M, N*] may have Ops::row_width(N) columns in place of N: the
// rest is padding that no op reads and whose content is nobody's. All other parameters, gradients
// of parameters, statistics and losses are never bf16.
// `=` means written, `+=` accumulated. Views must not overlap unless an op says so.
// No op allocates after its first call with a shape, none waits for the device, none prints.
// Lists ([N], [M], [rows]) may come in any shape with as many elements; no size is 0.
// Wrong shapes throw LogicError naming both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/corpus.hpp"
#include "core/device.hpp"
#include "core/view.hpp"
#include "kernels/step_state.hpp"
#include "kernels/tokens.hpp"

namespace epi::kernels {

using core::ConstView;
using core::Stream;
using core::View;

/// Whether an output is written (`=`) or accumulated (`+=`).
enum class Write : std::uint8_t { set, add };

/// gelu: x Phi(x) with erf (Hendrycks & Gimpel, arXiv 1606.08415); gelu_tanh: its tanh form, which
/// GEMM epilogues fuse.
enum class Activation : std::uint8_t { none, gelu, gelu_tanh, tanh };

/// Dropout with P(zero) = probability and scale 1/(1-probability). Element e of row b of a
/// micro-batch draws from Philox(state->seed, RandomUse::dropout,
/// {low(slot), high(slot) ^ (site << 16), layer, e / 4}), word e % 4, slot = first_slot + b, where
/// e counts the elements of that sample. Dropped where uniform_float(word) < probability.
struct Dropout {
  float probability = 0.0F;
  std::uint32_t layer = 0;
  std::uint32_t site = 0;
};

/// Places in AssembleArgs::counts: targets of DNA and of states, bases that DNA targets hide, and
/// how many of the DNA targets lie in repeats (whatever becomes of these).
inline constexpr std::size_t kDnaTargets = 0;
inline constexpr std::size_t kStateTargets = 1;
inline constexpr std::size_t kHiddenBases = 2;
inline constexpr std::size_t kRepeatTargets = 3;
inline constexpr std::size_t kNumCounts = 4;

/// The corpus is the host's struct; all that it points to, the samples and the state lie on the
/// device of the ops.
struct AssembleArgs {
  const core::CorpusView* corpus = nullptr;
  std::span<const core::SampleRef> samples{};  ///< B of them, consecutive slots
  TokenSpec tokens{};
  MaskSpec masks{};
  const StepState* state = nullptr;  ///< seed and first_slot are read
  View token_ids{};                  ///< i32 [B, T] =
  View type_ids{};       ///< i32 [B, T] = 0 missing and special tokens, 1..S states, S+1 masked
  View dna_rows{};       ///< i32 [B, Md] = index into [B*T]; 0 in unused slots
  View dna_labels{};     ///< i32 [B, Md] = vocabulary id; 0 in unused slots
  View dna_weights{};    ///< f32 [B, Md] = 1, weight_in_repeats() in repeats, 0 in unused slots
  View state_rows{};     ///< i32 [B, Ms] = as dna_rows: one token per hidden bin
  View state_labels{};   ///< i32 [B, Ms] = state - 1
  View state_weights{};  ///< f32 [B, Ms]
  View counts{};         ///< i64 [kNumCounts] +=, at the places named above
};

/// InputError when a sample lies outside of its segment or names no cell type of the corpus, both
/// in host memory. `assemble` on the CPU calls it; on other devices who uploads samples must.
void check_samples(const core::CorpusView& corpus, std::span<const core::SampleRef> samples,
                   const TokenSpec& tokens);

/// Target slots of a window: fixed by the shapes, so that a step is static.
[[nodiscard]] std::int64_t dna_slots(const TokenSpec& tokens, const MaskSpec& masks);
/// Likewise for hidden bins of `bin_bp` bases; 0 when states are not masked.
[[nodiscard]] std::int64_t state_slots(const TokenSpec& tokens, const MaskSpec& masks,
                                       std::int32_t bin_bp);

/// One table of `embed`: row `index[n]` of `rows` is added for row n of the output.
struct EmbedTable {
  ConstView rows{};   ///< [R, H]
  ConstView index{};  ///< i32 [N]; absent: n % T (position embeddings)
};
inline constexpr int kMaxEmbedTables = 4;

/// out = dropout(LayerNorm(sum_i rows_i[index_i])).
struct EmbedArgs {
  std::array<EmbedTable, kMaxEmbedTables> tables{};  ///< absent `rows` end the list
  ConstView gamma{}, beta{};                         ///< [H]
  float epsilon = 1e-12F;
  Dropout dropout{};
  const StepState* state = nullptr;  ///< needed with dropout
  View out{};                        ///< A [B, T, H] =
  View mean{}, rstd{};               ///< [N] = of the sum, for the gradient
};

struct EmbedGradArgs {
  std::array<EmbedTable, kMaxEmbedTables> tables{};
  ConstView gamma{};
  Dropout dropout{};
  const StepState* state = nullptr;
  ConstView mean{}, rstd{};
  ConstView dout{};                           ///< A [B, T, H]
  std::array<View, kMaxEmbedTables> drows{};  ///< [R, H], written or added per table
  std::array<Write, kMaxEmbedTables> write{};
  View dgamma{}, dbeta{};  ///< [H] =
};

/// y = epilogue(x w^T + b).
struct LinearArgs {
  ConstView x{};                           ///< A [M, K]
  ConstView w{};                           ///< W [N, K]
  ConstView b{};                           ///< W [N] or absent
  Activation epilogue = Activation::none;  ///< none or gelu_tanh
  View y{};                                ///< A [M, N*] =
  View pre{};  ///< A as y, = x w^T + b; needed with an epilogue, else absent
};

/// dx (=|+=) (dy w) * epilogue'(pre).
struct LinearGradInputArgs {
  ConstView dy{};                          ///< A [M, N*]
  ConstView w{};                           ///< W [N, K]
  Activation epilogue = Activation::none;  ///< of the layer before: none or gelu_tanh
  ConstView pre{};  ///< A [M, K] pre-activation of the layer before, with an epilogue
  Write write = Write::set;
  View dx{};  ///< A [M, K]
};

/// dw (=|+=) dy^T activation(x); db (=|+=) column sums of dy. With an activation, x is what the
/// activation was computed from: the layer's input need not be kept.
struct LinearGradWeightArgs {
  ConstView dy{};                            ///< A [M, N*]
  ConstView x{};                             ///< A [M, K]
  Activation activation = Activation::none;  ///< none, gelu or gelu_tanh
  Write write = Write::set;
  View dw{};  ///< [N, K]
  View db{};  ///< [N] or absent
};

/// out = dropout(softmax(q k^T / sqrt(D))) v per head; keys at or past a sequence's length get no
/// weight. Never keeps T x T for the batch.
struct AttendArgs {
  ConstView qkv{};  ///< A [B, T, 3H]: q | k | v, each of `heads` heads of D
  std::int32_t heads = 1;
  ConstView lengths{};  ///< i32 [B] in 1..T, or absent: all T
  Dropout dropout{};    ///< element e = (head * T + query) * T + key
  const StepState* state = nullptr;
  View out{};  ///< A [B, T, H] =
  View lse{};  ///< [B, heads, T] = log of the sum of exp(scores), for the gradient
};

struct AttendGradArgs {
  ConstView qkv{};
  std::int32_t heads = 1;
  ConstView lengths{};
  Dropout dropout{};
  const StepState* state = nullptr;
  ConstView out{}, lse{};  ///< as written by attend
  ConstView dout{};        ///< A [B, T, H]
  View dqkv{};             ///< A [B, T, 3H] =
};

/// out = LayerNorm(sum) with sum = residual + dropout(x) (Ba et al., arXiv 1607.06450).
struct AddNormArgs {
  ConstView x{};              ///< A [B, T, H] or [M, H]
  ConstView residual{};       ///< as x, or absent: plain LayerNorm
  ConstView gamma{}, beta{};  ///< [H]
  float epsilon = 1e-12F;
  Dropout dropout{};
  const StepState* state = nullptr;
  View out{};           ///< as x =
  View sum{};           ///< as x =; may be the same memory as x
  View mean{}, rstd{};  ///< [rows] =
};

struct AddNormGradArgs {
  ConstView sum{}, mean{}, rstd{}, gamma{};
  Dropout dropout{};
  const StepState* state = nullptr;
  ConstView dout{};
  View dresidual{};  ///< as sum = gradient of the residual, and of x without dropout
  View dx{};         ///< as sum = gradient of x; absent without dropout: then it equals dresidual
  View dgamma{}, dbeta{};  ///< [H] =
};

/// out[m] = weight[m] * in[rows[m]].
struct GatherRowsArgs {
  ConstView in{};       ///< A [N, H]
  ConstView rows{};     ///< i32 [M]
  ConstView weights{};  ///< [M] or absent: 1
  View out{};           ///< A [M, H] =
};

/// out = 0, then out[rows[m]] += weight[m] * in[m], in the order of m. With Write::add `out` is not
/// zeroed first.
struct ScatterRowsArgs {
  ConstView in{};       ///< A [M, H]
  ConstView rows{};     ///< i32 [M]
  ConstView weights{};  ///< [M] or absent: 1
  Write write = Write::set;
  View out{};  ///< A [N, H]
};

struct ActivateArgs {
  Activation activation = Activation::gelu;
  ConstView x{};  ///< A
  View y{};       ///< as x =; may be the same memory as x
};

struct ActivateGradArgs {
  Activation activation = Activation::gelu;
  ConstView x{};  ///< A, the pre-activation
  ConstView dy{};
  View dx{};  ///< as x =; may be the same memory as dy
};

/// Softmax cross-entropy: logits are overwritten by weight * loss_scale[term] * (softmax - onehot).
struct ClassLossArgs {
  View logits{};             ///< A [M, V*] read, then = its gradient
  std::int32_t classes = 0;  ///< V; 0: all columns of logits
  ConstView labels{};        ///< i32 [M]
  ConstView weights{};       ///< [M]; rows of weight 0 get a gradient of 0 and count nowhere
  LossTerm term = LossTerm::dna;
  const StepState* state = nullptr;  ///< loss_scale[term] is read
  View totals{};     ///< f64 [3] += sums of weight * nll (nats), of weights, and of the weights of
                     ///< rows that argmax gets right
  View row_loss{};   ///< [M] = nll, or absent
  View predicted{};  ///< i32 [M] = argmax (lowest index on ties), or absent
};

/// Value losses: mean squared error, or binary cross-entropy on logits.
enum class ValueLoss : std::uint8_t { squared_error, binary_cross_entropy };

/// Predictions are overwritten by their gradient times weight * loss_scale[term].
/// squared_error: (p - t)^2; binary_cross_entropy: log(1 + e^p) - t p.
struct ValueLossArgs {
  ValueLoss loss = ValueLoss::squared_error;
  View predictions{};   ///< [M, C] read, then = its gradient
  ConstView targets{};  ///< [M, C]
  ConstView weights{};  ///< [M, C]; 0 masks a value out
  LossTerm term = LossTerm::task;
  const StepState* state = nullptr;
  View totals{};  ///< f64 [2] += sum of weight * loss, sum of weights
};

/// out = a + b, elementwise, f32 or f64; out may be the same memory as a or b.
struct CombineArgs {
  ConstView a{}, b{};
  View out{};
};

/// out = in, converted between f32 and bf16 (round to nearest even), or from i64 to f64.
struct ConvertArgs {
  ConstView in{};
  View out{};
};

/// out = sum of squares in double, in chunks of fixed size and fixed order: the same bits at any
/// number of threads.
struct SumSquaresArgs {
  ConstView in{};
  View out{};  ///< f64 [1] =
};

/// What a step knows of itself only once the step before is done, for all its states:
///   loss_scale[t] = term_weights[t] / targets of t, 0 without targets
///   bias_correction{1,2} = 1 - beta{1,2}^(updates + 1)   (Kingma & Ba, arXiv 1412.6980, alg. 1)
/// where the DNA targets count as targets[0] + (weight_in_repeats - 1) targets[2].
struct BeginStepArgs {
  std::span<StepState> states{};        ///< on the device; the fields above =
  ConstView targets{};                  ///< f64 [3]: DNA, states, DNA in repeats; over all ranks
  ConstView updates{};                  ///< i64 [1]: steps applied so far
  std::array<float, 2> term_weights{};  ///< of LossTerm::dna and LossTerm::state; task's scale = 0
  float weight_in_repeats = 1.0F;
  float beta1 = 0.9F;
  float beta2 = 0.98F;
};

/// One tensor of the flat parameter block.
struct ParameterSlice {
  std::int64_t offset = 0;  ///< first element
  std::int64_t size = 0;
  bool decay = false;  ///< weight decay applies (not to biases and LayerNorm)
};

/// How parameters follow their gradients.
enum class Optimizer : std::uint8_t { adamw, lamb };

/// AdamW with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101):
///   g' = g * clip, clip = min(1, max_norm / (norm + 1e-6)) from state->gradient_sum_squares
///   m = b1 m + (1-b1) g'; v = b2 v + (1-b2) g'^2
///   p -= lr * ((m / c1) / (sqrt(v / c2) + epsilon) + decay * p)
/// LAMB (You et al., arXiv 1904.00962, algorithm 2), per slice with `decay`, its trust ratio 1
/// where a norm is 0:
///   u = (m / c1) / (sqrt(v / c2) + epsilon) + decay * p;  p -= lr * (|p| / |u|) * u
/// and without `decay` (biases, LayerNorm) as AdamW. Norms are taken in double, in fixed chunks.
/// A non-finite sum of squares leaves everything as it is and sets state->skipped = 1, else 0.
struct UpdateArgs {
  Optimizer optimizer = Optimizer::adamw;
  std::span<const ParameterSlice> slices{};  ///< in host memory, the same at every call
  View parameters{};                         ///< [P] +=
  ConstView gradients{};                     ///< [P]
  View moment1{}, moment2{};                 ///< [P]
  View weights{};                            ///< bf16 [P] = parameters, rounded; or absent
  View updates{};                            ///< i64 [1] += 1 unless the step is skipped; or absent
  float beta1 = 0.9F;
  float beta2 = 0.98F;
  float epsilon = 1e-6F;
  float weight_decay = 0.01F;
  StepState* state = nullptr;
};

class Profile;

class Ops {
 public:
  /// Made by make_cpu_ops or make_cuda_ops.
  Ops() = default;
  /// Not copied: an object owns threads and compiled kernels.
  Ops(const Ops&) = delete;
  Ops& operator=(const Ops&) = delete;
  /// Work queued through it must be finished.
  virtual ~Ops() = default;

  /// Where operands and streams must lie.
  [[nodiscard]] virtual core::Device device() const = 0;
  /// "avx512, 2 threads", for logs and provenance.
  [[nodiscard]] virtual const char* description() const = 0;
  /// Whether activations may be of this type. f32 always; bf16 where the device multiplies it
  /// faster than f32 (a CPU with AVX512-BF16 or AMX, every GPU from sm_80). Other types never.
  [[nodiscard]] virtual bool takes(core::DType activations) const = 0;
  /// What multiplies bf16, "AVX512-BF16", "AMX" or the model of a GPU: each sums in its own order,
  /// so bits are equal only where this is. "" where bf16 is not taken.
  [[nodiscard]] virtual const char* bf16_unit() const = 0;
  /// W: the type in which products of such activations take their weights. f32 where they pack and
  /// round them on the way (the CPU), else that of the activations.
  [[nodiscard]] virtual core::DType weights_type(core::DType activations) const = 0;
  /// Columns that a matrix with `columns` of this type should have, so that products read and write
  /// its rows at full speed; at least `columns`.
  [[nodiscard]] virtual std::int64_t row_width(std::int64_t columns, core::DType type) const = 0;
  /// Whether linear_grad_weight applies an activation to x at no cost, as it packs x anyway. If
  /// not, a model had better keep what its activations gave.
  [[nodiscard]] virtual bool activates_operands() const = 0;
  /// Bytes of scratch that ops have taken so far; it grows at the first call with a shape only.
  [[nodiscard]] virtual std::size_t scratch_bytes() const = 0;

  /// What has been chosen by timing so far (algorithms of products, by shape), as text; "" where
  /// nothing is. Bits depend on it, so ranks share it and checkpoints keep it.
  [[nodiscard]] virtual std::string choices() const = 0;
  /// Takes such a text over in place of timing. What does not fit this device or its libraries is
  /// left out; returns whether all of it was taken.
  virtual bool take_choices(const std::string& choices) = 0;

  /// From now on every call adds its cost and its time on the device to `profile`, which must live
  /// until another one, or null, takes its place: null, as at first, watches nothing. The profile
  /// before is settled: that waits for the device. Not while a graph is recorded.
  void watch(Profile* profile);

  /// Windows, k-mers, states, masks and labels of a micro-batch. Integers only: the same bits on
  /// every back end. InputError if a sample lies outside of its segment.
  void assemble(const AssembleArgs& args, Stream& stream);
  /// out, mean, rstd =; an index outside of its table is a LogicError.
  void embed(const EmbedArgs& args, Stream& stream);
  /// Each drows (=|+=) as its `write` says; dgamma, dbeta =. Sums run in an order set by the data.
  void embed_grad(const EmbedGradArgs& args, Stream& stream);
  /// y =, and pre = with an epilogue.
  void linear(const LinearArgs& args, Stream& stream);
  /// dx (=|+=).
  void linear_grad_input(const LinearGradInputArgs& args, Stream& stream);
  /// dw and db (=|+=), summed over all rows of the call.
  void linear_grad_weight(const LinearGradWeightArgs& args, Stream& stream);
  /// out, lse =; self-attention without mask but for `lengths`.
  void attend(const AttendArgs& args, Stream& stream);
  /// dqkv =; takes what attend wrote and computes probabilities anew.
  void attend_grad(const AttendGradArgs& args, Stream& stream);
  /// out, sum, mean, rstd =.
  void add_norm(const AddNormArgs& args, Stream& stream);
  /// dresidual, dx, dgamma, dbeta =.
  void add_norm_grad(const AddNormGradArgs& args, Stream& stream);
  /// out =; a row outside of `in` is a LogicError.
  void gather_rows(const GatherRowsArgs& args, Stream& stream);
  /// out (=|+=), deterministic where rows repeat; a row outside of `out` is a LogicError.
  void scatter_rows(const ScatterRowsArgs& args, Stream& stream);
  /// y =, elementwise.
  void activate(const ActivateArgs& args, Stream& stream);
  /// dx = dy * activation'(x).
  void activate_grad(const ActivateGradArgs& args, Stream& stream);
  /// logits = their gradient, totals +=; a label outside of 0..V-1 is a LogicError.
  void class_loss(const ClassLossArgs& args, Stream& stream);
  /// predictions = their gradient, totals +=.
  void value_loss(const ValueLossArgs& args, Stream& stream);
  /// out =.
  void combine(const CombineArgs& args, Stream& stream);
  /// out =; between f32 and bf16, or from i64 to f64.
  void convert(const ConvertArgs& args, Stream& stream);
  /// out =; a non-finite element makes it non-finite.
  void sum_squares(const SumSquaresArgs& args, Stream& stream);
  /// Sets the fields of all states that depend on the step before.
  void begin_step(const BeginStepArgs& args, Stream& stream);
  /// One optimizer step on all slices; reads gradient_sum_squares and sets skipped.
  void update(const UpdateArgs& args, Stream& stream);

 private:
  /// Back ends implement these; operands have been checked by then.
  virtual void do_assemble(const AssembleArgs& args, Stream& stream) = 0;
  virtual void do_embed(const EmbedArgs& args, Stream& stream) = 0;
  virtual void do_embed_grad(const EmbedGradArgs& args, Stream& stream) = 0;
  virtual void do_linear(const LinearArgs& args, Stream& stream) = 0;
  virtual void do_linear_grad_input(const LinearGradInputArgs& args, Stream& stream) = 0;
  virtual void do_linear_grad_weight(const LinearGradWeightArgs& args, Stream& stream) = 0;
  virtual void do_attend(const AttendArgs& args, Stream& stream) = 0;
  virtual void do_attend_grad(const AttendGradArgs& args, Stream& stream) = 0;
  virtual void do_add_norm(const AddNormArgs& args, Stream& stream) = 0;
  virtual void do_add_norm_grad(const AddNormGradArgs& args, Stream& stream) = 0;
  virtual void do_gather_rows(const GatherRowsArgs& args, Stream& stream) = 0;
  virtual void do_scatter_rows(const ScatterRowsArgs& args, Stream& stream) = 0;
  virtual void do_activate(const ActivateArgs& args, Stream& stream) = 0;
  virtual void do_activate_grad(const ActivateGradArgs& args, Stream& stream) = 0;
  virtual void do_class_loss(const ClassLossArgs& args, Stream& stream) = 0;
  virtual void do_value_loss(const ValueLossArgs& args, Stream& stream) = 0;
  virtual void do_combine(const CombineArgs& args, Stream& stream) = 0;
  virtual void do_convert(const ConvertArgs& args, Stream& stream) = 0;
  virtual void do_sum_squares(const SumSquaresArgs& args, Stream& stream) = 0;
  virtual void do_begin_step(const BeginStepArgs& args, Stream& stream) = 0;
  virtual void do_update(const UpdateArgs& args, Stream& stream) = 0;

  Profile* profile_ = nullptr;
};

/// The CPU back end: production code, at the roof of oneDNN. `threads` 0 takes the affinity mask,
/// capped by OMP_NUM_THREADS. Results have the same bits at any number of threads.
[[nodiscard]] std::unique_ptr<Ops> make_cpu_ops(int threads = 0);

/// What CPU ops of this process compute with: "sse2", "avx2" or "avx512", the best that processor
/// and system carry; the environment variable EPITRAIN_ISA (base, v3, v4) lowers it.
[[nodiscard]] const char* cpu_instruction_set();
/// From now on no higher one than this name's: for ranks that must compute alike. It holds for the
/// whole process; LogicError for another name, or once CPU ops have been made with a higher one.
void limit_cpu_instruction_set(const std::string& most);

/// The oldest compute capability that CUDA kernels run on is this and .0: Ampere's, which has bf16.
inline constexpr int kOldestComputeMajor = 8;

/// How the CUDA back end is to compute.
struct CudaSettings {
  int device = 0;  ///< index among the devices that this process sees
  /// Products take the library's first algorithm that does not cut their inner dimension: the same
  /// in every run on GPUs of one model. Otherwise candidates are timed, and bits depend on the
  /// winner.
  bool reproducible = false;
};

/// The CUDA back end: our kernels, and cuBLASLt for products. Calls queue work and return. Results
/// have the same bits every time on GPUs of one model with the same choices(). For one stream at a
/// time. DeviceError without CUDA in this build, without such a device, or below compute capability
/// 8.0.
[[nodiscard]] std::unique_ptr<Ops> make_cuda_ops(const CudaSettings& settings = {});

}  // namespace epi::kernels
