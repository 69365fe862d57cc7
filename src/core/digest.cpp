#include "core/digest.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "core/error.hpp"

namespace epi::core {

struct Digest::State {
  XXH3_state_t* xxh = XXH3_createState();
  ~State() { (void)XXH3_freeState(xxh); }
};

Digest::Digest() : state_(std::make_unique<State>()) {
  (void)XXH3_128bits_reset(state_->xxh);
}
Digest::~Digest() = default;

void Digest::add(std::span<const std::byte> bytes) {
  (void)XXH3_128bits_update(state_->xxh, bytes.data(), bytes.size());
}

std::string Digest::hex() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->xxh);
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string digest_of(std::span<const std::byte> bytes) {
  Digest digest;
  digest.add(bytes);
  return digest.hex();
}

std::string digest_of(std::string_view text) {
  return digest_of(std::as_bytes(std::span(text.data(), text.size())));
}

std::string digest_of_file(const std::filesystem::path& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (!file) {
    const std::string message =
        fmt::format("{}: cannot open: {}", path.string(), std::strerror(errno));
    if (errno == ENOENT) throw MissingError(message);
    throw IoError(message);
  }
  Digest digest;
  std::vector<std::byte> block(std::size_t{1} << 20U);
  while (const std::size_t got = std::fread(block.data(), 1, block.size(), file.get())) {
    digest.add(std::span(block).first(got));
  }
  if (std::ferror(file.get()) != 0) {
    throw IoError(fmt::format("{}: read failed: {}", path.string(), std::strerror(errno)));
  }
  return digest.hex();
}

}  // namespace epi::core
