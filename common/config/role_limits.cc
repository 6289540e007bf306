#include "common/config/role_limits.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

namespace dormouse {
namespace {

template <typename Number>
bool ParseWhole(std::string_view text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

std::optional<RoleLimit> ParseRoleLimit(std::string_view text) {
  const size_t equals = text.rfind('=');
  const size_t slash = text.rfind('/');
  if (equals == 0 || equals == std::string_view::npos) return std::nullopt;
  if (slash == std::string_view::npos || slash < equals) return std::nullopt;
  RoleLimit limit{.role = std::string(text.substr(0, equals))};
  if (!ParseWhole(text.substr(equals + 1, slash - equals - 1), &limit.rate) ||
      !ParseWhole(text.substr(slash + 1), &limit.burst) || !std::isfinite(limit.rate) || limit.rate < 0 ||
      (limit.rate > 0 && limit.burst == 0)) {
    return std::nullopt;
  }
  return limit;
}

}  // namespace

std::optional<std::vector<RoleLimit>> ParseRoleLimits(const std::vector<std::string>& texts,
                                                      std::string* wrong) {
  std::vector<RoleLimit> limits;
  for (const std::string& text : texts) {
    std::optional<RoleLimit> limit = ParseRoleLimit(text);
    if (!limit.has_value()) {
      *wrong = "--role-limits: '" + text +
               "' is not ROLE=RATE/BURST: messages a second and messages at once, such as board=60/120; "
               "board=0/0 is no limit";
      return std::nullopt;
    }
    if (std::ranges::any_of(limits, [&](const RoleLimit& other) { return other.role == limit->role; })) {
      *wrong = "--role-limits: role '" + limit->role + "' has two limits; leave one of them out";
      return std::nullopt;
    }
    limits.push_back(std::move(*limit));
  }
  return limits;
}

}  // namespace dormouse
