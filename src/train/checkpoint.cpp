// Writer and reader of one format stand side by side, so that they can be compared: hence the
// length.
#include "train/checkpoint.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fstream>

#include "core/digest.hpp"
#include "core/files.hpp"
#include "core/version.hpp"
#include "dist/staging.hpp"
#include "train/output_file.hpp"
#include "train/safetensors.hpp"
#include "train/sample_fingerprint.hpp"
#include "train/strict_json.hpp"

namespace epi::train {
namespace {

namespace fs = std::filesystem;
using core::FormatError;

constexpr const char* kModelFile = "model.safetensors";
constexpr const char* kOptimizerFile = "optimizer.bin";
constexpr const char* kManifestFile = "manifest.json";
constexpr const char* kFormatName = "epitrain checkpoint";
constexpr int kVersion = 1;

// optimizer.bin: this header, then `blocks` blocks of `elements` f32.
struct OptimizerHeader {
  std::array<char, 8> magic = {'E', 'P', 'I', 'O', 'P', 'T', 'I', 'M'};
  std::uint32_t version = 1;
  std::uint32_t blocks = 2;
  std::uint64_t elements = 0;
  friend bool operator==(const OptimizerHeader&, const OptimizerHeader&) = default;
};
static_assert(sizeof(OptimizerHeader) == 24);

// "step-000000100" -> 100; nothing for any other name.
std::optional<std::int64_t> step_of(const std::string& name) {
  constexpr std::string_view kPrefix = "step-";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::int64_t step = 0;
  const char* const end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (parsed.ec != std::errc() || parsed.ptr != end || step < 0) return std::nullopt;
  return step;
}

std::string folder_name(std::int64_t step) {
  return fmt::format("step-{:09}", step);
}

// What lies in a folder; nothing where there is no folder. A folder that cannot be read is no empty
// one: a run must not begin anew beside its checkpoints.
std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
  std::error_code problem;
  std::vector<fs::directory_entry> found;
  fs::directory_iterator at(folder, problem);
  for (; !problem && at != fs::directory_iterator(); at.increment(problem)) found.push_back(*at);
  const bool absent =
      problem == std::errc::no_such_file_or_directory || problem == std::errc::not_a_directory;
  if (problem && !absent) {
    throw core::IoError(fmt::format("{}: cannot list: {}", folder.string(), problem.message()));
  }
  return found;
}

// Checkpoints by falling step.
std::vector<std::pair<std::int64_t, fs::path>> list(const fs::path& checkpoints) {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  for (const fs::directory_entry& entry : entries_of(checkpoints)) {
    std::error_code unknown;  // taken for a folder: reading it then says what is wrong
    if (!entry.is_directory(unknown) && !unknown) continue;
    if (const auto step = step_of(entry.path().filename().string())) {
      found.emplace_back(*step, entry.path());
    }
  }
  std::ranges::sort(found, std::greater<>());
  return found;
}

Json file_entry(const OutputFile& file) {
  return {{"bytes", file.bytes()}, {"xxh3_128", file.digest()}};
}

Json write_model(const fs::path& path, const model::ParameterTable& table,
                 const core::ConstView& parameters) {
  std::vector<NamedTensor> tensors;
  for (const model::Parameter& p : table.parameters()) {
    tensors.push_back({p.name, p.shape, parameters.slice(p.offset, p.size)});
  }
  OutputFile file(path);
  write_safetensors(tensors, {{"format", "pt"}},
                    [&](std::span<const std::byte> bytes) { file.append(bytes); });
  file.finish();
  return file_entry(file);
}

Json write_optimizer(const fs::path& path, const TrainingBlocks& blocks) {
  OptimizerHeader header;
  header.elements = static_cast<std::uint64_t>(blocks.moment1.size());
  OutputFile file(path);
  file.append(std::as_bytes(std::span(&header, 1)));
  for (const core::ConstView block : {blocks.moment1, blocks.moment2}) {
    file.append({block.raw(), block.bytes()});
  }
  file.finish();
  return file_entry(file);
}

Json write_store(const fs::path& path, const std::string& text) {
  OutputFile file(path);
  file.append(std::as_bytes(std::span(text)));
  file.finish();
  return file_entry(file);
}

Json tensor_table(const model::ParameterTable& table) {
  Json rows = Json::array();
  for (const model::Parameter& p : table.parameters()) {
    rows.push_back({{"name", p.name},
                    {"shape", p.shape},
                    {"offset", p.offset},
                    {"size", p.size},
                    {"decay", p.decay}});
  }
  return rows;
}

Json manifest_of(const CheckpointNote& note, const model::ParameterTable& table) {
  Json identity = Json::object();
  for (const auto& [key, value] : note.identity) identity[key] = value;
  Json manifest = {{"format", kFormatName},
                   {"version", kVersion},
                   {"program", core::version_text()},
                   {"build", core::build_text()},
                   {"step", note.progress.step},
                   {"updates", note.progress.updates},
                   {"skipped", note.progress.skipped},
                   {"fingerprint", fingerprint_text(note.progress.fingerprint)},
                   {"samples", note.samples},
                   {"seed", note.seed},
                   {"world_size", note.world_size},
                   {"bucket_bytes", note.bucket_bytes},
                   {"precision", note.precision},
                   {"instruction_set", note.instruction_set},
                   {"choices", note.choices},
                   {"store", note.store_fingerprint},
                   {"mathematics", identity},
                   {"config", note.config},
                   {"block_size", table.block_size()},
                   {"tensors", tensor_table(table)}};
  if (note.bits != BitsSoFar::unknown) manifest["reproducible"] = name_of(note.bits);
  return manifest;
}

// The manifest's own digest covers its text without that last key.
void write_manifest(const fs::path& path, Json manifest) {
  manifest["xxh3_128"] = core::digest_of(std::string_view(manifest.dump(1)));
  const std::string text = manifest.dump(1) + "\n";
  OutputFile file(path);
  file.append(std::as_bytes(std::span(text)));
  file.finish();
}

Json read_manifest(const fs::path& path) {
  const std::string file = path.string();
  Json manifest = parse_json(core::read_text(path), file);
  if (!manifest.is_object()) throw FormatError(file + ": not an object");
  if (json_value<std::string>(manifest, "format", file) != kFormatName) {
    throw FormatError(fmt::format("{}: format is not \"{}\"", file, kFormatName));
  }
  const auto digest = json_value<std::string>(manifest, "xxh3_128", file);
  manifest.erase("xxh3_128");
  if (core::digest_of(std::string_view(manifest.dump(1))) != digest) {
    throw FormatError(file + ": its text does not match its digest: the file is damaged");
  }
  // Not damage: a run of another program must not be passed over.
  if (const int version = json_value<int>(manifest, "version", file); version != kVersion) {
    throw core::InputError(
        fmt::format("{}: version {}, this program reads version {}", file, version, kVersion));
  }
  return manifest;
}

CheckpointNote note_from(const Json& manifest, const std::string& file) {
  CheckpointNote note;
  note.progress.step = json_value<std::int64_t>(manifest, "step", file);
  note.progress.updates = json_value<std::int64_t>(manifest, "updates", file);
  note.progress.skipped = json_value<std::int64_t>(manifest, "skipped", file);
  if (manifest.contains("fingerprint")) {  // early checkpoints lack it: the rest of the run's
    note.progress.fingerprint =
        fingerprint_from(json_value<std::string>(manifest, "fingerprint", file));
  }
  note.samples = json_value<std::int64_t>(manifest, "samples", file);
  note.seed = json_value<std::uint64_t>(manifest, "seed", file);
  note.world_size = json_value<int>(manifest, "world_size", file);
  if (manifest.contains("bucket_bytes")) {
    note.bucket_bytes = json_value<std::int64_t>(manifest, "bucket_bytes", file);
  }
  note.precision = "fp32";  // of programs that knew no other
  if (manifest.contains("precision")) {
    note.precision = json_value<std::string>(manifest, "precision", file);
  }
  if (manifest.contains("instruction_set")) {
    note.instruction_set = json_value<std::string>(manifest, "instruction_set", file);
  }
  if (manifest.contains("reproducible")) {
    note.bits = bits_named(json_value<std::string>(manifest, "reproducible", file));
  }
  if (manifest.contains("choices")) {
    note.choices = json_value<std::string>(manifest, "choices", file);
  }
  note.store_fingerprint = json_value<std::string>(manifest, "store", file);
  note.config = json_value<std::string>(manifest, "config", file);
  const Json mathematics = json_value<Json>(manifest, "mathematics", file);
  for (const auto& [key, value] : mathematics.items()) {
    note.identity.emplace_back(key, value.get<std::string>());
  }
  return note;
}

void check_file(const fs::path& path, const Json& entry) {
  const std::string file = path.string();
  const auto bytes = json_value<std::uint64_t>(entry, "bytes", file);
  std::error_code problem;
  const std::uintmax_t size = fs::file_size(path, problem);
  if (problem == std::errc::no_such_file_or_directory) {
    throw core::MissingError(file + ": not there, but in its manifest");
  }
  if (problem) throw core::IoError(fmt::format("{}: no size: {}", file, problem.message()));
  if (size != bytes) throw FormatError(fmt::format("{}: {} bytes, expected {}", file, size, bytes));
  const std::string found = core::digest_of_file(path);
  const auto expected = json_value<std::string>(entry, "xxh3_128", file);
  if (found != expected) {
    throw FormatError(
        fmt::format("{}: digest {}, expected {}: the file is damaged", file, found, expected));
  }
}

void read_optimizer(const fs::path& path, const TrainingBlocks& blocks) {
  std::ifstream in(path, std::ios::binary);
  OptimizerHeader expected;
  expected.elements = static_cast<std::uint64_t>(blocks.moment1.size());
  OptimizerHeader found;
  const bool read = static_cast<bool>(in.read(reinterpret_cast<char*>(&found), sizeof found));
  if (!read || !(found == expected)) {
    throw FormatError(
        fmt::format("{}: not the moments of {} parameters", path.string(), expected.elements));
  }
  for (const core::View& block : {blocks.moment1, blocks.moment2}) {
    if (!in.read(reinterpret_cast<char*>(block.raw()),
                 static_cast<std::streamsize>(block.bytes()))) {
      throw FormatError(path.string() + ": shorter than its header says");
    }
  }
}

// A disk that refuses to read, or another version, says nothing about the file.
bool is_damage(const core::Error& error) {
  return error.kind() == core::ErrorKind::format || error.kind() == core::ErrorKind::missing;
}

void write_files(const fs::path& folder, const CheckpointNote& note,
                 const model::ParameterTable& table, const TrainingBlocks& blocks) {
  Json manifest = manifest_of(note, table);
  manifest["files"][kModelFile] = write_model(folder / kModelFile, table, blocks.parameters);
  manifest["files"][kOptimizerFile] = write_optimizer(folder / kOptimizerFile, blocks);
  if (!note.store_manifest.empty()) {
    manifest["files"][kStoreFile] = write_store(folder / kStoreFile, note.store_manifest);
  }
  write_manifest(folder / kManifestFile, std::move(manifest));
  core::sync_path(folder);
}

}  // namespace

