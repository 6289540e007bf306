#include "deploy/ctl/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace dormouse {
namespace {

struct Unit {
  int64_t milliseconds;
  const char* name;
};
constexpr Unit kUnits[] = {{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "min"}, {1000, "s"}};

}  // namespace

Table::Table(std::vector<std::string> headings) {
  for (std::string& heading : headings) {
    right_.push_back(heading.starts_with('>'));
    if (right_.back()) heading.erase(0, 1);
  }
  rows_.push_back(std::move(headings));
}

std::string Table::Text() const {
  std::vector<size_t> widths(right_.size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      line += right_[i] ? fmt::format("{:>{}}", row[i], widths[i]) : fmt::format("{:<{}}", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string HumanTime(int64_t milliseconds) {
  if (milliseconds < 0) return "0 ms";
  if (milliseconds < 1000) return fmt::format("{} ms", milliseconds);
  for (size_t i = 0; i < std::size(kUnits); ++i) {
    const Unit& unit = kUnits[i];
    if (milliseconds < unit.milliseconds) continue;
    std::string text = fmt::format("{} {}", milliseconds / unit.milliseconds, unit.name);
    if (i + 1 < std::size(kUnits)) {
      const Unit& smaller = kUnits[i + 1];
      const int64_t rest = milliseconds % unit.milliseconds / smaller.milliseconds;
      if (rest > 0) text += fmt::format(" {} {}", rest, smaller.name);
    }
    return text;
  }
  return "";
}

std::string HumanSize(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double size = static_cast<double>(bytes);
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (size >= 1024 && unit + 1 < std::size(units)) {
    size /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", size, units[unit]);
}

std::string HumanNumber(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, 1, ',');
  return text;
}

std::string HumanRate(double per_second) {
  if (per_second >= 10) return HumanNumber(static_cast<uint64_t>(std::llround(per_second)));
  return per_second > 0 ? fmt::format("{:.1f}", per_second) : "0";
}

}  // namespace dormouse
