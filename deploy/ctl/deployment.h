// One run of a deployment of a version of the app into a cluster (proto/admin.proto). What it has begun and not ended is
// given up when it goes. What goes wrong is thrown as a Failure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "deploy/ctl/cluster_client.h"
#include "proto/app.pb.h"

namespace dormouse {

class Deployment {
 public:
  // `name`: of the app; empty: whatever it is. `rename`: it may have had another one. `version`: with nobody who is said
  // to deploy it (`by`), it is this user.
  Deployment(ClusterClient* cluster, std::string name, bool rename, app::Version version);
  ~Deployment();
  Deployment(const Deployment&) = delete;
  Deployment& operator=(const Deployment&) = delete;

  // Whether the store has the version already. Said again: it goes on.
  bool Begin();
  void Upload(const std::string& bundle);
  // All that live have it up, or the first that has not is thrown.
  void Prepare();
  // It ends. The version is the current one; or it is kept as one before that.
  void Activate();
  void Store();
  // The ids of those who serve it, once it is the current one: all that live.
  std::vector<std::string> Serve();

 private:
  using OnFailure = std::function<void(const admin::Member& member, const Failure& failure)>;
  admin::ServeAppRequest RequestOf(const admin::Member& member, bool only_prepare) const;
  void AskAllAtOnce(bool only_prepare);
  std::vector<admin::Member> Members();
  std::vector<std::string> OfEach(bool only_prepare, const OnFailure& on_failure);

  ClusterClient* const cluster_;
  admin::BeginDeploymentRequest begin_;
  bool is_under_way_ = false;
};

}  // namespace dormouse
