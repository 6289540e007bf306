// The hub classes that this statekeeper runs. Filled in main before any lane starts, constant after.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "statekeeper/hub/hub.h"

namespace dormouse {

class HubClassRegistry {
 public:
  // A class that is there for want of others: where an app is deployed its hubs go on, and new sockets are the app's.
  void RegisterUntilApp(std::unique_ptr<HubClass> hub_class) {
    until_app_.insert(hub_class->profile().name());
    Register(std::move(hub_class));
  }
  bool IsUntilApp(const std::string& name) const { return until_app_.contains(name); }
  void Register(std::unique_ptr<HubClass> hub_class) {
    std::string name = hub_class->profile().name();
    classes_.insert_or_assign(std::move(name), std::move(hub_class));
  }
  // Takes these out again. False: there is no such class, or none is left; `*error` is a sentence.
  bool Disable(const std::vector<std::string>& names, std::string* error) {
    for (const std::string& name : names) {
      if (classes_.erase(name) > 0) continue;
      *error = "--disabled-classes: there is no hub class '" + name + "'; there are:";
      for (const auto& [known, hub_class] : classes_) *error += " " + known;
      return false;
    }
    if (classes_.empty()) *error = "--disabled-classes leaves no hub class to be served";
    return !classes_.empty();
  }
  void UseMetrics(prometheus::Registry* registry) {
    for (const auto& [name, hub_class] : classes_) hub_class->UseMetrics(registry);
  }
  // nullptr: there is no such class.
  const HubClass* Find(std::string_view name) const {
    const auto it = classes_.find(name);
    return it == classes_.end() ? nullptr : it->second.get();
  }
  const std::map<std::string, std::unique_ptr<HubClass>, std::less<>>& all() const { return classes_; }

 private:
  std::set<std::string> until_app_;
  std::map<std::string, std::unique_ptr<HubClass>, std::less<>> classes_;
};

}  // namespace dormouse
