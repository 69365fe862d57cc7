// What epitrain and its child program `epitrain-bigfile` say to each other about one bigBed or
// bigWig file. Both sides include this page, and nothing else is shared.
//
//   epitrain-bigfile FILE MEMORY_MIB SECONDS
//
//   stdout := head contig* record* mark
//   head    "epitrain-bigfile 1" TAB ("bigbed" | "bigwig") TAB number-of-contigs LF
//   contig  NAME TAB LENGTH LF
//   record  NAME TAB START TAB END [TAB REST] LF      bigBed; REST is the columns from the fourth
//           NAME TAB START TAB END TAB VALUE LF       bigWig; VALUE gives the same float again
//   mark    TAB "end" TAB number-of-records TAB number-of-blocks LF      nothing follows
//   stderr  one line when the exit status is not 0
//   exit    0 whole; else one of the statuses below. By a signal: kBigMemorySignal as below,
//   SIGXCPU
//           for more processor time than SECONDS, any other is a crash
//
// A stream without the mark is never a whole one, whatever its length: no record begins with a tab.
#pragma once

#include <csignal>
#include <string_view>

namespace epi::data {

inline constexpr std::string_view kBigGreeting = "epitrain-bigfile 1";
inline constexpr std::string_view kBigEndMark = "\tend\t";

inline constexpr int kBigUsageExit = 64;          ///< wrong arguments
inline constexpr int kBigDamagedExit = 65;        ///< the file is damaged or of another kind
inline constexpr int kBigMemoryExit = 71;         ///< memory above the limit was asked for
inline constexpr int kBigMemorySignal = SIGUSR2;  ///< the same, where the library crashed of it

}  // namespace epi::data
