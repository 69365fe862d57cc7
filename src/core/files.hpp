// Durable files: what appears under its final name is whole. Write aside, fsync, rename, fsync the
// folder. Used by stores, checkpoints and metrics.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace epi::core {

/// The whole file as text. MissingError when it isn't there, IoError when it can't be read.
[[nodiscard]] std::string read_text(const std::filesystem::path& path);

/// Replaces `path` by `bytes` so that a crash leaves the old file or the new one, never a mix:
/// writes `path`.tmp, fsyncs, renames, fsyncs the folder. Throws IoError with the system's reason.
void write_durably(const std::filesystem::path& path, std::span<const std::byte> bytes);
/// The same for text, byte for byte: no line ends are changed.
void write_durably(const std::filesystem::path& path, std::string_view text);

/// fsync of a closed file or of a folder. Throws IoError.
void sync_path(const std::filesystem::path& path);

/// Renames a finished file or folder into place and fsyncs the parent. Throws IoError.
void publish(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace epi::core
