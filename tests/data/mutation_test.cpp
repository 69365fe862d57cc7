// Random damage to whole stores: whatever happens to the files, opening with every byte checked
// refuses the store before anything of it is used, or gives exactly what was written.
//
// Mutation i follows from i alone. EPI_MUTATIONS=N runs mutations 0..N-1 (5,000 by default),
// EPI_FIRST_MUTATION=i begins at i: a failure names the number that repeats it.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/files.hpp"
#include "data/store_fixture.hpp"
#include "data/verify.hpp"

namespace {

namespace fs = std::filesystem;
using namespace epi::data;
using namespace epi::data::testing;

constexpr std::int64_t kMutations = 5000;
constexpr double kLongest_s = 1.0;
constexpr rlim_t kMemoryBytes = rlim_t{512} << 20U;

using Files = std::map<std::string, std::string>;  // name -> bytes

Files read_files(const fs::path& folder) {
  Files files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files[entry.path().filename().string()] = epi::core::read_text(entry.path());
  }
  return files;
}

/// Numbers of one mutation: the same on every machine, since only the engine is used.
class Draws {
 public:
  explicit Draws(std::int64_t mutation) : engine_(static_cast<std::uint64_t>(mutation) + 1) {}
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(engine_() % n); }
  std::uint8_t byte() { return static_cast<std::uint8_t>(engine_() & 0xffU); }

 private:
  std::mt19937_64 engine_;
};

/// A name of `files`; shards only, or any.
std::string any_file(const Files& files, Draws& draws) {
  return std::next(files.begin(), static_cast<std::ptrdiff_t>(draws.below(files.size())))->first;
}
std::string any_shard(const Files& files, Draws& draws) {
  while (true) {
    std::string name = any_file(files, draws);
    if (name != kManifestName) return name;
  }
}

// Each changes the files of a store; `foreign` is another store of the same shape.

void flip_bits(Files& files, const Files& /*foreign*/, Draws& draws) {
  std::string& bytes = files[any_file(files, draws)];
  const std::size_t flips = draws.below(4) == 0 ? 2 + draws.below(6) : 1;
  for (std::size_t i = 0; i < flips; ++i) {
    char& byte = bytes[draws.below(bytes.size())];
    byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << draws.below(8)));
  }
}

void truncate(Files& files, const Files& /*foreign*/, Draws& draws) {
  std::string& bytes = files[any_file(files, draws)];
  bytes.resize(draws.below(bytes.size()));
}

/// What is left of a page that never reached the disk.
void zero_page(Files& files, const Files& /*foreign*/, Draws& draws) {
  std::string& bytes = files[any_file(files, draws)];
  const std::size_t page = draws.below(2) == 0 ? 512 : 4096;
  const std::size_t first = draws.below(bytes.size()) / page * page;
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(first),
              std::min(page, bytes.size() - first), '\0');
}

/// A page of another place in the same file.
void repeat_page(Files& files, const Files& /*foreign*/, Draws& draws) {
  std::string& bytes = files[any_file(files, draws)];
  const std::size_t page = std::min<std::size_t>(512, bytes.size() / 2);
  const std::string copy = bytes.substr(draws.below(bytes.size() - page), page);
  bytes.replace(draws.below(bytes.size() - page), page, copy);
}

void append(Files& files, const Files& /*foreign*/, Draws& draws) {
  std::string& bytes = files[any_file(files, draws)];
  const bool zeros = draws.below(2) == 0;
  for (std::size_t i = 1 + draws.below(600); i > 0; --i) {
    bytes += zeros ? '\0' : static_cast<char>(draws.byte());
  }
}

void cut_out(Files& files, const Files& /*foreign*/, Draws& draws) {
  std::string& bytes = files[any_file(files, draws)];
  bytes.erase(draws.below(bytes.size()), 1 + draws.below(64));
}

void remove_file(Files& files, const Files& /*foreign*/, Draws& draws) {
  files.erase(any_file(files, draws));
}

void swap_shards(Files& files, const Files& /*foreign*/, Draws& draws) {
  files[any_shard(files, draws)].swap(files[any_shard(files, draws)]);
}

void copy_shard(Files& files, const Files& /*foreign*/, Draws& draws) {
  const std::string bytes = files[any_shard(files, draws)];
  files[any_shard(files, draws)] = bytes;
}

