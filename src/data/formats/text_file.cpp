// htslib's BGZF layer reads all three kinds of file behind one call; this is its only user.
#include "data/formats/text_file.hpp"

#include <fmt/format.h>
#include <htslib/bgzf.h>
#include <htslib/hts_log.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.hpp"

namespace epi::data {
namespace {

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
constexpr std::size_t kBlockBytes = 64;  // small inputs then have lines that a block's end cuts
#else
constexpr std::size_t kBlockBytes = std::size_t{1} << 18U;
#endif
constexpr std::size_t kLongestLine = std::size_t{1} << 20U;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr int kBgzf = 2;  // bgzf_compression(): 0 plain, 1 gzip, 2 bgzip

[[noreturn]] void fail_to_open(const std::string& name) {
  const int reason = errno;
  const std::string message = fmt::format("{}: cannot open: {}", name, std::strerror(reason));
  if (reason == ENOENT) throw core::MissingError(message);
  throw core::IoError(message);
}

void trim_return(std::string_view& line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
}

}  // namespace

bool is_plain_text(std::string_view text) {
  std::size_t rest = 0;  // continuation bytes still due
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (rest > 0) {
      if ((byte & 0xc0U) != 0x80U) return false;
      --rest;
    } else if (byte < 0x80U) {
      if ((byte < 0x20U && byte != '\t') || byte == 0x7fU) return false;
    } else if (byte >= 0xc2U && byte <= 0xf4U) {
      rest = byte >= 0xf0U ? 3 : byte >= 0xe0U ? 2 : 1;
    } else {
      return false;
    }
  }
  return rest == 0;
}

struct TextFile::File {
  explicit File(BGZF* opened) : handle(opened) {}
  ~File() { (void)bgzf_close(handle); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  BGZF* handle;
};

TextFile::TextFile(const std::filesystem::path& path) : name_(path.string()) {
  hts_set_log_level(HTS_LOG_OFF);  // its findings come back as our errors
  // An absolute path: htslib takes "-" and "scheme:..." for other things than files.
  BGZF* handle = bgzf_open(std::filesystem::absolute(path).c_str(), "r");
  if (handle == nullptr) fail_to_open(name_);
  file_ = std::make_unique<File>(handle);
  if (bgzf_compression(handle) == kBgzf && bgzf_check_EOF(handle) == 0) {
    throw core::InputError(name_ +
                           ": bgzip's end marker is missing: the file is cut short; "
                           "fetch it again");
  }
}

TextFile::TextFile(TextFile&&) noexcept = default;
TextFile& TextFile::operator=(TextFile&&) noexcept = default;
TextFile::~TextFile() = default;

std::string_view TextFile::next_block() {
  buffer_.resize(kBlockBytes);
  const ssize_t got = bgzf_read(file_->handle, buffer_.data(), kBlockBytes);
  if (got < 0 || file_->handle->errcode != 0) {
    throw core::InputError(fmt::format(
        "{}: reading failed after line {}: the file is damaged or cut short; fetch it again", name_,
        line_number_));
  }
  std::string_view block(buffer_.data(), static_cast<std::size_t>(got));
  // Spreadsheets and editors put UTF-8's mark there, which would become part of the first name.
  if (std::exchange(at_start_, false) && block.starts_with(kByteOrderMark)) {
    block.remove_prefix(kByteOrderMark.size());
  }
  return block;
}

// Lines are views into the block; only one that a block's end cuts is copied.
bool TextFile::next_line(std::string_view& line) {
  carry_.clear();
  while (true) {
    if (block_.empty()) block_ = next_block();
    if (block_.empty()) {  // the last line may lack its end
      if (carry_.empty()) return false;
      line = carry_;
      break;
    }
    const std::size_t end = block_.find('\n');
    if (end == std::string_view::npos || !carry_.empty()) carry_.append(block_.substr(0, end));
    if (carry_.size() > kLongestLine) {
      ++line_number_;
      fail("a line above 1 MiB: this is not a text table");
    }
    if (end == std::string_view::npos) {
      block_ = {};
      continue;
    }
    line = carry_.empty() ? block_.substr(0, end) : std::string_view(carry_);
    block_.remove_prefix(end + 1);
    break;
  }
  ++line_number_;
  trim_return(line);
  return true;
}

void TextFile::fail(std::string_view what) const {
  throw core::InputError(fmt::format("{}:{}: {}", name_, line_number_, what));
}

}  // namespace epi::data
