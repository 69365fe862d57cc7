// The plainest batch assembly: strings, sets and sorted lists, written from the rules in words and
// not from the code under test. It shares only Philox and the meaning of its counters.
#pragma once

#include "kernels/ops.hpp"

namespace epi::reference {

/// As the op, for one thread.
void assemble(const kernels::AssembleArgs& args);

}  // namespace epi::reference
