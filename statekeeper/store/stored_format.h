// The version of what lies in a store: how rows are named, and what the runtime's own rows and the stored
// messages of the bundled hub classes mean. It is written down beside the number of shards at the first
// start.
//
// It goes up with a change that a process of the version before would misread. A version that brings one
// reads the format before it, too, and goes on writing that until `deploy/upgrade.md` says how to go over.
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace dormouse {

inline constexpr uint32_t kStoredFormat = 1;
inline constexpr uint32_t kOldestStoredFormat = 1;

// What to tell the operator of a store that is in another format; empty: this version reads it. `where`:
// "The store /var/lib/dormouse.db"; `stored`: what is written there.
inline std::string WhyNotReadable(std::string_view where, std::string_view stored) {
  uint32_t format = 0;
  const auto [end, error] = std::from_chars(stored.data(), stored.data() + stored.size(), format);
  const bool is_number = error == std::errc() && end == stored.data() + stored.size();
  if (is_number && format >= kOldestStoredFormat && format <= kStoredFormat) return "";
  const std::string reads = kOldestStoredFormat == kStoredFormat
                                ? fmt::format("format {}", kStoredFormat)
                                : fmt::format("formats {} to {}", kOldestStoredFormat, kStoredFormat);
  return fmt::format(
      "{} holds state in format {}, and version {} reads {} only: start the version that wrote it, or a {} "
      "one (deploy/upgrade.md).",
      where, stored, DORMOUSE_VERSION, reads,
      is_number && format < kOldestStoredFormat ? "less new" : "later");
}

}  // namespace dormouse
