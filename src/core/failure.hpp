// An exception of any origin as the user should see it: what decides the exit code, in one process
// and on many ranks alike.
#pragma once

#include <exception>
#include <string>

#include "core/error.hpp"

namespace epi::core {

struct Failure {
  ErrorKind kind = ErrorKind::none;
  std::string message;  ///< goes to the user as it is
};

/// What `failure` (not null) comes to. Our own errors keep their kind; no memory is `device`, a
/// file that is not there `missing`, anything else the file system refuses `io`; the rest is
/// `logic`.
[[nodiscard]] Failure describe(const std::exception_ptr& failure);

}  // namespace epi::core
