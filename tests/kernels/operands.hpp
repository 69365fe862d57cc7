// The operands of one op, twice: for the product in its own types between guard zones, and for the
// reference in f64. Both hold the same values, so one function that builds an argument struct from
// `Operands` serves both, and `expect_same` compares everything afterwards.
//
// Activations are f32 or bf16, as the test asks. The reference starts from the very numbers that
// the product holds, rounded to bf16 where it holds bf16: what is left to differ is the arithmetic
// and the rounding of what is written.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "core/view.hpp"
#include "kernels/backend.hpp"
#include "kernels/ops.hpp"
#include "reference/expect_close.hpp"

namespace epi::kernels {

class Operands {
 public:
  enum class Side { product, reference };
  using Shape = std::initializer_list<std::int64_t>;

  /// Values are functions of the operand's number, the same on both sides. `activations` is the
  /// product's type for operands marked A in ops.hpp.
  explicit Operands(Side side, core::DType activations = core::DType::f32)
      : side_(side), activations_(activations) {}

  // Operands marked A. Those that are read are uniform in [low, high); `inout` ones are written
  // too, `out` ones are NaN before.
  ConstView activation(const char* name, Shape shape, float low = -1.0F, float high = 1.0F);
  ConstView activation(const char* name, Shape shape, const std::vector<double>& values);
  View activation_out(const char* name, Shape shape);
  View activation_inout(const char* name, Shape shape, float low = -1.0F, float high = 1.0F);
  /// W: in the type that the ops take weights in, or rounded to it by them.
  ConstView weight(const char* name, Shape shape);
  /// W: of that type as well, but never rounded by the ops.
  ConstView bias(const char* name, Shape shape);

  // Operands that are f32 whatever activations are.
  /// An operand that the op must not change: uniform in [low, high).
  ConstView in(const char* name, Shape shape, float low = -1.0F, float high = 1.0F);
  /// Whole numbers in 0..limit-1, which the op must not change.
  ConstView index(const char* name, Shape shape, std::int32_t limit);
  /// These very values, rounded to float on both sides.
  ConstView values(const char* name, Shape shape, const std::vector<double>& values);
  ConstView whole(const char* name, const std::vector<std::int32_t>& values);
  /// bf16 on both sides.
  ConstView half(const char* name, Shape shape);
  /// An operand that is written: NaN before.
  View out(const char* name, Shape shape);
  View out_whole(const char* name, Shape shape);
  View out_half(const char* name, Shape shape);
  /// An operand that is read and written.
  View inout(const char* name, Shape shape, float low = -1.0F, float high = 1.0F);
  /// The same, bf16 on both sides.
  View inout_half(const char* name, Shape shape);
  /// Totals in double on both sides, which the op adds to.
  View totals(const char* name, std::int64_t count);

  /// The state of the step, one per side.
  StepState state;

  /// Bounds for one operand instead of the test's and of what rounding to its type adds.
  void allow(const char* name, reference::Tolerance tolerance);

  /// Compares each of so many equal pieces of a row with its own largest value: q, k and v.
  void in_parts(const char* name, std::int64_t parts);

  [[nodiscard]] Side side() const { return side_; }
  /// The product's type of activations, on both sides.
  [[nodiscard]] core::DType activations() const { return activations_; }
  /// A written operand by name.
  [[nodiscard]] View written(const std::string& name) const;

  /// Guard zones are whole and operands that are only read are as they were.
  void expect_untouched() const;
  /// Written operands agree with the reference's within the tolerance, and those stored as bf16
  /// within one rounding more.
  void expect_same(const Operands& reference, reference::Tolerance tolerance) const;
  /// Written operands have the same bits.
  void expect_same_bits(const Operands& other) const;

 private:
  struct Operand {
    std::string name;
    bool is_written;
    View view;
    std::vector<std::byte> memory;  ///< guard zone, elements, guard zone
    std::vector<std::byte> before;
    std::int64_t parts = 1;
  };
  /// One of the operand's parts.
  [[nodiscard]] static std::vector<double> part(const Operand& operand, std::int64_t number);
  using Value = std::function<double(std::int64_t)>;
  View add(const char* name, bool is_written, core::DType type, Shape shape, const Value& value);
  [[nodiscard]] core::DType real() const;
  [[nodiscard]] core::DType active() const;
  [[nodiscard]] Value uniform(float low, float high) const;
  [[nodiscard]] Value rounded(Value value) const;
  [[nodiscard]] reference::Tolerance tolerance_of(const Operand& operand,
                                                  reference::Tolerance otherwise) const;

  Side side_;
  core::DType activations_;
  std::deque<Operand> operands_;
  std::vector<std::pair<std::string, reference::Tolerance>> allowed_;
};

/// Half of the last place of a bfloat16, relative to it: eight significant bits.
inline constexpr double kHalfPlace = 0x1p-8;

/// Runs one op on the product and the reference and compares: values within the tolerance, guard
/// zones and inputs untouched, the same bits in another order of work. `build(operands)` makes the
/// arguments; `entry` is the op (&Ops::add_norm), `truth` the reference.
template <class Args, class Build>
void check_op(core::DType activations, void (Ops::*entry)(const Args&, Stream&),
              void (*truth)(const Args&), const Build& build, reference::Tolerance tolerance = {}) {
  Stream stream(core::kCpu);
  Operands product(Operands::Side::product, activations);
  (tested_ops().*entry)(build(product), stream);
  Operands reference(Operands::Side::reference, activations);
  truth(build(reference));
  product.expect_same(reference, tolerance);
  product.expect_untouched();
  Operands again(Operands::Side::product, activations);
  (tested_ops_again().*entry)(build(again), stream);
  again.expect_same_bits(product);
  again.expect_untouched();
}

}  // namespace epi::kernels
