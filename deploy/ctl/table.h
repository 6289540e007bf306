// Output for people: aligned columns, times and sizes as one says them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dormouse {

// Columns whose heading begins with '>' are set to the right, without the sign. A line is as wide as its
// cells; the last column has no padding.
class Table {
 public:
  explicit Table(std::vector<std::string> headings);
  void Add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string Text() const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

std::string HumanTime(int64_t milliseconds);  // "850 ms", "12 s", "3 min 20 s", "2 h 5 min", "4 d 3 h"
std::string HumanSize(uint64_t bytes);        // "512 B", "1.5 KiB", "2.0 GiB"
std::string HumanRate(double per_second);     // "0", "0.4", "12,345"
std::string HumanNumber(uint64_t number);     // "1,234,567"

}  // namespace dormouse
