// Charts as text: inline SVG for pages that must open anywhere, without a script or a network.
// Two kinds carry all our reports: lines over a linear or logarithmic axis, and stacked bars.
// Text and axes take the colour of the page around them, so that dark pages work; every mark has a
// tooltip with its numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace epi::train {

/// Text as it may stand between tags and in quoted attributes of HTML and SVG.
[[nodiscard]] std::string markup_escaped(const std::string& text);
/// Three digits and a prefix: 950, 1.23 K, 45.6 M, 0.012; for ticks and tooltips.
[[nodiscard]] std::string short_number(double value);

enum class Scale : std::uint8_t { linear, log2, log10 };

struct Axis {
  std::string label;  ///< with its unit
  Scale scale = Scale::linear;
  std::optional<double> from, to;  ///< of the data where absent; linear ones then include 0
};

/// Values of an axis that get a tick, ascending, within [from, to]: round ones, ten at most.
[[nodiscard]] std::vector<double> ticks_of(Scale scale, double from, double to);

enum class Mark : std::uint8_t {
  line,    ///< for many points
  dashed,  ///< for what was not measured
  points,  ///< a line with a dot at each point
};

struct Series {
  std::string name;          ///< in the legend; "": not there
  std::vector<double> x, y;  ///< of one length; points that are not finite, or not positive on a
                             ///< logarithmic axis, are left out
  Mark mark = Mark::points;
  int color = -1;  ///< number in the palette; -1: the series' place in the chart
};

struct LineChart {
  std::string title;
  Axis x, y;
  std::vector<Series> series;
};

struct BarPart {
  std::string name;
  std::vector<double> values;  ///< one per bar, not negative
};

struct StackedBars {
  std::string title;
  std::string label;  ///< of the values, with their unit
  std::vector<std::string> bars;
  std::vector<BarPart> parts;  ///< from the bottom up
};

struct ChartSize {
  int width = 640, height = 360;  ///< of the drawing's own units; pages scale it
};

/// One <svg> element. LogicError when a series' x and y differ in length.
[[nodiscard]] std::string svg_of(const LineChart& chart, const ChartSize& size = {});
/// The same for bars.
[[nodiscard]] std::string svg_of(const StackedBars& chart, const ChartSize& size = {});

}  // namespace epi::train
