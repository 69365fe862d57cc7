// Errors: one class with a kind, so that `launch` can map a cause to an exit code and ranks can
// agree on one. Library code throws these; only `launch` catches, prints and exits.
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace epi::core {

/// What went wrong, from the user's point of view. The order is by severity for `agree`: when
/// several ranks fail at once, the highest kind is the one that all of them report.
enum class ErrorKind : int {
  none = 0,
  peer,     ///< another rank failed
  usage,    ///< wrong command line or launch
  config,   ///< wrong configuration key or value
  missing,  ///< an input file is not there
  input,    ///< the user's data is wrong (text formats, shapes)
  format,   ///< a file of ours is damaged or of an unknown version
  io,       ///< the operating system refused to read or write
  device,   ///< no such device, or it failed
  comm,     ///< MPI or NCCL failed
  numeric,  ///< too many non-finite steps, replicas differ
  logic,    ///< broken promise between our own functions
};

class Error : public std::runtime_error {
 public:
  /// `message` goes to the user as it is: what, found, expected, what to do.
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  /// What decides the exit code, and which error wins when several ranks fail at once.
  [[nodiscard]] ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

template <ErrorKind K>
class ErrorOf : public Error {
 public:
  /// The kind is in the type, so that callers can catch one cause and let others pass.
  explicit ErrorOf(const std::string& message) : Error(K, message) {}
};

using PeerError = ErrorOf<ErrorKind::peer>;
using UsageError = ErrorOf<ErrorKind::usage>;
using ConfigError = ErrorOf<ErrorKind::config>;
using MissingError = ErrorOf<ErrorKind::missing>;
using InputError = ErrorOf<ErrorKind::input>;
using FormatError = ErrorOf<ErrorKind::format>;
using IoError = ErrorOf<ErrorKind::io>;
using DeviceError = ErrorOf<ErrorKind::device>;
using CommError = ErrorOf<ErrorKind::comm>;
using NumericError = ErrorOf<ErrorKind::numeric>;
using LogicError = ErrorOf<ErrorKind::logic>;

/// Throws LogicError naming the caller's line unless `ok`: a broken promise between our functions.
void require(bool ok, std::string_view promise,
             std::source_location where = std::source_location::current());

}  // namespace epi::core
