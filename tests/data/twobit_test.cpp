// Real files against values from py2bit, and files written here by the format's description, in all
// four variants, against FASTA of the same letters.
#include "data/formats/twobit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

const std::filesystem::path kFiles = std::filesystem::path(EPI_SOURCE_DIR) / "tests/data/files";

struct Read {
  Contig contig;
  Ranges gaps;
  std::vector<std::uint8_t> bases;
};

std::vector<Read> read(const std::filesystem::path& path) {
  std::vector<Read> all;
  read_genome(path, [&](const ContigSequence& sequence) {
    all.push_back({sequence.contig, sequence.gaps, {sequence.bases.begin(), sequence.bases.end()}});
  });
  return all;
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// How numbers are written.
struct Variant {
  bool big_endian = false;
  int version = 0;
};

std::string number(std::uint64_t value, std::size_t bytes, const Variant& variant) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8U * i & 0xffU);
  if (variant.big_endian) std::reverse(text.begin(), text.end());
  return text;
}

/// Starts and sizes of the runs of letters that `is_in` holds for.
std::string blocks(const std::string& letters, const Variant& variant,
                   const std::function<bool(char)>& is_in) {
  std::string starts, sizes;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    if (!is_in(letters[i])) continue;
    const std::size_t start = i;
    while (i < letters.size() && is_in(letters[i])) ++i;
    starts += number(start, 4, variant);
    sizes += number(i - start, 4, variant);
  }
  return number(starts.size() / 4, 4, variant) + starts + sizes;
}

std::string record(const std::string& letters, const Variant& variant) {
  std::string bytes = number(letters.size(), 4, variant);
  bytes += blocks(letters, variant, [](char c) { return c == 'N' || c == 'n'; });
  bytes += blocks(letters, variant, [](char c) { return c >= 'a'; });
  bytes += number(0, 4, variant);
  for (std::size_t i = 0; i < letters.size(); i += 4) {
    unsigned packed = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const char letter = i + k < letters.size() ? letters[i + k] : 'T';
      const std::size_t code = std::string("TCAGtcag").find(letter);
      packed = packed << 2U | (code == std::string::npos ? 0U : static_cast<unsigned>(code % 4));
    }
    bytes += static_cast<char>(packed);
  }
  return bytes;
}

struct Named {
  std::string name, letters;
};

std::string twobit(const std::vector<Named>& contigs, const Variant& variant = {}) {
  const std::size_t offset_bytes = variant.version == 1 ? 8 : 4;
  std::size_t offset = 16;
  for (const Named& contig : contigs) offset += 1 + contig.name.size() + offset_bytes;
  std::string index, records;
  for (const Named& contig : contigs) {
    index += static_cast<char>(contig.name.size()) + contig.name +
             number(offset + records.size(), offset_bytes, variant);
    records += record(contig.letters, variant);
  }
  return number(0x1A412743, 4, variant) +
         number(static_cast<std::uint64_t>(variant.version), 4, variant) +
         number(contigs.size(), 4, variant) + number(0, 4, variant) + index + records;
}

TEST(Twobit_real, Chrm_hasHg19sChecksum) {
  const auto all = read(kFiles / "hg19.chrM.2bit");
  ASSERT_EQ(1U, all.size());
  EXPECT_EQ("hg19_chrM", all[0].contig.name);
  EXPECT_EQ(16571, all[0].contig.length_bp);
  EXPECT_EQ(16571, all[0].contig.acgt_bp);
  EXPECT_EQ(373, all[0].contig.soft_masked_bp);
  EXPECT_EQ("d2ed829b8a1628d16cbeee88e88e39eb", all[0].contig.md5);  // UCSC's, as in SAM headers
}

