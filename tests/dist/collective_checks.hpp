// What every communicator must do, whatever carries it: the same checks run in one process, on
// threads and under MPI. Every rank of the world calls a check; truth is closed arithmetic over
// ranks, with values whose sums are exact.
#pragma once

#include <functional>
#include <ostream>
#include <vector>

#include "dist/communicator.hpp"

namespace epi::dist {

struct CollectiveCheck {
  const char* name;
  std::function<void(Communicator&)> run;
};

inline void PrintTo(const CollectiveCheck& check, std::ostream* out) {
  *out << check.name;
}

/// All of them.
[[nodiscard]] const std::vector<CollectiveCheck>& collective_checks();
/// Those of gradient buckets, which are among them.
[[nodiscard]] std::vector<CollectiveCheck> bucket_checks();
/// Those of the tree of ranks, which are among them.
[[nodiscard]] std::vector<CollectiveCheck> tree_checks();

}  // namespace epi::dist