void foreign_file(Files& files, const Files& foreign, Draws& draws) {
  const std::string name = any_file(files, draws);
  files[name] = foreign.at(name);
}

/// Another digit in some number or digest of the manifest, or other letters in a word.
void edit_manifest(Files& files, const Files& /*foreign*/, Draws& draws) {
  std::string& text = files[kManifestName];
  while (true) {
    char& letter = text[draws.below(text.size())];
    if (letter >= '0' && letter <= '9') {
      letter = static_cast<char>('0' + draws.below(10));
      return;
    }
    if (letter >= 'a' && letter <= 'z') {
      letter = static_cast<char>('a' + draws.below(26));
      return;
    }
  }
}

struct Kind {
  const char* name;
  void (*apply)(Files&, const Files&, Draws&);
};
constexpr Kind kKinds[] = {
    {"flipped bits", flip_bits},
    {"flipped bits", flip_bits},
    {"truncation", truncate},
    {"zeroed page", zero_page},
    {"page at another place", repeat_page},
    {"appended bytes", append},
    {"bytes cut out", cut_out},
    {"missing file", remove_file},
    {"shards swapped", swap_shards},
    {"shard copied over another", copy_shard},
    {"file of another store", foreign_file},
    {"edited manifest", edit_manifest},
};

struct Mutation {
  const char* kind;
  Files files;
};

/// Some kinds leave some stores as they are (a shard swapped with itself): these are drawn again.
Mutation mutate(const Files& whole, const Files& foreign, Draws& draws) {
  while (true) {
    const Kind& kind = kKinds[draws.below(std::size(kKinds))];
    Mutation mutation{kind.name, whole};
    kind.apply(mutation.files, foreign, draws);
    if (mutation.files != whole) return mutation;
  }
}

/// All that a reader can see of a store.
struct Sight {
  std::string manifest;
  std::vector<std::string> segments;
  friend bool operator==(const Sight&, const Sight&) = default;
};

Sight sight_of(const Store& store) {
  Sight sight{to_json(store.manifest()), {}};
  const auto corpus = store.corpus();
  const auto append_bytes = [](std::string& text, const std::uint8_t* data, std::int64_t size) {
    text.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  };
  for (const auto& segment : corpus.segments) {
    std::string text =
        fmt::format("{} {} {} ", segment.contig, segment.start_bp, segment.length_bp);
    append_bytes(text, segment.bases, segment.length_bp);
    const std::int64_t bins = (segment.length_bp + corpus.bin_bp - 1) / corpus.bin_bp;
    for (std::int32_t cell = 0; cell < corpus.num_cells; ++cell) {
      append_bytes(text, segment.states[cell], bins);
    }
    sight.segments.push_back(std::move(text));
  }
  return sight;
}

bool is_users_error(const epi::core::Error& error) {
  return error.kind() != epi::core::ErrorKind::logic && !std::string(error.what()).empty();
}

/// A store on disk that takes on one set of files after another; only what differs is written.
class Patient {
 public:
  explicit Patient(fs::path folder) : folder_(std::move(folder)), files_(read_files(folder_)) {}

  void become(const Files& wanted) {
    for (const auto& [name, bytes] : files_) {
      if (!wanted.contains(name)) fs::remove(folder_ / name);
    }
    for (const auto& [name, bytes] : wanted) {
      const auto known = files_.find(name);
      if (known != files_.end() && known->second == bytes) continue;
      // A new file: emptying the old one would make some file systems flush at every close.
      fs::remove(folder_ / name);
      std::ofstream(folder_ / name, std::ios::binary)
          .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
    files_ = wanted;
  }
  [[nodiscard]] const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_;
  Files files_;
};

/// Opening by headers alone looks at no payload: damage there passes. All else must be as it was.
bool keeps_shape(const fs::path& folder, const Sight& expected) {
  try {
    const Sight found = sight_of(Store::open(folder));
    bool same = found.manifest == expected.manifest;
    for (std::size_t i = 0; same && i < expected.segments.size(); ++i) {
      same = found.segments.at(i).size() == expected.segments[i].size();
    }
    return same;
  } catch (const epi::core::Error& error) {
    return is_users_error(error);
  }
}

enum class Verdict { refused, same, silent, broken };

Verdict open_verdict(const fs::path& folder, const Sight& expected) {
  try {
    return sight_of(Store::open(folder, true)) == expected ? Verdict::same : Verdict::silent;
  } catch (const epi::core::Error& error) {
    return is_users_error(error) ? Verdict::refused : Verdict::broken;
  }
}

Verdict verify_verdict(const fs::path& folder) {
  try {
    return verify(folder, true).ok() ? Verdict::same : Verdict::refused;
  } catch (const epi::core::Error& error) {
    return is_users_error(error) ? Verdict::refused : Verdict::broken;
  }
}

/// The address space that may be added from here on. Sanitizers need far more than any limit, so
/// under them nothing is limited.
class MemoryLimit {
 public:
  MemoryLimit() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    std::ifstream statm("/proc/self/statm");
    rlim_t pages = 0;
    statm >> pages;
    (void)getrlimit(RLIMIT_AS, &before_);
    const rlimit limit{pages * 4096 + kMemoryBytes, before_.rlim_max};
    (void)setrlimit(RLIMIT_AS, &limit);
#endif
  }
  ~MemoryLimit() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    (void)setrlimit(RLIMIT_AS, &before_);
#endif
  }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

 private:
  rlimit before_{};
};

