// The hub classes that this statekeeper runs. Filled in main before any lane starts, constant after.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "statekeeper/hub/hub.h"

namespace dormouse {

class HubClassRegistry {
 public:
  void Register(std::unique_ptr<HubClass> hub_class) {
    std::string name = hub_class->profile().name();
    classes_.insert_or_assign(std::move(name), std::move(hub_class));
  }
  // nullptr: there is no such class.
  const HubClass* Find(std::string_view name) const {
    const auto it = classes_.find(name);
    return it == classes_.end() ? nullptr : it->second.get();
  }
  const std::map<std::string, std::unique_ptr<HubClass>, std::less<>>& all() const { return classes_; }

 private:
  std::map<std::string, std::unique_ptr<HubClass>, std::less<>> classes_;
};

}  // namespace dormouse
