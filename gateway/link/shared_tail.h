// The end of an event's payload, where other events have the same: kept once for all of them. Plain data.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace dormouse {

struct SharedTail {
  std::shared_ptr<const char> bytes;
  size_t size = 0;
  bool counts = true;  // in the bytes that its event occupies: with one of the events that have it

  std::string_view view() const { return {bytes.get(), size}; }
};

}  // namespace dormouse
