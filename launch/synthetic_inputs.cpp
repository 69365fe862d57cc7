// Text is made by tables and copies, so that making it costs less than reading it.
#include "synthetic_inputs.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <utility>

#include "core/error.hpp"
#include "core/files.hpp"
#include "data/assembly.hpp"
#include "data/parallel.hpp"

namespace epi::launch {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kBinBp = 200;
constexpr std::size_t kLineBases = 50;  // as UCSC's hg19.fa
constexpr std::int64_t kMeanMaskedRun = 300;
constexpr std::size_t kQuiescent = 14;  // of the labels below
constexpr std::array<const char*, 15> kLabels = {
    "1_TssA",     "2_TssAFlnk", "3_TxFlnk",   "4_Tx",        "5_TxWk",
    "6_EnhG",     "7_Enh",      "8_ZNF/Rpts", "9_Het",       "10_TssBiv",
    "11_BivFlnk", "12_EnhBiv",  "13_ReprPC",  "14_ReprPCWk", "15_Quies"};

/// Marsaglia's xorshift64* (J. Stat. Softw. 8, 2003): nothing here needs better bits.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 1) {}
  std::uint64_t next() {
    state_ ^= state_ >> 12U;
    state_ ^= state_ << 25U;
    state_ ^= state_ >> 27U;
    return state_ * 0x2545f4914f6cdd1dULL;
  }
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>((next() >> 11U) % static_cast<std::uint64_t>(n));
  }

 private:
  std::uint64_t state_;
};

/// A file written in order, packed or not.
class OutFile {
 public:
  OutFile(fs::path path, Packing packing) : path_(std::move(path)) {
    if (packing == Packing::gzip) {
      packed_ = ::gzopen(path_.c_str(), "wb1");  // how hard it is packed hardly changes reading
      if (packed_ != nullptr) (void)::gzbuffer(packed_, 1U << 18U);
    } else {
      plain_ = std::fopen(path_.c_str(), "wb");
    }
    if (packed_ == nullptr && plain_ == nullptr) fail();
  }
  ~OutFile() {
    if (packed_ != nullptr) (void)::gzclose(packed_);
    if (plain_ != nullptr) (void)std::fclose(plain_);
  }
  OutFile(const OutFile&) = delete;
  OutFile& operator=(const OutFile&) = delete;

  void write(const std::string& text) {
    if (text.empty()) return;
    text_bytes_ += static_cast<std::int64_t>(text.size());
    const bool written =
        packed_ != nullptr ? ::gzwrite(packed_, text.data(), static_cast<unsigned>(text.size())) > 0
                           : std::fwrite(text.data(), 1, text.size(), plain_) == text.size();
    if (!written) fail();
  }
  /// Returns how many bytes the file has.
  std::int64_t close() {
    const bool closed = packed_ != nullptr ? ::gzclose(std::exchange(packed_, nullptr)) == Z_OK
                                           : std::fclose(std::exchange(plain_, nullptr)) == 0;
    if (!closed) fail();
    return static_cast<std::int64_t>(fs::file_size(path_));
  }
  [[nodiscard]] std::int64_t text_bytes() const { return text_bytes_; }

 private:
  [[noreturn]] void fail() const {
    throw core::IoError(fmt::format("{}: cannot write: {}", path_.string(), std::strerror(errno)));
  }

  fs::path path_;
  gzFile packed_ = nullptr;
  std::FILE* plain_ = nullptr;
  std::int64_t text_bytes_ = 0;
};

struct Contig {
  std::string name;
  std::int64_t length_bp;
};

/// hg19's assembled chromosomes, or as many bases as asked for in the same proportions.
std::vector<Contig> contigs_of(const SyntheticSize& size) {
  std::vector<Contig> contigs;
  std::int64_t total_bp = 0;
  for (const data::KnownContig& known : data::known_contigs()) {
    // Mitochondria (of which one has no name at UCSC) have no segmentation.
    if (known.assembly != "hg19" || known.ucsc.empty() || known.ucsc == "chrM") continue;
    contigs.push_back({known.ucsc, known.length_bp});
    total_bp += known.length_bp;
  }
  if (size.genome_mb == 0) return contigs;
  const double scale = 1e6 * static_cast<double>(size.genome_mb) / static_cast<double>(total_bp);
  for (Contig& contig : contigs) {
    contig.length_bp = static_cast<std::int64_t>(static_cast<double>(contig.length_bp) * scale);
  }
  return contigs;
}

