// HDF5 files, as far as shards need them: the only place with raw H5 calls. Byte datasets whose
// chunks lie in the file as they are (uncompressed, Fletcher32), and attributes that are text or
// integers. Finished files never change, so reading takes no file locks, which network file systems
// often refuse. HDF5's own error text is kept in every message.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace epi::data::h5 {

/// Rows and columns of a dataset; a dataset of rank 1 has one row.
struct Shape {
  std::int64_t rows = 1;
  std::int64_t columns = 0;
  int rank = 2;
  friend bool operator==(const Shape&, const Shape&) = default;
};

/// Payload of one chunk inside the file: `bytes` data bytes from `offset` on, followed by the four
/// bytes of Fletcher32.
struct Chunk {
  std::int64_t offset = 0;
  std::int64_t bytes = 0;
};

/// Whether threads may call this library at a time (it then takes turns inside).
[[nodiscard]] bool is_thread_safe();

struct Image;  // h5.cpp

/// An open HDF5 file; the destructor closes it.
class File {
 public:
  /// A new file in the latest format, without time stamps: equal contents give equal bytes. It is
  /// made in memory and replaces `path` in `close`, which must be called. IoError with HDF5's text.
  static File create(const std::filesystem::path& path);
  /// Read only. FormatError with HDF5's text.
  static File open(const std::filesystem::path& path);

  /// Moved only: one owner closes the file.
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  /// Adds a dataset of bytes, each row one chunk. IoError.
  void write(const std::string& name, Shape shape, std::span<const std::uint8_t> data);
  /// Attributes of a dataset, or of the file with `object` "/". IoError.
  void set_attribute(const std::string& object, const std::string& name, const std::string& text);
  /// The same for a 64-bit integer.
  void set_attribute(const std::string& object, const std::string& name, std::int64_t value);
  /// Writes a created file and closes it. IoError with the system's reason, on a full disk say.
  void close();

  /// FormatError naming file and dataset when it is absent or is not of bytes.
  [[nodiscard]] Shape shape(const std::string& name) const;
  /// One chunk per row. FormatError unless each row is one whole unfiltered chunk with Fletcher32.
  [[nodiscard]] std::vector<Chunk> chunks(const std::string& name) const;
  /// The whole dataset through HDF5, which checks Fletcher32. FormatError.
  [[nodiscard]] std::vector<std::uint8_t> read(const std::string& name) const;
  /// FormatError naming file, object and attribute when it is absent or is no text.
  [[nodiscard]] std::string text_attribute(const std::string& object,
                                           const std::string& name) const;
  /// The same for an integer.
  [[nodiscard]] std::int64_t integer_attribute(const std::string& object,
                                               const std::string& name) const;

 private:
  explicit File(std::filesystem::path path);

  std::filesystem::path path_;
  std::int64_t id_;               ///< open HDF5 handle
  std::unique_ptr<Image> image_;  ///< of a created file; outlives the handle
};

}  // namespace epi::data::h5
