// Works on raw blocks, not on lines: a chromosome may be one line of 250 million characters.
#include "data/formats/fasta.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/corpus.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "data/formats/text_file.hpp"

namespace epi::data {
namespace {

constexpr std::uint8_t kInvalid = 0xff;
constexpr std::string_view kIupac = "RYSWKMBDHVU";

constexpr std::array<std::uint8_t, 256> make_codes() {
  std::array<std::uint8_t, 256> codes{};
  codes.fill(kInvalid);
  const auto add = [&codes](char upper, std::uint8_t code) {
    const auto lower = static_cast<unsigned char>(upper + ('a' - 'A'));
    codes.at(static_cast<unsigned char>(upper)) = code;
    codes.at(lower) = static_cast<std::uint8_t>(code | core::kSoftMasked);
  };
  add('A', 0);
  add('C', 1);
  add('G', 2);
  add('T', 3);
  add('N', core::kBaseN);
  for (const char letter : kIupac) add(letter, core::kBaseN);
  return codes;
}

constexpr std::array<std::uint8_t, 256> kCodes = make_codes();

/// Counts N and every code that became N alike: neither can be a target.
Ranges gaps_of(const std::vector<std::uint8_t>& bases) {
  Ranges gaps;
  const auto size = static_cast<std::int64_t>(bases.size());
  std::int64_t run = 0;
  for (std::int64_t i = 0; i <= size; ++i) {
    const bool is_n =
        i < size && (bases[static_cast<std::size_t>(i)] & core::kBaseMask) == core::kBaseN;
    if (is_n) {
      ++run;
      continue;
    }
    if (run >= kShortestGapBp) gaps.push_back({i - run, i});
    run = 0;
  }
  return gaps;
}

/// The reader's state between blocks: a header or a sequence line may be cut anywhere.
class FastaReader {
 public:
  FastaReader(const std::filesystem::path& path, const TakeContig& take)
      : file_(path), take_(take) {}

  void read() {
    for (auto block = file_.next_block(); !block.empty(); block = file_.next_block()) {
      while (!block.empty()) {
        const std::size_t end = block.find('\n');
        add_piece(block.substr(0, end));
        if (end == std::string_view::npos) break;
        end_line();
        block.remove_prefix(end + 1);
      }
    }
    end_line();
    finish_contig();
    if (lines_of_names_.empty()) throw core::InputError(file_.name() + ": holds no contig");
  }

 private:
  void add_piece(std::string_view piece) {
    if (piece.empty()) return;
    if (at_line_start_ && piece.front() == '>') in_header_ = true;
    at_line_start_ = false;
    if (in_header_) {
      header_.append(piece);
    } else {
      add_bases(piece);
    }
  }

  /// After LF, and once more after the file's end, where LF may be missing.
  void end_line() {
    if (in_header_) start_contig();
    in_header_ = false;
    at_line_start_ = true;
    pending_return_ = false;
    ++line_;
  }

  void start_contig() {
    finish_contig();
    name_ = header_.substr(1, header_.find_first_of(" \t\r\v\f") - 1);
    header_.clear();
    if (name_.empty()) fail("a header without a name; expected '>NAME'");
    if (!is_plain_text(name_)) fail("the contig's name is not UTF-8 text");
    const auto [known, is_new] = lines_of_names_.emplace(name_, line_);
    if (!is_new) fail(fmt::format("contig '{}' was already on line {}", name_, known->second));
  }

  void add_bases(std::string_view piece) {
    // CR may only stand before LF, which may be in the next block.
    if (pending_return_) fail_character('\r');
    if (piece.back() == '\r') {
      piece.remove_suffix(1);
      pending_return_ = true;
    }
    if (piece.empty()) return;
    if (name_.empty()) {
      fail("sequence before the first header; expected a line '>NAME'");
    }
    const std::size_t before = bases_.size();
    bases_.resize(before + piece.size());
    std::uint8_t* out = bases_.data() + before;
    bool invalid = false;
    for (std::size_t i = 0; i < piece.size(); ++i) {
      const auto letter = static_cast<unsigned char>(piece[i]);
      out[i] = kCodes[letter];
      invalid |= out[i] == kInvalid;
      ++letters_[letter];
    }
    // One test per piece; which character it was is sought only when there is one.
    if (invalid) {
      for (const char letter : piece) {
        if (kCodes[static_cast<unsigned char>(letter)] == kInvalid) fail_character(letter);
      }
    }
  }

  [[nodiscard]] std::int64_t count(std::string_view letters) const {
    std::int64_t sum = 0;
    for (const char letter : letters) sum += letters_[static_cast<unsigned char>(letter)];
    return sum;
  }

  /// Hands over the contig whose end has just been seen.
  void finish_contig() {
    if (name_.empty()) return;
    if (bases_.empty()) {
      throw core::InputError(fmt::format("{}:{}: contig '{}' has no sequence", file_.name(),
                                         lines_of_names_.at(name_), name_));
    }
    Contig contig;
    contig.name = name_;
    contig.length_bp = static_cast<std::int64_t>(bases_.size());
    contig.acgt_bp = count("ACGTacgt");
    contig.soft_masked_bp = count("acgt");
    contig.iupac_bp = contig.length_bp - contig.acgt_bp - count("Nn");
    contig.digest = core::digest_of(std::as_bytes(std::span(bases_)));
    take_({contig, gaps_of(bases_), bases_});
    bases_.clear();
    letters_.fill(0);
  }

  [[noreturn]] void fail(std::string_view what) const {
    throw core::InputError(fmt::format("{}:{}: {}", file_.name(), line_, what));
  }

  [[noreturn]] void fail_character(char letter) const {
    const auto code = static_cast<unsigned char>(letter);
    const bool printable = code > 0x20 && code < 0x7f;
    fail(fmt::format("{} (0x{:02x}) is no base; expected A C G T N or an IUPAC code",
                     printable ? fmt::format("'{}'", letter) : "a character", code));
  }

  TextFile file_;
  const TakeContig& take_;
  std::map<std::string, std::int64_t> lines_of_names_;
  std::string header_, name_;
  std::vector<std::uint8_t> bases_;
  std::array<std::int64_t, 256> letters_{};
  std::int64_t line_ = 1;
  bool at_line_start_ = true;
  bool in_header_ = false;
  bool pending_return_ = false;
};

}  // namespace

void read_fasta(const std::filesystem::path& path, const TakeContig& take) {
  FastaReader(path, take).read();
}

}  // namespace epi::data
