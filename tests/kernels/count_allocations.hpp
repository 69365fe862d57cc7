// Counts what a test program allocates: linking count_allocations.cpp replaces operator new of the
// whole program, so such programs hold nothing else.
#pragma once

#include <cstdint>

namespace epi::testing {

/// Calls of operator new so far, in all threads. oneDNN's own are let through as long as they are
/// small: each execution builds a map of its few arguments. core::Buffer does not call operator
/// new; scratch of ops is told by Ops::scratch_bytes.
[[nodiscard]] std::int64_t allocations();

}  // namespace epi::testing