TEST(Twobit_real, RunsOfNAndLowerCase_areAsPy2bitReads) {
  const auto all = read(kFiles / "three_contigs.2bit");
  ASSERT_EQ(3U, all.size());
  const std::vector<std::string> md5s = {"0e63494bea4b765ad071a3b5f2972faa",
                                         "4acc138862da70da6683b3b1de569c7a",
                                         "caaca5d157753dc29c6e53e370e766f1"};
  const std::vector<std::int64_t> lengths = {170, 19198, 1031}, acgt = {170, 19198, 1017},
                                  soft = {122, 10827, 577};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(md5s[i], all[i].contig.md5);
    EXPECT_EQ(lengths[i], all[i].contig.length_bp);
    EXPECT_EQ(acgt[i], all[i].contig.acgt_bp);
    EXPECT_EQ(soft[i], all[i].contig.soft_masked_bp);
  }
  // "ntcacagatcacc": the first base is in a run of N and in a masked one.
  const std::vector<std::uint8_t> start = {12, 11, 9, 8, 9, 8, 10, 8, 11, 9, 8, 9, 9};
  EXPECT_EQ(start, std::vector<std::uint8_t>(all[2].bases.begin(), all[2].bases.begin() + 13));
}

/// Letters with runs of N and of lower case that cross the reader's pieces of 32,768 bases.
std::string long_letters(std::size_t size) {
  std::string letters;
  std::uint32_t random = 1;
  for (std::size_t i = 0; i < size; ++i) {
    random = random * 1664525U + 1013904223U;
    const bool lower = i / 700 % 3 == 1 || (i > 32'000 && i < 34'000);
    const bool unknown = i / 150 % 7 == 3 || (i > 65'500 && i < 65'600);
    letters += unknown ? (lower ? 'n' : 'N') : (lower ? "acgt" : "ACGT")[random >> 30U];
  }
  return letters;
}

