// OUT.partial/ while at work:
//   shard-*.h5       finished shards, as in the store
//   work/*.bin       parsed inputs (work_file.hpp)
//   work/*.json      per finished shard: what it was made from, its bytes and digests
//   work/lock        held by the one preparation that may write here (out_lock.hpp)
#include "data/prepare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <string_view>
#include <utility>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/files.hpp"
#include "data/formats/sheet.hpp"
#include "data/formats/state_names.hpp"
#include "data/h5.hpp"
#include "data/out_lock.hpp"
#include "data/parallel.hpp"
#include "data/path_status.hpp"
#include "data/plan.hpp"
#include "data/preflight.hpp"
#include "data/shard.hpp"
#include "data/splits.hpp"
#include "data/work_file.hpp"

namespace epi::data {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

/// Part of every key; raised when the same inputs give other shards.
constexpr int kShardVersion = 3;

/// A command without `--threads N`, which changes nothing in a store: Slurm may give the next
/// attempt another number of cores.
std::string without_threads(std::string_view command) {
  std::string kept;
  bool is_number = false;
  while (!command.empty()) {
    const std::size_t end = std::min(command.find(' '), command.size() - 1) + 1;
    const std::string_view word = command.substr(0, end);  // with the blank behind it
    command.remove_prefix(end);
    const bool is_option = word == "--threads " || word.starts_with("--threads=");
    if (!is_option && !is_number) kept += word;
    is_number = word == "--threads ";
  }
  while (kept.ends_with(' ')) kept.pop_back();
  return kept;
}

/// A whole store of the same command whose preparation was killed while it tidied up: the manifest
/// is written before the folder gets its name, the work files go after.
bool is_untidy(const PrepareOptions& options) {
  if (!fs::is_directory(status_of(options.out / "work"))) return false;
  try {
    return without_threads(read_manifest(options.out).command) == without_threads(options.command);
  } catch (const core::Error&) {
    return false;  // no store of ours: in the way, as anything else
  }
}

/// An input and where its parsed form goes.
struct Input {
  std::vector<fs::path> sources;
  fs::path work;
  bool is_genome = false;

  void parse(const StatesFormat& format) const {
    if (is_genome) {
      write_genome_work(work, sources.front());
    } else {
      write_track_work(work, sources, format);
    }
  }
};

/// What a shard's content follows from: the same key, the same bytes.
std::string key_of(const StorePlan& plan, std::span<const TrackWork> tracks, const Shard& shard,
                   const StatesFormat& format) {
  const Manifest& manifest = plan.manifest;
  std::string text = fmt::format("{} {} {} {} {}", kShardVersion,
                                 manifest.contigs[static_cast<std::size_t>(shard.contig)].name,
                                 manifest.contigs[static_cast<std::size_t>(shard.contig)].digest,
                                 shard.start_bp, shard.length_bp);
  // Another --state-names gives other numbers to the labels of the same file.
  text += fmt::format(" {} {}", manifest.bin_bp, reading_key(format));
  for (const std::uint8_t code : plan.codes) text += fmt::format(" {}", code);  // by number
  for (std::size_t c = 0; c < manifest.cells.size(); ++c) {
    // The same file gives other states where another of its contigs is matched (--alias-chr).
    const auto track = plan.tracks[c][static_cast<std::size_t>(shard.contig)];
    text += fmt::format(" {} '{}'", manifest.cells[c].digest,
                        track ? tracks[c].contigs()[*track] : std::string());
    for (const NamedState& state : tracks[c].states()) text += fmt::format(" {}", state.number);
  }
  return core::digest_of(text);
}

/// Adds the time until its end to a sum that threads share.
class Timer {
 public:
  explicit Timer(std::atomic<double>& sum) : sum_(sum) {}
  ~Timer() {
    sum_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  std::atomic<double>& sum_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

struct Timings {
  std::atomic<double> genomes = 0.0, states = 0.0, encode = 0.0, write = 0.0;
};

}  // namespace

struct Preparation::State {
  PrepareOptions options;
  core::Log log;
  OutLock lock;
  bool claimed = false;
  mutable Timings timings;
  std::vector<SheetRow> sheet;
  bool tidies = false;  // OUT is whole, only its work files are left to remove
  fs::path partial, work;
  std::vector<Input> inputs;  // genomes, then cells
  std::vector<GenomeWork> genomes;
  std::vector<TrackWork> tracks;
  StorePlan plan;