/// Four letters for each byte.
std::array<std::array<char, 4>, 256> quartets() {
  std::array<std::array<char, 4>, 256> table{};
  for (std::size_t byte = 0; byte < table.size(); ++byte) {
    for (std::size_t i = 0; i < 4; ++i) table[byte][i] = "ACGT"[byte >> (2 * i) & 3U];
  }
  return table;
}

void fill_random(std::string& bases, Random& random) {
  static const auto kTable = quartets();
  std::size_t at = 0;
  while (at < bases.size()) {
    std::uint64_t word = random.next();
    for (int i = 0; i < 8; ++i, word >>= 8U) {
      const auto& four = kTable[word & 0xffU];
      const std::size_t count = std::min<std::size_t>(4, bases.size() - at);
      std::memcpy(bases.data() + at, four.data(), count);
      at += count;
      if (at == bases.size()) return;
    }
  }
}

/// About half of the bases, as in hg19, in runs.
void mask_runs(std::string& bases, Random& random) {
  bool masked = false;
  for (std::size_t at = 0; at < bases.size(); masked = !masked) {
    const auto run = static_cast<std::size_t>(1 + random.below(2 * kMeanMaskedRun));
    const std::size_t end = std::min(bases.size(), at + run);
    if (masked) {
      for (std::size_t i = at; i < end; ++i) bases[i] = static_cast<char>(bases[i] | 0x20);
    }
    at = end;
  }
}

