// Where a command's answer goes, and where what people are to know of it, apart from it.
#pragma once

#include <cstdio>
#include <string>

namespace dormouse {

inline void Print(const std::string& text) { std::fputs(text.c_str(), stdout); }

inline void Remark(const std::string& sentence) {
  std::fprintf(stderr, "dormousectl: %s\n", sentence.c_str());
}

}  // namespace dormouse
