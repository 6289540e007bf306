// A whole lane on its thread with the embedded store; the test is the gateways.

#include "statekeeper/runtime/lane/lane.h"

#include <ev.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <numeric>

#include "common/clock.h"
#include "common/temp_dir.h"
#include "statekeeper/open_store.h"
#include "statekeeper/runtime/row_names.h"
#include "statekeeper/store/cluster_store.h"
#include "statekeeper/store/testing/store_test_support.h"

namespace dormouse {
namespace {

using ::testing::ElementsAre;

constexpr ShardId kShards = 8;

// Echoes; "alarm MS": an alarm in so many milliseconds, which broadcasts "ring". "fill N": stores so many
// rows; "bump X": changes the first and the last of 2,500, removes one and adds one, in one event; "get":
// answers with the first.
std::string RowOf(int number) { return fmt::format("{:05}", number); }

class EchoHub : public Hub {
  void OnMessage(Context& context, const Connection& connection, const Message& message) override {
    if (message.data.starts_with("alarm ")) {
      context.SetAlarm(context.now_ms() + std::stoll(std::string(message.data.substr(6))));
    }
    const std::string text(message.data);
    if (text.starts_with("fill ")) {
      for (int i = 0; i < std::stoi(text.substr(5)); ++i) context.Put(RowOf(i), "0");
    }
    if (text.starts_with("bump ")) {
      context.Put(RowOf(0), text.substr(5));
      context.Put(RowOf(2'499), text.substr(5));
      context.Delete(RowOf(10));
      context.Put("added", text.substr(5));
    }
    if (text == "get") context.Send(connection.id, Message::Text(context.Get(RowOf(0)).value_or("nothing")));
    if (message.data == "upkeep") {
      context.Put("upkeep", "done");
      context.DoNotStayAwake();
    }
    context.Send(connection.id, Message::Text(std::string(message.data) + " of " +
                                              std::to_string(context.connection_count())));
  }
  void OnAlarm(Context& context) override { context.Broadcast(Message::Text("ring")); }
};

class EchoTestClass : public HubClass {
 public:
  const link::ClassProfile& profile() const override {
    static const link::ClassProfile profile = [] {
      link::ClassProfile p;
      p.set_name("echo");
      return p;
    }();
    return profile;
  }
  std::unique_ptr<Hub> NewHub() const override { return std::make_unique<EchoHub>(); }
};

// What tests and lane share: survives the links, which die with the lane's thread.
struct Wire {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::pair<GatewayId, std::string>> events;  // packed
  std::vector<std::string> sent;                         // "HANDLE:payload"
  size_t settled = 0;
  GatewayId gone = 0;
  bool report_gone = false;
  std::vector<std::string> owed;  // by that gateway, to these hubs
  bool report_back = false;
  std::vector<std::string> rolls;  // "HUB at GATEWAY: HANDLE..."
  std::vector<ShardEpoch> fenced;
  std::vector<ShardEpoch> owned;
  std::vector<ShardId> disowned;
  bool held = false;
  int holds = 0;  // calls of Hold
  bool hold_quiesce = false;
  std::vector<std::function<void()>> quiescing;  // to be called on the lane's thread
  size_t quiesced = 0;
};

class FakeLinks : public GatewayLinks {
 public:
  FakeLinks(Wire* wire, struct ev_loop* loop, Receiver* receiver)
      : wire_(wire), loop_(loop), receiver_(receiver) {
    ev_async_init(&wake_, &FakeLinks::OnWake);
    wake_.data = this;
    ev_async_start(loop_, &wake_);
  }
  ~FakeLinks() override { ev_async_stop(loop_, &wake_); }

  void Wake() { ev_async_send(loop_, &wake_); }

  void Release(EventOutput output) override {
    {
      const std::scoped_lock lock(wire_->mutex);
      for (const Output& each : output.outputs) {
        if (each.kind == DeliveryKind::kRollCall) {
          wire_->rolls.push_back(each.return_to + " at " + std::to_string(each.also_to.at(0)) + ":");
          for (const Output::To& to : each.to) {
            wire_->rolls.back() += " " + std::to_string(UuidLowBits(to.connection.handle));
          }
          continue;
        }
        for (const Output::To& to : each.to) {
          wire_->sent.push_back(std::to_string(UuidLowBits(to.connection.handle)) + ":" + each.payload);
        }
      }
      if (output.cause.IsEvent()) ++wire_->settled;
    }
    wire_->changed.notify_all();
    if (output.acknowledged) output.acknowledged();
  }
  void Recall(const ConnectionId&, ShardId, uint32_t, Recalled done) override { done({}); }
  bool IsPresent(GatewayId gateway) const override {
    const std::scoped_lock lock(wire_->mutex);
    return gateway != wire_->gone;
  }
  void Own(const std::vector<ShardEpoch>& shards) override {
    const std::scoped_lock lock(wire_->mutex);
    wire_->owned.insert(wire_->owned.end(), shards.begin(), shards.end());
  }
  void Disown(const std::vector<ShardId>& shards) override {
    const std::scoped_lock lock(wire_->mutex);
    wire_->disowned.insert(wire_->disowned.end(), shards.begin(), shards.end());
  }
  void Quiesce(const std::vector<ShardEpoch>&, std::function<void()> done) override {
    {
      const std::scoped_lock lock(wire_->mutex);
      ++wire_->quiesced;
      if (wire_->hold_quiesce) wire_->quiescing.push_back(std::exchange(done, nullptr));
    }
    wire_->changed.notify_all();
    if (done) done();
  }
  std::vector<GatewayId> Linked() const override { return {1, 2}; }
  void Hold(bool hold) override {
    {
      const std::scoped_lock lock(wire_->mutex);
      wire_->held = hold;
      ++wire_->holds;
    }
    wire_->changed.notify_all();
  }
  void Flush() override {}
  Traffic traffic() const override { return {}; }

 private:
  static void OnWake(struct ev_loop*, ev_async* watcher, int) {
    auto* self = static_cast<FakeLinks*>(watcher->data);
    std::deque<std::pair<GatewayId, std::string>> events;
    GatewayId gone = 0;
    std::vector<std::string> owed;
    bool back = false;
    {
      const std::scoped_lock lock(self->wire_->mutex);
      events.swap(self->wire_->events);
      if (std::exchange(self->wire_->report_gone, false)) gone = self->wire_->gone;
      owed = self->wire_->owed;
      back = std::exchange(self->wire_->report_back, false);
    }
    for (const auto& [gateway, packed] : events) {
      std::string_view rest = packed;
      EventView event;
      ASSERT_TRUE(ReadEvent(&rest, &event));
      self->receiver_->OnEvent(gateway, event);
    }
    if (gone != 0) self->receiver_->OnGatewayGone(gone, owed);
    if (back) self->receiver_->OnGatewayBack(2);
  }

  Wire* const wire_;
  struct ev_loop* const loop_;
  Receiver* const receiver_;
  ev_async wake_;
};

// A store that can fall silent: reads of hubs wait until it speaks again.
struct Gate {
  std::atomic<bool> silent{false};
  std::atomic<bool> healthy{true};
  std::atomic<size_t> waiting{0};
  std::atomic<size_t> most_waiting{0};      // at once, silent or not
  std::deque<std::function<void()>> reads;  // the lane's
};

class GatedStore : public Store {
 public:
  GatedStore(std::unique_ptr<Store> store, Gate* gate) : store_(std::move(store)), gate_(gate) {}

  void Commit(ShardCommit commit, CommitCallback done) override {
    store_->Commit(std::move(commit), std::move(done));
  }
  void Range(const std::string& hub, const std::string& first, const std::string& last, size_t limit,
             RowsCallback done) override {
    gate_->most_waiting = std::max<size_t>(gate_->most_waiting, ++gate_->waiting);
    std::function<void()> read = [=, this, done = std::move(done)] {
      store_->Range(hub, first, last, limit, [this, done](StoreStatus status, RowPage page) {
        --gate_->waiting;
        done(status, std::move(page));
      });
    };
    if (!gate_->silent) return read();
    gate_->reads.push_back(std::move(read));
  }
  void Get(const std::string& hub, std::vector<std::string> keys, ValuesCallback done) override {
    store_->Get(hub, std::move(keys), std::move(done));
  }
  void DueAlarms(ShardId shard, int64_t now_ms, size_t limit, AlarmsCallback done) override {
    store_->DueAlarms(shard, now_ms, limit, std::move(done));
  }
  void ListHubs(ShardId shard, const std::string& after, size_t limit, NamesCallback done) override {
    store_->ListHubs(shard, after, limit, std::move(done));
  }
  bool healthy() const override { return gate_->healthy && store_->healthy(); }

 private:
  const std::unique_ptr<Store> store_;
  Gate* const gate_;
};

class GatedStores : public StoreFactory {
 public:
  GatedStores(std::unique_ptr<StoreFactory> stores, Gate* gate) : stores_(std::move(stores)), gate_(gate) {}
  std::unique_ptr<Store> NewStore(struct ev_loop* loop) override {
    return std::make_unique<GatedStore>(stores_->NewStore(loop), gate_);
  }
  std::unique_ptr<ClusterStore> NewClusterStore(struct ev_loop* loop) override {
    return stores_->NewClusterStore(loop);
  }
  bool shared() const override { return stores_->shared(); }

 private:
  const std::unique_ptr<StoreFactory> stores_;
  Gate* const gate_;
};

class LaneTest : public testing::Test {
 protected:
  LaneTest() { classes_.Register(std::make_unique<EchoTestClass>()); }
  ~LaneTest() override { StopLane(); }

  void StartLane(Duration hibernate_after, const std::string& owner = "me") {
    StoreConfig store_config;
    store_config.url = "file:" + directory_ / "test.db";
    store_config.owner = owner;
    store_config.shard_count = kShards;
    std::string error;
    stores_ = OpenStore(store_config, &error);
    ASSERT_NE(stores_, nullptr) << error;
    stores_ = std::make_unique<GatedStores>(std::move(stores_), &gate_);
    Lane::Config config;
    config.max_handlers = max_handlers_;
    config.max_awake = max_awake_;
    config.store_timeout = Duration(100);
    config.shard_count = kShards;
    config.hibernate_after = hibernate_after;
    config.reap_interval = Duration(3'600'000);
    config.gateway_grace = Duration(60'000);
    config.suspects = &suspects_;
    config.lease = &lease_;
    config.fenced = [this](ShardEpoch shard) {
      const std::scoped_lock lock(wire_.mutex);
      wire_.fenced.push_back(shard);
      wire_.changed.notify_all();
    };
    lease_.Renew(Lease::kForever);
    registry_ = std::make_unique<prometheus::Registry>();
    lane_ = std::make_unique<Lane>(config, &classes_, stores_.get(), registry_.get());
    auto links = std::make_unique<FakeLinks>(&wire_, lane_->loop(), lane_.get());
    links_ = links.get();
    lane_->Start(std::move(links)).wait();
    TakeAll();
    Serve();
  }
  // Raises the epochs of all shards in the store, as a change of their owner does.
  void TakeAll() {
    TestLoop loop;
    std::vector<ShardId> shards(kShards);
    std::iota(shards.begin(), shards.end(), ShardId{0});
    epoch_ = Take(loop, *stores_->NewClusterStore(loop), shards).at(0).epoch;
  }
  // Runs something on the lane's thread, and waits for it.
  void OnLane(const std::function<void()>& request) {
    std::promise<void> done;
    ASSERT_TRUE(lane_->Post([&] {
      request();
      done.set_value();
    }));
    done.get_future().wait();
  }
  // All shards, in the present epoch.
  std::vector<TakenShard> All() const {
    std::vector<TakenShard> all;
    for (ShardId shard = 0; shard < kShards; ++shard) all.push_back({shard, epoch_});
    return all;
  }
  void Serve() {
    OnLane([&] { lane_->host().shards().Serve(All()); });
  }
  void Drop(const std::vector<ShardEpoch>& shards) {
    OnLane([&] { lane_->host().shards().Drop(shards); });
  }
  // The store speaks again.
  void OpenGate() {
    OnLane([&] {
      gate_.silent = false;
      for (const auto& read : std::exchange(gate_.reads, {})) read();
    });
  }
  static ShardId ShardOfHub(const std::string& hub) { return ShardOf("echo/" + hub, kShards); }
  // The future is ready when it is done.
  std::future<void> Retire(const std::string& hub, Duration patience = Duration(30'000)) {
    auto done = std::make_shared<std::promise<void>>();
    std::future<void> future = done->get_future();
    OnLane(
        [&] { lane_->host().shards().Retire({ShardOfHub(hub)}, patience, [done] { done->set_value(); }); });
    return future;
  }
  void Reinstate(const std::string& hub) {
    OnLane([&] { lane_->host().shards().Reinstate({ShardOfHub(hub)}); });
  }
  static bool IsReady(const std::future<void>& future,
                      std::chrono::seconds within = std::chrono::seconds(30)) {
    return future.wait_for(within) == std::future_status::ready;
  }
  // Waits until the lane has handed over everything that came before.
  void Pass() {
    for (int turns = 0; turns < 3; ++turns) OnLane([] {});
  }
  void StopLane() {
    if (lane_ == nullptr) return;
    lane_->Stop(Duration(5'000));
    lane_.reset();
    stores_.reset();
  }

  void Post(EventKind kind, const std::string& hub, uint64_t connection, const std::string& payload = "",
            GatewayId gateway = 1, bool repeated = false) {
    const std::string name = "echo/" + hub;
    std::string packed;
    AppendEvent({kind, ShardOf(name, kShards), epoch_, ++sequence_, UuidLow(connection), WallMs(), name,
                 payload, repeated},
                &packed);
    {
      const std::scoped_lock lock(wire_.mutex);
      wire_.events.emplace_back(gateway, std::move(packed));
    }
    links_->Wake();
  }
  template <typename Method>
  OperatorStatus Ask(Method method, const std::string& hub) {
    std::promise<OperatorStatus> answer;
    OnLane([&] {
      (lane_->host().operators().*method)(hub, [&](OperatorStatus status) { answer.set_value(status); });
    });
    return answer.get_future().get();
  }
  HubReport Describe(const std::string& hub, OperatorStatus* status = nullptr) {
    std::promise<HubReport> answer;
    OnLane([&] {
      lane_->host().operators().DescribeHub(hub, [&](OperatorStatus found, HubReport report) {
        if (status != nullptr) *status = found;
        answer.set_value(std::move(report));
      });
    });
    return answer.get_future().get();
  }
  size_t Connections(const std::string& hub) {
    std::promise<size_t> answer;
    OnLane([&] {
      lane_->host().operators().ListConnections(hub, "", 10, [&](OperatorStatus, const auto& connections) {
        answer.set_value(connections.size());
      });
    });
    return answer.get_future().get();
  }
  HubPage ReadPage(const std::string& hub, uint64_t reading, uint32_t page,
                   OperatorStatus* status = nullptr) {
    std::promise<HubPage> answer;
    OnLane([&] {
      lane_->host().reader().ReadHub(hub, reading, page, [&](OperatorStatus said, HubPage read) {
        if (status != nullptr) *status = said;
        answer.set_value(std::move(read));
      });
    });
    return answer.get_future().get();
  }
  using Rows = std::map<std::string, std::string>;
  static void Apply(const HubPage& page, Rows* rows) {
    for (const Row& row : page.rows) (*rows)[row.key] = row.value;
    for (const RowWrite& change : page.changes) {
      rows->erase(change.key);
      if (change.value) (*rows)[change.key] = *change.value;
    }
  }
  Rows ReadAll(const std::string& hub) {
    Rows rows;
    HubPage page = ReadPage(hub, 0, 0);
    Apply(page, &rows);
    for (uint32_t number = 1; page.reading != 0 && !page.lost; ++number) {
      page = ReadPage(hub, page.reading, number);
      Apply(page, &rows);
    }
    EXPECT_FALSE(page.lost);
    return rows;
  }
  RestoreOutcome Restore(HubRestore restore, OperatorStatus* status = nullptr) {
    restore.hub = "echo/" + restore.hub;
    std::promise<RestoreOutcome> answer;
    OnLane([&] {
      lane_->host().restorer().Restore(std::make_shared<HubRestore>(restore),
                                       [&](OperatorStatus said, RestoreOutcome outcome) {
                                         if (status != nullptr) *status = said;
                                         answer.set_value(outcome);
                                       });
    });
    return answer.get_future().get();
  }
  size_t Settled() {
    const std::scoped_lock lock(wire_.mutex);
    return wire_.settled;
  }
  std::vector<std::string> Sent() {
    const std::scoped_lock lock(wire_.mutex);
    return wire_.sent;
  }
  // Waits until `done` holds of the wire. False: it did not within half a minute.
  bool Await(const std::function<bool(const Wire&)>& done) {
    std::unique_lock lock(wire_.mutex);
    return wire_.changed.wait_for(lock, std::chrono::seconds(30), [&] { return done(wire_); });
  }
  bool AwaitSent(const std::string& what) {
    return Await([&](const Wire& wire) {
      return std::find(wire.sent.begin(), wire.sent.end(), what) != wire.sent.end();
    });
  }
  double Metric(const std::string& name) {
    for (const auto& family : registry_->Collect()) {
      if (family.name != name) continue;
      return family.metric[0].gauge.value + family.metric[0].counter.value;
    }
    return -1;
  }
  bool AwaitMetric(const std::string& name, double value) {
    const int64_t deadline_ms = SteadyMs() + 30'000;
    while (Metric(name) != value && SteadyMs() < deadline_ms) std::this_thread::yield();
    return Metric(name) == value;
  }

  uint32_t max_handlers_ = 250;
  uint32_t max_awake_ = 20'000;
  Gate gate_;
  const TempDir directory_;
  HubClassRegistry classes_;
  std::unique_ptr<prometheus::Registry> registry_;
  std::unique_ptr<StoreFactory> stores_;
  std::unique_ptr<Lane> lane_;
  FakeLinks* links_ = nullptr;
  Wire wire_;
  Lease lease_;
  SuspectTurn suspects_;
  uint64_t sequence_ = 0;
  uint32_t epoch_ = 0;
};

TEST_F(LaneTest, IdleHubsLeaveMemoryAndWakeWithTheirConnections) {
  StartLane(Duration(20));
  for (int i = 0; i < 100; ++i) Post(EventKind::kOpen, "h" + std::to_string(i), i);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 100; }));
  ASSERT_TRUE(AwaitMetric("dormouse_hub_hibernations_total", 100));
  EXPECT_TRUE(AwaitMetric("dormouse_hubs_awake", 0));
  Post(EventKind::kText, "h7", 7, "hello");
  EXPECT_TRUE(AwaitSent("7:hello of 1"));
}

TEST_F(LaneTest, AHubThatUpkeepHasWokenLeavesMemoryAsSoonAsThatIsDone) {
  constexpr int64_t kHibernateAfterMs = 2'000;
  StartLane(Duration(kHibernateAfterMs));
  Post(EventKind::kOpen, "h", 1);
  ASSERT_TRUE(AwaitMetric("dormouse_hub_hibernations_total", 1));
  const int64_t began_ms = SteadyMs();
  for (int i = 1; i <= 10; ++i) {
    Post(EventKind::kText, "h", 1, "upkeep");
    ASSERT_TRUE(AwaitMetric("dormouse_hub_hibernations_total", 1 + i)) << i;
  }
  EXPECT_LT(SteadyMs() - began_ms, 5 * kHibernateAfterMs);
}

TEST_F(LaneTest, FramesAtTheHibernationPeriodAreAllAnsweredInOrder) {
  StartLane(Duration(1));
  Post(EventKind::kOpen, "h", 1);
  for (int i = 0; i < 300; ++i) {
    Post(EventKind::kText, "h", 1, std::to_string(i));
    if (i % 3 == 0) {
      const double asleep = Metric("dormouse_hub_hibernations_total");
      ASSERT_TRUE(Await([&](const Wire& wire) { return wire.settled == static_cast<size_t>(i) + 2; }));
      const int64_t deadline_ms = SteadyMs() + 3;  // sometimes asleep by then, sometimes not
      while (Metric("dormouse_hub_hibernations_total") == asleep && SteadyMs() < deadline_ms) {
      }
    }
  }
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 301; }));
  for (int i = 0; i < 300; ++i) EXPECT_EQ(wire_.sent[i], "1:" + std::to_string(i) + " of 1");
  EXPECT_GT(Metric("dormouse_hub_hibernations_total"), 1);
}

TEST_F(LaneTest, AnAlarmWakesASleepingHub) {
  StartLane(Duration(10));
  Post(EventKind::kOpen, "h", 1);
  Post(EventKind::kText, "h", 1, "alarm 200");
  ASSERT_TRUE(AwaitSent("1:alarm 200 of 1"));
  ASSERT_TRUE(AwaitMetric("dormouse_hubs_awake", 0));
  EXPECT_TRUE(AwaitSent("1:ring"));
  EXPECT_GE(Metric("dormouse_hub_wakes_total"), 2);
  EXPECT_TRUE(AwaitMetric("dormouse_hubs_awake", 0));
  EXPECT_EQ(std::count(wire_.sent.begin(), wire_.sent.end(), "1:ring"), 1);
}

TEST_F(LaneTest, AnAlarmSurvivesTheProcess) {
  StartLane(Duration(10'000));
  Post(EventKind::kOpen, "h", 1);
  Post(EventKind::kText, "h", 1, "alarm 1500");
  ASSERT_TRUE(AwaitSent("1:alarm 1500 of 1"));
  StopLane();
  ASSERT_EQ(wire_.sent.size(), 1u) << "the alarm was to ring in the next process";
  StartLane(Duration(10'000), "my successor");
  EXPECT_TRUE(AwaitSent("1:ring"));
}

TEST_F(LaneTest, StateSurvivesTheProcess) {
  StartLane(Duration(10'000));
  Post(EventKind::kOpen, "h", 1);
  Post(EventKind::kOpen, "h", 2);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 2; }));
  StopLane();
  StartLane(Duration(10'000), "my successor");
  Post(EventKind::kText, "h", 2, "hello");
  EXPECT_TRUE(AwaitSent("2:hello of 2"));
}

TEST_F(LaneTest, SocketsOfAVanishedGatewayEnd) {
  StartLane(Duration(10'000));
  Post(EventKind::kOpen, "h", 1, "", 1);
  Post(EventKind::kOpen, "h", 2, "", 2);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 2; }));
  {
    const std::scoped_lock lock(wire_.mutex);
    wire_.gone = 2;
    wire_.report_gone = true;
  }
  links_->Wake();
  // The first may be handled before the news.
  for (size_t i = 0; i < 2; ++i) {
    Post(EventKind::kText, "h", 1, "hello " + std::to_string(i));
    ASSERT_TRUE(Await([&](const Wire& wire) { return wire.settled == 3 + i; }));
  }
  EXPECT_EQ(wire_.sent.back(), "1:hello 1 of 1");
}

// What was on its way is to be recalled while that is still known.
TEST_F(LaneTest, AHubThatSleepsIsToldOfAVanishedGatewayThatOwesItSomething) {
  StartLane(Duration(50));
  for (const char* hub : {"owed", "other"}) Post(EventKind::kOpen, hub, 1, "", 2);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 2; }));
  ASSERT_TRUE(AwaitMetric("dormouse_hubs_awake", 0));
  const double wakes = Metric("dormouse_hub_wakes_total");
  {
    const std::scoped_lock lock(wire_.mutex);
    wire_.gone = 2;
    wire_.report_gone = true;
    wire_.owed = {"echo/owed"};
  }
  links_->Wake();
  ASSERT_TRUE(AwaitMetric("dormouse_hub_wakes_total", wakes + 1));
  EXPECT_TRUE(AwaitMetric("dormouse_hubs_awake", 0));
  EXPECT_EQ(Metric("dormouse_hub_wakes_total"), wakes + 1);
}

TEST_F(LaneTest, ALaneWhoseShardsAreTakenSaysSoOnceOfEachAndSettlesNothing) {
  StartLane(Duration(10'000));
  Post(EventKind::kOpen, "h", 1);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 1; }));
  const uint32_t lost = epoch_;
  TakeAll();
  epoch_ = lost;
  for (int i = 0; i < 3; ++i) Post(EventKind::kText, "h", 1, "alarm 60000");
  ASSERT_TRUE(Await([](const Wire& wire) { return !wire.fenced.empty(); }));
  for (int i = 0; i < 3; ++i) Post(EventKind::kText, "h", 1, "hello");
  Pass();
  const std::scoped_lock lock(wire_.mutex);
  EXPECT_THAT(wire_.fenced, ElementsAre(ShardEpoch{ShardOfHub("h"), lost}));
  EXPECT_THAT(wire_.disowned, ElementsAre(ShardOfHub("h")));
  EXPECT_EQ(wire_.settled, 1u) << "its gateway must replay it to the new owner";
  EXPECT_TRUE(wire_.sent.empty());
  EXPECT_EQ(Metric("dormouse_shards_owned"), kShards - 1);
}

TEST_F(LaneTest, AnUnknownClassRefusesTheConnection) {
  StartLane(Duration(10'000));
  const std::string name = "nonsense/h";
  std::string packed;
  AppendEvent({EventKind::kOpen, ShardOf(name, kShards), epoch_, 1, UuidLow(1), WallMs(), name, ""}, &packed);
  {
    const std::scoped_lock lock(wire_.mutex);
    wire_.events.emplace_back(1, packed);
  }
  links_->Wake();
  EXPECT_TRUE(AwaitSent("1:" + ClosePayload(1011, "No such hub class")));
}

TEST_F(LaneTest, AnEventForAnotherShardThanItsHubsIsDroppedAndItsConnectionToldSo) {
  StartLane(Duration(10'000));
  const std::string name = "echo/h";
  const auto other = static_cast<ShardId>((ShardOf(name, kShards) + 1) % kShards);
  std::string packed;
  AppendEvent({EventKind::kText, other, epoch_, 1, UuidLow(1), WallMs(), name, "lost"}, &packed);
  {
    const std::scoped_lock lock(wire_.mutex);
    wire_.events.emplace_back(1, packed);
  }
  links_->Wake();
  EXPECT_TRUE(AwaitSent("1:" + ClosePayload(1011, "This could not be handed on")));
  EXPECT_EQ(Settled(), 1u);
  EXPECT_EQ(Metric("dormouse_events_unreadable_total"), 1);
}

// --- Shards that come and go.

TEST_F(LaneTest, OnlyEventsOfServedShardsInTheirEpochCount) {
  StartLane(Duration(10'000));
  EXPECT_EQ(wire_.owned.size(), kShards);
  Post(EventKind::kOpen, "h", 1);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 1; }));
  --epoch_;
  Post(EventKind::kText, "h", 1, "too early");
  ++epoch_;
  Drop({{ShardOfHub("h"), epoch_}});
  Post(EventKind::kText, "h", 1, "nobody's");
  Pass();
  EXPECT_EQ(Settled(), 1u);
  EXPECT_TRUE(Sent().empty());
  EXPECT_TRUE(AwaitMetric("dormouse_hubs_awake", 0));
  EXPECT_THAT(wire_.disowned, ElementsAre(ShardOfHub("h")));
}

TEST_F(LaneTest, AShardThatIsServedInALaterEpochIsNotDropped) {
  StartLane(Duration(10'000));
  Drop({{ShardOfHub("h"), epoch_ - 1}});
  Post(EventKind::kOpen, "h", 1);
  EXPECT_TRUE(Await([](const Wire& wire) { return wire.settled == 1; }));
}

TEST_F(LaneTest, AShardThatIsTakenAnewIsRebuiltFromTheStore) {
  StartLane(Duration(10'000));
  Post(EventKind::kOpen, "h", 1);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 1; }));
  const double wakes = Metric("dormouse_hub_wakes_total");
  TakeAll();
  Serve();
  Post(EventKind::kText, "h", 1, "hello");
  EXPECT_TRUE(AwaitSent("1:hello of 1"));
  EXPECT_EQ(Metric("dormouse_hub_wakes_total"), wakes + 1);
  EXPECT_TRUE(Await([](const Wire& wire) { return wire.rolls.size() == 2; }));
  EXPECT_THAT(wire_.rolls, ElementsAre("echo/h at 1: 1", "echo/h at 2:"));
}

TEST_F(LaneTest, WhatARetiredShardHasTakenIsFinishedAndWhatComesWaitsInOrder) {
  StartLane(Duration(10'000));
  Post(EventKind::kOpen, "h", 1);
  for (int i = 0; i < 100; ++i) Post(EventKind::kText, "h", 1, "alarm 3600000");  // each writes
  Pass();
  std::future<void> retired = Retire("h");
  for (int i = 0; i < 100; ++i) Post(EventKind::kText, "h", 1, std::to_string(i));
  ASSERT_TRUE(IsReady(retired));
  EXPECT_EQ(Settled(), 101u);
  EXPECT_TRUE(AwaitMetric("dormouse_hubs_awake", 0));
  Pass();
  EXPECT_EQ(Settled(), 101u) << "it is to be handed over";
  Reinstate("h");
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 201; }));
  const std::vector<std::string> sent = Sent();
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(sent[100 + i], "1:" + std::to_string(i) + " of 1");
}

TEST_F(LaneTest, ARetiredShardWaitsForItsGatewaysButNotForever) {
  StartLane(Duration(10'000));
  wire_.hold_quiesce = true;
  Post(EventKind::kOpen, "h", 1);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 1; }));
  std::future<void> retired = Retire("h");
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.quiesced == 1; }));
  EXPECT_FALSE(IsReady(retired, std::chrono::seconds(0)));
  OnLane([&] { std::exchange(wire_.quiescing, {}).front()(); });
  EXPECT_TRUE(IsReady(retired));

