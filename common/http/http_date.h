// The time of day as HTTP writes it: "Sun, 06 Nov 1994 08:49:37 GMT". One thread.
#pragma once

#include <cstdint>
#include <string>

namespace dormouse {

class HttpDate {
 public:
  // Written anew once a second at most. Valid until the next call.
  const std::string& At(int64_t wall_ms);

 private:
  int64_t second_ = -1;
  std::string text_;
};

}  // namespace dormouse
