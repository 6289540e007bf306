// Text without the blanks around it.
#pragma once

#include <string_view>

namespace dormouse {

// Of a line: spaces, tabs and what is left of CR LF.
constexpr std::string_view Trim(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t begin = line.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(kBlanks) + 1 - begin);
}

}  // namespace dormouse
