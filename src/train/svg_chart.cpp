// Drawing of charts: a frame with axes and a legend, then lines or bars inside it.
#include "train/svg_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.hpp"

namespace epi::train {
namespace {

constexpr double kLeft = 70.0, kRight = 18.0, kTop = 62.0, kBottom = 48.0;  // around the plot
constexpr double kLetter = 6.6;  // mean width of one, in a font of 12

/// Told apart by people of all kinds of colour vision (Okabe and Ito 2008), without its yellow and
/// black, which vanish on white and on dark pages.
constexpr std::array<const char*, 7> kPalette = {"#0072B2", "#E69F00", "#009E73", "#D55E00",
                                                 "#CC79A7", "#56B4E9", "#8C8C8C"};

const char* color_of(int number) {
  return kPalette[static_cast<std::size_t>(number) % kPalette.size()];
}

/// A range of values and the pixels it lies on.
struct Span {
  Scale scale = Scale::linear;
  double from = 0.0, to = 1.0;
  double at = 0.0, until = 1.0;  ///< pixels of both ends

  [[nodiscard]] bool draws(double value) const {
    return std::isfinite(value) && (scale == Scale::linear || value > 0.0);
  }
  [[nodiscard]] double place(double value) const {
    const bool log = scale != Scale::linear;
    const double low = log ? std::log(from) : from;
    const double high = log ? std::log(to) : to;
    return at + (until - at) * ((log ? std::log(value) : value) - low) / (high - low);
  }
};

/// The axis' own bounds, or those of the data with a little air above.
Span span_of(const Axis& axis, const std::vector<double>& values, double at, double until) {
  Span span{axis.scale, 0.0, 1.0, at, until};
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const double value : values) {
    if (!span.draws(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) low = 1.0, high = 2.0;  // nothing to draw
  if (axis.scale == Scale::linear) {
    low = std::min(low, 0.0);
    high = high > low ? high + 0.06 * (high - low) : low + 1.0;
  } else if (high <= low * 1.001) {
    low /= std::sqrt(2.0);
    high *= std::sqrt(2.0);
  } else if (axis.scale == Scale::log10) {
    const double air = std::pow(high / low, 0.04);
    low /= air;
    high *= air;
  }
  span.from = axis.from.value_or(low);
  span.to = axis.to.value_or(high);
  return span;
}

std::string text_at(double x, double y, const std::string& anchor, const std::string& text,
                    const std::string& more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                     anchor, more, markup_escaped(text));
}

std::string line_from(double x1, double y1, double x2, double y2, const std::string& more) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1,
                     x2, y2, more);
}

constexpr const char* kGrid = "stroke=\"currentColor\" stroke-opacity=\"0.15\"";
constexpr const char* kAxis = "stroke=\"currentColor\" stroke-opacity=\"0.6\"";

struct Frame {
  Span x, y;
};

std::string opening(const std::string& title, const ChartSize& size) {
  return fmt::format(
             "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
             "role=\"img\" aria-label=\"{2}\" style=\"max-width:100%;height:auto\" "
             "font-family=\"system-ui,sans-serif\" font-size=\"12\" fill=\"currentColor\">\n",
             size.width, size.height, markup_escaped(title)) +
         text_at(kLeft, 20.0, "start", title, " font-size=\"15\" font-weight=\"600\"");
}

std::string y_axis(const Frame& frame, const std::string& label) {
  std::string text;
  for (const double tick : ticks_of(frame.y.scale, frame.y.from, frame.y.to)) {
    const double y = frame.y.place(tick);
    text += line_from(frame.x.at, y, frame.x.until, y, kGrid);
    text += text_at(frame.x.at - 6.0, y + 4.0, "end", short_number(tick));
  }
  const double middle = 0.5 * (frame.y.at + frame.y.until);
  return text + text_at(0.0, 0.0, "middle", label,
                        fmt::format(" transform=\"translate(16 {:.1f}) rotate(-90)\"", middle));
}

std::string x_axis(const Frame& frame, const std::string& label) {
  std::string text = line_from(frame.x.at, frame.y.at, frame.x.until, frame.y.at, kAxis);
  for (const double tick : ticks_of(frame.x.scale, frame.x.from, frame.x.to)) {
    const double x = frame.x.place(tick);
    text += line_from(x, frame.y.at, x, frame.y.at + 4.0, kAxis);
    text += text_at(x, frame.y.at + 18.0, "middle", short_number(tick));
  }
  return text + text_at(0.5 * (frame.x.at + frame.x.until), frame.y.at + 38.0, "middle", label);
}

/// Names beside a sample of their mark, in rows of the plot's width.
class Legend {
 public:
  explicit Legend(const ChartSize& size) : width_(size.width - kRight) {}

  std::string entry(const std::string& name, const std::string& sample) {
    const double needed = 30.0 + kLetter * static_cast<double>(name.size());
    if (x_ > kLeft && x_ + needed > width_) {
      x_ = kLeft;
      y_ += 16.0;
    }
    const std::string text =
        fmt::format("<g transform=\"translate({:.1f} {:.1f})\">{}</g>\n", x_, y_, sample) +
        text_at(x_ + 24.0, y_ + 4.0, "start", name);
    x_ += needed + 10.0;
    return text;
  }