std::int64_t number_from(const char* variable, std::int64_t otherwise) {
  const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? otherwise : std::strtoll(text, nullptr, 10);
}

struct Tally {
  std::int64_t refused = 0, same = 0;
};

class Mutation_test : public ::testing::Test {
 protected:
  /// Damages the store in `folder` again and again, every second mutation of the given ones.
  void damage(const fs::path& folder, const fs::path& foreign_folder, std::int64_t parity) {
    const Files whole = read_files(folder);
    const Files foreign = read_files(foreign_folder);
    const Sight expected = sight_of(Store::open(folder, true));
    Patient patient(folder);
    const MemoryLimit limit;
    const std::int64_t first = number_from("EPI_FIRST_MUTATION", 0);
    const std::int64_t count = number_from("EPI_MUTATIONS", kMutations);
    for (std::int64_t i = first; i < first + count && !HasFailure(); ++i) {
      if (i % 2 != parity) continue;
      Draws draws(i);
      const auto [kind, files] = mutate(whole, foreign, draws);
      patient.become(files);
      judge(patient.folder(), expected, fmt::format("mutation {}: {}", i, kind), kind);
    }
    patient.become(whole);
    EXPECT_EQ(open_verdict(folder, expected), Verdict::same) << "the whole store is refused";
    report();
  }

 private:
  void judge(const fs::path& folder, const Sight& expected, const std::string& name,
             const char* kind) {
    const auto start = std::chrono::steady_clock::now();
    const Verdict opened = open_verdict(folder, expected);
    const Verdict verified = verify_verdict(folder);
    EXPECT_TRUE(keeps_shape(folder, expected)) << name << " changes what headers say";
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    EXPECT_NE(opened, Verdict::silent) << name << " changes what a reader sees";
    EXPECT_NE(opened, Verdict::broken) << name << " breaks a promise between our functions";
    EXPECT_EQ(opened, verified) << name << ": opening and verifying disagree";
    if (elapsed.count() > kLongest_s) slow_.push_back(fmt::format("{}: {}", name, elapsed.count()));
    Tally& tally = tallies_[kind];
    ++(opened == Verdict::refused ? tally.refused : tally.same);
  }

  /// One slow run may be the machine's doing, a second one is not.
  void report() const {
    EXPECT_LT(slow_.size(), 3U) << slow_.front();
    for (const auto& [kind, tally] : tallies_) {
      fmt::print("{:28} {:7} refused, {:5} without effect\n", kind, tally.refused, tally.same);
    }
  }

  std::map<std::string, Tally> tallies_;
  std::vector<std::string> slow_;
};

TEST_F(Mutation_test, StoreOfThreeShards_isRefusedOrUnchanged) {
  const Folder folder;
  fs::create_directories(folder.path() / "store");
  fs::create_directories(folder.path() / "other");
  (void)write_store(folder.path() / "store", 1);
  (void)write_store(folder.path() / "other", 77);
  damage(folder.path() / "store", folder.path() / "other", 0);
}

// One shard of real data, written by version 1 of the program. As foreign files serve its own of
// another name: there is no second store of that shape.
TEST_F(Mutation_test, StoreOfVersionOne_isRefusedOrUnchanged) {
  const Folder folder;
  const fs::path golden = fs::path(EPI_SOURCE_DIR) / "tests/golden/store_v1";
  fs::copy(golden, folder.path() / "store");
  fs::copy(golden, folder.path() / "other");
  damage(folder.path() / "store", folder.path() / "other", 1);
}