  Reinstate("h");
  retired = Retire("h", Duration(50));
  EXPECT_TRUE(IsReady(retired));
  EXPECT_EQ(wire_.quiescing.size(), 1u);
  OnLane([&] { std::exchange(wire_.quiescing, {}).front()(); });  // too late, and of no effect
}

TEST_F(LaneTest, WhatWaitsInAShardThatIsDroppedIsForgotten) {
  StartLane(Duration(10'000));
  Post(EventKind::kOpen, "h", 1);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 1; }));
  ASSERT_TRUE(IsReady(Retire("h")));
  Post(EventKind::kText, "h", 1, "hello");
  Pass();
  Drop({{ShardOfHub("h"), epoch_}});
  TakeAll();
  Serve();
  Post(EventKind::kText, "h", 1, "again");
  ASSERT_TRUE(AwaitSent("1:again of 1"));
  EXPECT_THAT(Sent(), ElementsAre("1:again of 1"));
}

TEST_F(LaneTest, AlarmsOfARetiredShardRingWhenItResumes) {
  StartLane(Duration(10'000));
  Post(EventKind::kOpen, "h", 1);
  Post(EventKind::kText, "h", 1, "alarm 1500");
  ASSERT_TRUE(AwaitSent("1:alarm 1500 of 1"));
  const int64_t due_ms = WallMs() + 1500;
  ASSERT_TRUE(IsReady(Retire("h")));
  while (WallMs() < due_ms + 100) Pass();
  EXPECT_EQ(Sent().size(), 1u);
  Reinstate("h");
  EXPECT_TRUE(AwaitSent("1:ring"));
}

TEST_F(LaneTest, AnAlarmInAnEarlierEpochDoesNotKeepTheNextFromRinging) {
  StartLane(Duration(10'000));
  Post(EventKind::kOpen, "h", 1);
  Post(EventKind::kText, "h", 1, "alarm 1500");
  ASSERT_TRUE(AwaitSent("1:alarm 1500 of 1"));
  const uint32_t lost = epoch_;
  TakeAll();  // the alarm's commit is refused
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.fenced.size() == 1; }));
  EXPECT_THAT(wire_.fenced, ElementsAre(ShardEpoch{ShardOfHub("h"), lost}));
  TakeAll();
  {
    const std::scoped_lock lock(wire_.mutex);
    wire_.sent.clear();
  }
  Serve();
  EXPECT_TRUE(AwaitSent("1:ring"));
}

// --- The lease.

TEST_F(LaneTest, WithoutItsLeaseALaneLetsEverythingWaitAndGoesOnByItself) {
  StartLane(Duration(10'000));
  Post(EventKind::kOpen, "h", 1);
  Post(EventKind::kText, "h", 1, "alarm 1500");
  ASSERT_TRUE(AwaitSent("1:alarm 1500 of 1"));
  lease_.Renew(SteadyMs());
  const int64_t due_ms = WallMs() + 1500;
  for (int i = 0; i < 100; ++i) Post(EventKind::kText, "h", 1, std::to_string(i));
  while (WallMs() < due_ms + 100) Pass();
  EXPECT_EQ(Sent().size(), 1u);
  lease_.Renew(SteadyMs() + 60'000);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 102; }));
  EXPECT_TRUE(AwaitSent("1:ring"));
  std::vector<std::string> sent = Sent();
  std::erase(sent, "1:ring");
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(sent[1 + i], "1:" + std::to_string(i) + " of 1");
}

TEST_F(LaneTest, ARetiredShardStaysSoWhenTheLeaseIsBack) {
  StartLane(Duration(10'000));
  Post(EventKind::kOpen, "h", 1);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 1; }));
  ASSERT_TRUE(IsReady(Retire("h")));
  lease_.Renew(SteadyMs());
  Post(EventKind::kText, "h", 1, "hello");
  std::string other = "a";
  while (ShardOfHub(other) == ShardOfHub("h")) other += "a";
  Post(EventKind::kOpen, other, 2);
  Pass();
  EXPECT_EQ(Settled(), 1u);
  lease_.Renew(Lease::kForever);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 2; }));
  EXPECT_TRUE(Sent().empty());
}