TEST(Twobit_variants, BothVersionsAndByteOrders_equalFasta) {
  const InputFolder folder;
  std::vector<Named> contigs = {{"chr1", long_letters(98'305)},
                                {"two", "N"},
                                {"3", "acgtA"},
                                {"chrX_alt", "GATTACA"},
                                {"e", "TTTTT" + std::string(120, 'n')}};
  std::string fasta;
  for (const Named& contig : contigs) fasta += ">" + contig.name + "\n" + contig.letters + "\n";
  const auto expected = read(folder.write("g.fa", fasta));
  for (const Variant& variant :
       {Variant{false, 0}, Variant{false, 1}, Variant{true, 0}, Variant{true, 1}}) {
    const auto path = folder.write("g.bin", twobit(contigs, variant));
    EXPECT_TRUE(is_twobit(path));
    const auto found = read(path);
    ASSERT_EQ(expected.size(), found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(expected[i].contig.name, found[i].contig.name);
      EXPECT_EQ(expected[i].bases, found[i].bases);
      EXPECT_EQ(expected[i].contig.md5, found[i].contig.md5);
      EXPECT_EQ(expected[i].contig.digest, found[i].contig.digest);
      EXPECT_EQ(expected[i].contig.acgt_bp, found[i].contig.acgt_bp);
      EXPECT_EQ(expected[i].contig.soft_masked_bp, found[i].contig.soft_masked_bp);
      EXPECT_EQ(expected[i].gaps, found[i].gaps);
    }
  }
}

TEST(Twobit_damage, EveryTruncation_isRefused) {
  const InputFolder folder;
  for (const std::string& bytes :
       {bytes_of(kFiles / "hg19.chrM.2bit"), twobit({{"a", "ACGTNNacgt"}, {"b", "GG"}}),
        twobit({{"a", "ACGTA"}}, {true, 1})}) {
    const auto path = folder.write("cut.2bit", bytes);
    for (std::size_t size = bytes.size(); size-- > 0;) {
      if (size > 100 && size + 10 < bytes.size()) size -= size % 37;
      std::filesystem::resize_file(path, size);
      EXPECT_THROW((void)read(path), core::InputError) << size << " of " << bytes.size();
    }
  }
  const std::string chrm = bytes_of(kFiles / "hg19.chrM.2bit");
  const auto path = folder.write("chrm.2bit", chrm.substr(0, chrm.size() - 1));
  expect_input_error({path.string(), "hg19_chrM", "cut short"}, [&] { (void)read(path); });
}

/// Reads the file with one bit flipped: nothing but InputError may happen. Empty: it was refused.
std::vector<Read> read_flipped(const std::filesystem::path& path, std::size_t bit) {
  const auto place = static_cast<std::streamoff>(bit / 8);
  const auto flip = [&] {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(place);
    const int byte = file.get();
    file.seekp(place);
    file.put(static_cast<char>(byte ^ (1 << bit % 8)));
  };
  std::vector<Read> found;
  flip();
  try {
    found = read(path);
  } catch (const core::InputError&) {
    found.clear();
  }
  flip();
  return found;
}

TEST(Twobit_damage, FlippedHeaderAndIndexBits_neverChangeBases) {
  const InputFolder folder;
  for (const Variant& variant : {Variant{false, 0}, Variant{true, 1}}) {
    const std::string whole =
        twobit({{"chr1", "ACGTNNacgtA"}, {"chr2", "GATTACAGATTACA"}}, variant);
    const auto path = folder.write("flipped.2bit", whole);
    const auto expected = read(path);
    const std::size_t end = 16 + 2 * (1 + 4 + (variant.version == 1 ? 8U : 4U));
    for (std::size_t bit = 0; bit < 8 * end; ++bit) {
      const auto found = read_flipped(path, bit);
      for (std::size_t i = 0; i < found.size(); ++i) {  // a name may have changed
        ASSERT_EQ(expected.size(), found.size()) << "bit " << bit;
        EXPECT_EQ(expected[i].bases, found[i].bases) << "bit " << bit;
      }
    }
    // Past the index a flipped base cannot be seen; but it is never a crash.
    for (std::size_t bit = 8 * end; bit < 8 * whole.size(); ++bit) (void)read_flipped(path, bit);
    EXPECT_EQ(expected[1].bases, read(path).at(1).bases);
  }
}

TEST(Twobit_damage, EveryKind_namesFileAndWhatIsWrong) {
  const InputFolder folder;
  const std::string whole = twobit({{"a", "ACGTNNacgt"}});
  const auto with = [&](std::size_t at, const std::string& bytes) {
    return std::string(whole).replace(at, bytes.size(), bytes);
  };
  const auto number_at = [&](std::size_t at, std::uint64_t value) {
    return with(at, number(value, 4, {}));
  };
  struct Bad {
    std::string bytes, says;
  };
  // Header 0..15, index 16..21, record from 22: length, one run of N, one masked run, 0, bases.
  const std::vector<Bad> cases = {
      {number_at(4, 2), "version 2"},
      {number_at(8, 0), "no contig"},
      {number_at(8, 0xffffffff), "index"},
      {number_at(12, 1), "reserved"},
      {with(17, " "), "no contig's name"},
      {with(17, "\xff"), "no contig's name"},
      {number_at(18, 1'000'000), "cut short"},
      {number_at(18, 23), "contig 'a'"},
      {number_at(22, 0), "no sequence"},
      {number_at(22, 0xffffffff), "cut short"},
      {number_at(26, 0xffffffff), "cut short"},
      {number_at(30, 9), "run of N 1 is 9-11"},
      {number_at(34, 0), "run of N 1 is 4-4"},
      {number_at(42, 0xffffffff), "masked run 1"},
      {number_at(50, 7), "reserved"},
      {with(whole.size() - 1, "\x01"), "behind the last base"},
      {whole + "x", "1 bytes behind"},
      {twobit({{"a", "A"}, {"a", "C"}}), "index twice"},
  };
  for (const Bad& bad : cases) {
    SCOPED_TRACE(bad.says);
    const auto path = folder.write("bad.2bit", bad.bytes);
    expect_input_error({path.string(), bad.says}, [&] { (void)read(path); });
  }
}

TEST(Twobit_signature, OtherFiles_areNotTwobit) {
  const InputFolder folder;
  EXPECT_FALSE(is_twobit(folder.write("a.2bit", ">x\nACGT\n")));
  EXPECT_FALSE(is_twobit(folder.write("b.2bit", "\x43\x27\x41")));
  EXPECT_FALSE(is_twobit(folder.path() / "none"));
  expect_input_error({"signature"}, [&] { read_twobit(folder.path() / "a.2bit", {}); });
}

}  // namespace
}  // namespace epi::data
