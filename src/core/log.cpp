#include "core/log.hpp"

namespace epi::core {

void Log::line(const char* prefix, const std::string& text) const {
  if (out_ == nullptr) return;
  const std::string who = rank_ == 0 ? "" : fmt::format("[rank {}] ", rank_);
  fmt::print(out_, "{}{}{}\n", who, prefix, text);
  (void)std::fflush(out_);
}

}  // namespace epi::core
