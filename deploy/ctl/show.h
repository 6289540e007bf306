// What the cluster said, as a table for people or as one JSON document for machines. The JSON's names stay as
// they are: scripts use them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "deploy/ctl/backup_file.h"
#include "deploy/ctl/hub_lines.h"
#include "deploy/ctl/stored_hub.h"
#include "proto/admin.pb.h"

namespace dormouse {

enum class Form { kTable, kJson };

struct HubList {
  std::vector<admin::HubsReply::Hub> hubs;
  bool complete = true;
};
struct ConnectionList {
  std::string hub;
  std::vector<admin::ConnectionsReply::Connection> connections;
  bool complete = true;
};
// Of one process.
struct ConfigOf {
  std::string who;  // in words
  admin::ConfigReply reply;
};
// Of one statekeeper; rates are per second.
struct LoadRow {
  admin::Member member;
  bool answered = false;
  admin::LoadReply load;
  double events = 0;
  double deliveries = 0;
  double commits = 0;
};

// All end with a newline. `now_ms`: the wall clock.
std::string ShowMembers(const admin::MembersReply& members, int64_t now_ms, Form form);
std::string ShowShards(const admin::ShardsReply& shards, Form form);
std::string ShowShardSummary(const admin::ShardsReply& shards, Form form);
std::string ShowConfig(const std::vector<ConfigOf>& all, Form form);
std::string ShowHubs(const HubList& list, Form form);
std::string ShowHub(const admin::HubReply& hub, int64_t now_ms, Form form);
std::string ShowConnections(const ConnectionList& list, int64_t now_ms, Form form);
std::string ShowHibernated(const std::string& hub, const admin::HibernateReply& reply, Form form);
std::string ShowEvicted(const std::string& mode, const std::vector<admin::EvictReply>& replies, Form form);
std::string ShowDrained(const admin::DrainRequest& request, const admin::DrainReply& reply, Form form);
// A version that all living statekeepers serve.
struct Deployed {
  std::string app;
  std::string version;
  std::string before;  // the version that was the current one; empty: none
  std::vector<std::string> statekeepers;
};
std::string ShowDeployed(const Deployed& deployed, Form form);
struct RestoredCount {
  uint64_t restored = 0;
  uint64_t before = 0;          // by a run that was interrupted
  uint64_t kept = 0;            // that existed
  std::optional<Deployed> app;  // that was restored
};
std::string ShowRestored(const RestoredCount& count, Form form);
std::string ShowVersions(const app::Record& record, int64_t now_ms, Form form);
std::string ShowBackup(const std::string& file, const BackupSummary& summary, Form form);
std::string ShowHistory(const StoredHub& hub, Form form);
std::string ShowRewound(const StoredHub& hub, Form form);
std::string ShowImported(const std::string& hub, const HubLines& lines, Form form);
std::string ShowLoad(const std::vector<LoadRow>& rows, int64_t now_ms, Form form);

}  // namespace dormouse
