#include "gateway/edge/router.h"

#include <optional>

#include "common/http/http_request.h"
#include "common/shard.h"

namespace dormouse {
namespace {

constexpr std::string_view kNamePart = "{name}";

}  // namespace

void Router::SetProfiles(const std::vector<link::ClassProfile>& profiles) {
  exact_.clear();
  prefixes_.clear();
  for (const link::ClassProfile& profile : profiles) {
    std::unique_ptr<HubClassEdge>& hub_class = classes_[profile.name()];
    if (hub_class == nullptr) {
      hub_class = std::make_unique<HubClassEdge>(profile.name(), profile);
    } else {
      hub_class->Replace(profile);
    }
    for (const link::Route& route : profile.routes()) {
      std::string_view path = route.path();
      if (path.ends_with(kNamePart)) {
        path.remove_suffix(kNamePart.size());
        prefixes_.insert_or_assign(std::string(path), Target{hub_class.get(), ""});
      } else {
        exact_.insert_or_assign(std::string(path), Target{hub_class.get(), route.hub_name()});
      }
    }
  }
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

}  // namespace dormouse
