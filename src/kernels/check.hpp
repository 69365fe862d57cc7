// How ops.cpp checks operands: types, shapes, devices and overlaps, with messages that name the
// operand, what it is and what it must be. Nothing is allocated unless a check fails.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "core/device.hpp"
#include "core/view.hpp"

namespace epi::kernels {

/// The operands of one call of one op. Every check throws LogicError.
class Check {
 public:
  using Shape = std::initializer_list<std::int64_t>;

  /// `stream` must belong to the op's device; `takes_bf16` as Ops::takes.
  Check(const char* op, core::Device device, const core::Stream& stream, bool takes_bf16);

  /// The type of a call's activations, which `model` is one of: f32, or bf16 where that is taken.
  [[nodiscard]] core::DType activation_type(const core::ConstView& model) const;

  /// An operand that is read (`in`), written (`out`), of exactly this type and shape. Sizes are at
  /// least 1: an empty view can't be told from an absent one.
  void in(const char* name, const core::ConstView& view, core::DType type, Shape shape);
  /// The same for a written operand; no_overlaps compares it with all others.
  void out(const char* name, const core::View& view, core::DType type, Shape shape);

  /// The same for lists ([N]), which may come in any shape with `count` elements.
  void in_list(const char* name, const core::ConstView& view, core::DType type, std::int64_t count);
  void out_list(const char* name, const core::View& view, core::DType type, std::int64_t count);

  /// The same for elementwise operands: the shape of `model`, whatever that is.
  void in_like(const char* name, const core::ConstView& view, const core::ConstView& model);
  void out_like(const char* name, const core::View& view, const core::ConstView& model);

  /// `view` is there and has `rank` dimensions (0: any number), each at least 1.
  void shaped(const char* name, const core::ConstView& view, int rank) const;
  /// `view` is left out: an operand that this call has no use for.
  void absent(const char* name, const core::ConstView& view) const;
  /// Anything else that must hold; `what` says it in the message.
  void promise(bool ok, std::string_view what) const;

  /// These two operands may be the same memory (not a part of it).
  void may_be_same(const core::ConstView& one, const core::ConstView& other);

  /// The last check: no written operand overlaps another one.
  void no_overlaps() const;

 private:
  struct Operand {
    const char* name = nullptr;
    core::ConstView view;
    bool written = false;
  };
  void add(const char* name, const core::ConstView& view, bool written);
  void has(const char* name, const core::ConstView& view, core::DType type, Shape shape) const;
  void has_size(const char* name, const core::ConstView& view, core::DType type,
                std::int64_t count) const;
  void apart(const Operand& one, const Operand& other) const;
  [[nodiscard]] bool same_allowed(const core::ConstView& one, const core::ConstView& other) const;
  /// LogicError that names the op.
  [[noreturn]] void fail(std::string_view what) const;

  const char* op_;
  core::Device device_;
  bool takes_bf16_;
  std::array<Operand, 24> operands_;
  std::size_t num_operands_ = 0;
  std::array<std::array<const std::byte*, 2>, 2> same_{};
  std::size_t num_same_ = 0;
};

}  // namespace epi::kernels
