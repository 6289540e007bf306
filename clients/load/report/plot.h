// A plot as inline SVG: lines over seconds, or over the share of all values that are lower. Colours are those
// of the page (classes s0, s1, ...), and each line has its own dashes, for print. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace dormouse::load {

// For text within HTML and SVG.
std::string Escaped(const std::string& text);

struct Plot {
  struct Line {
    std::string name;
    std::vector<std::pair<double, double>> points = {};  // by x; no number as y: a gap
  };

  std::string title;
  std::string unit;          // of y
  bool percentiles = false;  // x is a share, from 0 to below 1, drawn so that each nine has as much room
  bool logarithmic = false;  // y; what is not above 0 is left out
  std::vector<Line> lines = {};
  std::vector<std::pair<double, std::string>> marks = {};  // at x
  std::pair<double, double> range = {};                    // of x; equal: that of the lines
  std::pair<double, double> shaded = {};                   // from and to, in x; equal: nothing

  // A figure with a caption and a legend; empty where there is nothing to be drawn.
  std::string ToHtml() const;
};

}  // namespace dormouse::load
