#include "clients/load/report/plot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "clients/load/report/numbers.h"

namespace dormouse::load {
namespace {

// So small that text is readable where a phone shows the plot over its whole width.
constexpr double kWidth = 400;
constexpr double kHeight = 240;
constexpr double kLeft = 52;
constexpr double kRight = 10;
constexpr double kTop = 12;
constexpr double kBottom = 26;
constexpr size_t kStyles = 6;
constexpr double kMostNines = 5;

std::string At(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f", value);
  return text;
}

std::string Text(double x, double y, const char* anchor, const std::string& text) {
  return "<text x=\"" + At(x) + "\" y=\"" + At(y) + "\" text-anchor=\"" + anchor + "\">" + Escaped(text) +
         "</text>";
}

// 1, 2 or 5 times a power of ten, so that there are about so many steps.
double Step(double range, double steps) {
  const double raw = range / steps;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power) return factor * power;
  }
  return 10 * power;
}

struct Axis {
  double low = 0;
  double high = 1;
  bool logarithmic = false;

  // From 0 to 1.
  double Place(double value) const {
    if (!logarithmic) return (value - low) / (high - low);
    return (std::log10(value) - std::log10(low)) / (std::log10(high) - std::log10(low));
  }
  std::vector<double> Ticks(double steps) const {
    std::vector<double> ticks;
    if (!logarithmic) {
      const double step = Step(high - low, steps);
      for (double tick = std::ceil(low / step) * step; tick <= high * (1 + 1e-9); tick += step)
        ticks.push_back(tick);
      return ticks;
    }
    const bool few = high / low < 200;
    for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10) {
      for (const double factor : {1.0, 2.0, 5.0}) {
        const double tick = factor * power;
        if ((factor == 1 || few) && tick >= low * 0.999 && tick <= high * 1.001) ticks.push_back(tick);
      }
    }
    return ticks;
  }
};

double Nines(double share) { return std::min(-std::log10(1 - share), kMostNines); }

class Drawing {
 public:
  explicit Drawing(const Plot& plot) : plot_(plot) {
    x_ = {.low = std::numeric_limits<double>::infinity(), .high = -x_.low};
    double least = std::numeric_limits<double>::infinity();
    double most = 0;
    for (const Plot::Line& line : plot.lines) {
      for (const auto& [x, y] : line.points) {
        if (!Shown(y)) continue;
        any_ = true;
        x_.low = std::min(x_.low, X(x));
        x_.high = std::max(x_.high, X(x));
        least = std::min(least, y);
        most = std::max(most, y);
      }
    }
    if (plot.percentiles) x_.low = 0;
    if (plot.range.second > plot.range.first) x_ = {.low = plot.range.first, .high = plot.range.second};
    if (x_.high <= x_.low) x_.high = x_.low + 1;
    y_ = plot.logarithmic ? Axis{.low = least / 1.2, .high = most * 1.2, .logarithmic = true}
                          : Axis{.low = 0, .high = most > 0 ? most * 1.08 : 1};
  }

  bool any() const { return any_; }

  std::string Svg() const {
    std::string svg = "<svg viewBox=\"0 0 " + At(kWidth) + " " + At(kHeight) +
                      "\" role=\"img\" aria-label=\"" + Escaped(plot_.title) + "\">";
    if (plot_.shaded.second > plot_.shaded.first) {
      const double from = Across(std::max(X(plot_.shaded.first), x_.low));
      const double to = Across(std::min(X(plot_.shaded.second), x_.high));
      svg += "<rect class=\"shaded\" x=\"" + At(from) + "\" y=\"" + At(kTop) + "\" width=\"" +
             At(std::max(to - from, 0.0)) + "\" height=\"" + At(kHeight - kTop - kBottom) + "\"/>";
    }
    svg += YTicks() + XTicks();
    for (size_t i = 0; i < plot_.lines.size(); ++i) svg += Path(plot_.lines[i], i);
    for (const auto& [x, name] : plot_.marks) {
      if (X(x) < x_.low || X(x) > x_.high) continue;
      const double at = Across(X(x));
      svg += "<line class=\"mark\" x1=\"" + At(at) + "\" x2=\"" + At(at) + "\" y1=\"" + At(kTop) +
             "\" y2=\"" + At(kHeight - kBottom) + "\"/>";
      const bool left = at > kWidth * 0.7;
      svg += Text(at + (left ? -3 : 3), kTop + 10, left ? "end" : "start", name);
    }
    return svg + "</svg>";
  }

