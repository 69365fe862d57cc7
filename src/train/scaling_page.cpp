// scaling.html: the study's charts with the tables behind them. No script, no link, no font from
// elsewhere: compute nodes are offline, and so are archives.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "train/scaling_report.hpp"
#include "train/svg_chart.hpp"

namespace epi::train {
namespace {

constexpr const char* kHead = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>epitrain: scaling study</title>
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 84rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.8rem; text-align: right; border-bottom: 1px solid #8884; }
td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.note { opacity: 0.75; max-width: 60rem; }
.warning { border-left: 0.3rem solid #d9822b; max-width: 60rem; padding-left: 0.8rem; }
</style>
</head>
<body>
)";

std::vector<double> ranks_of(const std::vector<ScalingRow>& rows) {
  std::vector<double> ranks;
  std::ranges::transform(rows, std::back_inserter(ranks),
                         [](const ScalingRow& row) { return static_cast<double>(row.ranks); });
  return ranks;
}

template <class Value>
std::vector<double> each(const std::vector<ScalingRow>& rows, Value value) {
  std::vector<double> values;
  std::ranges::transform(rows, std::back_inserter(values), value);
  return values;
}

Axis rank_axis() {
  return {.label = "ranks", .scale = Scale::log2, .from = {}, .to = {}};
}

Axis axis(const char* label, Scale scale = Scale::linear) {
  return {.label = label, .scale = scale, .from = {}, .to = {}};
}

double predicted_rate(const ScalingRow& row) {
  return row.tokens_per_s * row.steps.step_s / row.predicted_s;
}

LineChart throughput_chart(const std::string& kind, const std::vector<ScalingRow>& rows) {
  const std::vector<double> ranks = ranks_of(rows);
  const double one = rows[0].tokens_per_s / rows[0].ranks;
  return {
      .title = fmt::format("Throughput, {} scaling", kind),
      .x = rank_axis(),
      .y = axis("tokens/s"),
      .series = {{"ideal", ranks, each(rows, [&](const ScalingRow& r) { return one * r.ranks; }),
                  Mark::line, 6},
                 {"predicted", ranks, each(rows, predicted_rate), Mark::dashed, 1},
                 {"measured", ranks, each(rows, [](const ScalingRow& r) { return r.tokens_per_s; }),
                  Mark::points, 0}}};
}

LineChart efficiency_chart(const std::string& kind, const std::vector<ScalingRow>& rows) {
  const std::vector<double> ranks = ranks_of(rows);
  const double one = rows[0].tokens_per_s / rows[0].ranks;
  return {
      .title = fmt::format("Efficiency, {} scaling", kind),
      .x = rank_axis(),
      .y = axis("% of the smallest number of ranks"),
      .series = {
          {"ideal", ranks, std::vector<double>(rows.size(), 100.0), Mark::line, 6},
          {"predicted", ranks,
           each(rows,
                [&](const ScalingRow& r) { return 100.0 * predicted_rate(r) / (one * r.ranks); }),
           Mark::dashed, 1},
          {"measured", ranks, each(rows, [](const ScalingRow& r) { return 100.0 * r.efficiency; }),
           Mark::points, 0}}};
}

/// What is hidden lies on top, for it takes no time of the step's.
StackedBars split_chart(const std::string& kind, const std::vector<ScalingRow>& rows) {
  std::vector<std::string> bars;
  for (const ScalingRow& row : rows) {
    bars.push_back(fmt::format("{} rank{}", row.ranks, row.ranks == 1 ? "" : "s"));
  }
  StackedBars chart{
      .title = fmt::format("Time of a step, {} scaling", kind),
      .label = "ms",
      .bars = bars,
      .parts = {
          {"compute", each(rows, [](const ScalingRow& r) { return 1e3 * r.steps.compute_s; })},
          {"exposed exchange",
           each(rows, [](const ScalingRow& r) { return 1e3 * r.steps.exposed_s; })},
          {"input", each(rows, [](const ScalingRow& r) { return 1e3 * r.steps.input_s; })}}};
  const std::vector<double> hidden = each(rows, [](const ScalingRow& r) {
    return 1e3 * std::max(0.0, r.steps.exchange_s - r.steps.exposed_s);
  });
  if (std::ranges::max(hidden) > 0.0) {
    chart.parts.push_back({"exchange hidden behind compute", hidden});
  }
  return chart;
}

std::string charts_of(const ScalingStudy& study, ScalingKind kind) {
  const std::vector<ScalingRow> rows = study.rows_of(kind);
  if (rows.empty()) return "";
  const std::string name = name_of(kind);
  return fmt::format(
      "<h2>Measured: {} scaling</h2>\n<p class=\"note\">{}</p>\n<div "
      "class=\"charts\">\n{}{}{}</div>\n",
      name,
      kind == ScalingKind::weak ? "Each rank does the same work, however many there are."
                                : "All ranks together do the same work.",
      svg_of(throughput_chart(name, rows)), svg_of(efficiency_chart(name, rows)),
      svg_of(split_chart(name, rows)));
}

std::string cells(const char* tag, const std::vector<std::string>& values) {
  std::string text = "<tr>";
  for (const std::string& value : values) {
    text += fmt::format("<{0}>{1}</{0}>", tag, markup_escaped(value));
  }
  return text + "</tr>\n";
}

std::string table(const std::vector<std::string>& head,
                  const std::vector<std::vector<std::string>>& rows) {
  std::string text = fmt::format("<div class=\"scroll\"><table>\n{}", cells("th", head));
  for (const auto& row : rows) text += cells("td", row);
  return text + "</table></div>\n";
}

std::string measured_table(const ScalingStudy& study) {
  std::vector<std::vector<std::string>> rows;
  const auto ms = [](double seconds) { return fmt::format("{:.2f}", 1e3 * seconds); };
  for (const ScalingRow& row : study.rows) {
    const ScalingSteps& s = row.steps;
    rows.push_back({name_of(s.kind), fmt::format("{}", row.ranks), fmt::format("{}", s.windows),
                    fmt::format("{:.1f}", row.tokens_per_s),
                    fmt::format("{:.1f} %", 100.0 * row.efficiency), ms(s.step_s), ms(s.compute_s),
                    ms(s.input_s), ms(s.exchange_s), ms(s.exposed_s), ms(row.predicted_s),
                    fmt::format("{:+.1f} %", 100.0 * row.error())});
  }
  return table({"kind", "ranks", "windows a step", "tokens/s", "efficiency", "step, ms", "compute",
                "input", "exchange", "exposed", "predicted step", "error"},
               rows);
}

LineChart fit_chart(const ScalingStudy& study) {
  LineChart chart{.title = "Sums over ranks",
                  .x = axis("bytes", Scale::log10),
                  .y = axis("ms", Scale::log10),
                  .series = {}};
  int color = 0;
  for (const ScalingPoint& point : study.points) {
    if (point.sums.empty()) continue;
    dist::Network network = study.fit->network;
    network.ranks_per_node = point.ranks_per_node;
    Series measured{fmt::format("{} ranks, measured", point.ranks), {}, {}, Mark::points, color};
    Series fitted{"fitted", {}, {}, Mark::dashed, color++};
    for (const dist::ExchangeSample& sum : point.sums) {
      measured.x.push_back(sum.bytes);
      measured.y.push_back(1e3 * sum.seconds);
      fitted.x.push_back(sum.bytes);
      fitted.y.push_back(
          1e3 * dist::allreduce_seconds(study.fit->algorithm, network, point.ranks, sum.bytes));
    }
    chart.series.push_back(measured);
    chart.series.push_back(fitted);
  }
  return chart;
}

/// One curve a network over 1 to 4,096 ranks.
template <class Value>
LineChart outlook_chart(LineChart chart, const ScalingOutlook& outlook, Value value) {
  int color = 0;
  for (const dist::Network& network : outlook.networks) {
    Series series{network.name, {}, {}, Mark::dashed, color++};
    for (const int ranks : predicted_ranks()) {
      series.x.push_back(ranks);
      series.y.push_back(value(network, ranks));
    }
    chart.series.push_back(series);
  }
  return chart;
}

LineChart outlook_efficiency(const Pace& pace, const ScalingOutlook& outlook) {
  return outlook_chart({.title = "Weak scaling, predicted",
                        .x = rank_axis(),
                        .y = axis("% of one rank, best algorithm"),
                        .series = {}},
                       outlook, [&](const dist::Network& network, int ranks) {
                         return 100.0 * predicted_tokens_per_s(pace.step, network, ranks) /
                                predicted_tokens_per_s(pace.step, network, 1) / ranks;
                       });
}

LineChart outlook_days(const Pace& pace, const ScalingOutlook& outlook) {
  LineChart chart = outlook_chart({.title = "Reference job, predicted",
                                   .x = rank_axis(),
                                   .y = axis("days", Scale::log10),
                                   .series = {}},
                                  outlook, [&](const dist::Network& network, int ranks) {
                                    return reference_days(pace.step, network, ranks);
                                  });
  const std::vector<double> ends{1.0, 4096.0};
  chart.series.push_back({"CS-1: 2.5 d", ends, {kCs1Days, kCs1Days}, Mark::line, 4});
  chart.series.push_back({"16 GPU nodes: 24 d", ends, {kClusterDays, kClusterDays}, Mark::line, 6});
  return chart;
}

std::string count_or_none(const std::optional<int>& ranks) {
  return ranks ? fmt::format("{}", *ranks) : "none";
}

std::string algorithm_table(const Pace& pace, const ScalingOutlook& outlook) {
  std::vector<std::vector<std::string>> rows;
  for (const dist::Network& network : outlook.networks) {
    for (const dist::Allreduce algorithm : dist::kAllreduces) {
      std::vector<std::string> row{fmt::format("{}, {}", network.title, name_of(algorithm))};
      for (const int ranks : {8, 64, 512, 4096}) {
        const PredictedStep step = predicted_step(pace.step, algorithm, network, ranks);
        row.push_back(fmt::format("{:.1f} %, {:.1f} ms", 100.0 * pace.step.seconds / step.step_s,
                                  1e3 * step.step_s));
      }
      rows.push_back(row);
    }
  }
  return table({"predicted efficiency, step", "8 ranks", "64", "512", "4096"}, rows);
}

std::string reference_table(const Pace& pace, const ScalingOutlook& outlook) {
  std::vector<std::vector<std::string>> rows;
  for (const dist::Network& network : outlook.networks) {
    std::vector<std::string> row{network.title};
    for (const int ranks : {1, 8, 64, 512, 4096}) {
      row.push_back(days_text(reference_days(pace.step, network, ranks)));
    }
    row.push_back(count_or_none(ranks_for(kCs1Days, pace.step, network)));
    row.push_back(count_or_none(ranks_for(kClusterDays, pace.step, network)));
    rows.push_back(row);
  }
  return table({"predicted days", "1 rank", "8", "64", "512", "4096", "ranks for 2.5 days",
                "ranks for 24 days"},
               rows);
}

/// A paragraph that nobody overlooks; nothing for "".
std::string warning(const std::string& text) {
  if (text.empty()) return "";
  return fmt::format("<p class=\"warning\">{}</p>\n", markup_escaped(text));
}

std::string outlook_of(const Pace& pace, const ScalingOutlook& outlook) {
  return fmt::format(
      "<h2>Predicted: {}</h2>\n<p class=\"note\">A BERT of base size, {} tokens a rank and step, "
      "{} "
      "tokens/s alone; so the batch grows with the ranks.</p>\n<div "
      "class=\"charts\">\n{}{}</div>\n{}{}<p></p>\n{}",
      markup_escaped(pace.name), short_number(pace.step.tokens),
      short_number(pace.step.tokens / pace.step.seconds), svg_of(outlook_efficiency(pace, outlook)),
      svg_of(outlook_days(pace, outlook)), warning(pace.note), algorithm_table(pace, outlook),
      reference_table(pace, outlook));
}

}  // namespace

std::string scaling_html(const ScalingStudy& study, const ScalingOutlook& outlook) {
  std::string text = kHead;
  text +=
      fmt::format("<h1>Scaling study</h1>\n<p class=\"note\">Synthetic training steps: {}</p>\n",
                  markup_escaped(setting_line(study.setting)));
  for (const ScalingKind kind : {ScalingKind::weak, ScalingKind::strong}) {
    text += charts_of(study, kind);
  }
  text +=
      fmt::format("<h2>Measured, with the cost model's prediction</h2>\n{}", measured_table(study));
  text += warning(misprediction_line(study));
  text +=
      "<p class=\"note\">A step is predicted as what each rank computes, measured with all ranks "
      "at work but without their sums, and the sums that nothing hides, by the fit below. "
      "\"Exposed\" holds waiting for slower ranks too.</p>\n";
  text +=
      fmt::format("<h2>Exchange</h2>\n<p class=\"note\">{}</p>\n", markup_escaped(fit_line(study)));
  if (study.fit) {
    text += fmt::format("<div class=\"charts\">\n{}</div>\n", svg_of(fit_chart(study)));
  }
  for (const Pace& pace : paces_of(study, outlook)) text += outlook_of(pace, outlook);
  text += fmt::format("<p class=\"note\">{}</p>\n</body>\n</html>\n",
                      markup_escaped(reference_assumption()));
  return text;
}

}  // namespace epi::train
