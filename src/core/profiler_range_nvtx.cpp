// NVTX, which is headers alone: the profiler brings the library.
#include <nvtx3/nvToolsExt.h>

#include "core/profiler_range.hpp"

namespace epi::core {

ProfilerRange::ProfilerRange(const char* name) {
  (void)nvtxRangePushA(name);
}

ProfilerRange::~ProfilerRange() {
  (void)nvtxRangePop();
}

}  // namespace epi::core