// --- Many at once.

TEST_F(LaneTest, WhileTheStoreIsSilentAFewHubsWakeTheRestWaitsAndAwakeOnesGoOn) {
  max_handlers_ = 10;
  StartLane(Duration(60'000));
  Post(EventKind::kOpen, "awake", 1);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 1; }));
  gate_.silent = true;
  constexpr size_t kHubs = 3000;
  for (size_t i = 0; i < kHubs; ++i) {
    Post(EventKind::kOpen, "h" + std::to_string(i), i);
    Post(EventKind::kText, "h" + std::to_string(i), i, "hello");
  }
  Pass();
  Post(EventKind::kText, "awake", 1, "still");
  EXPECT_TRUE(AwaitSent("1:still of 1"));
  EXPECT_EQ(Settled(), 2u);
  EXPECT_EQ(gate_.waiting, 10u);
  EXPECT_LE(Metric("dormouse_hubs_awake"), 11);
  EXPECT_GE(Metric("dormouse_hubs_waiting"), kHubs - 10);
  OpenGate();
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 2 + 2 * kHubs; }));
  EXPECT_EQ(gate_.most_waiting, 10u);
  EXPECT_TRUE(AwaitSent("2999:hello of 1"));
  EXPECT_EQ(Sent().size(), 1 + kHubs);
  EXPECT_EQ(Metric("dormouse_hubs_waiting"), 0);
}

