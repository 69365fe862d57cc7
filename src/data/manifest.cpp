// manifest.json: see STORE_FORMAT.md. The digest in it covers its content as this file prints it,
// so that any changed value is found, whoever indents the file.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/files.hpp"
#include "data/path_status.hpp"
#include "data/shard.hpp"

namespace epi::data {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "epitrain store";
constexpr std::int32_t kWithAssembly =
    2;  // first version with assembly, inputs, md5, group, weight, colour
constexpr std::size_t kMaxStates = 254;  // codes are bytes, 0 is missing, S+1 is masked
constexpr std::int64_t kFarthestBp = std::int64_t{1} << 40U;  // sums of places stay whole numbers
constexpr std::array kSplits{Split::train, Split::valid, Split::test};

/// One JSON object being read; every key must be asked for, none may be left.
class Object {
 public:
  Object(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) fail("", "an object", json);
  }

  [[nodiscard]] const Json& at(const char* key) {
    seen_.insert(key);
    if (!json_.contains(key)) {
      throw core::FormatError(fmt::format("{}: key {} is missing", where_, key));
    }
    return json_[key];
  }
  [[nodiscard]] std::string text(const char* key) {
    const Json& value = at(key);
    if (!value.is_string()) fail(key, "text", value);
    return value.get<std::string>();
  }
  [[nodiscard]] std::int64_t integer(
      const char* key, std::int64_t lowest = 0,
      std::int64_t highest = std::numeric_limits<std::int64_t>::max()) {
    const Json& value = at(key);
    if (!value.is_number_integer()) fail(key, "an integer", value);
    const auto number = value.get<std::int64_t>();
    if (number < lowest || number > highest) {
      fail(key, fmt::format("an integer in {}..{}", lowest, highest).c_str(), value);
    }
    return number;
  }
  [[nodiscard]] std::int32_t small(const char* key, std::int32_t lowest = 0) {
    return static_cast<std::int32_t>(
        integer(key, lowest, std::numeric_limits<std::int32_t>::max()));
  }
  /// A place or a length on a contig.
  [[nodiscard]] std::int64_t bases(const char* key, std::int64_t lowest = 0) {
    return integer(key, lowest, kFarthestBp);
  }
  [[nodiscard]] const Json& list(const char* key) {
    const Json& value = at(key);
    if (!value.is_array()) fail(key, "a list", value);
    return value;
  }
  [[noreturn]] void fail(const char* key, const char* expected, const Json& found) const {
    throw core::FormatError(
        fmt::format("{}: key {}: expected {}, found {}", where_, key, expected, found.dump()));
  }
  void refuse_rest() const {
    for (const auto& [key, value] : json_.items()) {
      if (seen_.count(key) == 0) {
        throw core::FormatError(fmt::format("{}: unknown key {}", where_, key));
      }
    }
  }
  [[nodiscard]] const std::string& where() const { return where_; }

 private:
  const Json& json_;
  std::string where_;
  std::set<std::string> seen_;
};

/// Reads each element of a list of objects by `read` and refuses keys that it did not ask for.
template <class Item, class Read>
std::vector<Item> read_list(Object& parent, const char* key, const Read& read) {
  std::vector<Item> items;
  for (const Json& json : parent.list(key)) {
    Object object(json, fmt::format("{}: {}[{}]", parent.where(), key, items.size()));
    items.push_back(read(object));
    object.refuse_rest();
  }
  return items;
}

Contig read_contig(Object& object, std::int32_t version) {
  return {object.text("name"),
          object.bases("length_bp", 1),
          object.bases("acgt_bp"),
          object.bases("soft_masked_bp"),
          object.bases("iupac_bp"),
          object.text("digest"),
          version < kWithAssembly ? std::string() : object.text("md5")};
}

Split read_split(Object& object) {
  const std::string name = object.text("split");
  for (const Split split : kSplits) {
    if (name == name_of(split)) return split;
  }
  object.fail("split", "train, valid or test", object.at("split"));
}

