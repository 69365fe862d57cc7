// XXH3-128 digests: against bit rot and mix-ups, not against attackers.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace epi::core {

/// A running XXH3-128 digest.
class Digest {
 public:
  /// The digest of no bytes, ready for more.
  Digest();
  ~Digest();
  /// Not copied: a running state belongs to one stream of bytes.
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;
  /// Takes the next bytes; where a stream is cut into pieces does not change the digest.
  void add(std::span<const std::byte> bytes);
  /// 32 lower-case hexadecimal digits, most significant first (XXH128 canonical form).
  [[nodiscard]] std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Digest of these bytes, in the form of Digest::hex.
[[nodiscard]] std::string digest_of(std::span<const std::byte> bytes);
/// Digest of the text's bytes, without an end mark.
[[nodiscard]] std::string digest_of(std::string_view text);

/// Digest of a whole file; MissingError or IoError name the path.
[[nodiscard]] std::string digest_of_file(const std::filesystem::path& path);

}  // namespace epi::core
