#include "data/h5.hpp"

#include <fmt/format.h>
#include <hdf5.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "core/error.hpp"

namespace epi::data::h5 {

/// What HDF5 made of a file in memory.
struct Image {
  Image() = default;
  ~Image() { std::free(bytes); }
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;
  void* bytes = nullptr;  ///< by malloc; there once the file is closed
};

namespace {

constexpr std::int64_t kNone = -1;
// HDF5 keeps a chunk's size in 32 bits; four of the bytes are the checksum.
constexpr std::int64_t kMaxChunkBytes = std::numeric_limits<std::uint32_t>::max() - 4;
constexpr std::int64_t kChecksumBytes = 4;
constexpr std::size_t kGrowthBytes = std::size_t{1} << 22U;  // of a file in memory

/// Keeps HDF5 from printing its error stack while in scope.
class Quiet {
 public:
  Quiet() {
    (void)H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    (void)H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Quiet() { (void)H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

herr_t append_description(unsigned /*depth*/, const H5E_error2_t* error, void* text) {
  auto& lines = *static_cast<std::string*>(text);
  if (error->desc != nullptr) lines += fmt::format("{}{}", lines.empty() ? "" : "; ", error->desc);
  return 0;
}

/// The error stack of the call that just failed, outermost last.
std::string error_stack() {
  std::string text;
  (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, append_description, &text);
  return text.empty() ? "no details" : text;
}

template <class ErrorType, class Result>
Result check(Result result, const std::filesystem::path& path, const std::string& action) {
  if (result >= 0) return result;
  throw ErrorType(fmt::format("{}: {}: HDF5 says: {}", path.string(), action, error_stack()));
}

/// An HDF5 identifier of any kind, closed on every way out.
class Id {
 public:
  explicit Id(hid_t id) : id_(id) {}
  ~Id() {
    const Quiet quiet;
    (void)H5Idec_ref(id_);
  }
  Id(const Id&) = delete;
  Id& operator=(const Id&) = delete;
  operator hid_t() const { return id_; }  // NOLINT(google-explicit-constructor)

 private:
  hid_t id_;
};

Id open_dataset(hid_t file, const std::filesystem::path& path, const std::string& name) {
  return Id(check<core::FormatError>(H5Dopen2(file, name.c_str(), H5P_DEFAULT), path,
                                     fmt::format("cannot open dataset {}", name)));
}

Shape shape_of(hid_t dataset, const std::filesystem::path& path, const std::string& name) {
  const Id type(check<core::FormatError>(H5Dget_type(dataset), path, "no type of " + name));
  const Id space(check<core::FormatError>(H5Dget_space(dataset), path, "no shape of " + name));
  const int rank = H5Sget_simple_extent_ndims(space);
  if (H5Tequal(type, H5T_NATIVE_UINT8) <= 0 || rank < 1 || rank > 2) {
    throw core::FormatError(fmt::format(
        "{}: dataset {}: expected bytes in 1 or 2 dimensions, found {} dimensions of another kind; "
        "the file is not a shard",
        path.string(), name, rank));
  }
  std::array<hsize_t, 2> sizes{};
  (void)H5Sget_simple_extent_dims(space, sizes.data(), nullptr);
  if (rank == 1) return {1, static_cast<std::int64_t>(sizes[0]), 1};
  return {static_cast<std::int64_t>(sizes[0]), static_cast<std::int64_t>(sizes[1]), 2};
}

/// HDF5's coordinates of `row` (and shapes likewise): rank 1 has columns only.
std::array<hsize_t, 2> coordinates(const Shape& shape, std::int64_t row, std::int64_t column) {
  const auto r = static_cast<hsize_t>(row);
  const auto c = static_cast<hsize_t>(column);
  return shape.rank == 1 ? std::array<hsize_t, 2>{c, 0} : std::array<hsize_t, 2>{r, c};
}

void add_attribute(hid_t file, const std::filesystem::path& path, const std::string& object,
                   const std::string& name, hid_t type, const void* value) {
  const Quiet quiet;
  const auto fail_as = fmt::format("cannot write attribute {} of {}", name, object);
  const Id owner(check<core::IoError>(H5Oopen(file, object.c_str(), H5P_DEFAULT), path, fail_as));
  const Id space(check<core::IoError>(H5Screate(H5S_SCALAR), path, fail_as));
  const Id attribute(check<core::IoError>(
      H5Acreate2(owner, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), path, fail_as));
  check<core::IoError>(H5Awrite(attribute, type, value), path, fail_as);
}

Id open_attribute(hid_t file, const std::filesystem::path& path, const std::string& object,
                  const std::string& name) {
  return Id(check<core::FormatError>(
      H5Aopen_by_name(file, object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT), path,
      fmt::format("no attribute {} of {}", name, object)));
}

void* resize(void* bytes, std::size_t size, H5FD_file_image_op_t /*when*/, void* /*image*/) {
  return std::realloc(bytes, size);
}

/// HDF5 and its image part with the bytes when the file is closed: complete only then.
herr_t release(void* bytes, H5FD_file_image_op_t when, void* image) {
  if (when == H5FD_FILE_IMAGE_OP_FILE_CLOSE) {
    static_cast<Image*>(image)->bytes = bytes;
  } else {
    std::free(bytes);
  }
  return 0;
}

void* keep_image(void* image) {
  return image;  // File owns it
}

herr_t leave_image(void* /*image*/) {
  return 0;
}

/// HDF5 neither reports all that goes wrong on a full disk nor survives it (1.10.8 ends the process
/// with a segmentation fault), so it writes to memory, and we to the disk.
hid_t create_file(const std::filesystem::path& path, Image& image) {
  const Quiet quiet;
  const Id access(H5Pcreate(H5P_FILE_ACCESS));
  const Id creation(H5Pcreate(H5P_FILE_CREATE));
  check<core::IoError>(H5Pset_fapl_core(access, kGrowthBytes, 0), path, "cannot stay in memory");
  H5FD_file_image_callbacks_t callbacks = {};
  callbacks.image_realloc = resize;
  callbacks.image_free = release;
  callbacks.udata_copy = keep_image;
  callbacks.udata_free = leave_image;
  callbacks.udata = &image;
  check<core::IoError>(H5Pset_file_image_callbacks(access, &callbacks), path,
                       "cannot keep the file in memory");
  check<core::IoError>(H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST), path,
                       "cannot choose the file format");
  check<core::IoError>(H5Pset_obj_track_times(creation, 0), path, "cannot drop time stamps");
  return check<core::IoError>(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation, access), path,
                              "cannot create");
}

/// The image without what its buffer has beyond the end, which the superblock (version 3) tells.
std::span<const std::uint8_t> file_in(const Image& image) {
  constexpr std::size_t kVersionAt = 8, kEndAt = 28;
  const auto* bytes = static_cast<const std::uint8_t*>(image.bytes);
  core::require(bytes != nullptr && bytes[kVersionAt] == 3,
                "HDF5 leaves a file of its latest format");
  std::uint64_t end = 0;
  for (std::size_t i = 8; i-- > 0;) end = end << 8U | bytes[kEndAt + i];
  return {bytes, static_cast<std::size_t>(end)};
}

hid_t open_file(const std::filesystem::path& path) {
  const Quiet quiet;
  const Id access(H5Pcreate(H5P_FILE_ACCESS));
  check<core::FormatError>(H5Pset_file_locking(access, 0, 1), path, "cannot switch off locks");
  return check<core::FormatError>(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access), path,
                                  "cannot open as HDF5");
}

/// Replaces the file.
void write_file(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  bool written =
      file != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  int reason = errno;
  if (file != nullptr && std::fclose(file) != 0 && written) {
    written = false;
    reason = errno;
  }
  if (written) return;
  throw core::IoError(fmt::format("{}: write failed: {}", path.string(), std::strerror(reason)));
}

/// Row by row chunks with Fletcher32 and nothing else.
void shape_creation(hid_t creation, const Shape& shape, const std::filesystem::path& path) {
  const auto chunk = coordinates(shape, 1, shape.columns);
  const bool failed = H5Pset_chunk(creation, shape.rank, chunk.data()) < 0 ||
                      H5Pset_fletcher32(creation) < 0 || H5Pset_obj_track_times(creation, 0) < 0 ||
                      H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER) < 0;
  check<core::IoError>(failed ? -1 : 0, path, "cannot lay out chunks");
}

}  // namespace