double read_weight(Object& object) {
  const Json& value = object.at("weight");
  if (!value.is_number()) object.fail("weight", "a number", value);
  const auto weight = value.get<double>();
  if (!(weight > 0.0) || !std::isfinite(weight)) object.fail("weight", "a number above 0", value);
  return weight;
}

Cell read_cell(Object& object, std::int32_t version) {
  Cell cell{object.text("id"),
            object.text("name"),
            read_split(object),
            object.text("source"),
            object.text("digest"),
            {},
            1.0};
  if (version < kWithAssembly) return cell;
  cell.group = object.text("group");
  cell.weight = read_weight(object);
  return cell;
}

State read_state(Object& object, std::int32_t version) {
  return {object.small("number"), object.text("label"),
          version < kWithAssembly ? std::string() : object.text("colour")};
}

StoreInput read_input(Object& object) {
  return {object.text("option"), object.text("path"), object.text("digest")};
}

Shard read_shard(Object& object) {
  Shard shard;
  shard.file = object.text("file");
  shard.contig = object.small("contig");
  shard.start_bp = object.bases("start_bp");
  shard.length_bp = object.bases("length_bp", 1);
  shard.bytes = object.integer("bytes", 1);
  shard.digest = object.text("digest");
  shard.bases_digest = object.text("bases_digest");
  shard.states_digest = object.text("states_digest");
  if (shard.file.empty() || shard.file.find('/') != std::string::npos) {
    object.fail("file", "a file name without a folder", object.at("file"));
  }
  return shard;
}

Interval read_region(Object& object) {
  return {object.small("contig"), object.bases("start_bp"), object.bases("end_bp", 1)};
}

/// Names must tell things apart: cell types by id, contigs by name.
template <class Item>
void check_unique(const std::vector<Item>& items, std::string Item::*name, const char* what,
                  const std::string& file) {
  std::set<std::string> names;
  for (const Item& item : items) {
    if (names.insert(item.*name).second) continue;
    throw core::FormatError(fmt::format("{}: two {} are called {}", file, what, item.*name));
  }
}

/// Pieces lie inside their contigs, sorted and disjoint.
void check_pieces(const std::vector<Interval>& pieces, const Manifest& manifest,
                  const std::string& what) {
  const Interval* before = nullptr;
  for (const Interval& piece : pieces) {
    const bool known = static_cast<std::size_t>(piece.contig) < manifest.contigs.size();
    if (!known || piece.start_bp >= piece.end_bp ||
        piece.end_bp > manifest.contigs[static_cast<std::size_t>(piece.contig)].length_bp) {
      throw core::FormatError(fmt::format("{}: contig {}, {}..{} lies outside of the genome", what,
                                          piece.contig, piece.start_bp, piece.end_bp));
    }
    if (before != nullptr &&
        std::pair(before->contig, before->end_bp) > std::pair(piece.contig, piece.start_bp)) {
      throw core::FormatError(fmt::format("{}: contig {}, {}..{} is out of order or overlaps", what,
                                          piece.contig, piece.start_bp, piece.end_bp));
    }
    before = &piece;
  }
}

void check_shards(const Manifest& manifest, const std::string& file) {
  std::vector<Interval> pieces;
  for (const Shard& shard : manifest.shards) {
    pieces.push_back({shard.contig, shard.start_bp, shard.start_bp + shard.length_bp});
    if (shard.start_bp % manifest.bin_bp == 0) continue;
    throw core::FormatError(fmt::format("{}: shard {} starts at {}, not at a bin of {} bp", file,
                                        shard.file, shard.start_bp, manifest.bin_bp));
  }
  check_pieces(pieces, manifest, file + ": shards");
}

