// manifest.json of a store. A fuzzer never meets a digest by chance, so the right one is put in and
// what lies behind that check is read as well.
#include <string>

#include "data/shard.hpp"
#include "fuzz/target.hpp"

namespace {

constexpr std::size_t kDigestLetters = 32;

/// The text with the digest that the message expects; empty when the message is another one.
std::string resealed(std::string text, std::string_view message) {
  const std::size_t at = message.find(" expected from the content, ");
  if (at == std::string_view::npos || at < kDigestLetters) return {};
  const std::string_view expected = message.substr(at - kDigestLetters, kDigestLetters);
  const std::size_t key = text.rfind("\"digest\"");
  const std::size_t open = text.find('"', key + 8);
  const std::size_t close = open == std::string::npos ? open : text.find('"', open + 1);
  if (key == std::string::npos || close == std::string::npos) return {};
  return text.replace(open + 1, close - open - 1, expected);
}

void read(const std::string& text) {
  const auto manifest = epi::data::manifest_from_json(text, "manifest.json");
  const std::string printed = epi::data::to_json(manifest);
  const auto again = epi::data::manifest_from_json(printed, "printed");
  epi::fuzz::expect(epi::data::to_json(again) == printed, "a manifest prints differently twice");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  epi::fuzz::run([&] {
    const std::string text(epi::fuzz::as_text({data, size}));
    std::string message;
    try {
      read(text);
    } catch (const epi::core::FormatError& error) {
      message = error.what();
    }
    const std::string sealed = resealed(text, message);
    if (!sealed.empty()) read(sealed);
  });
  return 0;
}
