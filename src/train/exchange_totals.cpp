#include "train/exchange_totals.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace epi::train {

void ExchangeTotals::add(const dist::ExchangeStatistics& step) {
  ++steps;
  exchange_s += step.exchange_s;
  exposed_s += step.exposed_s;
}

double ExchangeTotals::exposed_per_step_s() const {
  return steps > 0 ? exposed_s / static_cast<double>(steps) : 0.0;
}

double ExchangeTotals::overlap() const {
  return exchange_s > 0.0 ? std::clamp(1.0 - exposed_s / exchange_s, 0.0, 1.0) : 1.0;
}

std::string ExchangeTotals::text() const {
  if (steps == 0) return "";
  const double per_step = 1e3 / static_cast<double>(steps);
  return fmt::format("exchange {:.2f} ms a step, {:.2f} ms of it exposed ({:.0f} % hidden)",
                     exchange_s * per_step, exposed_s * per_step, 100.0 * overlap());
}

std::vector<EventField> ExchangeTotals::fields() const {
  const double count = static_cast<double>(std::max<std::int64_t>(1, steps));
  return {{"exchange_s_per_step", exchange_s / count},
          {"exposed_s_per_step", exposed_s / count},
          {"overlap", overlap()}};
}

}  // namespace epi::train