  /// Work files are numbered; whose they are, the digest of the input in them says.
  void list_inputs() {
    for (std::size_t g = 0; g < options.genomes.size(); ++g) {
      inputs.push_back({{options.genomes[g]}, work / fmt::format("genome-{:04}.bin", g), true});
    }
    for (std::size_t c = 0; c < sheet.size(); ++c) {
      inputs.push_back({sheet[c].paths, work / fmt::format("cell-{:04}.bin", c)});
    }
  }

  [[nodiscard]] fs::path note_path(const Shard& shard) const {
    return work / fs::path(shard.file).replace_extension(".json");
  }

  [[nodiscard]] std::string key(const Shard& shard) const {
    return key_of(plan, tracks, shard, options.states);
  }

  /// The finished shard with bytes and digest as noted; none if the note is absent or of another
  /// plan.
  [[nodiscard]] std::optional<Shard> noted(const Shard& shard) const {
    if (!fs::exists(status_of(note_path(shard)))) return std::nullopt;
    try {
      const json note = json::parse(core::read_text(note_path(shard)));
      if (note.at("key") != key(shard)) return std::nullopt;
      Shard finished = shard;
      note.at("bytes").get_to(finished.bytes);
      note.at("digest").get_to(finished.digest);
      note.at("bases_digest").get_to(finished.bases_digest);
      note.at("states_digest").get_to(finished.states_digest);
      return finished;
    } catch (const json::exception&) {
      return std::nullopt;
    }
  }

  /// Digests the file itself: a shard that was cut or changed since is written again.
  [[nodiscard]] bool is_whole(const Shard& shard) const {
    const auto finished = noted(shard);
    const fs::path path = partial / shard.file;
    return finished && fs::exists(status_of(path)) &&
           core::digest_of_file(path) == finished->digest;
  }

  [[nodiscard]] std::vector<std::uint8_t> encode(const Shard& shard) const {
    const Timer timer(timings.encode);
    return shard_states(plan, shard, tracks);
  }

  void write(const Shard& shard) const {
    const ContigPlace& place = plan.places[static_cast<std::size_t>(shard.contig)];
    const std::vector<std::uint8_t> states = encode(shard);
    const Timer timer(timings.write);
    const std::vector<std::uint8_t> bases = genomes[place.genome].bases(
        place.index, {shard.start_bp, shard.start_bp + shard.length_bp});
    ShardContent content;
    content.contig = plan.manifest.contigs[static_cast<std::size_t>(shard.contig)].name;
    content.start_bp = shard.start_bp;
    content.bin_bp = plan.manifest.bin_bp;
    content.bases = bases;
    content.states = states;
    content.num_cells = static_cast<std::int32_t>(tracks.size());
    const Shard written = write_shard(partial / shard.file, content);
    // The note comes after its shard is durable: a note without a shard is never believed.
    const json note = {{"key", key(shard)},
                       {"bytes", written.bytes},
                       {"digest", written.digest},
                       {"bases_digest", written.bases_digest},
                       {"states_digest", written.states_digest}};
    core::write_durably(note_path(shard), note.dump());
  }

  void read(const Input& input) const {
    const Timer timer(input.is_genome ? timings.genomes : timings.states);
    const bool current =
        is_current(input.work, input.sources, input.is_genome ? 0 : reading_key(options.states));
    if (!current) input.parse(options.states);
    log.debug("{} {}", current ? "kept" : "read", input.work.string());
  }

