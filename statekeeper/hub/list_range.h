// Which of a hub's rows are to be listed, and in which order.
//
//   context.List({.prefix = "score/", .limit = 10, .reverse = true}, visit);      // the last ten
//   context.List({.start_after = last_key, .limit = 100}, visit);                 // the next page
//
// Pure; any thread.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace dormouse {

// Conditions that are not said do not hold.
struct ListRange {
  std::string_view prefix = {};
  std::string_view start = {};        // keys from this one on
  std::string_view start_after = {};  // keys after this one
  std::string_view end = {};          // keys before this one
  size_t limit = 0;                   // rows; 0: all
  bool reverse = false;               // the last ones first
};

// Visits these rows. `list`: visits those with a prefix, ascending, from a key on (Context::List).
template <typename List>
void VisitRange(const List& list, const ListRange& range,
                const std::function<bool(std::string_view key, std::string_view value)>& visit) {
  std::string start(range.start);
  // The smallest key after it.
  if (!range.start_after.empty() && range.start_after >= start) start = std::string(range.start_after) + '\0';
  size_t visited = 0;
  std::deque<std::pair<std::string, std::string>> last;  // in reverse order: at most `limit`
  list(
      range.prefix,
      [&](std::string_view key, std::string_view value) {
        if (!range.end.empty() && key >= range.end) return false;
        if (!range.reverse) return visit(key, value) && ++visited != range.limit;
        last.emplace_back(key, value);
        if (last.size() > range.limit && range.limit != 0) last.pop_front();
        return true;
      },
      start);
  for (auto row = last.rbegin(); row != last.rend(); ++row) {
    if (!visit(row->first, row->second)) return;
  }
}

}  // namespace dormouse
