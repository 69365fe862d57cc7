// Signals that ask a run to stop: a batch system's warning (USR1, USR2), its end (TERM), a closed
// terminal (HUP).
#pragma once

#include "train/stop_request.hpp"

namespace epi::launch {

/// While it lives, those signals set the request, and training stops at the next step boundary. One
/// at a time in a process.
class SignalsStop {
 public:
  explicit SignalsStop(train::StopRequest& stop);
  ~SignalsStop();
  SignalsStop(const SignalsStop&) = delete;
  SignalsStop& operator=(const SignalsStop&) = delete;
};

}  // namespace epi::launch