/// No base in two splits: such a store would report what it was trained on.
void check_splits_apart(const Manifest& manifest, const std::string& file) {
  std::vector<std::pair<Interval, Split>> all;
  for (const Split split : kSplits) {
    for (const Interval& region : manifest.regions[static_cast<int>(split)]) {
      all.emplace_back(region, split);
    }
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first.contig, a.first.start_bp) <
           std::pair(b.first.contig, b.first.start_bp);
  });
  for (std::size_t i = 1; i < all.size(); ++i) {
    const auto& [left, left_split] = all[i - 1];
    const auto& [right, right_split] = all[i];
    if (left.contig != right.contig || left.end_bp <= right.start_bp) continue;
    throw core::FormatError(fmt::format(
        "{}: {} {}..{} and {} {}..{} of contig {} share bases; a base belongs to one split: "
        "prepare the store again",
        file, name_of(left_split), left.start_bp, left.end_bp, name_of(right_split), right.start_bp,
        right.end_bp, left.contig));
  }
}

void check_meaning(const Manifest& manifest, const std::string& file) {
  check_unique(manifest.contigs, &Contig::name, "contigs", file);
  check_unique(manifest.cells, &Cell::id, "cell types", file);
  check_unique(manifest.shards, &Shard::file, "shards", file);
  if (manifest.states.size() > kMaxStates) {
    throw core::FormatError(fmt::format("{}: {} states, at most {} fit into a byte", file,
                                        manifest.states.size(), kMaxStates));
  }
  for (const Split split : kSplits) {
    check_pieces(manifest.regions[static_cast<int>(split)], manifest,
                 fmt::format("{}: regions of {}", file, name_of(split)));
  }
  check_splits_apart(manifest, file);
  check_shards(manifest, file);
}

std::int32_t read_version(Object& object) {
  const std::string format = object.text("format");
  if (format != kFormat) object.fail("format", kFormat, format);
  const std::int32_t version = object.small("version");
  if (version >= 1 && version <= kStoreVersion) return version;
  throw core::FormatError(
      fmt::format("{}: version 1 to {} expected, {} found; use the program that wrote the store or "
                  "prepare it again",
                  object.where(), kStoreVersion, version));
}

Json to_json_object(const Contig& contig, std::int32_t version) {
  Json json{{"name", contig.name},         {"length_bp", contig.length_bp},
            {"acgt_bp", contig.acgt_bp},   {"soft_masked_bp", contig.soft_masked_bp},
            {"iupac_bp", contig.iupac_bp}, {"digest", contig.digest}};
  if (version >= kWithAssembly) json["md5"] = contig.md5;
  return json;
}

Json to_json_object(const Cell& cell, std::int32_t version) {
  Json json{{"id", cell.id},
            {"name", cell.name},
            {"split", name_of(cell.split)},
            {"source", cell.source},
            {"digest", cell.digest}};
  if (version < kWithAssembly) return json;
  json["group"] = cell.group;
  json["weight"] = cell.weight;
  return json;
}

Json to_json_object(const State& state, std::int32_t version) {
  Json json{{"number", state.number}, {"label", state.label}};
  if (version >= kWithAssembly) json["colour"] = state.colour;
  return json;
}

Json to_json_object(const StoreInput& input, std::int32_t /*version*/) {
  return {{"option", input.option}, {"path", input.path}, {"digest", input.digest}};
}

Json to_json_object(const Interval& region, std::int32_t /*version*/) {
  return {{"contig", region.contig}, {"start_bp", region.start_bp}, {"end_bp", region.end_bp}};
}

Json to_json_object(const Shard& shard, std::int32_t /*version*/) {
  return {{"file", shard.file},
          {"contig", shard.contig},
          {"start_bp", shard.start_bp},
          {"length_bp", shard.length_bp},
          {"bytes", shard.bytes},
          {"digest", shard.digest},
          {"bases_digest", shard.bases_digest},
          {"states_digest", shard.states_digest}};
}

template <class Item>
Json to_json_list(const std::vector<Item>& items, std::int32_t version) {
  Json list = Json::array();
  for (const Item& item : items) list.push_back(to_json_object(item, version));
  return list;
}

