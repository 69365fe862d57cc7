// safetensors against its published grammar: bytes written by hand, and every kind of damage.
#include "train/safetensors.hpp"

#include <gtest/gtest.h>

#include <array>
#include <fstream>

#include "core/error.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

void write_raw(const fs::path& path, const std::string& header, const std::string& data) {
  std::ofstream out(path, std::ios::binary);
  for (unsigned i = 0; i < 8; ++i) {
    out.put(static_cast<char>((std::uint64_t{header.size()} >> (8 * i)) & 0xffU));
  }
  out << header << data;
}

std::string error_of(const fs::path& path) {
  try {
    static_cast<void>(SafetensorsFile::open(path));
  } catch (const core::FormatError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(SafetensorsWriter_twoTensors_writesTheseBytes, exactly) {
  std::array<float, 3> values = {1.0F, -2.0F, 0.5F};
  const std::array<NamedTensor, 2> tensors = {
      NamedTensor{"b", {2, 1}, core::ConstView(values.data(), {2})},
      NamedTensor{"a", {1}, core::ConstView(values.data() + 2, {1})}};
  std::string bytes;
  write_safetensors(tensors, {{"format", "pt"}}, [&](std::span<const std::byte> part) {
    bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
  });
  std::string header =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})";
  while (header.size() % 8 != 0) header += ' ';
  std::string expected(8, '\0');
  expected[0] = static_cast<char>(header.size());
  expected += header;
  // 1.0 = 0x3f800000, -2.0 = 0xc0000000, 0.5 = 0x3f000000, little-endian.
  expected += std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0\x00\x00\x00\x3f", 12);
  EXPECT_EQ(bytes, expected);
}

TEST(SafetensorsFile_handMadeFile_isRead, inDataOrder) {
  const TestFolder folder("safetensors");
  const fs::path path = folder.path() / "x.safetensors";
  write_raw(path,
            R"({"y":{"dtype":"I32","shape":[1],"data_offsets":[4,8]},"__metadata__":{"k":"v"},)"
            R"("x":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
            R"("none":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]}})",
            std::string("\x00\x00\x80\x3f\x05\x00\x00\x00", 8));
  const SafetensorsFile file = SafetensorsFile::open(path);
  ASSERT_EQ(file.entries().size(), 3U);
  EXPECT_EQ(file.entries()[0].name, "x");
  EXPECT_EQ(file.entries()[2].name, "y");
  EXPECT_EQ(file.metadata().at("k"), "v");
  float x = 0.0F;
  file.read("x", {}, core::View(&x, {1}));
  EXPECT_EQ(x, 1.0F);
  std::int32_t y = 0;
  file.read("y", {1}, core::View(&y, {1}));
  EXPECT_EQ(y, 5);
  EXPECT_THROW(file.read("y", {1}, core::View(&x, {1})), core::FormatError);
  EXPECT_THROW(static_cast<void>(file.find("z")), core::FormatError);
}

TEST(SafetensorsFile_damagedFiles_areRefused, eachForItsReason) {
  const TestFolder folder("safetensors");
  const fs::path path = folder.path() / "x.safetensors";
  const auto refused = [&](const std::string& header, const std::string& data) {
    write_raw(path, header, data);
    return error_of(path);
  };
  const std::string data(8, 'x');
  const std::string a = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  const auto b = [](const std::string& offsets) {
    return R"("b":{"dtype":"F32","shape":[1],"data_offsets":)" + offsets + "}";
  };
  EXPECT_EQ(refused("{" + a + "," + b("[4,8]") + "}", data), "accepted");
  EXPECT_NE(refused("{" + a + "," + b("[2,6]") + "}", data).find("an overlap"), std::string::npos);
  EXPECT_NE(refused("{" + a + "}", data).find("too long"), std::string::npos);
  EXPECT_NE(refused("{" + a + "," + b("[4,8]") + "}", "xxxx").find("cut off"), std::string::npos);
  EXPECT_NE(refused("{" + b("[4,8]") + "}", data).find("a hole"), std::string::npos);
  EXPECT_NE(refused("{" + a + "," + a + "}", data).find("twice"), std::string::npos);
  EXPECT_NE(refused("{" + b("[0,8]") + "}", data).find("takes 4 bytes"), std::string::npos);
  EXPECT_NE(refused("{" + b("[8,4]") + "}", data), "accepted");
  EXPECT_NE(refused("{" + b("[-4,0]") + "}", data), "accepted");
  EXPECT_NE(refused("{" + a, data), "accepted");
  EXPECT_NE(refused("[]", data), "accepted");
  EXPECT_NE(refused(R"({"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}})", data), "accepted");
  EXPECT_NE(
      refused(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", ""),
      "accepted");
}

TEST(SafetensorsFile_headerLongerThanFile_isRefused, withoutAllocatingIt) {
  const TestFolder folder("safetensors");
  const fs::path path = folder.path() / "x.safetensors";
  std::ofstream(path, std::ios::binary) << std::string(7, '\x7f') << '\0' << "{}";
  EXPECT_NE(error_of(path), "accepted");
  std::ofstream(path, std::ios::binary) << "abc";
  EXPECT_NE(error_of(path), "accepted");
  EXPECT_THROW(static_cast<void>(SafetensorsFile::open(folder.path() / "none")),
               core::MissingError);
}

}  // namespace
}  // namespace epi::train
