#include "gateway/edge/door/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "common/http/http_request.h"
#include "common/percent_decode.h"
#include "common/shard.h"

namespace dormouse::edge {
namespace {

constexpr std::string_view kNamePart = "{name}";

std::string DescribeRoutes(const Router::Routes& routes) {
  std::vector<std::string> classes;
  for (const auto& [name, paths] : routes) {
    std::vector<std::string> shown;
    for (std::string_view path : paths) {
      const bool named = path.ends_with(kNamePart);
      if (named) path.remove_suffix(kNamePart.size());
      shown.push_back(std::string(path) + (named ? "NAME" : ""));
    }
    classes.push_back(fmt::format("{} (class {})", fmt::join(shown, ", "), name));
  }
  return classes.empty() ? "no path yet" : fmt::format("{}", fmt::join(classes, ", "));
}

}  // namespace

void Router::SetProfiles(const std::vector<link::ClassProfile>& profiles) {
  exact_.clear();
  prefixes_.clear();
  routes_.clear();
  listed_.clear();
  for (const link::ClassProfile& profile : profiles) {
    std::unique_ptr<HubClassEdge>& hub_class = classes_[profile.name()];
    if (hub_class == nullptr) {
      hub_class = std::make_unique<HubClassEdge>(profile.name(), profile);
    } else {
      hub_class->Replace(profile);
    }
    listed_.insert(profile.name());
    for (const link::Route& route : profile.routes()) {
      std::string_view path = route.path();
      routes_[profile.name()].emplace_back(path);
      if (path.ends_with(kNamePart)) {
        path.remove_suffix(kNamePart.size());
        prefixes_.insert_or_assign(std::string(path), Target{hub_class.get(), ""});
      } else {
        exact_.insert_or_assign(std::string(path), Target{hub_class.get(), route.hub_name()});
      }
    }
  }
  for (auto& [name, paths] : routes_) std::ranges::sort(paths);
  description_ = DescribeRoutes(routes_);
}

const HubClassEdge* Router::FindClass(std::string_view name) const {
  const auto found = classes_.find(name);
  return found == classes_.end() ? nullptr : found->second.get();
}

void Router::Restore(const link::ClassProfile& profile) {
  std::unique_ptr<HubClassEdge>& hub_class = classes_[profile.name()];
  if (hub_class == nullptr) hub_class = std::make_unique<HubClassEdge>(profile.name(), profile);
}

Router::Match Router::Find(std::string_view path) const {
  if (const auto it = exact_.find(path); it != exact_.end()) {
    const Target& target = it->second;
    return {Result::kFound, target.hub_class, target.hub_class->name() + "/" + target.hub_name};
  }
  const size_t name_at = path.rfind('/') + 1;
  const auto it = prefixes_.find(path.substr(0, name_at));
  if (it == prefixes_.end()) return {};
  const std::optional<std::string> name = PercentDecode(path.substr(name_at));
  if (!name.has_value() || !IsValidHubName(*name)) return {.result = Result::kBadName};
  return {Result::kFound, it->second.hub_class, it->second.hub_class->name() + "/" + *name};
}

Router::Match Router::FindHub(std::string_view hub_class, std::string_view hub_name) const {
  if (!listed_.contains(hub_class)) return {};
  if (!IsValidHubName(hub_name)) return {.result = Result::kBadName};
  const HubClassEdge* const found = classes_.find(hub_class)->second.get();
  return {Result::kFound, found, found->name() + "/" + std::string(hub_name)};
}

}  // namespace dormouse::edge
