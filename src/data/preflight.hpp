// What can be known about a preparation before anything is read whole: whether its files are there
// and of the right kinds, whether the folder is free, how much it will write. Touches nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/formats/sheet.hpp"
#include "data/prepare.hpp"

namespace epi::data {

/// Named files are there and numbers make sense. UsageError, ConfigError, MissingError, IoError.
void check_options(const PrepareOptions& options);

/// OUT is free, OUT.partial free or an unfinished store. UsageError, IoError.
void check_out(const std::filesystem::path& out);

/// UsageError: OUT is there already.
[[noreturn]] void refuse_existing(const std::filesystem::path& out);

/// Where an unfinished store lies.
[[nodiscard]] std::filesystem::path partial_folder(const std::filesystem::path& out);

/// Everything in a folder, in no order. IoError.
[[nodiscard]] std::vector<std::filesystem::path> names_in(const std::filesystem::path& folder);

/// A file's size in bytes. IoError.
[[nodiscard]] std::int64_t bytes_of(const std::filesystem::path& file);

/// Bytes that the disk must have free at the least, and those that it has where OUT will be, with
/// what OUT.partial holds already. From the sizes of the genome files alone: a work file
/// holds a byte for each base, and how well a file is packed is not known before it is read. So
/// this is far below what most preparations need, and never above it.
struct Space {
  std::int64_t least_bytes = 0, free_bytes = 0;
};

/// IoError.
[[nodiscard]] Space space_for(const PrepareOptions& options);

/// IoError with both numbers when the disk certainly lacks the space.
void check_space(const PrepareOptions& options, const Space& space);

/// What a preparation will probably read and write, in bytes.
struct Forecast {
  std::int64_t genome_bytes = 0, states_bytes = 0;  ///< of the input files
  std::int64_t bases = 0;                           ///< of the store
  std::int64_t bin_bp = 0;
  std::int64_t store_bytes = 0, work_bytes = 0;  ///< the latter beside the store while at work
};

/// Reads no more than first records. InputError when a file does not begin like one of its kind.
[[nodiscard]] Forecast forecast(const PrepareOptions& options, std::span<const SheetRow> sheet);

/// `prepare --dry-run`: all of the above, the tables that options name, and lines that say what
/// would be read and written. Errors as from the preparation itself.
[[nodiscard]] std::vector<std::string> dry_run(const PrepareOptions& options);

}  // namespace epi::data