TEST_F(LaneTest, WhatWaitsForLongerThanTheStoreMayTakeIsAnsweredAllTheSame) {
  max_handlers_ = 10;
  StartLane(Duration(60'000));
  gate_.silent = true;
  gate_.healthy = false;
  for (size_t i = 0; i < 500; ++i) Post(EventKind::kOpen, "h" + std::to_string(i), i);
  EXPECT_TRUE(Await([](const Wire& wire) { return wire.settled == 490; })) << "but those that ask the store";
  EXPECT_EQ(Sent().at(0).substr(Sent().at(0).find(':')),
            ":" + ClosePayload(1013, "The store is not available; try again"));
  gate_.healthy = true;
  OpenGate();
  EXPECT_TRUE(Await([](const Wire& wire) { return wire.settled == 500; }));
}

TEST_F(LaneTest, ThousandsOfOverdueAlarmsRingByAndByAndWhatIsNewDoesNotWaitForThem) {
  max_handlers_ = 10;
  StartLane(Duration(60'000));
  constexpr size_t kHubs = 5000;
  TakeAll();
  {
    TestLoop loop;
    const std::unique_ptr<Store> store = stores_->NewStore(loop);
    stored::HubMeta meta;
    meta.set_alarm_due_ms(1);
    std::map<ShardId, ShardCommit> commits;
    for (size_t i = 0; i < kHubs; ++i) {
      const std::string hub = "echo/h" + std::to_string(i);
      ShardCommit& commit = commits[ShardOf(hub, kShards)];
      commit.epoch = epoch_;
      commit.shard = ShardOf(hub, kShards);
      commit.hubs.push_back({hub, {{kMetaRow, meta.SerializeAsString()}}, 1});
    }
    for (auto& [shard, commit] : commits) {
      ASSERT_EQ(Commit(loop, *store, std::move(commit)), StoreStatus::kOk);
    }
  }
  Serve();
  Post(EventKind::kOpen, "new", 1);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 1; }));
  EXPECT_LT(Metric("dormouse_alarms_total"), kHubs);
  ASSERT_TRUE(AwaitMetric("dormouse_alarms_total", kHubs));
  EXPECT_EQ(gate_.most_waiting, 10u);
  TestLoop loop;
  const std::unique_ptr<Store> store = stores_->NewStore(loop);
  const int64_t deadline_ms = SteadyMs() + 30'000;
  for (ShardId shard = 0; shard < kShards;) {
    if (DueAlarms(loop, *store, shard, WallMs(), 1).second.due.empty()) {
      ++shard;
    } else {
      ASSERT_LT(SteadyMs(), deadline_ms);
    }
  }
}

TEST_F(LaneTest, WhatWaitsForRoomInARetiredShardIsTheNextOwnersOrGoesOn) {
  max_handlers_ = 1;
  StartLane(Duration(60'000));
  gate_.silent = true;
  Post(EventKind::kOpen, "first", 9);
  for (int i = 0; i < 3; ++i) Post(EventKind::kText, "h", 1, std::to_string(i));
  Post(EventKind::kOpen, "i", 1);
  Pass();
  const std::future<void> retired = Retire("i");
  EXPECT_TRUE(IsReady(retired) || ShardOfHub("first") == ShardOfHub("i"));
  EXPECT_EQ(Settled(), 0u);
  Post(EventKind::kText, "i", 1, "later");
  Pass();
  OpenGate();
  Reinstate("i");
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 6; }));
  EXPECT_TRUE(AwaitSent("1:later of 1")) << "after its open";
}

