#include "statekeeper/classes/signal/protocol/topic.h"

#include <algorithm>
#include <utility>

namespace dormouse::signal {
namespace {

std::vector<std::string_view> Levels(std::string_view topic) {
  std::vector<std::string_view> levels;
  for (size_t begin = 0; begin <= topic.size();) {
    const size_t end = std::min(topic.find('/', begin), topic.size());
    levels.push_back(topic.substr(begin, end - begin));
    begin = end + 1;
  }
  return levels;
}

class Search {
 public:
  Search(std::string_view topic, const PatternTree& tree) : levels_(Levels(topic)), tree_(tree) {}

  // `node` matches the first `depth` levels.
  void Visit(const std::string& node, size_t depth) {
    Try(depth == 0 ? "#" : node + "/#");
    if (depth == levels_.size()) return Try(node);
    if (depth == kMaxWildcardLevels) return;
    for (const std::string_view step : {levels_[depth], std::string_view("+")}) {
      const std::string child = depth == 0 ? std::string(step) : node + "/" + std::string(step);
      if (depth + 1 == levels_.size() || tree_.has_below(child)) Visit(child, depth + 1);
    }
  }
  std::vector<std::string> found() && { return std::move(found_); }

 private:
  void Try(const std::string& pattern) {
    if (tree_.has(pattern)) found_.push_back(pattern);
  }

  const std::vector<std::string_view> levels_;
  const PatternTree& tree_;
  std::vector<std::string> found_;
};

}  // namespace

bool IsValidTopic(std::string_view topic) {
  return !topic.empty() && topic.size() <= kMaxTopic && std::ranges::all_of(topic, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '_' || c == '-';
  });
}

bool HasWildcards(std::string_view topic) { return topic.find_first_of("+#") != topic.npos; }

std::string WrongWithWildcards(std::string_view topic) {
  if (topic.size() > kMaxTopic) return "it is too long";
  const std::vector<std::string_view> levels = Levels(topic);
  for (size_t i = 0; i < levels.size(); ++i) {
    const std::string_view level = levels[i];
    if (!HasWildcards(level)) continue;
    if (level.size() > 1) return "'+' and '#' must stand alone between slashes";
    if (level == "#" && i + 1 < levels.size()) return "'#' must be the last level";
  }
  if (levels.size() > kMaxWildcardLevels)
    return "with wildcards it may have at most " + std::to_string(kMaxWildcardLevels) + " levels";
  std::string without(topic);
  std::ranges::replace_if(
      without, [](char c) { return c == '+' || c == '#'; }, '_');
  if (!IsValidTopic(without)) return "it has other characters than topics may have";
  return "";
}

std::vector<std::string> MatchingPatterns(std::string_view topic, const PatternTree& tree) {
  Search search(topic, tree);
  search.Visit("", 0);
  return std::move(search).found();
}

}  // namespace dormouse::signal
