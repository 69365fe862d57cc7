// Exit codes of every verb, the same on all ranks. They follow sysexits.h where it has a word, stay
// away from 1, 2 and from 126 on (shells and signals), and are listed in docs/exit-codes.md.
#pragma once

#include "core/error.hpp"

namespace epi::launch {

enum ExitCode : int {
  kDone = 0,
  kUsage = 64,        ///< wrong command line, or a launcher that MPI does not see
  kBadData = 65,      ///< an input or a file of ours is damaged or wrong; the message names it
  kMissing = 66,      ///< an input file is not there
  kUnavailable = 69,  ///< no such device, not enough memory
  kInternal = 70,     ///< a fault of epitrain itself
  kIo = 74,           ///< the system refused to read or write
  kResumable = 75,    ///< stopped cleanly on request: the same command goes on from there
  kPeer = 76,         ///< another rank failed, or the network did
  kNumeric = 77,      ///< too many non-finite steps
  kConfig = 78,       ///< wrong configuration key or value
  kHang = 79,         ///< nothing moved for too long
};

/// The cause decides the code, whichever verb failed.
[[nodiscard]] constexpr ExitCode exit_code_of(core::ErrorKind kind) {
  switch (kind) {
    case core::ErrorKind::none:
      return kDone;
    case core::ErrorKind::peer:
    case core::ErrorKind::comm:
      return kPeer;
    case core::ErrorKind::usage:
      return kUsage;
    case core::ErrorKind::config:
      return kConfig;
    case core::ErrorKind::missing:
      return kMissing;
    case core::ErrorKind::input:
    case core::ErrorKind::format:
      return kBadData;
    case core::ErrorKind::io:
      return kIo;
    case core::ErrorKind::device:
      return kUnavailable;
    case core::ErrorKind::numeric:
      return kNumeric;
    case core::ErrorKind::logic:
      break;
  }
  return kInternal;
}

}  // namespace epi::launch
