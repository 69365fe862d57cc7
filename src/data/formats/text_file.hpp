// Text files as they come: plain, gzip or bgzip, read in one pass. A compressed file that ends
// early is an error, never a short file: half a chromosome would otherwise train without a word. A
// byte order mark at the start is dropped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace epi::data {

/// Whether `text` is UTF-8 without control characters other than tab: what names and labels must
/// be, since they go into JSON.
[[nodiscard]] bool is_plain_text(std::string_view text);

class TextFile {
 public:
  /// MissingError or IoError when it can't be opened; InputError when bgzip's end marker is absent.
  explicit TextFile(const std::filesystem::path& path);
  /// Moved only: the file has one reader. Lines given before end with the move.
  TextFile(TextFile&&) noexcept;
  TextFile& operator=(TextFile&&) noexcept;
  ~TextFile();

  /// The next line without its end (LF or CRLF); false after the last. Valid until the next call.
  /// InputError on a damaged file or a line above 1 MiB (not a text table).
  [[nodiscard]] bool next_line(std::string_view& line);

  /// The next piece of raw text, empty at the end; for formats whose lines may be as long as a
  /// chromosome. A file is read either by lines or by blocks.
  [[nodiscard]] std::string_view next_block();

  /// Number of the line that `next_line` gave last; 1 is the first.
  [[nodiscard]] std::int64_t line_number() const { return line_number_; }
  /// The path as given, for messages.
  [[nodiscard]] const std::string& name() const { return name_; }

  /// Throws InputError "FILE:LINE: what" about the line given last.
  [[noreturn]] void fail(std::string_view what) const;

 private:
  struct File;
  std::unique_ptr<File> file_;
  std::string name_;
  std::string buffer_;
  std::string_view block_;  ///< the unread rest of buffer_
  std::string carry_;       ///< the start of a line that a block's end cut
  std::int64_t line_number_ = 0;
  bool at_start_ = true;
};

}  // namespace epi::data
