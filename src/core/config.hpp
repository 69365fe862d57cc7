// A run's configuration: TOML, overridden by `section.key=value`. Unknown and repeated keys are
// errors that name the line; every value that was read, defaults included, is printed back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace epi::core {

class Config {
 public:
  /// Parses a file; MissingError, or ConfigError "FILE:LINE: ..." on syntax errors and repeated
  /// keys.
  static Config from_file(const std::filesystem::path& path);
  /// Parses text; `name` stands for the file in messages.
  static Config from_text(std::string_view text, std::string name);

  /// Moved, not copied: which keys have been read is known in one place.
  Config(Config&&) noexcept;
  Config& operator=(Config&&) noexcept;
  /// Drops keys that nobody has read without a word: call refuse_unread before.
  ~Config();

  /// Overrides one key: "section.key=value", the value in TOML; bare words are taken as strings.
  void set(std::string_view assignment);

  /// The value at "section.key", or the fallback when the key is absent. ConfigError naming file,
  /// line, key, found and expected type when it has another type (an integer is taken for a
  /// double).
  [[nodiscard]] bool get(std::string_view key, bool fallback);
  /// An integer; "1.0" and "1e3" are not integers and are refused.
  [[nodiscard]] std::int64_t get(std::string_view key, std::int64_t fallback);
  /// A number; an integer will do.
  [[nodiscard]] double get(std::string_view key, double fallback);
  /// A text; numbers are not turned into text.
  [[nodiscard]] std::string get(std::string_view key, const std::string& fallback);
  /// A literal would otherwise be taken for a bool.
  [[nodiscard]] std::string get(std::string_view key, const char* fallback);
  /// A text, or a number or a time of day as its text: for keys with a grammar of their own, in
  /// which 90 and "90" mean the same.
  [[nodiscard]] std::string get_scalar(std::string_view key, const std::string& fallback);
  /// A list of texts, perhaps empty; a single text is not taken for a list.
  [[nodiscard]] std::vector<std::string> get(std::string_view key,
                                             const std::vector<std::string>& fallback);
  /// The string at "section.key"; ConfigError when it is absent.
  [[nodiscard]] std::string required(std::string_view key);

  /// "FILE:LINE" of a key for messages of later checks; "default" or "--set" when it is from there.
  [[nodiscard]] std::string where(std::string_view key) const;

  /// The value at "section.key" as TOML, of whatever type; nothing when the key is absent. The key
  /// doesn't count as read.
  [[nodiscard]] std::optional<std::string> text(std::string_view key) const;

  /// ConfigError naming each key (and its line) that nobody has read, with the nearest known key.
  void refuse_unread() const;

  /// Every key that was read with its value, as TOML that reads back to the same values.
  [[nodiscard]] std::string resolved() const;

 private:
  struct State;
  explicit Config(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace epi::core