bool is_thread_safe() {
  hbool_t safe = 0;
  return H5is_library_threadsafe(&safe) >= 0 && safe != 0;
}

File::File(std::filesystem::path path) : path_(std::move(path)), id_(kNone) {}

File File::create(const std::filesystem::path& path) {
  File file(path);
  file.image_ = std::make_unique<Image>();
  file.id_ = create_file(path, *file.image_);
  return file;
}

File File::open(const std::filesystem::path& path) {
  File file(path);
  file.id_ = open_file(path);
  return file;
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)),
      id_(std::exchange(other.id_, kNone)),
      image_(std::move(other.image_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(id_, other.id_);
  std::swap(image_, other.image_);
  return *this;
}

File::~File() {
  const Quiet quiet;
  if (id_ != kNone) (void)H5Fclose(id_);  // may still write to image_
}

void File::close() {
  core::require(image_ != nullptr, "only a created file is written");
  {
    const Quiet quiet;
    check<core::IoError>(H5Fclose(std::exchange(id_, kNone)), path_, "cannot finish");
  }
  write_file(path_, file_in(*image_));
}

void File::write(const std::string& name, Shape shape, std::span<const std::uint8_t> data) {
  core::require(shape.rows * shape.columns == static_cast<std::int64_t>(data.size()) &&
                    shape.rows > 0 && shape.columns > 0,
                "a dataset's shape fits its data");
  if (shape.columns > kMaxChunkBytes) {
    throw core::IoError(fmt::format("{}: dataset {}: {} bytes a row, HDF5 takes at most {}",
                                    path_.string(), name, shape.columns, kMaxChunkBytes));
  }
  const Quiet quiet;
  const auto fail_as = fmt::format("cannot write dataset {}", name);
  const auto sizes = coordinates(shape, shape.rows, shape.columns);
  const Id creation(H5Pcreate(H5P_DATASET_CREATE));
  shape_creation(creation, shape, path_);
  const Id space(
      check<core::IoError>(H5Screate_simple(shape.rank, sizes.data(), nullptr), path_, fail_as));
  const Id dataset(check<core::IoError>(
      H5Dcreate2(id_, name.c_str(), H5T_STD_U8LE, space, H5P_DEFAULT, creation, H5P_DEFAULT), path_,
      fail_as));
  check<core::IoError>(
      H5Dwrite(dataset, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, data.data()), path_,
      fail_as);
}

void File::set_attribute(const std::string& object, const std::string& name,
                         const std::string& text) {
  // Fixed length: it lies in the object's header, which is checksummed; the heap is not.
  const Id type(H5Tcopy(H5T_C_S1));
  (void)H5Tset_size(type, text.empty() ? 1 : text.size());
  (void)H5Tset_strpad(type, H5T_STR_NULLPAD);
  (void)H5Tset_cset(type, H5T_CSET_UTF8);
  add_attribute(id_, path_, object, name, type, text.c_str());
}

void File::set_attribute(const std::string& object, const std::string& name, std::int64_t value) {
  add_attribute(id_, path_, object, name, H5T_NATIVE_INT64, &value);
}

Shape File::shape(const std::string& name) const {
  const Quiet quiet;
  return shape_of(open_dataset(id_, path_, name), path_, name);
}

std::vector<Chunk> File::chunks(const std::string& name) const {
  const Quiet quiet;
  const Id dataset = open_dataset(id_, path_, name);
  const Shape shape = shape_of(dataset, path_, name);
  std::vector<Chunk> chunks;
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const auto at = coordinates(shape, row, 0);
    unsigned skipped_filters = 0;
    haddr_t address = HADDR_UNDEF;
    hsize_t bytes = 0;
    check<core::FormatError>(
        H5Dget_chunk_info_by_coord(dataset, at.data(), &skipped_filters, &address, &bytes), path_,
        fmt::format("cannot find row {} of dataset {}", row, name));
    const std::int64_t payload = static_cast<std::int64_t>(bytes) - kChecksumBytes;
    if (address == HADDR_UNDEF || skipped_filters != 0 || payload != shape.columns) {
      throw core::FormatError(fmt::format(
          "{}: dataset {}, row {}: expected one chunk of {} bytes and a checksum, found {} bytes; "
          "the file was not written by epitrain",
          path_.string(), name, row, shape.columns, bytes));
    }
    chunks.push_back({static_cast<std::int64_t>(address), payload});
  }
  return chunks;
}

