#include "common/http/http_date.h"

#include <ctime>

namespace dormouse {

const std::string& HttpDate::At(int64_t wall_ms) {
  if (wall_ms / 1000 == second_) return text_;
  second_ = wall_ms / 1000;
  const std::time_t time = second_;
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[64];
  text_.assign(text, std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts));
  return text_;
}

}  // namespace dormouse