HostBlocks::HostBlocks(std::int64_t elements)
    : parameters_(core::DType::f32, {elements}),
      moment1_(core::DType::f32, {elements}),
      moment2_(core::DType::f32, {elements}) {}

std::size_t HostBlocks::footprint(std::int64_t elements) {
  return 3 * core::host_footprint(static_cast<std::size_t>(elements) * sizeof(float));
}

fs::path write_checkpoint(const fs::path& checkpoints, const CheckpointNote& note,
                          const model::ParameterTable& table, const TrainingBlocks& blocks) {
  const fs::path final_path = checkpoints / folder_name(note.progress.step);
  const fs::path aside = checkpoints / (folder_name(note.progress.step) + ".tmp");
  std::error_code ignored;
  try {
    fs::create_directories(checkpoints);
    fs::remove_all(aside);
    fs::create_directory(aside);
    write_files(aside, note, table, blocks);
    // A folder of this name is a damaged one, or it would have been resumed from.
    fs::remove_all(final_path, ignored);
    core::publish(aside, final_path);
  } catch (const fs::filesystem_error& error) {
    throw core::IoError(error.what());
  } catch (const core::Error&) {
    fs::remove_all(aside, ignored);  // a full disk gets its space back
    throw;
  }
  return final_path;
}

Checkpoint open_checkpoint(const fs::path& folder) {
  const fs::path path = folder / kManifestFile;
  const std::string file = path.string();
  const Json manifest = read_manifest(path);
  Checkpoint checkpoint{folder, note_from(manifest, file), {}};
  const Json files = json_value<Json>(manifest, "files", file);
  for (const char* name : {kModelFile, kOptimizerFile}) {
    if (!files.contains(name)) throw FormatError(fmt::format("{}: lists no {}", file, name));
  }
  for (const auto& [name, entry] : files.items()) {
    if (fs::path(name).filename() != name) {
      throw FormatError(fmt::format("{}: lists '{}', which is no name of a file", file, name));
    }
    check_file(folder / name, entry);
    checkpoint.files.push_back(name);
  }
  return checkpoint;
}

