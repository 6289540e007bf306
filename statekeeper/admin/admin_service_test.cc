// What operators are told and refused, and which statekeeper does it.
#include "statekeeper/admin/admin_service.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <thread>

#include "common/auth/shared_secret.h"
#include "common/auth/testing/token_maker.h"
#include "common/clock.h"
#include "common/rpc/link_channel.h"
#include "proto/admin.grpc.pb.h"
#include "statekeeper/admin/testing/fake_statekeeper.h"

namespace dormouse {
namespace {

using grpc::StatusCode;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Stub = admin::Admin::StubInterface;

const char kOne[] = "1111111111114111";
const char kTwo[] = "2222222222224222";

class AdminServiceTest : public testing::Test {
 protected:
  // The even shards are One's, the odd ones Two's.
  void Start(const TestTrust* of_one, const TestTrust* of_two, const std::string& admin_key = "",
             bool unix_known = true) {
    one_.reset();
    two_.reset();
    one_ = std::make_unique<FakeStatekeeper>(&cluster_, kOne, of_one, admin_key, unix_known);
    two_ = std::make_unique<FakeStatekeeper>(&cluster_, kTwo, of_two, admin_key, unix_known);
    for (ShardId shard = 0; shard < FakeCluster::kShards; ++shard)
      cluster_.Give(shard, shard % 2 == 0 ? kOne : kTwo);
  }
  void SetUp() override { Start(&trust_, &trust_); }

