// Builds without CUDA: nothing listens.
#include "core/profiler_range.hpp"

namespace epi::core {

ProfilerRange::ProfilerRange(const char*) {}

ProfilerRange::~ProfilerRange() = default;

}  // namespace epi::core