using Json = nlohmann::ordered_json;

/// A manifest with the digest of its content, by the words of STORE_FORMAT.md.
std::string sealed(Json json) {
  json.erase("digest");
  const std::string text = json.dump(1) + "\n";
  json["digest"] = epi::core::digest_of(text);
  return json.dump(1) + "\n";
}

/// What may stand in the place of a value: beside it, far from it, of another kind.
std::vector<Json> others_than(const Json& value) {
  std::vector<Json> others{nullptr,
                           true,
                           1.5,
                           "x",
                           "",
                           -1,
                           0,
                           Json::array(),
                           Json::object(),
                           std::numeric_limits<std::int64_t>::max(),
                           std::numeric_limits<std::uint64_t>::max()};
  if (value.is_number_integer()) {
    const auto number = value.get<std::int64_t>();
    others.insert(others.end(), {number + 1, number - 1, number + 200, number * 2});
  }
  if (value.is_string()) others.emplace_back(value.get<std::string>() + "x");
  std::erase(others, value);
  return others;
}

/// Whether the shards themselves tell that the manifest is wrong here. Of the rest (names, splits,
/// regions, counts) the manifest is the only witness.
bool shards_contradict(const std::string& place) {
  if (place == "/version" || place == "/format" || place == "/bin_bp") return true;
  if (place.starts_with("/shards/")) return true;
  return place.starts_with("/contigs/") && place.ends_with("/name");
}

// A digest is no signature: who edits the manifest and computes the digest anew has made another
// store. What the shards contradict is refused all the same; anything else gives the same bases and
// states under another fingerprint, which no run or checkpoint of the old store accepts.
TEST(Resealed_manifest_test, AnyValue_isRefusedOrChangesTheFingerprint) {
  const Folder folder;
  const Manifest written = write_store(folder.path());
  const std::string text = epi::core::read_text(folder.path() / kManifestName);
  const Json whole = Json::parse(text);
  ASSERT_EQ(sealed(whole), text);
  const Sight expected = sight_of(Store::open(folder.path(), true));
  std::int64_t refused = 0, another = 0;
  const Json flat = whole.flatten();
  for (const auto& [place, value] : flat.items()) {
    if (place == "/digest" || value.is_null()) continue;
    for (const Json& other : others_than(value)) {
      Json edited = whole;
      edited[Json::json_pointer(place)] = other;
      fs::remove(folder.path() / kManifestName);
      std::ofstream(folder.path() / kManifestName) << sealed(edited);
      try {
        const Store store = Store::open(folder.path(), true);
        EXPECT_FALSE(shards_contradict(place)) << place << " as " << other;
        EXPECT_NE(store.manifest().digest, Json::parse(text)["digest"]) << place;
        EXPECT_EQ(sight_of(store).segments, expected.segments) << place << " as " << other;
        ++another;
      } catch (const epi::core::Error& error) {
        EXPECT_TRUE(is_users_error(error)) << place << " as " << other << ": " << error.what();
        ++refused;
      }
    }
  }
  fmt::print("{} refused, {} are another store\n", refused, another);
}

TEST(Resealed_manifest_test, KeyLeftOutOrAdded_isRefused) {
  const Folder folder;
  (void)write_store(folder.path());
  const Json whole = Json::parse(epi::core::read_text(folder.path() / kManifestName));
  const auto expect_refused = [&](const Json& edited, const std::string& what) {
    fs::remove(folder.path() / kManifestName);
    std::ofstream(folder.path() / kManifestName) << sealed(edited);
    EXPECT_THROW((void)Store::open(folder.path()), epi::core::FormatError) << what;
  };
  for (const char* at : {"", "/contigs/0", "/cells/1", "/states/2", "/regions", "/shards/0"}) {
    const Json::json_pointer place(at);
    for (const auto& [key, value] : whole[place].items()) {
      if (key == "digest" && std::string(at).empty()) continue;
      Json edited = whole;
      edited[place].erase(key);
      expect_refused(edited, std::string(at) + " without " + key);
    }
    Json edited = whole;
    edited[place]["extra"] = 1;
    expect_refused(edited, std::string(at) + " with another key");
  }
}

}  // namespace