 private:
  bool Shown(double y) const { return std::isfinite(y) && (!plot_.logarithmic || y > 0); }
  double X(double x) const { return plot_.percentiles ? Nines(x) : x; }
  double Across(double x) const { return kLeft + x_.Place(x) * (kWidth - kLeft - kRight); }
  double Up(double y) const { return kHeight - kBottom - y_.Place(y) * (kHeight - kTop - kBottom); }

  std::string YTicks() const {
    std::string svg;
    for (const double tick : y_.Ticks(5)) {
      svg += "<line class=\"grid\" x1=\"" + At(kLeft) + "\" x2=\"" + At(kWidth - kRight) + "\" y1=\"" +
             At(Up(tick)) + "\" y2=\"" + At(Up(tick)) + "\"/>" +
             Text(kLeft - 5, Up(tick) + 4, "end", Short(tick));
    }
    return svg;
  }

  std::string XTicks() const {
    std::string svg;
    const auto tick = [&](double x, const std::string& label, bool last) {
      const double at = Across(x);
      svg +=
          "<line class=\"grid\" x1=\"" + At(at) + "\" x2=\"" + At(at) + "\" y1=\"" + At(kTop) + "\" y2=\"" +
          At(kHeight - kBottom) + "\"/>" +
          Text(last ? std::min(at, kWidth - 4) : at, kHeight - kBottom + 16, last ? "end" : "middle", label);
    };
    if (!plot_.percentiles) {
      for (const double second : x_.Ticks(6))
        tick(second, Short(second) + " s", Across(second) > kWidth - 24);
      return svg;
    }
    const std::pair<double, const char*> shares[] = {{0.5, "50"},     {0.9, "90"},       {0.99, "99"},
                                                     {0.999, "99.9"}, {0.9999, "99.99"}, {0.99999, "99.999"}};
    for (const auto& [share, label] : shares) {
      if (Nines(share) <= x_.high + 1e-9)
        tick(Nines(share), std::string(label) + " %", Across(Nines(share)) > kWidth - 30);
    }
    return svg;
  }

  std::string Path(const Plot::Line& line, size_t number) const {
    std::string path;
    bool draws = false;
    for (const auto& [x, y] : line.points) {
      if (!Shown(y)) {
        draws = false;
        continue;
      }
      path += (draws ? "L" : "M") + At(Across(X(x))) + " " + At(Up(y));
      draws = true;
    }
    return "<path class=\"s" + std::to_string(number % kStyles) + "\" d=\"" + path + "\"/>";
  }

  // As short as an axis has room for: "1.5k".
  static std::string Short(double value) {
    char text[32];
    const bool millions = value >= 1e6;
    const bool thousands = !millions && value >= 1e4;
    std::snprintf(text, sizeof(text), "%.4g%s",
                  value / (millions    ? 1e6
                           : thousands ? 1e3
                                       : 1),
                  millions    ? "M"
                  : thousands ? "k"
                              : "");
    return text;
  }

  const Plot& plot_;
  Axis x_;
  Axis y_;
  bool any_ = false;
};

}  // namespace

std::string Escaped(const std::string& text) {
  std::string escaped;
  for (const char letter : text) {
    switch (letter) {
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '&':
        escaped += "&amp;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped.push_back(letter);
    }
  }
  return escaped;
}

std::string Plot::ToHtml() const {
  const Drawing drawing(*this);
  if (!drawing.any()) return "";
  std::string html = "<figure><figcaption>" + Escaped(title);
  if (!unit.empty()) html += " <span>" + Escaped(unit) + "</span>";
  html += "</figcaption>" + drawing.Svg();
  // The caption has said what a single line is.
  if (lines.size() == 1) return html + "</figure>\n";
  html += "<ul>";
  for (size_t i = 0; i < lines.size(); ++i) {
    html += "<li><svg class=\"key\" viewBox=\"0 0 28 8\"><path class=\"s" + std::to_string(i % kStyles) +
            "\" d=\"M0 4L28 4\"/></svg>" + Escaped(lines[i].name) + "</li>";
  }
  return html + "</ul></figure>\n";
}

}  // namespace dormouse::load
