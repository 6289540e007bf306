// Names of topics, and wildcards in subscriptions to them.
//
// Wildcards are as in MQTT (MQTT 5.0, section 4.7): a topic's levels are what lies between its
// slashes, empty ones too; `+` stands for exactly one level, `#`, the last level only, for any number of
// levels, none included: "a/#" matches "a". Pure functions.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace dormouse::signal {

inline constexpr size_t kMaxTopic = 256;
// Of one without wildcards: ^[a-zA-Z0-9/_-]{1,256}$
bool IsValidTopic(std::string_view topic);

// Levels that a topic with wildcards may have: bounds the patterns that can match one topic to a few hundred,
// whoever subscribes to what.
inline constexpr size_t kMaxWildcardLevels = 8;

bool HasWildcards(std::string_view topic);

// What is wrong with a topic that has wildcards, as a clause; empty: nothing.
std::string WrongWithWildcards(std::string_view topic);

// The patterns that there are, to be asked.
struct PatternTree {
  std::function<bool(const std::string& pattern)> has;
  // Whether any begins with `prefix` and a slash.
  std::function<bool(const std::string& prefix)> has_below;
};
// All patterns of the tree that match. Asks for those only that can: level by level, as far as the tree goes.
std::vector<std::string> MatchingPatterns(std::string_view topic, const PatternTree& tree);

}  // namespace dormouse::signal
