// A tensor view: where numbers lie, of what type and shape. Never owns. Always contiguous and
// row-major: the last index runs fastest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>

#include "core/device.hpp"
#include "core/error.hpp"

namespace epi::core {

enum class DType : std::uint8_t { u8, i32, i64, bf16, f32, f64 };

/// Bytes of one element.
[[nodiscard]] constexpr std::size_t size_of(DType type) {
  switch (type) {
    case DType::u8:
      return 1;
    case DType::bf16:
      return 2;
    case DType::i32:
    case DType::f32:
      return 4;
    case DType::i64:
    case DType::f64:
      return 8;
  }
  return 0;
}

struct BFloat16;

/// The DType of a C++ element type; a compile error for any other.
template <class T>
[[nodiscard]] constexpr DType dtype_of() {
  using U = std::remove_const_t<T>;
  if constexpr (std::is_same_v<U, std::uint8_t>)
    return DType::u8;
  else if constexpr (std::is_same_v<U, std::int32_t>)
    return DType::i32;
  else if constexpr (std::is_same_v<U, std::int64_t>)
    return DType::i64;
  else if constexpr (std::is_same_v<U, BFloat16>)
    return DType::bf16;
  else if constexpr (std::is_same_v<U, float>)
    return DType::f32;
  else {
    static_assert(std::is_same_v<U, double>, "no DType for this element type");
    return DType::f64;
  }
}

/// Byte is `std::byte` (View: may be written) or `const std::byte` (ConstView: read only).
template <class Byte>
class BasicView {
 public:
  static constexpr int kMaxRank = 4;

  /// The absent view: `!view` is true; ops take it for optional operands.
  BasicView() = default;

  /// Views existing elements; `shape` has 1 to 4 sizes, each >= 0.
  template <class T>
  BasicView(T* data, std::initializer_list<std::int64_t> shape, Device device = kCpu)
      : BasicView(reinterpret_cast<Byte*>(data), dtype_of<T>(), shape, device) {}

  /// Views raw memory as elements of `type`; LogicError unless `shape` has 1 to 4 sizes.
  BasicView(Byte* data, DType type, std::initializer_list<std::int64_t> shape, Device device)
      : data_(data), type_(type), device_(device) {
    require(shape.size() >= 1 && shape.size() <= kMaxRank, "a view has 1 to 4 dimensions");
    for (const std::int64_t size : shape) shape_.at(static_cast<std::size_t>(rank_++)) = size;
  }

  /// A View is a ConstView.
  template <class Other>
  requires(std::is_same_v<Byte, const Other>)
      BasicView(const BasicView<Other>& other)  // NOLINT(google-explicit-constructor)
      : data_(other.raw()), type_(other.dtype()), device_(other.device()) {
    for (int axis = 0; axis < other.rank(); ++axis) {
      shape_.at(static_cast<std::size_t>(rank_++)) = other.shape(axis);
    }
  }

  /// Whether the view is there; a view of null memory counts as absent.
  explicit operator bool() const { return data_ != nullptr; }
  /// Address of element 0, which only its own device may read.
  [[nodiscard]] Byte* raw() const { return data_; }
  /// f32 for the absent view, so check for absence first.
  [[nodiscard]] DType dtype() const { return type_; }
  /// The device whose memory it views.
  [[nodiscard]] Device device() const { return device_; }
  /// Number of dimensions, 1 to 4; 0 for the absent view.
  [[nodiscard]] int rank() const { return rank_; }
  /// Size along `axis`, 0 the outermost.
  [[nodiscard]] std::int64_t shape(int axis) const {
    return shape_.at(static_cast<std::size_t>(axis));
  }

  /// Number of elements; 0 for the absent view.
  [[nodiscard]] std::int64_t size() const {
    if (rank_ == 0) return 0;
    std::int64_t product = 1;
    for (int axis = 0; axis < rank_; ++axis) product *= shape(axis);
    return product;
  }
  /// Size in memory; there are no gaps.
  [[nodiscard]] std::size_t bytes() const {
    return static_cast<std::size_t>(size()) * size_of(type_);
  }

  /// Elements as T; LogicError when T is not the element type.
  template <class T>
  [[nodiscard]] auto as() const {
    require(dtype_of<T>() == type_, "view read as another element type");
    if constexpr (std::is_const_v<Byte>)
      return reinterpret_cast<const T*>(data_);
    else
      return reinterpret_cast<T*>(data_);
  }

  /// `count` elements from element `first` on, as one dimension.
  [[nodiscard]] BasicView slice(std::int64_t first, std::int64_t count) const {
    require(first >= 0 && count >= 0 && first + count <= size(), "slice outside of its view");
    return {data_ + static_cast<std::size_t>(first) * size_of(type_), type_, {count}, device_};
  }

  /// The same elements under another shape of equal size.
  [[nodiscard]] BasicView reshape(std::initializer_list<std::int64_t> shape) const {
    BasicView other(data_, type_, shape, device_);
    require(other.size() == size(), "reshape changes the number of elements");
    return other;
  }

 private:
  Byte* data_ = nullptr;
  DType type_ = DType::f32;
  Device device_ = kCpu;
  int rank_ = 0;
  std::array<std::int64_t, kMaxRank> shape_{};
};

using View = BasicView<std::byte>;
using ConstView = BasicView<const std::byte>;

/// "f32[16, 768]", for messages.
[[nodiscard]] std::string describe(const ConstView& view);

}  // namespace epi::core