TEST_F(LaneTest, WhenTooManyBytesWaitNoMoreIsTakenFromGateways) {
  max_handlers_ = 1;
  StartLane(Duration(60'000));
  gate_.silent = true;
  const std::string frame(1u << 20, 'x');
  for (size_t i = 0; i < 60; ++i) Post(EventKind::kText, "h" + std::to_string(i), i, frame);
  Pass();
  EXPECT_TRUE(Await([](const Wire& wire) { return wire.holds == 0; }));
  for (size_t i = 60; i < 80; ++i) Post(EventKind::kText, "h" + std::to_string(i), i, frame);
  EXPECT_TRUE(Await([](const Wire& wire) { return wire.held; }));
  OpenGate();
  EXPECT_TRUE(Await([](const Wire& wire) { return !wire.held && wire.settled == 80; }));
  EXPECT_TRUE(Await([](const Wire& wire) { return wire.holds == 2; }));
}

TEST_F(LaneTest, BeyondMaxAwakeTheIdlestHubsLeaveMemory) {
  max_awake_ = 50;
  StartLane(Duration(60'000));
  for (size_t i = 0; i < 500; ++i) Post(EventKind::kOpen, "h" + std::to_string(i), i);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 500; }));
  EXPECT_TRUE(AwaitMetric("dormouse_hubs_awake", 50));
  Post(EventKind::kText, "h0", 0, "hello");
  EXPECT_TRUE(AwaitSent("0:hello of 1"));
}

// --- Suspects.

TEST_F(LaneTest, WhatWasThereBeforeOwnersDiedRunsOneByOneAndWhatIsNewAtOnce) {
  StartLane(Duration(60'000));
  std::vector<TakenShard> shards;
  TakeAll();
  for (TakenShard shard : All()) {
    shard.crashes = 2;
    shards.push_back(shard);
  }
  OnLane([&] { lane_->host().shards().Serve(shards); });
  ASSERT_TRUE(suspects_.Ask(this, [] {}));  // another lane has the turn
  for (size_t i = 0; i < 20; ++i) Post(EventKind::kOpen, "h" + std::to_string(i), i, "", 1, true);
  Post(EventKind::kText, "h7", 7, "behind its open");
  Post(EventKind::kOpen, "new", 99);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 1; }));
  suspects_.GiveBack();
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 22; }));
  EXPECT_TRUE(AwaitSent("7:behind its open of 1"));
  const int64_t deadline_ms = SteadyMs() + 30'000;
  while (!suspects_.Ask(this, [] {}) && SteadyMs() < deadline_ms) suspects_.Leave(this);
  EXPECT_LT(SteadyMs(), deadline_ms) << "the turn was given back";
}