std::vector<std::uint8_t> File::read(const std::string& name) const {
  const Quiet quiet;
  const Id dataset = open_dataset(id_, path_, name);
  const Shape shape = shape_of(dataset, path_, name);
  std::vector<std::uint8_t> data(static_cast<std::size_t>(shape.rows * shape.columns));
  check<core::FormatError>(
      H5Dread(dataset, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, data.data()), path_,
      fmt::format("cannot read dataset {}", name));
  return data;
}

std::string File::text_attribute(const std::string& object, const std::string& name) const {
  const Quiet quiet;
  const Id attribute = open_attribute(id_, path_, object, name);
  const Id type(check<core::FormatError>(H5Aget_type(attribute), path_, "no type of " + name));
  if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0) {
    throw core::FormatError(fmt::format("{}: attribute {} of {}: expected text of fixed length",
                                        path_.string(), name, object));
  }
  std::string text(H5Tget_size(type), '\0');
  check<core::FormatError>(H5Aread(attribute, type, text.data()), path_,
                           fmt::format("cannot read attribute {} of {}", name, object));
  text.resize(text.find_last_not_of('\0') + 1);
  return text;
}

std::int64_t File::integer_attribute(const std::string& object, const std::string& name) const {
  const Quiet quiet;
  const Id attribute = open_attribute(id_, path_, object, name);
  std::int64_t value = 0;
  check<core::FormatError>(H5Aread(attribute, H5T_NATIVE_INT64, &value), path_,
                           fmt::format("cannot read attribute {} of {}", name, object));
  return value;
}

}  // namespace epi::data::h5
