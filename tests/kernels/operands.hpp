// The operands of one op, twice: for the product in its own types between guard zones, and for the
// reference with f32 turned into f64. Both hold the same values, so one function that builds an
// argument struct from `Operands` serves both, and `expect_same` compares everything afterwards.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "core/view.hpp"
#include "kernels/ops.hpp"
#include "reference/expect_close.hpp"

namespace epi::kernels {

class Operands {
 public:
  enum class Side { product, reference };
  using Shape = std::initializer_list<std::int64_t>;

  /// Values are functions of `seed` and of the operand's number, the same on both sides.
  explicit Operands(Side side, std::uint32_t seed = 1) : side_(side), seed_(seed) {}

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
  /// Totals in double on both sides, which the op adds to.
  View totals(const char* name, std::int64_t count);

  /// The state of the step, one per side.
  StepState state;

  /// Bounds for one operand instead of the test's.
  void allow(const char* name, reference::Tolerance tolerance);

  [[nodiscard]] Side side() const { return side_; }
  /// A written operand by name.
  [[nodiscard]] View written(const std::string& name) const;

  /// Guard zones are whole and operands that are only read are as they were.
  void expect_untouched() const;
  /// Written operands agree with the reference's within the tolerance.
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
  };
  using Value = std::function<double(std::int64_t)>;
  View add(const char* name, bool is_written, core::DType type, Shape shape, const Value& value);
  [[nodiscard]] core::DType real() const;
  [[nodiscard]] Value uniform(float low, float high) const;
  [[nodiscard]] reference::Tolerance tolerance_of(const std::string& name,
                                                  reference::Tolerance otherwise) const;

  Side side_;
  std::uint32_t seed_;
  std::deque<Operand> operands_;
  std::vector<std::pair<std::string, reference::Tolerance>> allowed_;
};

/// Back ends under test: the CPU's with one thread and with more threads than cores.
[[nodiscard]] Ops& ops_with_one_thread();
[[nodiscard]] Ops& ops_with_three_threads();

/// Runs one op on the product and the reference and compares: values within the tolerance, guard
/// zones and inputs untouched, the same bits with three threads. `build(operands)` makes the
/// arguments; `entry` is the op (&Ops::add_norm), `truth` the reference.
template <class Args, class Build>
void check_op(void (Ops::*entry)(const Args&, Stream&), void (*truth)(const Args&),
              const Build& build, reference::Tolerance tolerance = {}) {
  Stream stream(core::kCpu);
  Operands product(Operands::Side::product);
  (ops_with_one_thread().*entry)(build(product), stream);
  Operands reference(Operands::Side::reference);
  truth(build(reference));
  product.expect_same(reference, tolerance);
  product.expect_untouched();
  Operands threaded(Operands::Side::product);
  (ops_with_three_threads().*entry)(build(threaded), stream);
  threaded.expect_same_bits(product);
  threaded.expect_untouched();
}

}  // namespace epi::kernels
