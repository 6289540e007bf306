// Which hub an upgrade path leads to, by the routes of the hub classes' profiles. One thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/edge/rules/edge_rules.h"
#include "proto/link.pb.h"

namespace dormouse::edge {

class Router {
 public:
  // Replaces routes and rules. Classes stay where they are for the connections that point to them; one that
  // has left the profiles keeps its last rules and has no routes.
  void SetProfiles(const std::vector<link::ClassProfile>& profiles);
  // "/ws/{name}", by class; both in alphabetical order.
  using Routes = std::map<std::string, std::vector<std::string>>;
  const Routes& routes() const { return routes_; }
  // Of each class that connections may be of, also where it has left the profiles.
  void ForEachClass(const std::function<void(const HubClassEdge&)>& visit) const {
    for (const auto& [name, hub_class] : classes_) visit(*hub_class);
  }
  // nullptr: it was never in the profiles.
  const HubClassEdge* FindClass(std::string_view name) const;
  // A class that another process knew: it has no routes, as long as it is in no profiles here.
  void Restore(const link::ClassProfile& profile);
  bool has_profiles() const { return !classes_.empty(); }
  // "/ws, /ws/NAME (class signal), ...": the same for people, in the same order.
  const std::string& Describe() const { return description_; }

  enum class Result { kFound, kUnknownPath, kBadName };
  struct Match {
    Result result = Result::kUnknownPath;
    const HubClassEdge* hub_class = nullptr;
    std::string hub = {};  // "CLASS/NAME"
  };
  // `path`: as written in the request, percent-encoded.
  Match Find(std::string_view path) const;
  // A hub by its name; kUnknownPath: there is no such class, now.
  Match FindHub(std::string_view hub_class, std::string_view hub_name) const;

 private:
  struct Target {
    const HubClassEdge* hub_class;
    std::string hub_name;  // empty: it follows in the path
  };

  Routes routes_;
  std::map<std::string, std::unique_ptr<HubClassEdge>, std::less<>> classes_;
  std::set<std::string, std::less<>> listed_;            // classes that are in the profiles now
  std::map<std::string, Target, std::less<>> exact_;     // "/ws"
  std::map<std::string, Target, std::less<>> prefixes_;  // "/ws/", of "/ws/{name}"
  std::string description_ = "no path yet";
};

}  // namespace dormouse::edge
