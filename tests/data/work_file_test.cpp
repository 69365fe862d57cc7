#include "data/work_file.hpp"

#include <gtest/gtest.h>

#include <iterator>
#include <string>
#include <vector>

#include "core/digest.hpp"
#include "core/files.hpp"
#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

TEST(WorkFile_genome, Contigs_readBackAsTheFastaHasThem) {
  const InputFolder folder;
  const auto fasta = folder.write("g.fa", ">a\nACGTnr\n>b\n" + std::string(150, 'N') + "GG\n");
  const auto path = folder.path() / "g.bin";
  write_genome_work(path, fasta);
  const GenomeWork work(path);
  ASSERT_EQ(2U, work.contigs().size());
  EXPECT_EQ("a", work.contigs()[0].name);
  EXPECT_EQ(1, work.contigs()[0].iupac_bp);
  EXPECT_EQ(core::digest_of_file(fasta), work.digest());
  EXPECT_EQ((std::vector<std::uint8_t>{0, 1, 2, 3, 12, 12}), work.bases(0, {0, 6}));
  EXPECT_EQ((std::vector<std::uint8_t>{4, 2, 2}), work.bases(1, {149, 152}));
  EXPECT_TRUE(work.bases(1, {7, 7}).empty());
  EXPECT_EQ((Ranges{{0, 150}}), work.gaps(1));
}

TEST(WorkFile_track, Intervals_readBackSorted) {
  const InputFolder folder;
  const auto bed = folder.write("s.bed", "d\t0\t200\t3_X\nc\t200\t400\t1_Y\nc\t0\t200\t3_X\n");
  const auto path = folder.path() / "s.bin";
  write_track_work(path, {&bed, 1}, {});
  const TrackWork work(path);
  EXPECT_EQ(core::digest_of_file(bed), work.digest());
  EXPECT_EQ((std::vector<std::string>{"d", "c"}), work.contigs());
  ASSERT_EQ(2U, work.intervals(1).size());
  EXPECT_EQ(0, work.intervals(1)[0].start_bp);
  EXPECT_EQ(3, work.intervals(1)[0].line);
  EXPECT_EQ(1, work.intervals(1)[1].state);
  EXPECT_EQ("X", work.states().at(1).label);
  EXPECT_EQ(200, work.grid().bin_bp);
}

TEST(WorkFile_current, ChangedSourceOrDamage_isNotCurrent) {
  const InputFolder folder;
  const auto bed = folder.write("s.bed", "c\t0\t200\tE1\n");
  const auto path = folder.path() / "s.bin";
  EXPECT_FALSE(is_current(path, {&bed, 1}, 200));
  write_track_work(path, {&bed, 1}, {});
  EXPECT_TRUE(is_current(path, {&bed, 1}, 200));
  (void)folder.write("s.bed", "c\t0\t200\tE2\n");
  EXPECT_FALSE(is_current(path, {&bed, 1}, 200));
  (void)folder.write("s.bed", "c\t0\t200\tE1\n");
  EXPECT_FALSE(is_current(path, {&bed, 1}, 100)) << "read with another --bin";
  const std::string whole = core::read_text(path);
  for (const std::size_t size : {std::size_t{0}, std::size_t{40}, whole.size() - 1}) {
    (void)folder.write("s.bin", std::string_view(whole).substr(0, size));
    EXPECT_FALSE(is_current(path, {&bed, 1}, 200)) << size;
    expect_error(core::ErrorKind::format, {path.string()}, [&] { const TrackWork work(path); });
  }
}

TEST(WorkFile_current, AnyFlippedByte_isFound) {
  const InputFolder folder;
  const auto bed = folder.write("s.bed", "c\t0\t200\tE1\nc\t200\t400\tE2\n");
  const auto path = folder.path() / "s.bin";
  write_track_work(path, {&bed, 1}, {});
  const std::string whole = core::read_text(path);
  for (std::size_t byte = 0; byte < whole.size(); ++byte) {
    std::string damaged = whole;
    damaged[byte] = static_cast<char>(damaged[byte] ^ 1);
    (void)folder.write("s.bin", damaged);
    EXPECT_FALSE(is_current(path, {&bed, 1}, 200)) << byte;
  }
  (void)folder.write("s.bin", whole);
  EXPECT_TRUE(is_current(path, {&bed, 1}, 200));
}

TEST(WorkFile_track, PlaceOutsideOfTheFile_isDamage) {
  const InputFolder folder;
  const auto bed = folder.write("s.bed", "c\t0\t200\tE1\nc\t200\t400\tE2\n");
  const auto path = folder.path() / "s.bin";
  write_track_work(path, {&bed, 1}, {});
  for (const char* wrong : {"\"count\":9", "\"count\":0"}) {
    std::string damaged = core::read_text(path);
    const std::size_t place = damaged.find("\"count\":2");
    ASSERT_NE(std::string::npos, place);
    (void)folder.write("wrong.bin", damaged.replace(place, 9, wrong));
    expect_error(core::ErrorKind::format, {"wrong.bin"},
                 [&] { const TrackWork work(folder.path() / "wrong.bin"); });
  }
}

TEST(WorkFile_failure, BadInput_leavesNoFile) {
  const InputFolder folder;
  const auto bed = folder.write("s.bed", "c\t0\t200\toops\n");
  expect_input_error({"'oops'"}, [&] { write_track_work(folder.path() / "s.bin", {&bed, 1}, {}); });
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "s.bin"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "s.bin.tmp"));
}

std::ptrdiff_t open_files() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

TEST(WorkFile_failure, SourceThatIsGone_leavesNeitherAnOpenFileNorOneAside) {
  const InputFolder folder;
  const auto gone = folder.path() / "gone";
  const std::ptrdiff_t before = open_files();
  EXPECT_THROW(write_track_work(folder.path() / "s.bin", {&gone, 1}, {}), core::Error);
  EXPECT_THROW(write_genome_work(folder.path() / "g.bin", gone), core::Error);
  EXPECT_EQ(before, open_files());
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace epi::data
