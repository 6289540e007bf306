#include <algorithm>

#include "clients/load/report/numbers.h"
#include "clients/load/report/plot.h"
#include "clients/load/report/result.h"

namespace dormouse::load {
namespace {

// More points than a plot has room for say nothing.
constexpr size_t kPoints = 400;

constexpr char kStyle[] = R"css(
:root { color-scheme: light dark;
  --paper: #ffffff; --ink: #1c2024; --faint: #5b6570; --line: #d9dee3; --shade: #eef3f8;
  --good: #17703f; --bad: #b3261e;
  --c0: #1f5fbf; --c1: #b6510b; --c2: #17703f; --c3: #7b3fb5; --c4: #0b7285; --c5: #8a6d00; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #15181c; --ink: #e6e9ec; --faint: #a3adb8; --line: #333a42; --shade: #1e252d;
  --good: #6fd19b; --bad: #ff8a80;
  --c0: #7db1ff; --c1: #ffa566; --c2: #6fd19b; --c3: #cf9cff; --c4: #66d0e0; --c5: #e5c558; } }
@media print { :root { color-scheme: light;
  --paper: #ffffff; --ink: #000000; --faint: #333333; --line: #cccccc; --shade: #f0f0f0;
  --good: #17703f; --bad: #b3261e;
  --c0: #1f5fbf; --c1: #b6510b; --c2: #17703f; --c3: #7b3fb5; --c4: #0b7285; --c5: #8a6d00; }
  figure, table { break-inside: avoid; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 66rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { margin: 0 0 .2rem; font-size: 1.5rem; }
h2 { margin: 1.6rem 0 .5rem; font-size: 1.1rem; }
p { margin: .2rem 0; }
.faint, figcaption span, dt { color: var(--faint); }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
code, pre { font: .87em ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; }
.plots { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); }
figure { margin: 0; }
figcaption { font-weight: 600; margin-bottom: .2rem; }
figcaption span { font-weight: 400; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--faint); }
figure ul { display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: .2rem 0 0; padding: 0; list-style: none; }
figure li { display: flex; align-items: center; gap: .4rem; font-size: .87rem; }
svg.key { width: 28px; flex: none; }
path { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.s0 { stroke: var(--c0); } .s1 { stroke: var(--c1); stroke-dasharray: 7 2; }
.s2 { stroke: var(--c2); stroke-dasharray: 2 2; } .s3 { stroke: var(--c3); stroke-dasharray: 9 2 2 2; }
.s4 { stroke: var(--c4); stroke-dasharray: 4 3; } .s5 { stroke: var(--c5); stroke-dasharray: 1 3; }
.grid { stroke: var(--line); stroke-width: .7; }
.mark { stroke: var(--bad); stroke-width: 1; stroke-dasharray: 3 3; }
.shaded { fill: var(--shade); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td.unit { text-align: left; color: var(--faint); white-space: normal; }
thead th { color: var(--faint); font-weight: 400; }
tbody th { font-weight: 400; }
)css";

// A value of each sample, or of each so many samples the mean, or the highest.
Plot::Line LineOf(const Result& result, const std::string& name, bool highest, auto value_of) {
  Plot::Line line{.name = name};
  const size_t together = (result.samples.size() + kPoints - 1) / kPoints;
  for (size_t i = 0; i < result.samples.size(); i += together) {
    const size_t end = std::min(i + together, result.samples.size());
    double sum = 0;
    double most = 0;
    for (size_t k = i; k < end; ++k) {
      sum += value_of(result.samples[k]);
      most = std::max(most, value_of(result.samples[k]));
    }
    line.points.emplace_back(result.samples[end - 1].at, highest ? most : sum / static_cast<double>(end - i));
  }
  return line;
}

// The share of all values that a bucket and those below it hold, with the bucket's value in milliseconds.
Plot::Line LineOf(const Distribution& distribution) {
  Plot::Line line{.name = distribution.name};
  const Histogram& histogram = distribution.histogram;
  const auto all = static_cast<double>(histogram.count());
  double below = 0;
  double drawn = -1;
  for (size_t i = 0; i < histogram.counts().size(); ++i) {
    if (histogram.counts()[i] == 0) continue;
    const auto milliseconds = static_cast<double>(std::min(Buckets::HighestOf(i), histogram.longest())) / 1e6;
    // A step: this bucket's value holds from what is below it on. Not more of them than can be seen.
    const double nines = -std::log10(1 - below / all);
    below += static_cast<double>(histogram.counts()[i]);
    if (nines - drawn < 0.005 && below < all) continue;
    drawn = nines;
    line.points.emplace_back((below - static_cast<double>(histogram.counts()[i])) / all, milliseconds);
  }
  return line;
}

std::string PlotsHtml(const Result& result) {
  Plot overview{.title = "Answers and deliveries", .unit = "a second"};
  overview.lines.push_back(
      LineOf(result, "a second", false, [](const Sample& sample) { return sample.rate; }));
  Plot ready{.title = "Connections that are ready", .unit = ""};
  ready.lines.push_back(
      LineOf(result, "ready", false, [](const Sample& sample) { return static_cast<double>(sample.ready); }));
  const std::string first = result.distributions.empty() ? "" : result.distributions.front().name;
  Plot latency{.title = "Latency over time: " + first, .unit = "ms", .logarithmic = true};
  latency.lines.push_back(LineOf(result, "p50", false, [](const Sample& sample) { return sample.p50_ms; }));
  latency.lines.push_back(LineOf(result, "p99", true, [](const Sample& sample) { return sample.p99_ms; }));
  latency.lines.push_back(
      LineOf(result, "longest", true, [](const Sample& sample) { return sample.longest_ms; }));
  Plot cores{.title = "Processor", .unit = "cores"};
  Plot memory{.title = "Memory", .unit = "resident MiB"};
  for (size_t i = 0; i < result.processes.size(); ++i) {
    cores.lines.push_back(
        LineOf(result, result.processes[i], false, [i](const Sample& s) { return s.cores[i]; }));
    memory.lines.push_back(
        LineOf(result, result.processes[i], false, [i](const Sample& s) { return s.mebibytes[i]; }));
  }
  Plot distribution{
      .title = "Latency by share of all", .unit = "ms", .percentiles = true, .logarithmic = true};
  for (const Distribution& one : result.distributions) {
    if (one.histogram.count() > 0) distribution.lines.push_back(LineOf(one));
  }
  std::string html = distribution.ToHtml();
  for (Plot* plot : {&overview, &latency, &cores, &memory, &ready}) {
    plot->marks = result.marks;
    if (!result.samples.empty()) plot->range = {0, result.samples.back().at};
    plot->shaded = {result.measured_from, result.measured_to};
    html += plot->ToHtml();
  }
  return html;
}

// A column for each distribution: a phone has room for four of them.
std::string PercentilesHtml(const Result& result) {
  std::vector<const Distribution*> shown;
  for (const Distribution& one : result.distributions) {
    if (one.histogram.count() > 0) shown.push_back(&one);
  }
  if (shown.empty()) return "";
  std::string html = "<h2>Latency</h2>\n<div class=\"scroll\"><table><thead><tr><th></th>";
  for (const Distribution* one : shown) html += "<th>" + Escaped(one->name) + "</th>";
  html += "</tr></thead><tbody>\n";
  for (const auto& [name, share] : kPercentiles) {
    html += std::string("<tr><th scope=\"row\">") + name + "</th>";
    for (const Distribution* one : shown) {
      html += "<td>" + ReadableTime(static_cast<double>(one->histogram.ValueAt(share))) + "</td>";
    }
    html += "</tr>\n";
  }
  html += "<tr><th scope=\"row\">values</th>";
  for (const Distribution* one : shown) {
    html += "<td>" + Readable(static_cast<double>(one->histogram.count())) + "</td>";
  }
  html += "</tr>\n</tbody></table></div>\n";
  for (const Distribution* one : shown) {
    html += "<p class=\"faint\">" + Escaped(one->name) + ": " + Escaped(one->says) + "</p>\n";
  }
  return html;
}

std::string FiguresHtml(const Result& result) {
  std::string html = "<h2>Figures</h2>\n<div class=\"scroll\"><table><tbody>\n";
  for (const Figure& figure : result.figures) {
    html += "<tr><th scope=\"row\">" + Escaped(figure.name) + "</th><td>" + Readable(figure.value) +
            "</td><td class=\"unit\">" + Escaped(figure.unit) + "</td></tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string VerdictHtml(const Result& result) {
  if (result.wrong() == 0) return "<p class=\"good\">All replies were as they should be.</p>\n";
  std::string html = "<p class=\"bad\">Not all replies were as they should be:";
  for (const auto& [name, count] : result.faults) {
    if (count > 0) html += " " + Escaped(name) + " " + Readable(static_cast<double>(count));
  }
  html += "</p>\n<pre>";
  for (const std::string& words : result.words) html += Escaped(words) + "\n";
  return html + "</pre>\n";
}

}  // namespace

std::string ToHtml(const Result& result) {
  const std::string title = "dormouse-load " + result.scenario;
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
         Escaped(title + ", " + result.when) + "</title>\n<style>" + kStyle +
         "</style></head>\n<body>\n<h1>" + Escaped(title) + "</h1>\n<p>" + Escaped(result.about) + "</p>\n" +
         VerdictHtml(result) + "<p class=\"faint\">" +
         Escaped(result.when + ", version " + result.version + ", " + result.machine) +
         "</p>\n<p class=\"faint\"><code>" + Escaped(result.command) +
         "</code></p>\n<h2>Plots</h2>\n<p class=\"faint\">Over time: the shaded part is what "
         "was measured.</p>\n<div class=\"plots\">\n" +
         PlotsHtml(result) + "</div>\n" + PercentilesHtml(result) + FiguresHtml(result) + "</body></html>";
}

}  // namespace dormouse::load
