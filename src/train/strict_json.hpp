// JSON as this room reads it: duplicate keys are errors, and messages name the file.
// Included by sources only: the JSON library's types stay out of public headers.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace epi::train {

using Json = nlohmann::ordered_json;

/// FormatError "FILE: ..." on syntax errors and on a key that occurs twice in one object.
[[nodiscard]] inline Json parse_json(std::string_view text, const std::string& file) {
  std::vector<std::set<std::string>> open_objects;
  const auto check = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == Json::parse_event_t::object_end) open_objects.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto key = parsed.get<std::string>();
      if (!open_objects.back().insert(key).second) {
        throw core::FormatError(fmt::format("{}: key \"{}\" occurs twice", file, key));
      }
    }
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const nlohmann::json::exception& error) {
    throw core::FormatError(fmt::format("{}: not the expected JSON: {}", file, error.what()));
  }
}

/// object[key] as T; FormatError naming file and key when it is absent or of another type.
template <class T>
[[nodiscard]] T json_value(const Json& object, const char* key, const std::string& file) {
  try {
    return object.at(key).get<T>();
  } catch (const nlohmann::json::exception& error) {
    throw core::FormatError(fmt::format("{}: key \"{}\": {}", file, key, error.what()));
  }
}

}  // namespace epi::train
