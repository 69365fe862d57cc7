#include "train/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <set>

#include "train/strict_json.hpp"

namespace epi::train {
namespace {

using core::FormatError;
namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "tensors are written as they lie");

struct TypeName {
  core::DType type;
  const char* name;
};
constexpr TypeName kTypeNames[] = {{core::DType::u8, "U8"},   {core::DType::i32, "I32"},
                                   {core::DType::i64, "I64"}, {core::DType::bf16, "BF16"},
                                   {core::DType::f32, "F32"}, {core::DType::f64, "F64"}};

// A header of gigabytes is damage, not data; Hugging Face's reader has the same bound.
constexpr std::uint64_t kLargestHeader = 100'000'000;

const char* name_of(core::DType type) {
  return std::ranges::find(kTypeNames, type, &TypeName::type)->name;
}

// The number of elements, or nothing when a size is negative or the product is beyond a file.
std::uint64_t elements_of(const std::vector<std::int64_t>& shape, const std::string& where) {
  std::uint64_t product = 1;
  for (const std::int64_t size : shape) {
    std::uint64_t next = 0;
    if (size < 0 || __builtin_mul_overflow(product, static_cast<std::uint64_t>(size), &next) ||
        next > (std::uint64_t{1} << 60U)) {
      throw FormatError(fmt::format("{}: impossible shape", where));
    }
    product = next;
  }
  return product;
}

std::string header_text(std::span<const NamedTensor> tensors,
                        const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const NamedTensor& tensor : tensors) {
    core::require(!header.contains(tensor.name), "tensor names are unique");
    core::require(
        elements_of(tensor.shape, tensor.name) == static_cast<std::uint64_t>(tensor.data.size()),
        "a tensor's shape has the size of its data");
    const std::uint64_t end = offset + tensor.data.bytes();
    header[tensor.name] = {{"dtype", name_of(tensor.data.dtype())},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

TensorEntry entry_from(const std::string& name, const Json& value, const std::string& file) {
  const std::string where = fmt::format("{}: tensor {}", file, name);
  if (!value.is_object() || value.size() != 3) {
    throw FormatError(where + ": expected dtype, shape and data_offsets");
  }
  TensorEntry entry;
  entry.name = name;
  const auto type = json_value<std::string>(value, "dtype", where);
  const auto known = std::ranges::find(kTypeNames, type, &TypeName::name);
  if (known == std::end(kTypeNames)) throw FormatError(where + ": unknown dtype " + type);
  entry.type = known->type;
  for (const Json& size : json_value<Json>(value, "shape", where)) {
    if (!size.is_number_unsigned()) throw FormatError(where + ": shape is not a list of sizes");
    entry.shape.push_back(size.get<std::int64_t>());
  }
  const auto offsets = json_value<Json>(value, "data_offsets", where);
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    throw FormatError(where + ": data_offsets is not [begin, end]");
  }
  entry.begin = offsets[0].get<std::uint64_t>();
  entry.end = offsets[1].get<std::uint64_t>();
  const std::uint64_t bytes = elements_of(entry.shape, where) * core::size_of(entry.type);
  if (entry.end < entry.begin || entry.end - entry.begin != bytes) {
    throw FormatError(fmt::format("{}: data_offsets [{}, {}], but its shape takes {} bytes", where,
                                  entry.begin, entry.end, bytes));
  }
  return entry;
}

void check_cover(const std::vector<TensorEntry>& entries, std::uint64_t bytes,
                 const std::string& file) {
  std::uint64_t next = 0;
  for (const TensorEntry& entry : entries) {
    if (entry.begin != next) {
      throw FormatError(fmt::format("{}: tensor {} begins at byte {}, expected {} ({})", file,
                                    entry.name, entry.begin, next,
                                    entry.begin > next ? "a hole" : "an overlap"));
    }
    next = entry.end;
  }
  if (next != bytes) {
    throw FormatError(fmt::format("{}: tensors end at byte {}, the data at {}: the file is {}",
                                  file, next, bytes, next > bytes ? "cut off" : "too long"));
  }
}

std::ifstream open_file(const fs::path& path) {
  std::error_code unknown;  // opening it then fails
  if (!fs::exists(path, unknown) && !unknown)
    throw core::MissingError(path.string() + ": no such file");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw core::IoError(path.string() + ": cannot be opened for reading");
  return in;
}

std::string read_header(std::ifstream& in, std::uint64_t file_bytes, const std::string& file) {
  std::uint64_t length = 0;
  if (file_bytes < sizeof length || !in.read(reinterpret_cast<char*>(&length), sizeof length)) {
    throw FormatError(fmt::format("{}: {} bytes, too short for a header", file, file_bytes));
  }
  if (length > kLargestHeader || length > file_bytes - sizeof length) {
    throw FormatError(
        fmt::format("{}: header of {} bytes in a file of {}", file, length, file_bytes));
  }
  std::string text(length, '\0');
  if (!in.read(text.data(), static_cast<std::streamsize>(length))) {
    throw core::IoError(file + ": cannot read the header");
  }
  return text;
}

}  // namespace

void write_safetensors(std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata, const ByteSink& sink) {
  const std::string header = header_text(tensors, metadata);
  const std::uint64_t length = header.size();
  sink(std::as_bytes(std::span(&length, 1)));
  sink(std::as_bytes(std::span(header)));
  for (const NamedTensor& tensor : tensors) sink({tensor.data.raw(), tensor.data.bytes()});
}

SafetensorsFile SafetensorsFile::open(const fs::path& path) {
  SafetensorsFile file;
  file.path_ = path;
  std::ifstream in = open_file(path);
  std::error_code problem;
  const std::uint64_t bytes = fs::file_size(path, problem);
  if (problem) throw core::IoError(path.string() + ": no size: " + problem.message());
  const std::string text = read_header(in, bytes, path.string());
  const Json header = parse_json(text, path.string());
  if (!header.is_object()) throw FormatError(path.string() + ": the header is not an object");
  for (const auto& [name, value] : header.items()) {
    if (name != "__metadata__") {
      file.entries_.push_back(entry_from(name, value, path.string()));
      continue;
    }
    file.metadata_ =
        json_value<std::map<std::string, std::string>>(header, "__metadata__", path.string());
  }
  file.data_start_ = sizeof(std::uint64_t) + text.size();
  std::ranges::stable_sort(file.entries_, {}, &TensorEntry::end);
  std::ranges::stable_sort(file.entries_, {}, &TensorEntry::begin);
  check_cover(file.entries_, bytes - file.data_start_, path.string());
  return file;
}

const TensorEntry& SafetensorsFile::find(const std::string& name) const {
  const auto found = std::ranges::find(entries_, name, &TensorEntry::name);
  if (found == entries_.end()) {
    throw FormatError(fmt::format("{}: has no tensor {}", path_.string(), name));
  }
  return *found;
}

void SafetensorsFile::read(const std::string& name, const std::vector<std::int64_t>& shape,
                           const core::View& to) const {
  const TensorEntry& entry = find(name);
  if (entry.shape != shape || entry.type != to.dtype()) {
    throw FormatError(fmt::format("{}: tensor {} is {}[{}], expected {}[{}]", path_.string(), name,
                                  name_of(entry.type), fmt::join(entry.shape, ", "),
                                  name_of(to.dtype()), fmt::join(shape, ", ")));
  }
  core::require(to.bytes() == entry.end - entry.begin, "a tensor is read into its own size");
  std::ifstream in = open_file(path_);
  in.seekg(static_cast<std::streamoff>(data_start_ + entry.begin));
  if (!in.read(reinterpret_cast<char*>(to.raw()), static_cast<std::streamsize>(to.bytes()))) {
    throw core::IoError(fmt::format("{}: cannot read tensor {}", path_.string(), name));
  }
}

}  // namespace epi::train