// --- Gateways that are back.

TEST_F(LaneTest, AGatewayThatIsBackIsAskedForItsSockets) {
  StartLane(Duration(10'000));
  Post(EventKind::kOpen, "h", 1, "", 1);
  Post(EventKind::kOpen, "h", 2, "", 2);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 2; }));
  {
    const std::scoped_lock lock(wire_.mutex);
    wire_.report_back = true;
  }
  links_->Wake();
  ASSERT_TRUE(Await([](const Wire& wire) { return !wire.rolls.empty(); }));
  EXPECT_THAT(wire_.rolls, ElementsAre("echo/h at 2: 2"));
}

// --- Operators.

TEST_F(LaneTest, AnOperatorCanPutAHubToSleepAndSeesIt) {
  StartLane(Duration(10'000));
  Post(EventKind::kOpen, "h", 1);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 1; }));
  HubReport report = Describe("echo/h");
  EXPECT_TRUE(report.awake);
  EXPECT_EQ(report.sockets, 1u);
  EXPECT_EQ(Ask(&OperatorCalls::HibernateHub, "echo/h"), OperatorStatus::kOk);
  EXPECT_EQ(Metric("dormouse_hub_hibernations_total"), 1);
  report = Describe("echo/h");
  EXPECT_FALSE(report.awake);
  EXPECT_EQ(report.sockets, 1u);
  EXPECT_EQ(report.shard, ShardOfHub("h"));
  EXPECT_EQ(report.epoch, epoch_);
  EXPECT_EQ(Metric("dormouse_hub_wakes_total"), 1) << "a look does not wake it";
  EXPECT_EQ(Connections("echo/h"), 1u);
  EXPECT_EQ(Metric("dormouse_hub_wakes_total"), 1);
  EXPECT_EQ(Ask(&OperatorCalls::HibernateHub, "echo/h"), OperatorStatus::kOk);
  Post(EventKind::kText, "h", 1, "hello");
  EXPECT_TRUE(AwaitSent("1:hello of 1"));
  EXPECT_EQ(Connections("echo/h"), 1u);
}

