// Sizes are told from what formats can do at best, and from what they usually do.
#include "data/preflight.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <numeric>

#include "core/error.hpp"
#include "data/aliases.hpp"
#include "data/contig_names.hpp"
#include "data/file_kind.hpp"
#include "data/formats/bed.hpp"
#include "data/formats/chrom_sizes.hpp"
#include "data/formats/state_names.hpp"
#include "data/formats/text_file.hpp"
#include "data/formats/twobit.hpp"
#include "data/path_status.hpp"
#include "data/ranges.hpp"
#include "data/splits.hpp"

namespace epi::data {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kUsualBinBp = 200;

void require_file(const fs::path& path, const char* option) {
  const fs::file_status status = status_of(path);
  if (fs::is_regular_file(status)) return;
  if (fs::is_directory(status)) {
    throw core::InputError(fmt::format("{}: '{}' is a folder; give a file", option, path.string()));
  }
  throw core::MissingError(fmt::format("{}: no file '{}'", option, path.string()));
}

enum class Packing : std::uint8_t { none, gzip, twobit };

/// By the first bytes.
Packing packing_of(const fs::path& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  std::array<unsigned char, 4> first{};
  if (!file || std::fread(first.data(), 1, first.size(), file.get()) != first.size()) {
    return Packing::none;
  }
  if (first[0] == 0x1f && first[1] == 0x8b) return Packing::gzip;
  return is_twobit(path) ? Packing::twobit : Packing::none;
}

/// Bases per byte of a genome file: at least, and as a rule. "At least" is for a file that packs
/// nothing: gzip may hold its text as it is, 2bit many short contigs.
struct Density {
  double least, likely;
};

Density density_of(const fs::path& path) {
  switch (packing_of(path)) {
    case Packing::twobit:
      return {1.0, 3.9};
    case Packing::gzip:
      return {0.5, 3.3};
    case Packing::none:
      break;
  }
  return {0.5, 0.98};
}

[[noreturn]] void refuse_kind(const char* option, const fs::path& path, FileKind found,
                              const char* expected) {
  throw core::InputError(fmt::format("{}: {}: looks like {}; expected {}", option, path.string(),
                                     name_of(found), expected));
}

/// A text that may be BED is read as such, for an error with its line.
bool may_be_states(FileKind kind) {
  for (const FileKind other : {FileKind::fasta, FileKind::twobit, FileKind::bigwig,
                               FileKind::variants, FileKind::genes, FileKind::sheet}) {
    if (kind == other) return false;
  }
  return true;
}

/// Bins of a segmentation as far as its first records tell: a multiple of the real ones.
std::int64_t bin_of(const fs::path& path, FileKind kind, const PrepareOptions& options) {
  if (!may_be_states(kind)) {
    refuse_kind("--states", path, kind, "a segmentation: BED, statebyline or bigBed");
  }
  if (kind == FileKind::state_lines) return options.states.line_bin_bp;
  if (kind == FileKind::bigbed) return kUsualBinBp;
  TextFile file(path);
  BedRecord record;
  std::int64_t bin_bp = 0;
  for (int i = 0; i < 1000 && next_record(file, 4, record); ++i) {
    if (!options.state_names && !parse_state(record.name)) {
      file.fail(fmt::format("'{}' is no state; expected 'E1', '1_Name' or '1'", record.name));
    }
    bin_bp = std::gcd(bin_bp, record.range.start_bp);
  }
  return bin_bp > 0 ? bin_bp : kUsualBinBp;
}

/// Bytes of an interval in text, packed or not.
std::int64_t line_bytes(const fs::path& path, FileKind kind) {
  if (kind == FileKind::bigbed || packing_of(path) == Packing::gzip) return 13;
  return kind == FileKind::state_lines ? 80 : 30;
}

/// The folder that OUT would be made in.
fs::path existing_parent(const fs::path& out) {
  fs::path folder = fs::absolute(out).parent_path();
  while (!fs::exists(status_of(folder)) && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  return folder;
}

std::int64_t free_bytes(const fs::path& out) {
  std::error_code problem;
  const fs::path parent = existing_parent(out);
  const fs::space_info space = fs::space(parent, problem);
  if (problem) {
    throw core::IoError(
        fmt::format("{}: no size of the disk: {}", parent.string(), problem.message()));
  }
  auto bytes = static_cast<std::int64_t>(
      std::min<std::uintmax_t>(space.available, std::uintmax_t{1} << 62U));
  const fs::path partial = partial_folder(out);
  for (const fs::path& folder : {partial, partial / "work"}) {
    if (!fs::is_directory(status_of(folder))) continue;
    for (const fs::path& path : names_in(folder)) {
      if (fs::is_regular_file(status_of(path))) bytes += bytes_of(path);
    }
  }
  return bytes;
}

/// Bases of the genome; where --sizes tells them, of the contigs asked for.
std::int64_t likely_bases(const PrepareOptions& options) {
  double likely = 0.0;
  for (const fs::path& genome : options.genomes) {
    likely += density_of(genome).likely * static_cast<double>(bytes_of(genome));
  }
  if (!options.sizes || options.contigs.empty()) return static_cast<std::int64_t>(likely);
  const auto wanted = split_list(options.contigs, "--contigs");
  std::int64_t bases = 0;
  for (const ContigSize& size : read_chrom_sizes(*options.sizes)) {
    if (std::find(wanted.begin(), wanted.end(), size.name) != wanted.end()) bases += size.length_bp;
  }
  return bases > 0 ? bases : static_cast<std::int64_t>(likely);
}

void count_states(const PrepareOptions& options, std::span<const SheetRow> sheet,
                  Forecast& result) {
  for (const SheetRow& row : sheet) {
    for (const fs::path& path : row.paths) {
      const FileKind kind = kind_of(path);
      const std::int64_t bin_bp = bin_of(path, kind, options);
      if (result.bin_bp == 0) result.bin_bp = bin_bp;
      const std::int64_t bytes = bytes_of(path);
      result.states_bytes += bytes;
      result.work_bytes += bytes / line_bytes(path, kind) * 24;
    }
  }
  if (result.bin_bp == 0) result.bin_bp = kUsualBinBp;
}

void check_tables(const PrepareOptions& options) {
  (void)alias_table_of(options.alias);
  if (options.sizes) (void)read_chrom_sizes(*options.sizes);
  if (options.state_names) (void)read_state_names(*options.state_names);
  if (options.state_map) (void)read_state_map(*options.state_map);
  if (options.blacklist) (void)read_regions(*options.blacklist);
  if (options.regions) (void)read_regions(*options.regions);
  if (is_region_file(options.valid)) (void)read_regions(options.valid);
  if (is_region_file(options.test)) (void)read_regions(options.test);
}

void check_cells(std::span<const SheetRow> sheet, const std::string& list, const char* option) {
  for (const std::string& id : split_list(list, option)) {
    if (std::any_of(sheet.begin(), sheet.end(),
                    [&](const SheetRow& row) { return row.cell == id; }))
      continue;
    throw core::InputError(fmt::format("{}: the sheet has no cell '{}'", option, id));
  }
}

std::string size_text(std::int64_t bytes) {
  const auto number = static_cast<double>(bytes);
  if (number >= 1e9) return fmt::format("{:.1f} GB", 1e-9 * number);
  if (number >= 1e6) return fmt::format("{:.1f} MB", 1e-6 * number);
  return fmt::format("{} bytes", bytes);
}

/// Sums of what is let through here cannot overflow, and no timer or limit of the system does.
void check_numbers(const PrepareOptions& options) {
  struct Bounds {
    const char* option;
    std::int64_t value, least, most;
  };
  constexpr std::int64_t kYear = 31'536'000;         // seconds
  constexpr std::int64_t kMostMib = 16 * 1'048'576;  // 16 TiB
  for (const Bounds& number : {Bounds{"--guard", options.guard_bp, 0, kFarthestBp},
                               Bounds{"--flank", options.flank_bp, 0, kFarthestBp},
                               Bounds{"--shard", options.shard_bp, 1, kFarthestBp},
                               Bounds{"--bin", options.states.line_bin_bp, 10, 1'000'000},
                               Bounds{"--big-memory", options.states.big.memory_mib, 16, kMostMib},
                               Bounds{"--big-seconds", options.states.big.seconds, 1, kYear}}) {
    if (number.value >= number.least && number.value <= number.most) continue;
    throw core::ConfigError(fmt::format("{}: {} is not in {}..{}", number.option, number.value,
                                        number.least, number.most));
  }
}

}  // namespace

void check_options(const PrepareOptions& options) {
  if (options.genomes.empty()) {
    throw core::UsageError("--genome: give at least one FASTA or 2bit file");
  }
  for (const fs::path& genome : options.genomes) require_file(genome, "--genome");
  require_file(options.sheet, "--states");
  if (is_region_file(options.valid)) require_file(options.valid, "--valid");
  if (is_region_file(options.test)) require_file(options.test, "--test");
  if (options.blacklist) require_file(*options.blacklist, "--blacklist");
  if (options.regions) require_file(*options.regions, "--regions");
  if (options.sizes) require_file(*options.sizes, "--sizes");
  if (options.state_names) require_file(*options.state_names, "--state-names");
  if (options.state_map) require_file(*options.state_map, "--state-map");
  (void)alias_table_of(options.alias);  // neither a file nor a bundled table
  if (options.flank_bp != 0 && !options.regions) {
    throw core::UsageError("--flank widens --regions, which is not given");
  }
  check_numbers(options);
}

std::vector<fs::path> names_in(const fs::path& folder) {
  std::error_code problem;
  std::vector<fs::path> paths;
  fs::directory_iterator at(folder, problem);
  for (; !problem && at != fs::directory_iterator(); at.increment(problem)) {
    paths.push_back(at->path());
  }
  if (problem) {
    throw core::IoError(fmt::format("{}: cannot list: {}", folder.string(), problem.message()));
  }
  return paths;
}

std::int64_t bytes_of(const fs::path& file) {
  std::error_code problem;
  const auto bytes = fs::file_size(file, problem);
  if (!problem) return static_cast<std::int64_t>(bytes);
  throw core::IoError(fmt::format("{}: no size: {}", file.string(), problem.message()));
}

fs::path partial_folder(const fs::path& out) {
  return out.string() + ".partial";
}

void refuse_existing(const fs::path& out) {
  throw core::UsageError(fmt::format(
      "--out: '{}' is there already; a store is written once: choose another name or delete it",
      out.string()));
}

// A store is never overwritten, and what is not ours is never written into.
void check_out(const fs::path& out) {
  if (!out.has_filename()) {
    throw core::UsageError(fmt::format("--out: '{}' names no folder", out.string()));
  }
  if (fs::exists(status_of(out))) refuse_existing(out);
  const fs::path partial = partial_folder(out);
  if (!fs::exists(status_of(partial)) || fs::is_directory(status_of(partial / "work"))) return;
  const bool foreign = !fs::is_directory(status_of(partial)) || !names_in(partial).empty();
  if (foreign) {
    throw core::UsageError(fmt::format(
        "--out: '{}' is in the way and not an unfinished store; move it", partial.string()));
  }
}

Space space_for(const PrepareOptions& options) {
  double least = 0.0;
  for (const fs::path& genome : options.genomes) {
    least += density_of(genome).least * static_cast<double>(bytes_of(genome));
  }
  // Of the store itself nothing is certain: contigs and runs of N may be left out.
  return {static_cast<std::int64_t>(least), free_bytes(options.out)};
}

void check_space(const PrepareOptions& options, const Space& space) {
  if (space.free_bytes >= space.least_bytes) return;
  throw core::IoError(fmt::format(
      "{}: no room for the store: more than {} will be needed, {} are free; make room or choose "
      "another --out",
      existing_parent(options.out).string(), size_text(space.least_bytes),
      size_text(space.free_bytes)));
}

Forecast forecast(const PrepareOptions& options, std::span<const SheetRow> sheet) {
  Forecast result;
  for (const fs::path& genome : options.genomes) {
    const FileKind kind = kind_of(genome);
    if (kind != FileKind::fasta && kind != FileKind::twobit) {
      refuse_kind("--genome", genome, kind, "FASTA or 2bit");
    }
    result.genome_bytes += bytes_of(genome);
  }
  result.bases = likely_bases(options);
  count_states(options, sheet, result);
  const auto cells = static_cast<std::int64_t>(sheet.size());
  result.store_bytes = result.bases + result.bases / result.bin_bp * cells;
  result.work_bytes += result.bases;
  return result;
}

std::vector<std::string> dry_run(const PrepareOptions& options) {
  check_options(options);
  check_out(options.out);
  const std::vector<SheetRow> sheet = read_sheet(options.sheet);
  check_tables(options);
  check_cells(sheet, options.valid_cells, "--valid-cells");
  check_cells(sheet, options.test_cells, "--test-cells");
  const Forecast sizes = forecast(options, sheet);
  const Space space = space_for(options);
  check_space(options, space);
  const auto bare = std::count_if(sheet.begin(), sheet.end(),
                                  [](const SheetRow& row) { return row.paths.empty(); });
  std::size_t files = 0;
  for (const SheetRow& row : sheet) files += row.paths.size();
  return {
      fmt::format("would read {} genome files of {}, about {:.1f} Mb of sequence",
                  options.genomes.size(), size_text(sizes.genome_bytes),
                  1e-6 * static_cast<double>(sizes.bases)),
      fmt::format("would read {} segmentation files of {} for {} cells; {} cells have none", files,
                  size_text(sizes.states_bytes), sheet.size(), bare),
      fmt::format("would write {}: about {} (bins of about {} bp), and {} more while at work",
                  options.out.string(), size_text(sizes.store_bytes), sizes.bin_bp,
                  size_text(sizes.work_bytes)),
      fmt::format("free there: {}", size_text(space.free_bytes)),
  };
}

}  // namespace epi::data