  /// The store in OUT must be what would be made now, else it is another's and stays as it is.
  void adopt_shards() {
    const Manifest stored = read_manifest(options.out);
    plan.manifest.command = stored.command;  // the same, see is_untidy
    std::vector<Shard>& shards = plan.manifest.shards;
    for (std::size_t i = 0; i < std::min(shards.size(), stored.shards.size()); ++i) {
      const Shard planned = std::exchange(shards[i], stored.shards[i]);
      const bool same_place = planned.contig == shards[i].contig &&
                              planned.start_bp == shards[i].start_bp &&
                              planned.length_bp == shards[i].length_bp;
      if (!same_place) refuse_existing(options.out);
    }
    if (to_json(plan.manifest) != to_json(stored)) refuse_existing(options.out);
  }

  /// The work files are unmapped first: a network file system keeps what is still open. What cannot
  /// be removed harms no reader of the store.
  void remove_work() {
    genomes.clear();
    tracks.clear();
    const fs::path folder = options.out / "work";
    std::error_code problem;
    fs::remove_all(folder, problem);
    if (!problem) return;
    plan.warnings.push_back(fmt::format("{}: cannot remove: {}; the store is whole, delete it",
                                        folder.string(), problem.message()));
  }

  /// Files of an earlier attempt with other options.
  void remove_strangers() const {
    std::set<std::string> ours;
    for (const Shard& shard : plan.manifest.shards) ours.insert(shard.file);
    for (const fs::path& path : names_in(partial)) {
      const std::string name = path.filename().string();
      if (!name.starts_with("shard-") || ours.contains(name)) continue;
      std::error_code problem;
      fs::remove(path, problem);
      if (problem) {
        throw core::IoError(fmt::format("{}: cannot remove: {}", path.string(), problem.message()));
      }
    }
  }

