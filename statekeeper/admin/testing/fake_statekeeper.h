// A statekeeper as operators see it: the real service on a real server, at a loopback port and a unix socket,
// with neither lanes nor a store behind it.
#pragma once

#include <prometheus/registry.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/rpc/testing/test_trust.h"
#include "common/temp_dir.h"
#include "statekeeper/link/link_server.h"
#include "statekeeper/ownership/cluster_admin.h"
#include "statekeeper/runtime/lane_operator.h"

namespace dormouse {

struct FakeHub {
  bool awake = false;
  std::vector<ConnectionReport> connections = {};
  std::map<std::string, std::string> rows = {};  // by key, as in the store
};

// What all statekeepers of a cluster see. Any thread.
class FakeCluster {
 public:
  static constexpr uint32_t kShards = 8;

  ClusterView ViewOf(const std::string& id) const;
  void Join(MemberView member);
  void Give(ShardId shard, const std::string& owner);
  // Changes a member's entry.
  void Change(const std::string& id, const std::function<void(MemberView*)>& change);
  void Leave(const std::string& id);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, MemberView> members_;
  std::map<ShardId, ShardEntry> shards_;
};

// Answers on a thread of its own, as lanes do, unless told to be silent.
class FakeStatekeeper : private ClusterAdmin, private LaneOperator {
 public:
  // `id`: 16 hexadecimal digits. `trust`: whose credentials it has; nullptr: none, and no port. `admin_key`:
  // the file; empty: none. `unix_known`: whether the cluster knows of the unix socket; else others have to
  // use the network.
  FakeStatekeeper(FakeCluster* cluster, const std::string& id, const TestTrust* trust,
                  const std::string& admin_key = "", bool unix_known = true);
  ~FakeStatekeeper() override;

  std::string tcp() const { return "127.0.0.1:" + std::to_string(server_->port()); }
  std::string unix() const { return "unix:" + unix_path_; }
  std::string directory() const { return directory_.path(); }
  prometheus::Registry* registry() { return registry_.get(); }

  void AddHub(const std::string& hub, FakeHub state);
  FakeHub Look(const std::string& hub) const;  // as it is now; empty: there is none
  // Rows of a page of ReadHub; a hub of more is none of ReadHubs.
  void SetPageRows(size_t rows);
  // From now on every so manyth page of a hub says that the ones before are lost; 0: none.
  void LoseEveryPage(size_t nth);
  // What every question about a hub is answered with from now on; kOk: as it is.
  void Answer(OperatorStatus status);
  void FailWith(const std::string& error);  // Evict and Drain
  void BeSilent();                          // answers nothing more
  void Hold();                              // answers nothing until Release
  void Release();                           // returns once what was held is being answered
  void AwaitAsked(size_t count);            // until so many questions have come
  void StopServing();
  // "close echo/a", "evict 1,3", "drain", ...
  std::vector<std::string> asked() const;
  size_t most_at_once() const;  // CloseHub calls that waited together

 private:
  std::shared_ptr<const ClusterView> View() const override {
    return std::make_shared<const ClusterView>(cluster_->ViewOf(id_));
  }
  void Evict(std::vector<ShardId> shards, std::function<void(std::string)> done) override;
  void Drain(bool drain, std::function<void(std::string)> done) override;
  void ListHubs(ShardId shard, std::string after, size_t limit,
                LaneOperator::Answer<std::vector<HubSummary>> done) override;
  void DescribeHub(std::string hub, LaneOperator::Answer<HubReport> done) override;
  void ListConnections(std::string hub, std::string after, size_t limit,
                       LaneOperator::Answer<std::vector<ConnectionReport>> done) override;
  void HibernateHub(std::string hub, Done done) override;
  void CloseHub(std::string hub, Done done) override;
  void ReadHubs(ShardId shard, std::string after, LaneOperator::Answer<HubsPage> done) override;
  void ReadHub(std::string hub, uint64_t reading, uint32_t page, LaneOperator::Answer<HubPage> done) override;
  void RestoreHub(HubRestore restore, LaneOperator::Answer<RestoreOutcome> done) override;

  // Notes what was asked, and answers it unless silent: `answer` runs with mutex_ held, what it returns
  // without.
  void Reply(const std::string& asked, const std::function<std::function<void()>()>& answer);
  RestoreOutcome Put(const HubRestore& restore);          // mutex_ held
  FakeHub Find(const std::string& hub) const;             // mutex_ held
  OperatorStatus StatusOf(const std::string& hub) const;  // mutex_ held

  FakeCluster* const cluster_;
  const std::string id_;
  TempDir directory_;
  const std::string unix_path_;
  const std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();

  mutable std::mutex mutex_;  // guards what follows
  std::map<std::string, FakeHub> hubs_;
  OperatorStatus status_ = OperatorStatus::kOk;
  std::string error_;
  size_t page_rows_ = 1000;
  size_t lose_every_ = 0;
  size_t pages_read_ = 0;
  std::map<std::string, uint64_t> restored_;  // by hub: the run
  bool silent_ = false;
  bool holding_ = false;
  std::vector<std::string> asked_;
  size_t closing_ = 0;
  size_t most_at_once_ = 0;
  std::deque<std::function<void()>> answers_;
  std::condition_variable_any changed_;
  std::jthread lane_;

  std::unique_ptr<LinkService> service_;
  std::unique_ptr<LinkServer> server_;
};

}  // namespace dormouse