TEST_F(LaneTest, AnOperatorCanCloseASleepingHubsSockets) {
  StartLane(Duration(10'000));
  for (uint64_t i = 0; i < 200; ++i) Post(EventKind::kOpen, "h", i);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 200; }));
  ASSERT_EQ(Ask(&OperatorCalls::HibernateHub, "echo/h"), OperatorStatus::kOk);
  EXPECT_EQ(Ask(&OperatorCalls::CloseHub, "echo/h"), OperatorStatus::kOk);
  const std::vector<std::string> sent = Sent();
  EXPECT_EQ(sent.size(), 200u);
  EXPECT_EQ(sent[0].substr(sent[0].find(':')), ":" + ClosePayload(1001, "Going Away"));
  Pass();
  EXPECT_EQ(Metric("dormouse_hubs_awake"), 0);
  EXPECT_EQ(Ask(&OperatorCalls::CloseHub, "echo/h"), OperatorStatus::kNoSuchHub) << "nothing is left of it";
}

TEST_F(LaneTest, AnOperatorIsToldWhatIsWrong) {
  StartLane(Duration(10'000));
  OperatorStatus status = OperatorStatus::kOk;
  Describe("echo/never", &status);
  EXPECT_EQ(status, OperatorStatus::kNoSuchHub);
  Describe("nonsense/h", &status);
  EXPECT_EQ(status, OperatorStatus::kNoSuchHub);
  EXPECT_EQ(Ask(&OperatorCalls::CloseHub, "echo/never"), OperatorStatus::kNoSuchHub);
  EXPECT_EQ(Metric("dormouse_hub_wakes_total"), 0);
  std::vector<ShardEpoch> all;
  for (const TakenShard& each : All()) all.push_back({each.shard, each.epoch});
  Drop(all);
  Describe("echo/never", &status);
  EXPECT_EQ(status, OperatorStatus::kNotOwner);
  EXPECT_EQ(Ask(&OperatorCalls::HibernateHub, "echo/never"), OperatorStatus::kNotOwner);
}

// --- Copies.

TEST_F(LaneTest, ReadsAHubThatIsBeingWrittenAsOfOneCommit) {
  StartLane(Duration(60'000));
  Post(EventKind::kOpen, "a", 1);
  Post(EventKind::kText, "a", 1, "fill 2500");
  ASSERT_TRUE(AwaitSent("1:fill 2500 of 1"));
  Rows rows;
  HubPage page = ReadPage("echo/a", 0, 0);
  EXPECT_EQ(page.rows.size(), 1'000u);
  EXPECT_FALSE(page.complete);
  Apply(page, &rows);
  Post(EventKind::kText, "a", 1, "bump 1");
  ASSERT_TRUE(AwaitSent("1:bump 1 of 1"));
  page = ReadPage("echo/a", page.reading, 1);
  Apply(page, &rows);
  Post(EventKind::kText, "a", 1, "bump 2");
  ASSERT_TRUE(AwaitSent("1:bump 2 of 1"));
  page = ReadPage("echo/a", page.reading, 2);
  Apply(page, &rows);
  EXPECT_TRUE(page.complete);
  EXPECT_EQ(rows["u/00000"], "2");
  EXPECT_EQ(rows["u/02499"], "2");
  EXPECT_EQ(rows["u/added"], "2");
  EXPECT_FALSE(rows.contains("u/00010"));
  EXPECT_EQ(rows, ReadAll("echo/a"));
  // The reading is over.
  EXPECT_TRUE(ReadPage("echo/a", page.reading, 3).lost);
}

TEST_F(LaneTest, AReadingIsLostWithTheShardAndWithAnAnswer) {
  StartLane(Duration(60'000));
  Post(EventKind::kOpen, "a", 1);
  Post(EventKind::kText, "a", 1, "fill 2500");
  ASSERT_TRUE(AwaitSent("1:fill 2500 of 1"));
  HubPage page = ReadPage("echo/a", 0, 0);
  EXPECT_TRUE(ReadPage("echo/a", page.reading, 0).lost);  // asked for again: its answer did not arrive
  EXPECT_TRUE(ReadPage("echo/a", page.reading, 1).lost);
  // Another owner may have written since.
  page = ReadPage("echo/a", 0, 0);
  page = ReadPage("echo/a", page.reading, 1);
  TakeAll();
  OperatorStatus status = OperatorStatus::kOk;
  ReadPage("echo/a", page.reading, 2, &status);
  EXPECT_EQ(status, OperatorStatus::kNotOwner);
  Serve();
  EXPECT_EQ(ReadPage("echo/none", 0, 0, &status).rows.size(), 0u);
  EXPECT_EQ(status, OperatorStatus::kNoSuchHub);
}

TEST_F(LaneTest, ReadsHubsOfAShardAndNamesTheLargeOne) {
  StartLane(Duration(60'000));
  std::vector<std::string> hubs;
  for (int i = 0; hubs.size() < 3; ++i) {
    if (ShardOfHub(std::to_string(i)) == 0) hubs.push_back(std::to_string(i));
  }
  std::sort(hubs.begin(), hubs.end());
  for (const std::string& hub : hubs) {
    Post(EventKind::kOpen, hub, 1);
    const std::string fill = hub == hubs[1] ? "fill 1500" : "fill 5";
    const size_t settled = Settled();
    Post(EventKind::kText, hub, 1, fill);
    ASSERT_TRUE(Await([&](const Wire& wire) { return wire.settled > settled + 1; }));
  }
  const auto read = [this](const std::string& after) {
    std::promise<HubsPage> answer;
    OnLane([&] {
      lane_->host().reader().ReadHubs(
          0, after, [&](OperatorStatus, HubsPage page) { answer.set_value(std::move(page)); });
    });
    return answer.get_future().get();
  };
  HubsPage page = read("");
  ASSERT_EQ(page.hubs.size(), 1u);
  EXPECT_EQ(page.hubs[0].hub, "echo/" + hubs[0]);
  EXPECT_EQ(page.hubs[0].rows.front().key, kMetaRow);
  EXPECT_EQ(page.through, "echo/" + hubs[0]);
  EXPECT_EQ(page.large, "echo/" + hubs[1]);
  EXPECT_FALSE(page.complete);
  page = read("echo/" + hubs[1]);
  ASSERT_EQ(page.hubs.size(), 1u);
  EXPECT_EQ(page.hubs[0].hub, "echo/" + hubs[2]);
  EXPECT_TRUE(page.complete);
}

stored::HubMeta MetaWithAlarm(int64_t due_ms) {
  stored::HubMeta meta;
  meta.set_alarm_due_ms(due_ms);
  meta.set_state_bytes(100);
  meta.set_roll_epoch(7);
  return meta;
}

TEST_F(LaneTest, ARestoredHubForgetsWhatItKnew) {
  StartLane(Duration(60'000));
  Post(EventKind::kOpen, "a", 1);
  Post(EventKind::kText, "a", 1, "bump old");
  Post(EventKind::kText, "a", 1, "get");
  ASSERT_TRUE(AwaitSent("1:old"));
  HubRestore restore{
      .hub = "a", .run = 5, .first = true, .last = true, .rows = {{"u/00000", "new"}}, .meta = {}};
  restore.meta = MetaWithAlarm(WallMs()).SerializeAsString();
  EXPECT_EQ(Restore(restore), RestoreOutcome::kExists);
  Post(EventKind::kText, "a", 1, "get");
  ASSERT_TRUE(Await([](const Wire& wire) { return std::ranges::count(wire.sent, "1:old") == 2; }));
  restore.replace = true;
  EXPECT_EQ(Restore(restore), RestoreOutcome::kDone);
  EXPECT_EQ(Restore(restore), RestoreOutcome::kAlready);
  // Its socket is unknown now, and each gateway is asked for those that it has.
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.rolls.size() >= 2; }));
  Post(EventKind::kText, "a", 1, "get");
  ASSERT_TRUE(Await([](const Wire& wire) {
    return std::ranges::any_of(wire.sent,
                               [](const std::string& sent) { return sent.ends_with("Unknown connection"); });
  }));
  Post(EventKind::kOpen, "a", 2);
  Post(EventKind::kText, "a", 2, "get");
  ASSERT_TRUE(AwaitSent("2:new"));
  EXPECT_EQ(ReadAll("echo/a").count("u/added"), 0u);
}

TEST_F(LaneTest, ARestoredAlarmRings) {
  StartLane(Duration(60'000));
  HubRestore restore{
      .hub = "a", .run = 5, .first = true, .last = true, .rows = {{"u/00000", "new"}}, .meta = {}};
  restore.meta = MetaWithAlarm(WallMs() + 500).SerializeAsString();
  EXPECT_EQ(Restore(restore), RestoreOutcome::kDone);
  Pass();
  EXPECT_EQ(Metric("dormouse_hubs_awake"), 0);
  EXPECT_TRUE(AwaitMetric("dormouse_alarms_total", 1));
}

TEST_F(LaneTest, AHubInPartsServesNobodyUntilTheLast) {
  StartLane(Duration(60'000));
  Post(EventKind::kOpen, "a", 1);
  Post(EventKind::kText, "a", 1, "fill 2000");
  ASSERT_TRUE(AwaitSent("1:fill 2000 of 1"));
  HubRestore part{.hub = "a", .run = 5, .replace = true, .first = true, .rows = {}, .meta = {}};
  for (int i = 0; i < 1'000; ++i) part.rows.push_back({"u/" + RowOf(i), "first"});
  EXPECT_EQ(Restore(part), RestoreOutcome::kDone);
  const size_t settled = Settled();
  Post(EventKind::kText, "a", 1, "get");
  ASSERT_TRUE(Await([&](const Wire& wire) { return wire.settled > settled; }));
  EXPECT_THAT(Sent(), testing::Not(testing::Contains("1:first")));
  OperatorStatus status = OperatorStatus::kOk;
  // Another restore cannot go on with it.
  HubRestore last{.hub = "a",
                  .run = 6,
                  .last = true,
                  .rows = {{"u/00000", "last"}, {"u/00001", std::nullopt}},
                  .meta = {}};
  last.meta = MetaWithAlarm(0).SerializeAsString();
  EXPECT_EQ(Restore(last), RestoreOutcome::kNotBegun);
  last.run = 5;
  EXPECT_EQ(Restore(last, &status), RestoreOutcome::kDone);
  EXPECT_EQ(status, OperatorStatus::kOk);
  EXPECT_EQ(Restore(last), RestoreOutcome::kAlready);
  Post(EventKind::kOpen, "a", 2);
  Post(EventKind::kText, "a", 2, "get");
  ASSERT_TRUE(AwaitSent("2:last"));
  const Rows rows = ReadAll("echo/a");
  EXPECT_EQ(rows.count("u/00001"), 0u);
  EXPECT_EQ(rows.count("u/01500"), 0u);
  EXPECT_EQ(rows.at("u/00999"), "first");
}

TEST_F(LaneTest, RefusesToRestoreWhatItCannotRead) {
  StartLane(Duration(60'000));
  HubRestore restore{.hub = "a", .run = 5, .first = true, .last = true, .rows = {{"q/0", "?"}}, .meta = {}};
  EXPECT_EQ(Restore(restore), RestoreOutcome::kBadRow);
  restore.rows = {{"u/0", "v"}};
  restore.meta = "\xff\xff";
  EXPECT_EQ(Restore(restore), RestoreOutcome::kUnreadable);
  TakeAll();
  OperatorStatus status = OperatorStatus::kOk;
  restore.meta.reset();
  Restore(restore, &status);
  EXPECT_EQ(status, OperatorStatus::kNotOwner);
}

}  // namespace
}  // namespace dormouse