 private:
  double width_;
  double x_ = kLeft, y_ = 36.0;
};

int color_number(const LineChart& chart, std::size_t index) {
  const int chosen = chart.series[index].color;
  return chosen >= 0 ? chosen : static_cast<int>(index);
}

std::string stroke_of(const Series& series, int color) {
  return fmt::format("fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{}", color_of(color),
                     series.mark == Mark::dashed ? " stroke-dasharray=\"6 4\"" : "");
}

std::string sample_of(const Series& series, int color) {
  std::string text = fmt::format("<path d=\"M0 0H18\" {}/>", stroke_of(series, color));
  if (series.mark == Mark::points) {
    text += fmt::format("<circle cx=\"9\" cy=\"0\" r=\"4\" fill=\"{}\"/>", color_of(color));
  }
  return text;
}

std::string dot(const Frame& frame, const Series& series, std::size_t i, int color) {
  return fmt::format(
      "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\"><title>{}: {} at {}</title>"
      "</circle>\n",
      frame.x.place(series.x[i]), frame.y.place(series.y[i]), color_of(color),
      markup_escaped(series.name), short_number(series.y[i]), short_number(series.x[i]));
}

std::string drawn(const Frame& frame, const Series& series, int color) {
  std::string path, dots;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!frame.x.draws(series.x[i]) || !frame.y.draws(series.y[i])) continue;
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? 'M' : 'L', frame.x.place(series.x[i]),
                        frame.y.place(series.y[i]));
    if (series.mark == Mark::points) dots += dot(frame, series, i, color);
  }
  if (path.empty()) return "";
  return fmt::format("<path d=\"{}\" {}><title>{}</title></path>\n", path, stroke_of(series, color),
                     markup_escaped(series.name)) +
         dots;
}

/// One part of one bar, with a tooltip.
std::string block(const Span& y, double x, double width, double below, double value,
                  const std::string& tooltip, int color) {
  const double top = y.place(below + value);
  return fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\">"
      "<title>{}</title></rect>\n",
      x, top, width, y.place(below) - top, color_of(color), markup_escaped(tooltip));
}

}  // namespace

std::string markup_escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped.push_back(c);
    }
  }
  return escaped;
}

std::string svg_of(const LineChart& chart, const ChartSize& size) {
  std::vector<double> x, y;
  for (const Series& series : chart.series) {
    core::require(series.x.size() == series.y.size(), "a point has both coordinates");
    x.insert(x.end(), series.x.begin(), series.x.end());
    y.insert(y.end(), series.y.begin(), series.y.end());
  }
  Axis x_scale = chart.x;  // a linear x axis begins where its data does
  if (x_scale.scale == Scale::linear && !x_scale.from && !x.empty()) {
    x_scale.from = *std::min_element(x.begin(), x.end());
  }
  const Frame frame{span_of(x_scale, x, kLeft, size.width - kRight),
                    span_of(chart.y, y, size.height - kBottom, kTop)};
  std::string text =
      opening(chart.title, size) + y_axis(frame, chart.y.label) + x_axis(frame, chart.x.label);
  Legend legend(size);
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const Series& series = chart.series[i];
    const int color = color_number(chart, i);
    text += drawn(frame, series, color);
    if (!series.name.empty()) text += legend.entry(series.name, sample_of(series, color));
  }
  return text + "</svg>\n";
}

std::string svg_of(const StackedBars& chart, const ChartSize& size) {
  const std::size_t count = chart.bars.size();
  std::vector<double> sums(count, 0.0);
  for (const BarPart& part : chart.parts) {
    core::require(part.values.size() == count, "each part has a value for each bar");
    for (std::size_t i = 0; i < count; ++i) sums[i] += part.values[i];
  }
  const Span x{Scale::linear, 0.0, 1.0, kLeft, size.width - kRight};
  const Frame frame{x, span_of({}, sums, size.height - kBottom, kTop)};
  std::string text = opening(chart.title, size) + y_axis(frame, chart.label) +
                     line_from(x.at, frame.y.at, x.until, frame.y.at, kAxis);
  const double place = (x.until - x.at) / static_cast<double>(std::max<std::size_t>(1, count));
  const double width = std::min(90.0, 0.6 * place);
  std::vector<double> below(count, 0.0);
  Legend legend(size);
  for (std::size_t p = 0; p < chart.parts.size(); ++p) {
    const BarPart& part = chart.parts[p];
    const int color = static_cast<int>(p);
    for (std::size_t i = 0; i < count; ++i) {
      const double left = x.at + (static_cast<double>(i) + 0.5) * place - 0.5 * width;
      const std::string tooltip =
          fmt::format("{}, {}: {}", chart.bars[i], part.name, short_number(part.values[i]));
      text += block(frame.y, left, width, below[i], part.values[i], tooltip, color);
      below[i] += part.values[i];
    }
    text += legend.entry(part.name, fmt::format("<rect x=\"3\" y=\"-6\" width=\"12\" height=\"12\" "
                                                "fill=\"{}\"/>",
                                                color_of(color)));
  }
  for (std::size_t i = 0; i < count; ++i) {
    text += text_at(x.at + (static_cast<double>(i) + 0.5) * place, frame.y.at + 18.0, "middle",
                    chart.bars[i]);
  }
  return text + "</svg>\n";
}

}  // namespace epi::train
