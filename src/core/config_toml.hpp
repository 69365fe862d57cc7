// TOML as this room reads and prints it: what config and config_grid have in common.
// Included by sources only: toml++'s types stay out of public headers.
#pragma once

#include <fmt/format.h>
#include <toml++/toml.h>

#include <sstream>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace epi::core {

/// A document; ConfigError "NAME:LINE: ..." on syntax errors and repeated keys.
[[nodiscard]] inline toml::table parse_toml(std::string_view text, const std::string& name) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw ConfigError(
        fmt::format("{}:{}: {}", name, error.source().begin.line, error.description()));
  }
}

/// A value as TOML; numbers with the fewest digits that read back to them (0.15, not 0.1499...).
[[nodiscard]] inline std::string toml_text(const toml::node& node) {
  if (const auto number = node.value_exact<double>()) {
    const std::string digits = fmt::format("{}", *number);
    return digits.find_first_of(".en") == std::string::npos ? digits + ".0" : digits;
  }
  std::ostringstream text;
  node.visit([&](const auto& value) { text << value; });
  return text.str();
}

}  // namespace epi::core
