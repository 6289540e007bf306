// The versions of the app in backups: out of a cluster into a file, and back. What goes wrong is thrown as a Failure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "deploy/ctl/backup_file.h"
#include "deploy/ctl/cluster_client.h"
#include "deploy/ctl/show.h"
#include "proto/app.pb.h"

namespace dormouse {

// What of the cluster's record belongs into a backup: nothing that is under way. No versions: nothing was deployed. Nothing
// at all: the app is that of a directory.
std::optional<app::Record> ReadAppRecord(ClusterClient* cluster);

// All of its versions, as they are kept now.
void CopyApp(ClusterClient* cluster, BackupWriter* writer);

// Takes the chunks of a backup, one after the other, and deploys what of them belongs to the app: the current version once
// all statekeepers have it up, those before it without starting them.
//
// A cluster that runs another version: a Failure, before anything is changed; `replace`: the backup's becomes the current
// one, and the cluster's are kept as those before it; `keep`: the cluster's stays. Nothing of it happens where the app is
// that of a directory.
class AppRestorer {
 public:
  AppRestorer(ClusterClient* cluster, bool replace, bool keep)
      : cluster_(cluster), replace_(replace), keep_(keep) {}

  void Take(const backup::Chunk& chunk);

  // What all serve now; nothing: the backup has no app, or it was left out.
  const std::optional<Deployed>& deployed() const { return deployed_; }

 private:
  void Begin(const app::Record& app);
  void Deploy(const app::Version& version);

  ClusterClient* const cluster_;
  const bool replace_;
  const bool keep_;
  app::Record app_;     // the backup's; empty: not wanted
  std::string before_;  // the cluster's current version
  int next_ = 0;        // of the versions
  std::string bundle_;  // what has come of it
  std::optional<Deployed> deployed_;
};

}  // namespace dormouse
