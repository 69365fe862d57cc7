// Inspection: figures of a small store counted by hand.
#include "data/inspect.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/error.hpp"
#include "core/files.hpp"
#include "data/store_fixture.hpp"

namespace {

using namespace epi::data;
using namespace epi::data::testing;

TEST(Inspect_test, SmallStore_figures_areAsByHand) {
  const Folder folder;
  (void)write_store(folder.path());
  const Store store = Store::open(folder.path());
  const WindowShape shape{6, 6, 52};  // 300 bp
  ASSERT_EQ(shape.window_bp(), 300);
  const Inspection in = inspect(store, {&shape, 1});
  EXPECT_EQ(in.region_bp[0], (std::vector<std::int64_t>{6500, 0}));
  EXPECT_EQ(in.region_bp[1], (std::vector<std::int64_t>{1501, 0}));
  EXPECT_EQ(in.region_bp[2], (std::vector<std::int64_t>{0, 4221}));
  EXPECT_EQ(in.nearest_bp, 1000);
  ASSERT_EQ(in.windows.size(), 3U);
  // Train: 0..5000 and 5000..6500 of two shards: 16 + 5 windows, two training cell types.
  EXPECT_EQ(in.windows[0].windows, 21);
  EXPECT_EQ(in.windows[0].num_cells, 2);
  EXPECT_EQ(in.windows[0].tokens, 21 * 2 * 52);
  EXPECT_EQ(in.windows[1].windows, 5);
  EXPECT_EQ(in.windows[2].windows, 14);
  EXPECT_EQ(in.windows[2].num_cells, 3);
  EXPECT_DOUBLE_EQ(in.windows[0].bins_per_window, 1.5);
}

TEST(Inspect_test, Bins_perCell_areCounted) {
  const Folder folder;
  (void)write_store(folder.path());
  const Inspection in = inspect(Store::open(folder.path()), {});
  std::vector<std::int64_t> expected(kNumStates + 1);
  const std::size_t lengths[] = {5000, 4001, 4321};
  for (unsigned s = 0; s < 3; ++s) {
    const Content content = random_content(1 + s, lengths[s]);
    const auto bins = content.states.size() / kNumCells;
    for (std::size_t b = bins; b < 2 * bins; ++b) ++expected[content.states[b]];
  }
  EXPECT_EQ(in.bins[1], expected);
  EXPECT_EQ(std::accumulate(expected.begin(), expected.end(), std::int64_t{0}), 25 + 21 + 22);
}

TEST(Inspect_test, SharedBases_areRefusedBeforeAnyFigure) {
  const Folder folder;
  Manifest manifest = write_store(folder.path());
  manifest.regions[1] = {{0, 6490, 9001}};
  epi::core::write_durably(folder.path() / kManifestName, to_json(manifest));
  try {
    (void)Store::open(folder.path());
    ADD_FAILURE() << "a store whose splits share ten bases was opened";
  } catch (const epi::core::FormatError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("train 0..6500 and valid 6490..9001"), std::string::npos) << message;
  }
  manifest.regions[1] = {{0, 6500, 9001}};
  epi::core::write_durably(folder.path() / kManifestName, to_json(manifest));
  EXPECT_EQ(inspect(Store::open(folder.path()), {}).nearest_bp, 0);
}

TEST(Inspect_test, NearestDistance_isThatOfNeighboursInAnyOrder) {
  const Folder folder;
  Manifest manifest = write_store(folder.path());
  const auto nearest = [&](std::vector<Interval> train, std::vector<Interval> valid) {
    manifest.guard_bp = 0;
    manifest.regions[0] = std::move(train);
    manifest.regions[1] = std::move(valid);
    epi::core::write_durably(folder.path() / kManifestName, to_json(manifest));
    return inspect(Store::open(folder.path()), {}).nearest_bp;
  };
  EXPECT_EQ(nearest({{0, 2000, 3000}, {0, 5000, 6500}}, {{0, 0, 700}, {0, 7500, 9001}}), 1000);
  EXPECT_EQ(nearest({{0, 2000, 3000}, {0, 5000, 6500}}, {{0, 0, 1500}, {0, 7500, 9001}}), 500);
  EXPECT_EQ(nearest({{0, 0, 100}, {0, 200, 300}, {0, 5000, 6500}}, {{0, 4800, 4900}}), 100);
}

TEST(Inspect_test, Describe_showsSplitsOfCellsAndContigs) {
  const Folder folder;
  (void)write_store(folder.path());
  const WindowShape shapes[] = {{6, 6, 52}, {6, 6, 512}};  // the second is longer than the guard
  const auto lines = describe(inspect(Store::open(folder.path()), shapes));
  const auto line_with = [&](const std::string& text) {
    for (const auto& line : lines) {
      if (line.find(text) == 0) return line;
    }
    return std::string();
  };
  EXPECT_NE(line_with("E001").find("train+valid         test"), std::string::npos)
      << line_with("E001");
  EXPECT_NE(line_with("E003").find("test/test"), std::string::npos) << line_with("E003");
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                          [](const std::string& line) { return line.find("6/6") == 0; }),
            3);
}

}  // namespace