/// As a store of the manifest's own version has it: digests of older ones stay what they were.
Json content_of(const Manifest& manifest) {
  const std::int32_t version = manifest.version;
  Json json;
  json["format"] = kFormat;
  json["version"] = version;
  json["program"] = manifest.program;
  json["command"] = manifest.command;
  json["bin_bp"] = manifest.bin_bp;
  json["guard_bp"] = manifest.guard_bp;
  if (version >= kWithAssembly) {
    json["assembly"] = manifest.assembly;
    json["inputs"] = to_json_list(manifest.inputs, version);
  }
  json["contigs"] = to_json_list(manifest.contigs, version);
  json["cells"] = to_json_list(manifest.cells, version);
  json["states"] = to_json_list(manifest.states, version);
  for (const Split split : kSplits) {
    json["regions"][name_of(split)] =
        to_json_list(manifest.regions[static_cast<int>(split)], version);
  }
  json["shards"] = to_json_list(manifest.shards, version);
  return json;
}

/// Text that is not UTF-8 (a path may be) is printed with replacement characters.
std::string print(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json parse(const std::string& text, const std::string& file) {
  // The library would take a zero byte for the end and leave what follows unread.
  if (const std::size_t at = text.find('\0'); at != std::string::npos) {
    throw core::FormatError(
        fmt::format("{}: not JSON: a zero byte at byte {}; the file is damaged", file, at));
  }
  try {
    return Json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    throw core::FormatError(
        fmt::format("{}: not JSON: {}; the file is damaged", file, error.what()));
  }
}

void check_digest(const Manifest& manifest, const std::string& expected, const std::string& file) {
  if (manifest.digest == expected) return;
  throw core::FormatError(
      fmt::format("{}: key digest: {} expected from the content, {} found; the file is damaged or "
                  "was edited: prepare the store again",
                  file, manifest.digest, expected));
}

}  // namespace

std::string to_json(const Manifest& manifest) {
  Json json = content_of(manifest);
  json["digest"] = core::digest_of(print(json));
  return print(json);
}

Manifest manifest_from_json(const std::string& text, const std::string& file_name) {
  Json json = parse(text, file_name);
  Object object(json, file_name);
  Manifest manifest;
  manifest.version = read_version(object);
  const auto versioned = [&manifest](auto read) {
    return [&manifest, read](Object& item) { return read(item, manifest.version); };
  };
  manifest.program = object.text("program");
  manifest.command = object.text("command");
  manifest.bin_bp = object.small("bin_bp", 1);
  manifest.guard_bp = object.bases("guard_bp");
  if (manifest.version >= kWithAssembly) {
    manifest.assembly = object.text("assembly");
    manifest.inputs = read_list<StoreInput>(object, "inputs", read_input);
  }
  manifest.contigs = read_list<Contig>(object, "contigs", versioned(read_contig));
  manifest.cells = read_list<Cell>(object, "cells", versioned(read_cell));
  manifest.states = read_list<State>(object, "states", versioned(read_state));
  Object regions(object.at("regions"), file_name + ": regions");
  for (const Split split : kSplits) {
    manifest.regions[static_cast<int>(split)] =
        read_list<Interval>(regions, name_of(split), read_region);
  }
  regions.refuse_rest();
  manifest.shards = read_list<Shard>(object, "shards", read_shard);
  const std::string digest = object.text("digest");
  object.refuse_rest();
  manifest.digest = core::digest_of(print(content_of(manifest)));
  check_digest(manifest, digest, file_name);
  check_meaning(manifest, file_name);
  return manifest;
}

Manifest read_manifest(const std::filesystem::path& folder) {
  const auto path = folder / kManifestName;
  if (!std::filesystem::exists(status_of(path))) {
    throw core::MissingError(
        fmt::format("{}: no such file; {} is not a finished store: make it with epitrain prepare",
                    path.string(), folder.string()));
  }
  return manifest_from_json(core::read_text(path), path.string());
}

}  // namespace epi::data
