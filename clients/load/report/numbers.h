// Numbers as people read them. Pure functions.
#pragma once

#include <cmath>
#include <cstdio>
#include <string>

namespace dormouse::load {

// Three significant digits, or all of a whole number below a million: "0.312", "24.7", "5120", "1,200,000".
inline std::string Readable(double value) {
  char text[64];
  const double size = std::fabs(value);
  if (std::isnan(value)) return "-";
  if (size >= 100 || value == std::floor(value)) {
    std::snprintf(text, sizeof(text), "%.0f", value);
    std::string digits = text;
    for (size_t at = digits.size(); at > 3 && digits[at - 4] != '-'; at -= 3) digits.insert(at - 3, ",");
    return digits;
  }
  std::snprintf(text, sizeof(text), size >= 10 ? "%.1f" : size >= 1 ? "%.2f" : "%.3f", value);
  return text;
}

// Nanoseconds in the unit that suits: "31 us", "0.312 ms", "4.25 s".
inline std::string ReadableTime(double nanos) {
  if (nanos < 1e5) return Readable(nanos / 1e3) + " us";
  if (nanos < 1e9) return Readable(nanos / 1e6) + " ms";
  return Readable(nanos / 1e9) + " s";
}

// As JSON has numbers; what is none is null.
inline std::string Exact(double value) {
  char text[64];
  if (!std::isfinite(value)) return "null";
  std::snprintf(text, sizeof(text), value == std::floor(value) && std::fabs(value) < 1e15 ? "%.0f" : "%.6g",
                value);
  return text;
}

}  // namespace dormouse::load
