// Named stretches of the host's time for profilers of GPUs: Nsight Systems shows them above the
// kernels that were queued within (NVTX). Without CUDA in the build they are nothing, and without a
// profiler they cost a few nanoseconds.
#pragma once

namespace epi::core {

class ProfilerRange {
 public:
  /// Begins a range within those that this thread has open. `name` is copied.
  explicit ProfilerRange(const char* name);
  /// Not copied: each range ends once, the last one first.
  ProfilerRange(const ProfilerRange&) = delete;
  ProfilerRange& operator=(const ProfilerRange&) = delete;
  ~ProfilerRange();
};

}  // namespace epi::core
