// An app as it lies on this machine: a directory that is built already (workers.json), or a project, which is built by
// deploy/build-app first. What goes wrong is thrown as a Failure.
#pragma once

#include <string>
#include <vector>

namespace dormouse {

struct BuiltApp {
  std::string name;
  std::vector<std::string> classes;  // as its code calls them, but the host's own
  std::string bundle;
};

// `environment`: of a project; empty: the top level.
BuiltApp ReadApp(const std::string& directory, const std::string& environment);

}  // namespace dormouse
