// What one call of an op must at least do: the model's floating-point operations and the bytes
// that have to move. Both follow from the operands' shapes alone, so that every back end is judged
// by the same measure; how long that takes at best is the roofline (Williams et al., CACM 52(4)).
//
// What is not counted, on purpose: work that an implementation chooses to repeat (probabilities
// computed anew in attend_grad, a layer recomputed in backward) and the arithmetic of elementwise
// ops, which memory hides. So a share of the roof can't be raised by doing more.
#pragma once

#include <array>
#include <cstdint>

#include "core/view.hpp"

namespace epi::kernels {

struct AssembleArgs;
struct EmbedArgs;
struct EmbedGradArgs;
struct LinearArgs;
struct LinearGradInputArgs;
struct LinearGradWeightArgs;
struct AttendArgs;
struct AttendGradArgs;
struct AddNormArgs;
struct AddNormGradArgs;
struct GatherRowsArgs;
struct ScatterRowsArgs;
struct ActivateArgs;
struct ActivateGradArgs;
struct ClassLossArgs;
struct ValueLossArgs;
struct CombineArgs;
struct ConvertArgs;
struct SumSquaresArgs;
struct BeginStepArgs;
struct UpdateArgs;

/// How an op walks through memory, which decides the rate that it can reach there.
enum class Traffic : std::uint8_t {
  reads,     ///< hardly anything is written
  streams,   ///< outputs lie elsewhere than inputs: a store fetches what it overwrites
  in_place,  ///< what is written was read before
};

struct OpCost {
  const char* op = "";       ///< name of the entry of Ops
  const char* formula = "";  ///< of `flops` where there are any, else of the bytes; for people
  double flops = 0.0;        ///< of the model; 0 for ops that only move memory
  double read_bytes = 0.0;   ///< each operand once, by its type; of tables the rows needed at most
  double written_bytes = 0.0;
  core::DType type = core::DType::f32;  ///< of the activations: which peak `flops` is held against
  Traffic traffic = Traffic::streams;
  /// Products M, N, K; attention B, T, H; else rows and width of the main operand, or the length
  /// of a list. 0: no such size.
  std::array<std::int64_t, 3> sizes{};

  /// Read and written.
  [[nodiscard]] double bytes() const { return read_bytes + written_bytes; }
  /// Same op on the same shapes and types: calls that may be summed.
  friend bool operator==(const OpCost&, const OpCost&) = default;
};

/// Tokens, bases and masks: a byte for each base of the windows, and all that is written.
[[nodiscard]] OpCost cost(const AssembleArgs& a);
/// Rows of the tables (each at most once) and the output.
[[nodiscard]] OpCost cost(const EmbedArgs& a);
/// Likewise, with the gradient rows; a table that is written is written wholly.
[[nodiscard]] OpCost cost(const EmbedGradArgs& a);
/// 2 M N K.
[[nodiscard]] OpCost cost(const LinearArgs& a);
/// 2 M N K.
[[nodiscard]] OpCost cost(const LinearGradInputArgs& a);
/// 2 M N K.
[[nodiscard]] OpCost cost(const LinearGradWeightArgs& a);
/// 4 B T^2 H: two products. `lengths` lie in the device's memory, so T counts wholly.
[[nodiscard]] OpCost cost(const AttendArgs& a);
/// 8 B T^2 H: four products; the probabilities computed anew are not counted.
[[nodiscard]] OpCost cost(const AttendGradArgs& a);
/// Operands once.
[[nodiscard]] OpCost cost(const AddNormArgs& a);
/// Operands once.
[[nodiscard]] OpCost cost(const AddNormGradArgs& a);
/// The rows taken and the rows written.
[[nodiscard]] OpCost cost(const GatherRowsArgs& a);
/// The rows taken, and `out` wholly (set) or its rows touched (add).
[[nodiscard]] OpCost cost(const ScatterRowsArgs& a);
/// Operands once.
[[nodiscard]] OpCost cost(const ActivateArgs& a);
/// Operands once.
[[nodiscard]] OpCost cost(const ActivateGradArgs& a);
/// Logits read and overwritten.
[[nodiscard]] OpCost cost(const ClassLossArgs& a);
/// Predictions read and overwritten.
[[nodiscard]] OpCost cost(const ValueLossArgs& a);
/// Operands once.
[[nodiscard]] OpCost cost(const CombineArgs& a);
/// Operands once.
[[nodiscard]] OpCost cost(const ConvertArgs& a);
/// The operand once.
[[nodiscard]] OpCost cost(const SumSquaresArgs& a);
/// A few numbers: nothing that moving bytes would bound.
[[nodiscard]] OpCost cost(const BeginStepArgs& a);
/// 28 bytes a parameter: parameter, gradient and both moments read, all but the gradient written;
/// 2 more where rounded weights are written.
[[nodiscard]] OpCost cost(const UpdateArgs& a);

}  // namespace epi::kernels
