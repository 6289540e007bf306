// A whole lane on its thread with the embedded store; the test is the gateways.

#include "statekeeper/runtime/lane.h"

#include <ev.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "common/clock.h"
#include "common/temp_dir.h"

namespace dormouse {
namespace {

constexpr ShardId kShards = 8;

// Echoes; "alarm MS": an alarm in so many milliseconds, which broadcasts "ring".
class EchoHub : public Hub {
  void OnMessage(Context& context, const Connection& connection, const Message& message) override {
    if (message.data.starts_with("alarm ")) {
      context.SetAlarm(context.now_ms() + std::stoll(std::string(message.data.substr(6))));
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
  bool deposed = false;
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
  void Own(const std::vector<ShardEpoch>&) override {}
  void Disown(const std::vector<ShardId>&) override {}
  void Quiesce(const std::vector<ShardEpoch>&, std::function<void()> done) override { done(); }
  std::vector<GatewayId> Linked() const override { return {}; }
  void Flush() override {}
  Traffic traffic() const override { return {}; }

 private:
  static void OnWake(struct ev_loop*, ev_async* watcher, int) {
    auto* self = static_cast<FakeLinks*>(watcher->data);
    std::deque<std::pair<GatewayId, std::string>> events;
    GatewayId gone = 0;
    {
      const std::scoped_lock lock(self->wire_->mutex);
      events.swap(self->wire_->events);
      if (std::exchange(self->wire_->report_gone, false)) gone = self->wire_->gone;
    }
    for (const auto& [gateway, packed] : events) {
      std::string_view rest = packed;
      EventView event;
      ASSERT_TRUE(ReadEvent(&rest, &event));
      self->receiver_->OnEvent(gateway, event);
    }
    if (gone != 0) self->receiver_->OnGatewayGone(gone);
  }

  Wire* const wire_;
  struct ev_loop* const loop_;
  Receiver* const receiver_;
  ev_async wake_;
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
    Lane::Config config;
    config.owner = owner;
    config.shard_count = kShards;
    for (ShardId shard = 0; shard < kShards; ++shard) config.shards.push_back(shard);
    config.hibernate_after = hibernate_after;
    config.reap_interval = Duration(3'600'000);
    config.gateway_grace = Duration(60'000);
    config.deposed = [this] {
      const std::scoped_lock lock(wire_.mutex);
      wire_.deposed = true;
      wire_.changed.notify_all();
    };
    registry_ = std::make_unique<prometheus::Registry>();
    lane_ = std::make_unique<Lane>(config, &classes_, stores_.get(), registry_.get());
    auto links = std::make_unique<FakeLinks>(&wire_, lane_->loop(), lane_.get());
    links_ = links.get();
    const std::vector<ShardRecord> records = lane_->Start(std::move(links)).get();
    ASSERT_EQ(records.size(), kShards);
    epoch_ = records[0].epoch;
  }
  void StopLane() {
    if (lane_ == nullptr) return;
    lane_->Stop(Duration(5'000));
    lane_.reset();
    stores_.reset();
  }

  void Post(EventKind kind, const std::string& hub, uint64_t connection, const std::string& payload = "",
            GatewayId gateway = 1) {
    const std::string name = "echo/" + hub;
    std::string packed;
    AppendEvent(
        {kind, ShardOf(name, kShards), epoch_, ++sequence_, UuidLow(connection), WallMs(), name, payload},
        &packed);
    {
      const std::scoped_lock lock(wire_.mutex);
      wire_.events.emplace_back(gateway, std::move(packed));
    }
    links_->Wake();
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

  const TempDir directory_;
  HubClassRegistry classes_;
  std::unique_ptr<prometheus::Registry> registry_;
  std::unique_ptr<StoreFactory> stores_;
  std::unique_ptr<Lane> lane_;
  FakeLinks* links_ = nullptr;
  Wire wire_;
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

TEST_F(LaneTest, ALaneWhoseShardIsTakenSaysSoAndSettlesNothing) {
  StartLane(Duration(10'000));
  Post(EventKind::kOpen, "h", 1);
  ASSERT_TRUE(Await([](const Wire& wire) { return wire.settled == 1; }));
  struct ev_loop* loop = ev_loop_new(EVFLAG_AUTO);
  {
    const std::unique_ptr<Store> other = stores_->NewStore(loop);
    bool taken = false;
    other->TakeShards("another", {ShardOf("echo/h", kShards)},
                      [&](StoreStatus, const auto&) { taken = true; });
    while (!taken) ev_run(loop, EVRUN_ONCE);
  }
  ev_loop_destroy(loop);
  Post(EventKind::kText, "h", 1, "alarm 60000");
  EXPECT_TRUE(Await([](const Wire& wire) { return wire.deposed; }));
  EXPECT_EQ(wire_.settled, 1u) << "its gateway must replay it to the new owner";
  EXPECT_TRUE(wire_.sent.empty());
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

}  // namespace
}  // namespace dormouse
