// Works on raw blocks, not on lines: a chromosome may be one line of 250 million characters.
#include "data/formats/fasta.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "data/formats/contig_builder.hpp"
#include "data/formats/text_file.hpp"

namespace epi::data {
namespace {

/// Lines are gathered into pieces of this size: long ones for the translation, small ones for the
/// processor's cache.
constexpr std::size_t kPiece = std::size_t{1} << 15U;

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
    builder_.start(name_);
  }

  void add_bases(std::string_view piece) {
    // CR may only stand before LF, which may be in the next block.
    if (pending_return_) {
      flush();  // what is wrong before comes first
      fail_character('\r');
    }
    if (piece.back() == '\r') {
      piece.remove_suffix(1);
      pending_return_ = true;
    }
    if (piece.empty()) return;
    if (name_.empty()) {
      fail("sequence before the first header; expected a line '>NAME'");
    }
    while (!piece.empty()) {
      const std::size_t taken = std::min(piece.size(), kPiece - gathered_.size());
      gathered_.append(piece.substr(0, taken));
      ends_.push_back({gathered_.size(), line_});
      piece.remove_prefix(taken);
      if (gathered_.size() == kPiece) flush();
    }
  }

  /// One test per gathered piece; the line of a wrong character is sought only when there is one.
  void flush() {
    const std::size_t valid = builder_.add(gathered_);
    if (valid < gathered_.size()) {
      const auto end =
          std::upper_bound(ends_.begin(), ends_.end(), valid,
                           [](std::size_t at, const LineEnd& line) { return at < line.gathered; });
      line_ = end->line;
      fail_character(gathered_[valid]);
    }
    gathered_.clear();
    ends_.clear();
  }

  /// Hands over the contig whose end has just been seen.
  void finish_contig() {
    if (name_.empty()) return;
    flush();
    if (builder_.length_bp() == 0) {
      throw core::InputError(fmt::format("{}:{}: contig '{}' has no sequence", file_.name(),
                                         lines_of_names_.at(name_), name_));
    }
    take_(builder_.finish());
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

  struct LineEnd {
    std::size_t gathered = 0;  ///< letters up to here
    std::int64_t line = 0;     ///< are of this line or before
  };

  TextFile file_;
  const TakeContig& take_;
  std::map<std::string, std::int64_t> lines_of_names_;
  std::string header_, name_;
  ContigBuilder builder_;
  std::string gathered_;       ///< letters of the contig that the builder has not seen
  std::vector<LineEnd> ends_;  ///< of the lines in `gathered_`
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
