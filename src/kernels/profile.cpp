// A step has about thirty different calls, so a search from the start costs less than a hash.
#include "kernels/profile.hpp"

#include <algorithm>
#include <utility>

namespace epi::kernels {

void Profile::add(const OpCost& cost, double seconds) {
  auto entry = std::find_if(entries_.begin(), entries_.end(),
                            [&](const Entry& known) { return known.cost == cost; });
  if (entry == entries_.end()) entry = entries_.insert(entries_.end(), {cost, 0, 0.0});
  entry->calls += 1;
  entry->seconds += seconds;
}

void Profile::add(const OpCost& cost, core::Mark begin, core::Mark end) {
  queued_.push_back({cost, std::move(begin), std::move(end)});
}

void Profile::settle() {
  for (const Call& call : queued_) {
    call.end.synchronize();
    add(call.cost, call.end.seconds_since(call.begin));
  }
  queued_.clear();
}

double Profile::seconds() const {
  double sum = 0.0;
  for (const Entry& entry : entries_) sum += entry.seconds;
  return sum;
}

}  // namespace epi::kernels
