// What the commands that copy hubs (copies.h) have in common where they fail.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "deploy/ctl/failure.h"

namespace dormouse {

// How often a large hub is read from its beginning: it loses its place when it changes too fast.
inline constexpr int kMostReadings = 20;

inline Failure CannotBeRead(const std::string& hub) {
  return {Exit::kFailed,
          fmt::format("Hub {} changes faster than it can be read, or its shard keeps changing hands.", hub)};
}

// `what` it does not do: "cannot restore".
inline Failure IsOlder(std::string_view what) {
  return {
      Exit::kFailed,
      fmt::format("The statekeeper that answers is of an older version, which {}: upgrade all of them first.",
                  what)};
}

}  // namespace dormouse
