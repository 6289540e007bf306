// Sends hubs to the statekeepers that own them, a batch to each, and sees to it that each of them is there in
// the end: what changes hands meanwhile is sent again.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/shard.h"
#include "deploy/ctl/cluster_client.h"

namespace dormouse {

class Restorer {
 public:
  struct Options {
    uint64_t run = 0;
    bool replace = false;
    bool keep = false;  // hubs that exist; else they are a failure
    Duration patience{};
  };
  struct Count {
    uint64_t restored = 0;
    uint64_t before = 0;  // by the same run, before it was interrupted
    uint64_t kept = 0;
  };

  Restorer(ClusterClient* cluster, const Options& options) : cluster_(cluster), options_(options) {}

  // A whole hub; may be sent later.
  void Add(admin::RestoreHubsRequest::Hub hub);
  // Part of one, sent now. False: no more of it is wanted.
  bool SendPart(admin::RestoreHubsRequest::Hub hub);
  // Returns when everything that was added is there.
  void Flush();

  const Count& count() const { return count_; }

 private:
  struct Batch {
    std::vector<admin::RestoreHubsRequest::Hub> hubs;
    size_t bytes = 0;
  };
  const std::string& OwnerOf(const std::string& hub);
  admin::RestoreHubsReply Ask(const std::vector<admin::RestoreHubsRequest::Hub>& hubs);
  void SendUntilDone(Batch batch);
  void Note(const admin::RestoreHubsReply::Hub& answer);

  ClusterClient* const cluster_;
  const Options options_;
  std::vector<std::string> owners_;  // by shard; empty: to be asked for
  std::map<std::string, Batch> batches_;
  Count count_;
};

// The run of a restore: random, not 0.
uint64_t NewRun();

}  // namespace dormouse