  [[nodiscard]] std::vector<std::string> summary() const {
    const Manifest& manifest = plan.manifest;
    std::int64_t length_bp = 0, acgt_bp = 0, iupac_bp = 0, bytes = 0;
    for (const Contig& contig : manifest.contigs) {
      length_bp += contig.length_bp;
      acgt_bp += contig.acgt_bp;
      iupac_bp += contig.iupac_bp;
    }
    for (const Shard& shard : manifest.shards) bytes += shard.bytes;
    std::vector<std::string> lines;
    lines.push_back(fmt::format("{} contigs, {} bases, {} of them A C G T; {} IUPAC codes became N",
                                manifest.contigs.size(), length_bp, acgt_bp, iupac_bp));
    lines.push_back(fmt::format("{} cells, {} states in bins of {} bp", manifest.cells.size(),
                                manifest.states.size(), manifest.bin_bp));
    for (const Split split : {Split::train, Split::valid, Split::test}) {
      std::int64_t bp = 0;
      for (const Interval& region : manifest.regions[static_cast<std::size_t>(split)]) {
        bp += region.end_bp - region.start_bp;
      }
      const auto cells = std::count_if(manifest.cells.begin(), manifest.cells.end(),
                                       [split](const Cell& cell) { return cell.split == split; });
      lines.push_back(fmt::format("{}: {} bases, {} cells", name_of(split), bp, cells));
    }
    lines.push_back(fmt::format("{} shards, {} bytes", manifest.shards.size(), bytes));
    return lines;
  }
};

Preparation::Preparation(PrepareOptions options, core::Log log)
    : state_(std::make_unique<State>()) {
  check_options(options);
  state_->tidies = is_untidy(options);
  if (!state_->tidies) check_out(options.out);
  state_->sheet = read_sheet(options.sheet);
  if (options.state_names) options.states.names = read_state_names(*options.state_names).states;
  state_->partial = state_->tidies ? options.out : partial_folder(options.out);
  state_->work = state_->partial / "work";
  state_->options = std::move(options);
  state_->log = log;
  state_->list_inputs();
}

Preparation::Preparation(Preparation&&) noexcept = default;
Preparation& Preparation::operator=(Preparation&&) noexcept = default;
Preparation::~Preparation() = default;

void Preparation::claim(int part) {
  std::error_code problem;
  fs::create_directories(state_->work, problem);
  if (problem) {
    throw core::IoError(
        fmt::format("{}: cannot create: {}", state_->work.string(), problem.message()));
  }
  if (part != 0 || state_->claimed) return;
  state_->lock = OutLock(state_->work / "lock");
  state_->claimed = true;
  if (!state_->lock.held()) {
    state_->log.warn("{}: this file system has no locks; start no second preparation here",
                     state_->partial.string());
  }
  // Whoever held it before may have finished in the meantime.
  if (state_->tidies) return;
  check_out(state_->options.out);
  check_space(state_->options, space_for(state_->options));
}

void Preparation::read_inputs(int part, int parts) {
  claim(part);
  std::vector<std::int64_t> sizes;
  for (const Input& input : state_->inputs) {
    std::int64_t bytes = 0;
    for (const fs::path& source : input.sources) bytes += bytes_of(source);
    sizes.push_back(bytes);
  }
  const std::vector<std::size_t> mine = share_of(sizes, part, parts);
  for_each_item(mine.size(), state_->options.threads,
                [&](std::size_t i) { state_->read(state_->inputs[mine[i]]); });
}

void Preparation::plan() {
  const std::size_t genomes = state_->options.genomes.size();
  for (std::size_t i = 0; i < state_->inputs.size(); ++i) {
    if (i < genomes) {
      state_->genomes.emplace_back(state_->inputs[i].work);
    } else {
      state_->tracks.emplace_back(state_->inputs[i].work);
    }
  }
  state_->plan = make_plan(state_->options, state_->sheet, state_->genomes, state_->tracks);
  if (state_->tidies) state_->adopt_shards();
}

void Preparation::write_shards(int part, int parts) {
  if (state_->tidies) return;  // they are there, as the manifest says
  const auto& shards = state_->plan.manifest.shards;
  std::vector<std::int64_t> sizes;
  for (const Shard& shard : shards) sizes.push_back(shard.length_bp);
  const std::vector<std::size_t> mine = share_of(sizes, part, parts);
  const int threads = h5::is_thread_safe() ? state_->options.threads : 1;
  for_each_item(mine.size(), threads, [&](std::size_t i) {
    const Shard& shard = shards[mine[i]];
    const bool whole = state_->is_whole(shard);
    if (!whole) state_->write(shard);
    state_->log.debug("{} {}", whole ? "kept" : "wrote", shard.file);
  });
}

PrepareReport Preparation::finish() {
  if (state_->tidies) {
    state_->remove_work();
    return {state_->plan.warnings, state_->summary()};
  }
  Manifest& manifest = state_->plan.manifest;
  for (Shard& shard : manifest.shards) {
    const auto finished = state_->noted(shard);
    core::require(finished.has_value(), "every shard is written before finish");
    shard = *finished;
  }
  state_->remove_strangers();
  core::write_durably(state_->partial / kManifestName, to_json(manifest));
  // From here on the store is complete; what is left to do is tidying.
  core::publish(state_->partial, state_->options.out);
  state_->remove_work();
  return {state_->plan.warnings, state_->summary()};
}

PrepareSeconds Preparation::seconds() const {
  const Timings& sums = state_->timings;
  return {sums.genomes, sums.states, sums.encode, sums.write};
}

std::vector<std::size_t> share_of(const std::vector<std::int64_t>& sizes, int part, int parts) {
  core::require(parts >= 1 && part >= 0 && part < parts, "part is one of parts");
  std::vector<std::size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&sizes](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
  std::vector<std::int64_t> load(static_cast<std::size_t>(parts), 0);
  std::vector<std::size_t> mine;
  for (const std::size_t item : order) {
    const auto least = std::min_element(load.begin(), load.end());
    *least += sizes[item];
    if (least - load.begin() == part) mine.push_back(item);
  }
  return mine;
}

}  // namespace epi::data
