// Versions of an app: deployed from a directory of this machine into a running cluster, and taken back. What goes wrong
// is thrown as a Failure; up to the moment in which a version becomes the current one it has changed nothing.
#pragma once

#include <string>

#include "deploy/ctl/cluster_client.h"
#include "deploy/ctl/show.h"

namespace dormouse {

struct DeployOptions {
  std::string directory;    // a project, or an app directory
  std::string app;          // the name that it is to have; empty: its own
  std::string environment;  // of a project; empty: the top level
};
void Deploy(ClusterClient* cluster, const DeployOptions& options, Form form);
// `to`: empty: to the version before the current one.
void Rollback(ClusterClient* cluster, const std::string& to, Form form);
void Versions(ClusterClient* cluster, Form form);

}  // namespace dormouse
