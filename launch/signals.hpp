// Signals that ask a run to stop: a batch system's warning (USR1, USR2), its end (TERM), a closed
// terminal (HUP).
#pragma once

#include "train/stop_request.hpp"

namespace epi::launch {

/// While it lives, those signals set the request, and training stops at the next step boundary. One
/// at a time in a process.
class SignalsStop {
 public:
  /// Installs the handlers; LogicError when another one lives. `stop` must outlive it.
  explicit SignalsStop(train::StopRequest& stop);
  /// Puts the signals' default actions back.
  ~SignalsStop();
  /// Not copied: handlers belong to the whole process.
  SignalsStop(const SignalsStop&) = delete;
  SignalsStop& operator=(const SignalsStop&) = delete;
};

}  // namespace epi::launch