FoundCheckpoint find_checkpoint(const fs::path& checkpoints) {
  FoundCheckpoint found;
  for (const auto& [step, path] : list(checkpoints)) {
    try {
      Checkpoint checkpoint = open_checkpoint(path);
      if (checkpoint.note.progress.step != step) {
        throw FormatError(
            fmt::format("{}: holds step {}", path.string(), checkpoint.note.progress.step));
      }
      found.newest = std::move(checkpoint);
      break;
    } catch (const core::Error& error) {
      if (!is_damage(error)) throw;
      found.damaged.push_back({path, error.what()});
    }
  }
  return found;
}

void read_parameters(const Checkpoint& checkpoint, const model::ParameterTable& table,
                     const core::View& parameters) {
  const SafetensorsFile file = SafetensorsFile::open(checkpoint.path / kModelFile);
  if (file.entries().size() != table.parameters().size()) {
    throw FormatError(fmt::format("{}: {} tensors, the model has {}",
                                  (checkpoint.path / kModelFile).string(), file.entries().size(),
                                  table.parameters().size()));
  }
  dist::Staging staging;
  const core::View host = staging.load(parameters);  // with the zeros between tensors
  for (const model::Parameter& p : table.parameters()) {
    file.read(p.name, p.shape, host.slice(p.offset, p.size));
  }
  staging.store(parameters);
}

