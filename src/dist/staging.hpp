// Host memory in place of device memory, for transports that reach host memory only (threads, and
// an MPI that is not CUDA-aware). Views in host memory pass through untouched and uncopied.
#pragma once

#include <optional>

#include "core/buffer.hpp"
#include "core/device.hpp"
#include "core/view.hpp"

namespace epi::dist {

/// Copies that are complete on return, through one stream for each device that it meets in a row.
class CopyLane {
 public:
  /// to = from, of equal type and size; one of them may be on a device.
  void copy(const core::View& to, const core::ConstView& from);

 private:
  std::optional<core::Stream> stream_;
};

/// One staging area of page-locked memory; it grows to the largest view it has met and is then
/// reused.
class Staging {
 public:
  /// The view itself when it is host memory; else a host copy, complete on return.
  [[nodiscard]] core::ConstView load(const core::ConstView& view);
  /// The same for a view that will also be written; bring it back with `store`.
  [[nodiscard]] core::View load(const core::View& view);
  /// Like load, without the content: for views that will be overwritten.
  [[nodiscard]] core::View reserve(const core::View& view);
  /// Brings the staged content back to the device, complete on return; nothing to do for host
  /// memory.
  void store(const core::View& view);

 private:
  /// Staging memory under the view's type and size; what it held is lost when it has to grow.
  core::View host_twin(const core::ConstView& view);

  CopyLane lane_;
  core::Buffer buffer_;
};

}  // namespace epi::dist