  template <typename Request, typename Reply>
  grpc::Status Ask(const std::string& address,
                   grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                   const Request& request, Reply* reply, const std::string& token = "",
                   Duration timeout = Duration(20'000)) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    if (!token.empty()) context.AddMetadata("authorization", token);
    auto stub = admin::Admin::NewStub(LinkChannel(address).grpc());
    return (stub.get()->*method)(&context, request, reply);
  }
  grpc::Status AskMembers(const std::string& address, const std::string& token = "") {
    admin::MembersReply reply;
    return Ask(address, &Stub::Members, admin::MembersRequest(), &reply, token);
  }
  grpc::Status Evict(const admin::EvictRequest& request) {
    return Ask(one_->unix(), &Stub::Evict, request, &evicted_);
  }
  // A hub of one of the two; `n` makes different ones.
  static std::string HubOf(int odd, int n = 0) {
    for (int i = n * 1000;; ++i) {
      std::string hub = "echo/hub-" + std::to_string(i);
      if (ShardOf(hub, FakeCluster::kShards) % 2 == odd) return hub;
    }
  }
  std::string KeyFile(const std::string& name, char filler) {
    return files_.Write(name, std::string(32, filler));
  }
  static std::string TokenOf(const std::string& file, int64_t now_ms = WallMs()) {
    std::string wrong;
    return "Bearer " + SharedSecret::Read("key", file, &wrong)->NewToken(NameOf(LinkRole::kOperator), now_ms);
  }

  KeyDirectory files_;
  const TestSecret trust_;
  FakeCluster cluster_;
  std::unique_ptr<FakeStatekeeper> one_;
  std::unique_ptr<FakeStatekeeper> two_;
  admin::EvictReply evicted_;
};

TEST_F(AdminServiceTest, ShowsMembersAndShards) {
  cluster_.Change(kTwo, [](MemberView* member) {
    member->state = MemberState::kDraining;
    member->suspected = true;
  });
  cluster_.Give(7, "3333333333334333");  // who does not live
  admin::MembersReply members;
  ASSERT_TRUE(Ask(one_->unix(), &Stub::Members, admin::MembersRequest(), &members).ok());
  ASSERT_EQ(members.members_size(), 2);
  EXPECT_EQ(members.self(), kOne);
  EXPECT_EQ(members.shard_count(), 8u);
  EXPECT_EQ(members.ownerless(), 1u);
  EXPECT_EQ(members.members(0).shards(), 4u);
  EXPECT_EQ(members.members(1).state(), admin::Member::DRAINING);
  EXPECT_TRUE(members.members(1).suspected());

  admin::ShardsRequest request;
  admin::ShardsReply shards;
  ASSERT_TRUE(Ask(one_->unix(), &Stub::Shards, request, &shards).ok());
  ASSERT_EQ(shards.shards_size(), 8);
  EXPECT_FALSE(shards.shards(7).owner_lives());
  request.set_owner("22");
  ASSERT_TRUE(Ask(one_->unix(), &Stub::Shards, request, &shards).ok());
  EXPECT_EQ(shards.owner(), kTwo);
  EXPECT_EQ(shards.shards_size(), 3);
  request.set_owner("9");
  EXPECT_EQ(Ask(one_->unix(), &Stub::Shards, request, &shards).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(AdminServiceTest, PassesOnWhatConcernsAnother) {
  two_->AddHub(HubOf(1), {.awake = true});
  admin::HubRequest request;
  request.set_hub(HubOf(1));
  admin::HubReply hub;
  const grpc::Status status = Ask(one_->unix(), &Stub::Hub, request, &hub);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(hub.owner(), kTwo);
  EXPECT_EQ(hub.counts(0).name(), "registrations");
  EXPECT_THAT(one_->asked(), IsEmpty());
  EXPECT_THAT(two_->asked(), ElementsAre("describe " + HubOf(1)));
}

TEST_F(AdminServiceTest, PassesItOnOnce) {
  // What one takes for the other's, the other takes for its own predecessor's: they must not play ball.
  FakeCluster other_view;
  FakeStatekeeper confused(&other_view, kTwo, &trust_);
  MemberView one = cluster_.ViewOf(kOne).members[0];
  other_view.Join(one);
  other_view.Give(ShardOf(HubOf(1), FakeCluster::kShards), kOne);
  cluster_.Join(other_view.ViewOf(kTwo).members[1]);
  admin::HubRequest request;
  request.set_hub(HubOf(1));
  admin::HubReply hub;
  const grpc::Status status = Ask(one_->unix(), &Stub::Hub, request, &hub);
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("meanwhile"));
}

TEST_F(AdminServiceTest, AnOwnerThatDoesNotAnswerIsAMatterOfTime) {
  cluster_.Change(kTwo, [](MemberView* member) {
    member->unix_path.clear();
    member->address = "127.0.0.1:1";
  });
  admin::HubRequest request;
  request.set_hub(HubOf(1));
  admin::HubReply hub;
  grpc::Status status = Ask(one_->unix(), &Stub::Hub, request, &hub);
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("does not answer"));
  cluster_.Leave(kTwo);
  status = Ask(one_->unix(), &Stub::Hub, request, &hub);
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("is gone"));
}

TEST_F(AdminServiceTest, OverTheNetworkNobodyIsServedWithoutAKey) {
  EXPECT_TRUE(AskMembers(one_->unix()).ok());
  const grpc::Status status = AskMembers(one_->tcp(), TokenOf(KeyFile("key", 'k')));
  EXPECT_EQ(status.error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(status.error_message(), HasSubstr("--admin-key FILE"));
}

TEST_F(AdminServiceTest, OverTheNetworkATokenOfTheKeyIsAskedFor) {
  const std::string key = KeyFile("key", 'k');
  Start(&trust_, &trust_, key);
  EXPECT_TRUE(AskMembers(one_->unix()).ok());
  EXPECT_TRUE(AskMembers(one_->tcp(), TokenOf(key)).ok());
  for (const auto& [token, why] :
       std::map<std::string, std::string>{{"", "--key"},
                                          {TokenOf(key).substr(7), "--key"},
                                          {"Bearer ", "JSON Web Token"},
                                          {TokenOf(KeyFile("other", 'o')), "secret of admin-key"},
                                          {TokenOf(key, WallMs() - 61'000), "expired"}}) {
    const grpc::Status status = AskMembers(one_->tcp(), token);
    EXPECT_EQ(status.error_code(), StatusCode::UNAUTHENTICATED) << token;
    EXPECT_THAT(status.error_message(), HasSubstr(why));
    EXPECT_THAT(status.error_message(), Not(HasSubstr("kkkk")));
  }
}

TEST_F(AdminServiceTest, EveryMethodIsGuarded) {
  const auto refused = [&](auto method, const auto& request, auto reply) {
    return Ask(one_->tcp(), method, request, &reply).error_code() == StatusCode::UNAUTHENTICATED;
  };
  EXPECT_TRUE(refused(&Stub::Members, admin::MembersRequest(), admin::MembersReply()));
  EXPECT_TRUE(refused(&Stub::Shards, admin::ShardsRequest(), admin::ShardsReply()));
  EXPECT_TRUE(refused(&Stub::Hubs, admin::HubsRequest(), admin::HubsReply()));
  EXPECT_TRUE(refused(&Stub::Hub, admin::HubRequest(), admin::HubReply()));
  EXPECT_TRUE(refused(&Stub::Connections, admin::ConnectionsRequest(), admin::ConnectionsReply()));
  EXPECT_TRUE(refused(&Stub::Hibernate, admin::HibernateRequest(), admin::HibernateReply()));
  EXPECT_TRUE(refused(&Stub::Evict, admin::EvictRequest(), admin::EvictReply()));
  EXPECT_TRUE(refused(&Stub::Drain, admin::DrainRequest(), admin::DrainReply()));
  EXPECT_TRUE(refused(&Stub::Load, admin::LoadRequest(), admin::LoadReply()));
}

TEST_F(AdminServiceTest, StatekeepersOfDifferentHostsProveThemselvesToEachOther) {
  admin::HubRequest request;
  request.set_hub(HubOf(1));
  admin::HubReply hub;
  const TestCertificates certificates;
  for (const TestTrust* trust : std::vector<const TestTrust*>{&trust_, &certificates}) {
    Start(trust, trust, "", /*unix_known=*/false);
    two_->AddHub(HubOf(1), {});
    const grpc::Status status = Ask(one_->unix(), &Stub::Hub, request, &hub);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  const TestSecret other('o');
  Start(&trust_, &other, "", /*unix_known=*/false);
  grpc::Status status = Ask(one_->unix(), &Stub::Hub, request, &hub);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("same --cluster-secret"));

  Start(nullptr, &trust_, "", /*unix_known=*/false);
  status = Ask(one_->unix(), &Stub::Hub, request, &hub);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("--cluster-secret FILE"));
}

TEST_F(AdminServiceTest, PagesThroughHubsInOrder) {
  // More than a page takes of one shard.
  std::set<std::string> hubs;
  const ShardId crowded = ShardOf(HubOf(0), FakeCluster::kShards);
  for (int i = 0; hubs.size() < 2500; ++i) {
    const std::string hub = (i % 3 == 0 ? "signal/" : "echo/") + std::to_string(i);
    if (ShardOf(hub, FakeCluster::kShards) != crowded) continue;
    one_->AddHub(hub, {.awake = i % 2 == 0});
    hubs.insert(hub);
  }
  two_->AddHub(HubOf(1), {});

  const auto list = [&](admin::HubsRequest request) {
    std::vector<std::string> found;
    admin::HubsReply page;
    do {
      const grpc::Status status = Ask(two_->unix(), &Stub::Hubs, request, &page);
      EXPECT_TRUE(status.ok()) << status.error_message();
      for (const auto& hub : page.hubs()) found.push_back(hub.hub());
      *request.mutable_after() = page.next();
    } while (page.has_next());
    return found;
  };
  admin::HubsRequest request;
  request.set_member(kOne);
  EXPECT_THAT(list(request), testing::ElementsAreArray(hubs));
  request.set_shard(crowded);
  EXPECT_THAT(list(request), testing::ElementsAreArray(hubs));
  request.set_awake(true);
  request.set_hub_class("signal");
  const std::vector<std::string> awake = list(request);
  EXPECT_THAT(awake, Not(IsEmpty()));
  EXPECT_TRUE(std::ranges::all_of(awake, [](const auto& hub) { return hub.starts_with("signal/"); }));
  admin::HubsRequest of_two;
  of_two.set_member("2");
  EXPECT_THAT(list(of_two), ElementsAre(HubOf(1)));
  of_two.set_shard(8);
  admin::HubsReply page;
  EXPECT_EQ(Ask(one_->unix(), &Stub::Hubs, of_two, &page).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(AdminServiceTest, PagesThroughConnections) {
  FakeHub hub;
  for (uint64_t i = 1; i <= 5; ++i)
    hub.connections.push_back({{UuidHigh(9), UuidLow(i)}, 1000, 2000, 10, {"red"}});
  one_->AddHub(HubOf(0), hub);
  admin::ConnectionsRequest request;
  request.set_hub(HubOf(0));
  request.set_limit(3);
  admin::ConnectionsReply page;
  ASSERT_TRUE(Ask(one_->unix(), &Stub::Connections, request, &page).ok());
  ASSERT_EQ(page.connections_size(), 3);
  EXPECT_FALSE(page.complete());
  EXPECT_EQ(page.connections(0).gateway(), fmt::format("{:016x}", UuidHigh(9)));
  request.set_after(page.connections(2).id());
  ASSERT_TRUE(Ask(one_->unix(), &Stub::Connections, request, &page).ok());
  EXPECT_EQ(page.connections_size(), 2);
  EXPECT_TRUE(page.complete());
}

TEST_F(AdminServiceTest, EvictsByMigration) {
  admin::EvictRequest request;
  request.set_mode(admin::EvictRequest::MIGRATE);
  request.set_hub(HubOf(0));
  ASSERT_TRUE(Evict(request).ok());
  EXPECT_THAT(one_->asked(), ElementsAre("evict " + std::to_string(ShardOf(HubOf(0), 8))));
  EXPECT_EQ(evicted_.shards(), 1u);

  for (const uint32_t shard : {3, 1, 3}) request.mutable_shards()->add_shards(shard);
  ASSERT_TRUE(Evict(request).ok());
  EXPECT_THAT(two_->asked(), ElementsAre("evict 1,3"));
  EXPECT_EQ(evicted_.owner(), kTwo);
  request.mutable_shards()->add_shards(2);
  EXPECT_EQ(Evict(request).error_code(), StatusCode::FAILED_PRECONDITION);

  request.set_member(two_->tcp());
  ASSERT_TRUE(Evict(request).ok());
  EXPECT_THAT(two_->asked(), Contains("evict 1,3,5,7"));

  two_->FailWith("There is nobody to take them.");
  const grpc::Status status = Evict(request);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), "There is nobody to take them.");

  request.set_mode(admin::EvictRequest::UNSPECIFIED);
  EXPECT_EQ(Evict(request).error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(AdminServiceTest, EvictsByClosingAFewAtOnce) {
  for (int i = 0; i < 1500; ++i) two_->AddHub(HubOf(1, i), {});
  admin::EvictRequest request;
  request.set_mode(admin::EvictRequest::CLOSE);
  request.set_member(kTwo);
  const grpc::Status status = Evict(request);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(evicted_.hubs(), 1500u);
  EXPECT_EQ(evicted_.shards(), 4u);
  EXPECT_GT(two_->most_at_once(), 1u);
  EXPECT_LE(two_->most_at_once(), 64u);
  EXPECT_THAT(one_->asked(), IsEmpty());

  request.set_hub(HubOf(1));
  ASSERT_TRUE(Evict(request).ok());
  EXPECT_EQ(evicted_.hubs(), 1u);

  request.mutable_shards()->add_shards(1);
  two_->Answer(OperatorStatus::kStore);
  const grpc::Status failed = Evict(request);
  EXPECT_EQ(failed.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(failed.error_message(), HasSubstr("store"));
}

TEST_F(AdminServiceTest, StopsClosingWhenNobodyWaitsForItAnyMore) {
  for (int i = 0; i < 200; ++i) one_->AddHub(HubOf(0, i), {});
  one_->BeSilent();
  admin::EvictRequest request;
  request.set_mode(admin::EvictRequest::CLOSE);
  request.set_member(kOne);
  admin::EvictReply reply;
  EXPECT_EQ(Ask(one_->unix(), &Stub::Evict, request, &reply, "", Duration(200)).error_code(),
            StatusCode::DEADLINE_EXCEEDED);
  one_.reset();  // does not wait for answers that never come
}

TEST_F(AdminServiceTest, AnAnswerThatComesTooLateIsToNoEffect) {
  admin::HubRequest request;
  request.set_hub(HubOf(0));
  admin::HubReply hub;
  one_->AddHub(HubOf(0), {});
  one_->Hold();
  for (FakeStatekeeper* asked : {one_.get(), two_.get()}) {
    EXPECT_EQ(Ask(asked->unix(), &Stub::Hub, request, &hub, "", Duration(200)).error_code(),
              StatusCode::DEADLINE_EXCEEDED);
  }
  one_->Release();
  EXPECT_TRUE(Ask(one_->unix(), &Stub::Hub, request, &hub).ok());
}

TEST_F(AdminServiceTest, AServerThatStopsDoesNotWaitForAnswers) {
  one_->AddHub(HubOf(0), {});
  // The one that waits for its lane; the one that waits for the other statekeeper.
  size_t questions = 0;
  for (FakeStatekeeper* stopped : {two_.get(), one_.get()}) {
    one_->Hold();
    auto answer = std::async(std::launch::async, [&, address = stopped->unix()] {
      admin::HubRequest request;
      request.set_hub(HubOf(0));
      admin::HubReply hub;
      return Ask(address, &Stub::Hub, request, &hub, "", Duration(60'000)).error_code();
    });
    one_->AwaitAsked(++questions);
    const int64_t begin = SteadyMs();
    stopped->StopServing();
    EXPECT_THAT(answer.get(), testing::AnyOf(StatusCode::UNAVAILABLE, StatusCode::CANCELLED));
    EXPECT_LT(SteadyMs() - begin, 20'000);
    one_->Release();  // answers of calls that are no longer there
  }
}

// They poll the sockets of the whole process, and wake for each message of the edge link.
TEST_F(AdminServiceTest, StartsNoThreadsOfTheCallbackApi) {
  two_->AddHub(HubOf(1), {});
  admin::HubRequest request;
  request.set_hub(HubOf(1));
  admin::HubReply hub;
  ASSERT_TRUE(Ask(one_->unix(), &Stub::Hub, request, &hub).ok());
  std::vector<std::string> threads;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    std::getline(std::ifstream(entry.path() / "comm"), threads.emplace_back());
  }
  EXPECT_THAT(threads, Not(IsEmpty()));
  EXPECT_THAT(threads, Not(Contains(HasSubstr("nexting"))));
}

TEST_F(AdminServiceTest, SaysWhatLanesSay) {
  one_->AddHub(HubOf(0), {});
  admin::HibernateRequest request;
  request.set_hub(HubOf(0));
  const auto hibernate = [&] {
    admin::HibernateReply reply;
    return Ask(two_->unix(), &Stub::Hibernate, request, &reply).error_code();
  };
  EXPECT_EQ(hibernate(), StatusCode::OK);
  for (const auto& [said, code] :
       std::map<OperatorStatus, StatusCode>{{OperatorStatus::kNotOwner, StatusCode::ABORTED},
                                            {OperatorStatus::kNoSuchHub, StatusCode::NOT_FOUND},
                                            {OperatorStatus::kBusy, StatusCode::DEADLINE_EXCEEDED},
                                            {OperatorStatus::kStore, StatusCode::FAILED_PRECONDITION}}) {
    one_->Answer(said);
    EXPECT_EQ(hibernate(), code);
  }
  one_->Answer(OperatorStatus::kOk);
  for (const char* wrong : {"", "echo", "/a", "echo/", "echo/a b"}) {
    request.set_hub(wrong);
    EXPECT_EQ(hibernate(), StatusCode::INVALID_ARGUMENT) << wrong;
  }
}

TEST_F(AdminServiceTest, Drains) {
  admin::DrainRequest request;
  request.set_member(kTwo);
  request.set_wait(true);
  admin::DrainReply reply;
  const auto drain = [&](Duration timeout = Duration(20'000)) {
    return Ask(one_->unix(), &Stub::Drain, request, &reply, "", timeout);
  };
  ASSERT_TRUE(drain().ok());
  EXPECT_EQ(reply.member(), kTwo);
  EXPECT_THAT(two_->asked(), ElementsAre("drain"));
  request.set_undo(true);
  ASSERT_TRUE(drain().ok());
  EXPECT_THAT(two_->asked(), Contains("undo drain"));
  request.set_undo(false);
  two_->FailWith("Somebody has to take them.");
  EXPECT_EQ(drain().error_message(), "Somebody has to take them.");

  two_->BeSilent();
  EXPECT_EQ(drain(Duration(200)).error_code(), StatusCode::DEADLINE_EXCEEDED);
  request.set_wait(false);
  EXPECT_TRUE(drain().ok());

  cluster_.Change(kOne, [](MemberView* member) { member->state = MemberState::kDraining; });
  const grpc::Status status = drain();
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("start one first"));
}

TEST_F(AdminServiceTest, SumsUpWhatLanesCount) {
  auto& events = prometheus::BuildCounter().Name("dormouse_events_total").Register(*two_->registry());
  events.Add({{"lane", "0"}}).Increment(3);
  events.Add({{"lane", "1"}}).Increment(4);
  auto& healthy = prometheus::BuildGauge().Name("dormouse_store_healthy").Register(*two_->registry());
  healthy.Add({{"lane", "0"}}).Set(1);
  auto& second = healthy.Add({{"lane", "1"}});
  second.Set(1);
  auto& gateways = prometheus::BuildGauge().Name("dormouse_gateways_connected").Register(*two_->registry());
  gateways.Add({{"lane", "0"}}).Set(2);
  gateways.Add({{"lane", "1"}}).Set(2);
  admin::LoadRequest request;
  request.set_member(kTwo);
  admin::LoadReply load;
  ASSERT_TRUE(Ask(one_->unix(), &Stub::Load, request, &load).ok());
  EXPECT_EQ(load.member(), kTwo);
  EXPECT_EQ(load.events(), 7u);
  EXPECT_EQ(load.gateways(), 2u);
  EXPECT_TRUE(load.store_healthy());
  second.Set(0);
  ASSERT_TRUE(Ask(one_->unix(), &Stub::Load, request, &load).ok());
  EXPECT_FALSE(load.store_healthy());
}

TEST_F(AdminServiceTest, MembersAreNamedByTheBeginningOfTheirIds) {
  FakeStatekeeper similar(&cluster_, "2222222222224223", &trust_);
  admin::LoadRequest request;
  admin::LoadReply load;
  request.set_member("22222222");
  grpc::Status status = Ask(one_->unix(), &Stub::Load, request, &load);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("write more of it"));
  request.set_member("2222222222224223");
  EXPECT_TRUE(Ask(one_->unix(), &Stub::Load, request, &load).ok());
  request.set_member("");
  EXPECT_EQ(Ask(one_->unix(), &Stub::Load, request, &load).error_code(), StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace dormouse
