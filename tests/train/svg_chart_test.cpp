// Charts as text: where marks lie is checked against the chart's own ticks, and that nothing breaks
// out of the markup.
#include "train/svg_chart.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <regex>

#include "core/error.hpp"

namespace epi::train {
namespace {

int count(const std::string& text, const std::string& what) {
  int found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
    ++found;
  }
  return found;
}

/// Every tag that is opened is closed, in order.
bool balanced(const std::string& svg) {
  std::vector<std::string> open;
  static const std::regex tag("<(/?)([a-z]+)[^>]*?(/?)>");
  for (std::sregex_iterator it(svg.begin(), svg.end(), tag), end; it != end; ++it) {
    if ((*it)[3].length() > 0) continue;
    if ((*it)[1].length() == 0) {
      open.push_back((*it)[2]);
    } else {
      if (open.empty() || open.back() != (*it)[2]) return false;
      open.pop_back();
    }
  }
  return open.empty();
}

LineChart throughput() {
  return {.title = "Throughput",
          .x = {.label = "ranks", .scale = Scale::log2, .from = {}, .to = {}},
          .y = {.label = "tokens/s", .scale = Scale::linear, .from = {}, .to = {}},
          .series = {{"measured", {1, 2, 4}, {100, 190, 370}},
                     {"ideal", {1, 2, 4}, {100, 200, 400}, Mark::dashed}}};
}

TEST(Ticks, linear_areRoundAndFew) {
  EXPECT_EQ(ticks_of(Scale::linear, 0, 424), (std::vector<double>{0, 100, 200, 300, 400}));
  EXPECT_LE(ticks_of(Scale::linear, 0.0, 0.00317).size(), 10U);
}

TEST(Ticks, log2_arePowersAndThinnedOut) {
  EXPECT_EQ(ticks_of(Scale::log2, 1, 8), (std::vector<double>{1, 2, 4, 8}));
  const auto many = ticks_of(Scale::log2, 1, 4096);
  EXPECT_EQ(many.front(), 1.0);
  EXPECT_EQ(many.back(), 4096.0);
  EXPECT_EQ(many.size(), 7U);
}

TEST(Ticks, log10_haveTwoAndFiveInShortSpans) {
  EXPECT_EQ(ticks_of(Scale::log10, 1, 10), (std::vector<double>{1, 2, 5, 10}));
  EXPECT_EQ(ticks_of(Scale::log10, 1, 1e6).size(), 7U);
}

TEST(ShortNumber, sizes_areWrittenAsPeopleDo) {
  EXPECT_EQ(short_number(950), "950");
  EXPECT_EQ(short_number(4096), "4096");
  EXPECT_EQ(short_number(12345), "12.3 K");
  EXPECT_EQ(short_number(2.5e6), "2.5 M");
  EXPECT_EQ(short_number(0.25), "0.25");
  EXPECT_EQ(short_number(999999), "1 M");
  EXPECT_EQ(short_number(-15000), "-15 K");
}

TEST(Escaped, markup_isHarmless) {
  EXPECT_EQ(markup_escaped("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
}

TEST(SvgChart, lines_haveADotForEachPointAndALegend) {
  const std::string svg = svg_of(throughput());
  EXPECT_TRUE(balanced(svg)) << svg;
  EXPECT_EQ(count(svg, "<title>measured: "), 3);
  EXPECT_EQ(count(svg, "stroke-dasharray"), 2);  // the line and its sample
  EXPECT_NE(svg.find(">ideal</text>"), std::string::npos);
  EXPECT_NE(svg.find("measured: 190 at 2"), std::string::npos);
}

/// Pixels of the dots, in their order.
std::vector<std::pair<double, double>> dots(const std::string& svg) {
  std::vector<std::pair<double, double>> found;
  static const std::regex dot("<circle cx=\"([0-9.]+)\" cy=\"([0-9.]+)\" r=\"4\" fill=\"[^\"]*\">");
  for (std::sregex_iterator it(svg.begin(), svg.end(), dot), end; it != end; ++it) {
    found.emplace_back(std::stod((*it)[1]), std::stod((*it)[2]));
  }
  return found;
}

TEST(SvgChart, logarithmicAxis_placesPowersAtEqualDistances) {
  const auto at = dots(svg_of(throughput()));
  ASSERT_EQ(at.size(), 3U);
  EXPECT_NEAR(at[1].first - at[0].first, at[2].first - at[1].first, 0.2);
  // Linear upwards: 90 and 180 tokens/s.
  EXPECT_NEAR((at[0].second - at[1].second) / (at[1].second - at[2].second), 0.5, 0.01);
}

TEST(SvgChart, pointsWithoutAPlace_areLeftOut) {
  LineChart chart = throughput();
  chart.series[0].x = {0, 2, 4};  // no logarithm
  chart.series[0].y = {1, std::numeric_limits<double>::quiet_NaN(), 370};
  const std::string svg = svg_of(chart);
  EXPECT_EQ(dots(svg).size(), 1U);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(SvgChart, nothingToDraw_isAnEmptyFrame) {
  EXPECT_TRUE(balanced(svg_of(LineChart{})));
  EXPECT_TRUE(balanced(svg_of(StackedBars{})));
}

TEST(SvgChart, namesWithMarkup_staySafe) {
  LineChart chart = throughput();
  chart.title = chart.series[0].name = "<script>\"x\"</script>";
  const std::string svg = svg_of(chart);
  EXPECT_EQ(svg.find("<script"), std::string::npos);
  EXPECT_TRUE(balanced(svg));
}

TEST(SvgChart, coordinatesOfUnlikeNumber_areABrokenPromise) {
  LineChart chart = throughput();
  chart.series[0].y.pop_back();
  EXPECT_THROW((void)svg_of(chart), core::Error);
}

TEST(SvgBars, parts_lieOnEachOther) {
  const std::string svg = svg_of(StackedBars{.title = "Time",
                                             .label = "ms",
                                             .bars = {"1", "2"},
                                             .parts = {{"compute", {3, 3}}, {"exposed", {0, 1}}}});
  EXPECT_TRUE(balanced(svg));
  static const std::regex rect(
      "<rect x=\"([0-9.]+)\" y=\"([0-9.]+)\" width=\"[0-9.]+\" height=\"([0-9.]+)\" "
      "fill=\"[^\"]*\"><title>");
  std::vector<std::array<double, 3>> at;
  for (std::sregex_iterator it(svg.begin(), svg.end(), rect), end; it != end; ++it) {
    at.push_back({std::stod((*it)[1]), std::stod((*it)[2]), std::stod((*it)[3])});
  }
  ASSERT_EQ(at.size(), 4U);  // compute of both bars, exposed of both
  EXPECT_NEAR(at[0][2], at[1][2], 0.11);
  EXPECT_NEAR(at[3][2] / at[1][2], 1.0 / 3.0, 0.01);
  EXPECT_NEAR(at[3][1] + at[3][2], at[1][1], 0.11);  // exposed ends where compute begins
  EXPECT_NEAR(at[2][2], 0.0, 0.01);
}

}  // namespace
}  // namespace epi::train