/// Telomeres, a centromere, and a gap now and then: 3 % of a chromosome, less than hg19's 7 %, so
/// that the store is larger than the real one.
void cut_gaps(std::string& bases) {
  const auto n_from = [&bases](std::size_t start, std::size_t length) {
    const std::size_t end = std::min(bases.size(), start + length);
    if (start < end)
      std::fill(bases.begin() + static_cast<std::ptrdiff_t>(start),
                bases.begin() + static_cast<std::ptrdiff_t>(end), 'N');
  };
  const std::size_t size = bases.size();
  n_from(0, std::min<std::size_t>(10'000, size / 100));
  n_from(size - std::min<std::size_t>(10'000, size / 100), 10'000);
  n_from(size * 2 / 5, size >= 30'000'000 ? 3'000'000 : size / 50);
  for (std::size_t at = 15'000'000; at < size; at += 20'000'000) n_from(at, 50'000);
}

/// One contig after the other, in lines.
void write_genome(const std::vector<Contig>& contigs, Packing packing, SyntheticInputs& inputs) {
  OutFile file(inputs.genome, packing);
  std::string bases, text;
  for (std::size_t c = 0; c < contigs.size(); ++c) {
    Random random(1 + c);
    bases.resize(static_cast<std::size_t>(contigs[c].length_bp));
    fill_random(bases, random);
    mask_runs(bases, random);
    cut_gaps(bases);
    file.write(fmt::format(">{} synthetic\n", contigs[c].name));
    for (std::size_t at = 0; at < bases.size();) {
      text.clear();
      const std::size_t end = std::min(bases.size(), at + 20'000 * kLineBases);
      for (; at < end; at += kLineBases) {
        text.append(bases, at, std::min(kLineBases, bases.size() - at)).push_back('\n');
      }
      file.write(text);
    }
    inputs.bases += contigs[c].length_bp;
  }
  inputs.genome_text = file.text_bytes();
  inputs.genome_bytes = file.close();
}

/// How many of a segmentation's intervals lie on each contig: by length, at least one each.
std::vector<std::int64_t> intervals_per_contig(const std::vector<Contig>& contigs,
                                               std::int64_t intervals) {
  std::int64_t total_bp = 0, done_bp = 0, done = 0;
  for (const Contig& contig : contigs) total_bp += contig.length_bp;
  std::vector<std::int64_t> counts;
  for (const Contig& contig : contigs) {
    done_bp += contig.length_bp;
    const double share = static_cast<double>(done_bp) / static_cast<double>(total_bp);
    const auto until =
        static_cast<std::int64_t>(std::llround(share * static_cast<double>(intervals)));
    counts.push_back(std::max<std::int64_t>(1, until - done));
    done += counts.back();
    if (counts.back() > contig.length_bp / kBinBp) {
      throw core::ConfigError(fmt::format(
          "{}: {} bases have no room for {} intervals of {} bp; ask for fewer or a larger genome",
          contig.name, contig.length_bp, counts.back(), kBinBp));
    }
  }
  return counts;
}

void append_number(std::string& text, std::int64_t number) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  text.append(digits.data(), end);
}

/// Neighbours differ in state; quiescent stretches are long, the others short, as in Roadmap.
/// Lengths are drawn as weights first, so that their number and their sum are exact.
void append_contig(std::string& text, const Contig& contig, std::int64_t count, Random& random) {
  const std::int64_t spare = contig.length_bp / kBinBp - count;
  std::vector<std::uint8_t> states(static_cast<std::size_t>(count));
  std::vector<std::int64_t> weights(states.size());
  std::size_t state = kLabels.size();
  for (std::size_t i = 0; i < states.size(); ++i) {
    const bool quiet = state != kQuiescent && random.below(4) == 0;
    std::size_t next = quiet ? kQuiescent : static_cast<std::size_t>(random.below(kQuiescent));
    if (next == state) next = (next + 1) % kQuiescent;
    states[i] = static_cast<std::uint8_t>(state = next);
    // A product of two draws has a long tail.
    weights[i] = random.below(64) * random.below(64) * (state == kQuiescent ? 25 : 1);
  }
  const auto sum = static_cast<double>(
      std::max<std::int64_t>(1, std::accumulate(weights.begin(), weights.end(), std::int64_t{0})));
  std::int64_t start = 0;
  double before = 0.0;
  for (std::size_t i = 0; i < states.size(); ++i) {
    before += static_cast<double>(weights[i]);
    const auto place = static_cast<std::int64_t>(static_cast<double>(spare) * (before / sum));
    const bool last = i + 1 == states.size();
    const std::int64_t end =
        last ? contig.length_bp
             : kBinBp * (static_cast<std::int64_t>(i) + 1 + std::min(spare, place));
    text.append(contig.name).push_back('\t');
    append_number(text, start);
    text.push_back('\t');
    append_number(text, end);
    text.push_back('\t');
    text.append(kLabels[states[i]]).push_back('\n');
    start = end;
  }
}

std::string cell_file(std::int64_t cell, Packing packing) {
  return fmt::format("S{:03}_15_synthetic_mnemonics.bed{}", cell + 1,
                     packing == Packing::gzip ? ".gz" : "");
}

struct Written {
  std::int64_t text = 0, bytes = 0;
};

Written write_cell(const fs::path& path, const std::vector<Contig>& contigs,
                   const SyntheticSize& size, std::uint64_t seed) {
  const std::vector<std::int64_t> counts = intervals_per_contig(contigs, size.intervals);
  Random random(seed);
  OutFile file(path, size.packing);
  std::string text;
  for (std::size_t c = 0; c < contigs.size(); ++c) {
    text.clear();
    append_contig(text, contigs[c], counts[c], random);
    file.write(text);
  }
  const std::int64_t text_bytes = file.text_bytes();
  return {text_bytes, file.close()};
}

}  // namespace

SyntheticInputs write_synthetic_inputs(const fs::path& folder, const SyntheticSize& size) {
  const std::vector<Contig> contigs = contigs_of(size);
  const auto counts = intervals_per_contig(contigs, size.intervals);
  SyntheticInputs inputs;
  inputs.genome = folder / (size.packing == Packing::gzip ? "synthetic.fa.gz" : "synthetic.fa");
  inputs.sheet = folder / "synthetic.tsv";
  inputs.lines = size.cells * std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  std::string sheet = "cell\tname\tpath\n";
  for (std::int64_t cell = 0; cell < size.cells; ++cell) {
    sheet += fmt::format("S{:03}\tsynthetic {}\t{}\n", cell + 1, cell + 1,
                         cell_file(cell, size.packing));
  }
  core::write_durably(inputs.sheet, sheet);
  std::vector<Written> written(static_cast<std::size_t>(size.cells));
  // Item 0 is the genome, the largest.
  data::for_each_item(written.size() + 1, size.threads, [&](std::size_t item) {
    if (item == 0) {
      write_genome(contigs, size.packing, inputs);
      return;
    }
    const std::size_t cell = item - 1;
    const fs::path path = folder / cell_file(static_cast<std::int64_t>(cell), size.packing);
    written[cell] = write_cell(path, contigs, size, 1000 + cell);
  });
  for (const Written& cell : written) {
    inputs.states_text += cell.text;
    inputs.states_bytes += cell.bytes;
  }
  return inputs;
}

}  // namespace epi::launch