void read_blocks(const Checkpoint& checkpoint, const model::ParameterTable& table,
                 const TrainingBlocks& blocks) {
  read_parameters(checkpoint, table, blocks.parameters);
  read_optimizer(checkpoint.path / kOptimizerFile, blocks);
}

void prune_checkpoints(const fs::path& checkpoints, std::int64_t newest, std::int64_t keep) {
  std::int64_t kept = 0;
  for (const auto& [step, path] : list(checkpoints)) {
    if (step > newest || ++kept <= keep) continue;
    // Renamed first: killed in between, it must not look like a damaged checkpoint.
    const fs::path aside = path.string() + ".tmp";
    std::error_code ignored;  // an old checkpoint that stays harms nobody
    fs::rename(path, aside, ignored);
    fs::remove_all(aside, ignored);
  }
}

void clean_checkpoints(const fs::path& checkpoints, const std::vector<DamagedCheckpoint>& damaged) {
  std::error_code ignored;
  for (const DamagedCheckpoint& entry : damaged) {
    const fs::path aside = entry.path.string() + ".damaged";
    fs::remove_all(aside, ignored);
    fs::rename(entry.path, aside, ignored);
  }
  for (const fs::directory_entry& entry : entries_of(checkpoints)) {
    if (entry.path().extension() == ".tmp") fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace epi::train
