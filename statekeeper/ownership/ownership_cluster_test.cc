#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "common/clock.h"
#include "common/free_port.h"
#include "common/ids.h"
#include "common/rpc/testing/test_trust.h"
#include "statekeeper/link/link_server.h"
#include "statekeeper/ownership/members/testing/memory_cluster.h"
#include "statekeeper/ownership/ownership.h"
#include "statekeeper/ownership/shards/testing/fake_shard_servers.h"

namespace dormouse {
namespace {

constexpr uint32_t kShards = 256;
constexpr int64_t kPatienceMs = 20'000;
// So long that nothing in a test happens because of it.
constexpr Duration kLongTtl{60'000};

bool Await(const std::function<bool()>& condition, int64_t patience_ms = kPatienceMs) {
  const int64_t end = SteadyMs() + patience_ms;
  while (!condition()) {
    if (SteadyMs() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

const TestTrust& ClusterTrust() {
  static const TestSecret trust;
  return trust;
}

std::string FreeAddress() { return "127.0.0.1:" + std::to_string(FreePort()); }

// A statekeeper without lanes. Its destructor is a kill -9.
class Process {
 public:
  struct Options {
    Duration ttl = kLongTtl;
    bool shared = true;
    std::string advertise = {};
    bool start = true;
    // Of the cluster by default.
    const TestTrust* trust = nullptr;
  };

  Process(MemoryCluster* cluster, const Options& options) : cluster_(cluster), id_(NewGatewayId()) {
    const std::string address = FreeAddress();
    Ownership::Config config;
    config.id = id_;
    config.address = options.advertise.empty() ? address : options.advertise;
    const TestTrust& trust = options.trust == nullptr ? ClusterTrust() : *options.trust;
    config.credentials = trust.Of(LinkRole::kStatekeeper);
    config.shard_count = kShards;
    config.member_ttl = options.ttl;
    config.shared = options.shared;
    config.new_store = [this](struct ev_loop* loop) { return cluster_->NewStore(loop, name()); };
    config.publish = [this](link::ShardMap map) {
      const std::lock_guard lock(mutex_);
      map_ = std::move(map);
    };
    config.withdraw = [this] {
      const std::lock_guard lock(mutex_);
      map_.Clear();
    };
    ownership_ = std::make_unique<Ownership>(std::move(config), &lease, &servers, &registry_);
    LinkServer::Config server_config;
    server_config.addresses = {address};
    server_config.gate = trust.NewGate(&registry_);
    server_config.incarnation = id_;
    server_config.services = {ownership_->service()};
    server_ = NewLinkServer(server_config);
    std::string error;
    EXPECT_TRUE(server_->Start(&error)) << error;
    if (options.start) ownership_->Start();
  }

  ~Process() {
    cluster_->Continue(name());
    server_.reset();
    ownership_.reset();
    EXPECT_EQ(servers.violations(), std::vector<std::string>());
  }

  void Leave() {
    ownership_->HandOver(Duration(10'000));
    ownership_->Stop();
  }

  // What an operator's question is answered with.
  std::string Evict(std::vector<ShardId> shards) {
    std::promise<std::string> answer;
    ownership_->Evict(std::move(shards),
                      [&answer](std::string error) { answer.set_value(std::move(error)); });
    return answer.get_future().get();
  }
  std::string Drain(bool drain) {
    std::promise<std::string> answer;
    ownership_->Drain(drain, [&answer](std::string error) { answer.set_value(std::move(error)); });
    return answer.get_future().get();
  }

  // A lane finds that it has lost the shard.
  void Fence(ShardId shard) {
    const uint32_t epoch = servers.served().at(shard).epoch;
    servers.Fence(shard);
    ownership_->Fenced({shard, epoch});
  }

  MemberId id() const { return id_; }
  std::string name() const { return PrintMemberId(id_); }
  Ownership* ownership() { return ownership_.get(); }
  link::ShardMap map() const {
    const std::lock_guard lock(mutex_);
    return map_;
  }
  // By the map: the owner of the shard; 0: none that lives.
  MemberId Owner(ShardId shard) const {
    const link::ShardMap map = this->map();
    if (map.owner_size() == 0 || static_cast<int>(map.owner(shard)) >= map.members_size()) return 0;
    return map.members(static_cast<int>(map.owner(shard))).incarnation();
  }
  size_t owned() const { return servers.served().size(); }

  Lease lease;
  FakeShardServers servers;

 private:
  MemoryCluster* const cluster_;
  const MemberId id_;
  prometheus::Registry registry_;
  mutable std::mutex mutex_;
  link::ShardMap map_;
  std::unique_ptr<Ownership> ownership_;
  std::unique_ptr<LinkServer> server_;
};

class OwnershipTest : public testing::Test {
 protected:
  Process* Start(const Process::Options& options = {}) {
    processes_.push_back(std::make_unique<Process>(&cluster_, options));
    return processes_.back().get();
  }
  // As kill -9.
  void Kill(Process* process) {
    std::erase_if(processes_, [process](const auto& item) { return item.get() == process; });
  }
  void Leave(Process* process) {
    process->Leave();
    Kill(process);
  }

  // Each shard is owned, by its record, by one living process, which serves it in that epoch under a lease,
  // as all their maps say; nobody else serves it; and `members` have what they are to have.
  bool IsSettled(const std::vector<Process*>& members) {
    std::vector<Member> listed;
    for (Process* process : members) {
      Member member;
      member.id = process->id();
      member.state = MemberState::kServing;
      listed.push_back(member);
    }
    const Placement placement(listed, {});
    const std::map<ShardId, ShardRecord> records = cluster_.records();
    const std::map<ShardId, ShardEntry> table = cluster_.table();
    if (records.size() != kShards || table.size() != kShards) return false;
    std::map<MemberId, std::map<ShardId, FakeShardServers::Served>> served;
    std::map<MemberId, link::ShardMap> maps;
    for (const auto& process : processes_) {
      served[process->id()] = process->servers.served();
      maps[process->id()] = process->map();
    }
    for (Process* process : members) {
      if (!process->lease.IsGood() || !process->ownership()->NotReady().empty()) return false;
    }
    for (const auto& [shard, record] : records) {
      const ShardEntry& entry = table.at(shard);
      const MemberId avoid = ParseMemberId(entry.avoid);
      const MemberId owner = ParseMemberId(record.owner);
      if (owner != placement.DesiredOwner(shard, avoid)) return false;
      if (entry.owner != record.owner || entry.epoch != record.epoch) return false;
      for (const auto& [id, shards] : served) {
        const auto at = shards.find(shard);
        if ((at != shards.end()) != (id == owner)) return false;
        if (id == owner && (at->second.epoch != record.epoch || at->second.retired)) return false;
      }
      for (Process* process : members) {
        const link::ShardMap& map = maps.at(process->id());
        if (map.epoch_size() <= shard || map.epoch(shard) != record.epoch) return false;
        if (static_cast<int>(map.owner(shard)) >= map.members_size()) return false;
        if (map.members(static_cast<int>(map.owner(shard))).incarnation() != owner) return false;
      }
    }
    return true;
  }
  bool AwaitSettled(const std::vector<Process*>& members, int64_t patience_ms = kPatienceMs) {
    return Await([&] { return IsSettled(members); }, patience_ms);
  }

  std::map<ShardId, uint32_t> Epochs() const {
    std::map<ShardId, uint32_t> epochs;
    for (const auto& [shard, record] : cluster_.records()) epochs[shard] = record.epoch;
    return epochs;
  }
  // Epochs go up by one where a shard has moved, and nowhere else.
  void ExpectOneStepEach(const std::map<ShardId, ShardRecord>& before) {
    for (const auto& [shard, record] : cluster_.records()) {
      const ShardRecord& old = before.at(shard);
      EXPECT_EQ(record.epoch, old.epoch + (record.owner == old.owner ? 0 : 1)) << shard;
    }
  }

  MemoryCluster cluster_;
  std::vector<std::unique_ptr<Process>> processes_;
};

TEST_F(OwnershipTest, TheFirstMemberTakesEverythingAtOnce) {
  Process* first = Start();
  EXPECT_TRUE(AwaitSettled({first}));
  for (const auto& [shard, epoch] : Epochs()) EXPECT_EQ(epoch, MemoryCluster::kFirstEpoch);
  const ClusterView view = *first->ownership()->View();
  ASSERT_EQ(view.members.size(), 1u);
  EXPECT_EQ(view.members[0].id, first->name());
  EXPECT_TRUE(view.members[0].is_self);
  EXPECT_EQ(view.members[0].state, MemberState::kServing);
  EXPECT_EQ(view.shard_count, kShards);
  EXPECT_EQ(view.shards.size(), kShards);
}

// What its members hold is not what it says, and the owners that it names are long gone.
TEST_F(OwnershipTest, AStoreThatHasLostTimeIsTakenAnewAboveEveryEpoch) {
  const Duration ttl(3'000);
  Process* a = Start({.ttl = ttl});
  Process* b = Start({.ttl = ttl});
  ASSERT_TRUE(AwaitSettled({a, b}));
  const std::map<ShardId, ShardRecord> before = cluster_.records();
  cluster_.GoBackInTime(10, PrintMemberId(77));
  ASSERT_TRUE(AwaitSettled({a, b}));
  for (const auto& [shard, record] : cluster_.records()) {
    EXPECT_GT(record.epoch, before.at(shard).epoch) << shard;
    EXPECT_EQ(record.owner, before.at(shard).owner) << shard;
  }
}

// Its own name stands there, too: that is no reason to believe the epoch beside it.
TEST_F(OwnershipTest, AStoreThatGoesBackToAnEarlierTimeOfItsOwnersIsTakenAnew) {
  Process* a = Start({.ttl = Duration(3'000)});
  ASSERT_TRUE(AwaitSettled({a}));
  const std::map<ShardId, uint32_t> before = Epochs();
  cluster_.GoBackInTime(10, a->name());
  ASSERT_TRUE(AwaitSettled({a}));
  for (const auto& [shard, epoch] : Epochs()) EXPECT_GT(epoch, before.at(shard)) << shard;
}

// Nobody here has seen the time that is lost; gateways have.
TEST_F(OwnershipTest, AShardIsTakenAboveTheEpochThatGatewaysKnow) {
  Process* a = Start();
  ASSERT_TRUE(AwaitSettled({a}));
  std::map<ShardId, uint32_t> expected = Epochs();
  a->ownership()->EpochSeen({6, expected[6]});       // its own
  a->ownership()->EpochSeen({5, ~0u});               // cannot be
  a->ownership()->EpochSeen({7, expected[7] + 50});  // of another time
  expected[7] += 51;
  ASSERT_TRUE(Await([&] { return Epochs() == expected; }));
  ASSERT_TRUE(AwaitSettled({a}));
  EXPECT_EQ(Epochs(), expected);
}

// What gateways know is the truth; this one has not heard of it yet.
TEST_F(OwnershipTest, AnOwnerThatLagsIsToldOfTheNextOneAndTakesNothingBack) {
  Process* a = Start();
  Process* b = Start();
  ASSERT_TRUE(AwaitSettled({a, b}));
  const auto mine = a->servers.served();
  const ShardId shard = mine.begin()->first;
  cluster_.Pause(b->name());  // it would take the shard anew, as one of an earlier life
  cluster_.Steal(shard, b->name());
  const uint32_t epoch = Epochs()[shard];
  a->ownership()->EpochSeen({shard, epoch});
  ASSERT_TRUE(Await([&] { return !a->servers.served().contains(shard); }));
  EXPECT_EQ(cluster_.records().at(shard).owner, b->name());
  EXPECT_EQ(Epochs()[shard], epoch);
}

TEST_F(OwnershipTest, AProcessThatHasTheStoreForItselfNeedsNoRenewal) {
  Process* only = Start({.ttl = Duration(1'000), .shared = false});
  ASSERT_TRUE(AwaitSettled({only}));
  cluster_.GoAway();
  EXPECT_FALSE(Await([&] { return !only->lease.IsGood(); }, 1'500));
}

TEST_F(OwnershipTest, TheShardsOfAnEarlierLifeAreTakenOver) {
  for (uint32_t i = 0; i < kShards; ++i)
    cluster_.Steal(static_cast<ShardId>(i), PrintMemberId(NewGatewayId()));
  EXPECT_TRUE(AwaitSettled({Start()}));
}

TEST_F(OwnershipTest, ManyThatStartAtOnceShareTheShards) {
  const std::vector<Process*> all = {Start(), Start(), Start()};
  EXPECT_TRUE(AwaitSettled(all));
}

TEST_F(OwnershipTest, AJoinMovesAFairPartByHandOverAndNothingElse) {
  std::vector<Process*> members = {Start(), Start(), Start()};
  ASSERT_TRUE(AwaitSettled(members));
  const std::map<ShardId, ShardRecord> before = cluster_.records();
  std::vector<size_t> moved_before;
  moved_before.reserve(members.size());
  for (Process* process : members) moved_before.push_back(process->servers.moved());
  Process* fourth = Start();
  members.push_back(fourth);
  ASSERT_TRUE(AwaitSettled(members));
  ExpectOneStepEach(before);
  size_t moved = 0;
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(members[i]->servers.torn(), 0u);
    moved += members[i]->servers.moved() - moved_before[i];
  }
  EXPECT_EQ(moved, fourth->owned());
  EXPECT_GT(moved, kShards / 4 - 45);
  EXPECT_LT(moved, kShards / 4 + 45);
}

TEST_F(OwnershipTest, AMemberThatLeavesHandsEverythingOver) {
  std::vector<Process*> members = {Start(), Start(), Start()};
  ASSERT_TRUE(AwaitSettled(members));
  const std::map<ShardId, ShardRecord> before = cluster_.records();
  const std::string name = members[1]->name();
  members[1]->Leave();
  EXPECT_EQ(members[1]->owned(), 0u);
  EXPECT_EQ(members[1]->servers.torn(), 0u);
  EXPECT_FALSE(cluster_.IsMember(name));
  Kill(members[1]);
  ASSERT_TRUE(AwaitSettled({members[0], members[2]}));
  ExpectOneStepEach(before);
}

TEST_F(OwnershipTest, TheLastMemberLeavesWithoutWaiting) {
  Process* only = Start();
  ASSERT_TRUE(AwaitSettled({only}));
  const int64_t begin = SteadyMs();
  only->Leave();
  EXPECT_LT(SteadyMs() - begin, 5'000);
  EXPECT_EQ(only->owned(), kShards);  // the lanes finish what they began
  Kill(only);
  EXPECT_TRUE(AwaitSettled({Start()}));
}

TEST_F(OwnershipTest, AKilledMemberIsReplacedLongBeforeItsEntryLapses) {
  std::vector<Process*> members = {Start(), Start(), Start()};
  ASSERT_TRUE(AwaitSettled(members));
  const std::map<ShardId, ShardRecord> before = cluster_.records();
  Kill(members[0]);
  const int64_t begin = SteadyMs();
  ASSERT_TRUE(AwaitSettled({members[1], members[2]}));
  RecordProperty("milliseconds", static_cast<int>(SteadyMs() - begin));
  EXPECT_LT(SteadyMs() - begin, 5'000);
  ExpectOneStepEach(before);
  EXPECT_EQ(members[1]->servers.torn() + members[2]->servers.torn(), 0u);
}

TEST_F(OwnershipTest, LanesHearHowManyOwnersOfAShardHaveDiedAndHandOversAreNone) {
  const auto crashes = [](Process* process) {
    std::map<uint32_t, size_t> shards;
    for (const auto& [shard, served] : process->servers.served()) ++shards[served.crashes];
    return shards;
  };
  std::vector<Process*> members = {Start(), Start()};
  ASSERT_TRUE(AwaitSettled(members));
  EXPECT_EQ(crashes(members[0]), (std::map<uint32_t, size_t>{{0, members[0]->owned()}}));
  const size_t lost = members[0]->owned();
  Kill(members[0]);
  ASSERT_TRUE(AwaitSettled({members[1]}));
  EXPECT_EQ(crashes(members[1]), (std::map<uint32_t, size_t>{{0, kShards - lost}, {1, lost}}));
  // Handed over, and the last one ends well: what was counted stays, and nothing comes to it.
  Process* third = Start();
  ASSERT_TRUE(AwaitSettled({members[1], third}));
  Leave(members[1]);
  ASSERT_TRUE(AwaitSettled({third}));
  EXPECT_EQ(crashes(third), (std::map<uint32_t, size_t>{{0, kShards - lost}, {1, lost}}));
  Leave(third);
  Process* fourth = Start();
  ASSERT_TRUE(AwaitSettled({fourth}));
  EXPECT_EQ(crashes(fourth), (std::map<uint32_t, size_t>{{0, kShards - lost}, {1, lost}}));
}

TEST_F(OwnershipTest, OfTwoTheOtherOneReplacesAKilledMember) {
  for (const bool older : {true, false}) {
    processes_.clear();
    Process* first = Start({.ttl = Duration(2'000)});
    ASSERT_TRUE(Await([&] { return first->owned() == kShards; }));
    Process* second = Start({.ttl = Duration(2'000)});
    ASSERT_TRUE(AwaitSettled({first, second}));
    Kill(older ? first : second);
    EXPECT_TRUE(AwaitSettled({older ? second : first}));
  }
}

TEST_F(OwnershipTest, APausedMemberIsReplacedAndComesBack) {
  std::vector<Process*> members = {Start({.ttl = Duration(3'000)}), Start({.ttl = Duration(3'000)}),
                                   Start({.ttl = Duration(3'000)})};
  ASSERT_TRUE(AwaitSettled(members));
  const std::string name = members[0]->name();
  cluster_.Pause(name);
  ASSERT_TRUE(Await([&] {
    for (const auto& [shard, record] : cluster_.records()) {
      if (record.owner == name) return false;
    }
    return true;
  }));
  EXPECT_TRUE(Await([&] { return !members[0]->lease.IsGood(); }));
  cluster_.Continue(name);
  EXPECT_TRUE(AwaitSettled(members));
  EXPECT_GT(members[0]->servers.torn(), 0u);
}

TEST_F(OwnershipTest, OfTwoThatCannotReachEachOtherTheOlderKeepsEverything) {
  // Each can be reached by gateways, and reaches the store.
  Process* older = Start({.ttl = Duration(1'500), .advertise = FreeAddress()});
  ASSERT_TRUE(AwaitSettled({older}));
  Process* younger = Start({.ttl = Duration(1'500), .advertise = FreeAddress()});
  ASSERT_TRUE(Await([&] { return older->map().members_size() == 2; }));
  // The younger one may know of it first, and take what a dead member would leave behind.
  ASSERT_TRUE(Await([&] {
    const std::vector<MemberView> view = younger->ownership()->View()->members;
    return std::any_of(view.begin(), view.end(),
                       [](const MemberView& m) { return m.is_self && m.suspected; });
  }));
  ASSERT_TRUE(AwaitSettled({older}));
  EXPECT_FALSE(Await([&] { return younger->owned() > 0; }, 2'000));
  EXPECT_NE(younger->ownership()->NotReady().find("the other statekeepers cannot reach it"),
            std::string::npos)
      << younger->ownership()->NotReady();
  for (const std::vector<MemberView> all = younger->ownership()->View()->members;
       const MemberView& member : all) {
    EXPECT_EQ(member.suspected, member.is_self);
  }
}

TEST_F(OwnershipTest, WhenTheStoreIsAwayAllServeOnAndNothingMoves) {
  // They see it one after another: by their own Syncs, and by what the others say. With less, a lease may
  // end.
  const Duration ttl(3'000);
  std::vector<Process*> members = {Start({.ttl = ttl}), Start({.ttl = ttl}), Start({.ttl = ttl})};
  ASSERT_TRUE(AwaitSettled(members));
  const std::map<ShardId, uint32_t> before = Epochs();
  cluster_.GoAway();
  EXPECT_FALSE(Await(
      [&] {
        return std::any_of(members.begin(), members.end(), [](Process* p) { return !p->lease.IsGood(); });
      },
      4'000));
  for (Process* process : members) EXPECT_FALSE(cluster_.IsMember(process->name()));
  cluster_.ComeBack();
  ASSERT_TRUE(AwaitSettled(members));
  // As long as they would have had to take from each other.
  EXPECT_FALSE(Await([&] { return Epochs() != before; }, 3'000));
}

TEST_F(OwnershipTest, WhoAloneCannotReachTheStoreStopsAndIsReplaced) {
  const Duration ttl(1'500);
  std::vector<Process*> members = {Start({.ttl = ttl}), Start({.ttl = ttl}), Start({.ttl = ttl})};
  ASSERT_TRUE(AwaitSettled(members));
  const std::string name = members[0]->name();
  cluster_.GoAway(name);
  EXPECT_TRUE(Await([&] { return !members[0]->lease.IsGood(); }));
  EXPECT_TRUE(Await([&] { return members[0]->map().members_size() == 0; })) << "gateways are to ask others";
  EXPECT_TRUE(Await([&] {
    for (const auto& [shard, record] : cluster_.records()) {
      if (record.owner == name) return false;
    }
    return true;
  }));
  EXPECT_NE(members[0]->ownership()->NotReady().find("it cannot reach the store"), std::string::npos);
  for (const std::vector<MemberView> all = members[0]->ownership()->View()->members;
       const MemberView& member : all) {
    if (!member.is_self) continue;
    EXPECT_EQ(member.state, MemberState::kCutOff);
    EXPECT_EQ(member.shards, 0u);
  }
  cluster_.ComeBack();
  EXPECT_TRUE(AwaitSettled(members));
  EXPECT_TRUE(Await([&] { return members[0]->map().members_size() == 3; }));
}

TEST_F(OwnershipTest, AnEvictedShardGoesToAnotherAndStaysAway) {
  std::vector<Process*> members = {Start(), Start(), Start()};
  ASSERT_TRUE(AwaitSettled(members));
  const std::map<ShardId, ShardRecord> before = cluster_.records();
  const ShardId shard = members[0]->servers.served().begin()->first;
  EXPECT_EQ(members[0]->Evict({shard}), "");
  EXPECT_NE(members[0]->ownership()->View()->shards.at(shard).owner, members[0]->name());  // at once
  ASSERT_TRUE(AwaitSettled(members));
  EXPECT_NE(members[0]->Owner(shard), members[0]->id());
  EXPECT_EQ(cluster_.table().at(shard).avoid, members[0]->name());
  EXPECT_EQ(members[0]->servers.torn(), 0u);
  ExpectOneStepEach(before);
  EXPECT_NE(members[0]->Evict({shard}), "");
}

TEST_F(OwnershipTest, AnEvictedShardOfALonelyMemberBeginsAnew) {
  Process* only = Start();
  ASSERT_TRUE(AwaitSettled({only}));
  EXPECT_EQ(only->Evict({3, 5}), "");
  EXPECT_EQ(Epochs()[3], MemoryCluster::kFirstEpoch + 1);
  EXPECT_EQ(Epochs()[5], MemoryCluster::kFirstEpoch + 1);
  EXPECT_EQ(Epochs()[4], MemoryCluster::kFirstEpoch);
  EXPECT_TRUE(AwaitSettled({only}));
}

TEST_F(OwnershipTest, ADrainedMemberOwnsNothingUntilItIsToldOtherwise) {
  std::vector<Process*> members = {Start(), Start()};
  ASSERT_TRUE(AwaitSettled(members));
  EXPECT_EQ(members[0]->Drain(true), "");
  EXPECT_EQ(members[0]->owned(), 0u);
  // At once for who asks it.
  for (const std::vector<MemberView> all = members[0]->ownership()->View()->members;
       const MemberView& member : all) {
    if (member.is_self) {
      EXPECT_EQ(member.shards, 0u);
    }
  }
  EXPECT_TRUE(AwaitSettled({members[1]}));
  EXPECT_EQ(members[0]->Drain(false), "");
  EXPECT_TRUE(AwaitSettled(members));
  EXPECT_EQ(members[0]->servers.torn() + members[1]->servers.torn(), 0u);
}

TEST_F(OwnershipTest, WithoutAnotherMemberADrainFails) {
  Process* only = Start();
  ASSERT_TRUE(AwaitSettled({only}));
  EXPECT_NE(only->Drain(true), "");
  EXPECT_TRUE(AwaitSettled({only}));
}

TEST_F(OwnershipTest, AShardWhoseClaimerDiedBeforeItCouldSayIsFoundByItsFence) {
  std::vector<Process*> members = {Start(), Start()};
  ASSERT_TRUE(AwaitSettled(members));
  const ShardId shard = members[0]->servers.served().begin()->first;
  cluster_.Steal(shard, PrintMemberId(NewGatewayId()));
  members[0]->Fence(shard);
  EXPECT_TRUE(AwaitSettled(members));
}

TEST_F(OwnershipTest, AHandOverWhoseTakerDiesIsUndone) {
  Process* first = Start();
  ASSERT_TRUE(AwaitSettled({first}));
  first->servers.Hold(true);
  Process* second = Start();
  ASSERT_TRUE(Await([&] { return first->servers.held() > 0; }));
  Kill(second);
  first->servers.Hold(false);
  EXPECT_TRUE(AwaitSettled({first}));
  EXPECT_EQ(first->servers.torn(), 0u);
}

TEST_F(OwnershipTest, AMapNamesNoOwnerThatDoesNotServeYet) {
  Process* first = Start({.start = false});
  first->servers.Hold(true);
  first->ownership()->Start();
  ASSERT_TRUE(Await([&] { return first->servers.held() > 0 && first->map().members_size() == 1; }));
  EXPECT_FALSE(Await([&] { return first->Owner(0) != 0; }, 200));
  EXPECT_NE(first->ownership()->NotReady(), "");
  EXPECT_TRUE(cluster_.table().empty());
  first->servers.Hold(false);
  EXPECT_TRUE(AwaitSettled({first}));
}

}  // namespace
}  // namespace dormouse
