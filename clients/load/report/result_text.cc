#include <cstdio>

#include "clients/load/report/numbers.h"
#include "clients/load/report/result.h"

namespace dormouse::load {
namespace {

constexpr int kName = 30;

std::string Line(const std::string& name, const std::string& rest) {
  std::string line = "  " + name;
  line.append(line.size() < kName ? kName - line.size() : 1, ' ');
  return line + rest + "\n";
}

}  // namespace

std::string ToText(const Result& result) {
  std::string text = result.scenario + ": " + result.about + "\n";
  for (const Figure& figure : result.figures) {
    text += Line(figure.name, Readable(figure.value) + (figure.unit.empty() ? "" : " " + figure.unit));
  }
  for (const Distribution& distribution : result.distributions) {
    const Histogram& histogram = distribution.histogram;
    if (histogram.count() == 0) continue;
    std::string percentiles;
    for (const auto& [name, share] : kPercentiles) {
      percentiles +=
          std::string(name) + " " + ReadableTime(static_cast<double>(histogram.ValueAt(share))) + "  ";
    }
    percentiles.resize(percentiles.size() - 2);
    text += Line(distribution.name, percentiles);
  }
  for (const std::string& words : result.words) text += words + "\n";
  if (result.wrong() == 0) return text + "all as it should be\n";
  text += "not as it should be:";
  for (const auto& [name, count] : result.faults) {
    if (count > 0) text += " " + name + " " + std::to_string(count);
  }
  return text + "\n";
}

}  // namespace dormouse::load
