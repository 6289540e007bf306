#include "statekeeper/classes/worker/worker_lane.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "common/clock.h"
#include "statekeeper/classes/worker/testing/fake_worker.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class NotingPort : public HubPort {
 public:
  void Resume(Resumption resumption) override { resumed.push_back(std::move(resumption)); }
  void Hold(bool hold) override { holds.push_back(hold); }
  void Restart() override {
    ++restarts;
    if (on_restart) on_restart();
  }
  std::vector<Resumption> resumed;
  std::vector<bool> holds;
  int restarts = 0;
  std::function<void()> on_restart;
};

class NotingCaller : public HubCaller {
 public:
  void Call(Question question, Done done) override {
    calls.emplace_back(question.hub + " " + question.payload);
    dones.push_back(std::move(done));
  }
  std::vector<std::string> calls;
  std::vector<Done> dones;
};

class WorkerLaneTest : public testing::Test {
 protected:
  WorkerLaneTest() { Begin(0, 60'000); }
  ~WorkerLaneTest() override {
    worker_.reset();
    lane_->Close();
    lane_.reset();
    ev_loop_destroy(loop_);
  }
  void Begin(int64_t timeout_ms, int64_t call_timeout_ms) {
    if (lane_ != nullptr) lane_->Close();
    socket_.emplace();
    lane_ = std::make_shared<WorkerLane>(
        WorkerLane::Config{
            .app = "app",
            .listener = socket_->listener(),
            .timeout_ms = timeout_ms,
            .call_timeout_ms = call_timeout_ms,
            .caller = &caller_,
            .process = [this] { return process_; },
            .kill = [this](uint32_t process,
                           const std::string& why) { kills_.push_back(std::to_string(process) + " " + why); },
            .is_over = [] { return false; }},
        loop_);
  }
  void Turn() {
    for (int i = 0; i < 6; ++i) ev_run(loop_, EVRUN_NOWAIT);
  }
  void Connect() {
    worker_ = std::make_unique<FakeWorker>(socket_->Connect());
    worker_->Greet();
    Turn();
  }
  uint64_t NewObject(const std::string& hub = "test/a") {
    ports_.push_back(std::make_shared<NotingPort>());
    const uint64_t object = lane_->NewObject(ports_.back(), hub);
    port_of_[object] = ports_.back().get();
    return object;
  }
  void Send(uint64_t object, uint32_t restarts = 0) {
    worker::Event event;
    event.set_object(object);
    event.set_number(++events_[object]);
    lane_->Send(object, std::move(event), 100 + events_[object], restarts);
  }
  // "object.event" of what has come, objects by the order in which they were made.
  std::vector<std::string> Heard() {
    Turn();
    std::vector<std::string> heard;
    for (const worker::ToWorker said = worker_->Hear(); const worker::Event& event : said.events()) {
      const auto index = std::distance(port_of_.begin(), port_of_.find(event.object()));
      heard.push_back(std::to_string(index) + "." + std::to_string(event.number()));
    }
    return heard;
  }
  void End(uint64_t object, uint64_t number) {
    worker::Event event;
    event.set_object(object);
    event.set_number(number);
    worker_->EndEvent(event);
    Turn();
  }
  // Runs the loop until then.
  template <typename Done>
  void Await(const Done& done) {
    const int64_t until_ms = SteadyMs() + 10'000;
    while (!done()) {
      ASSERT_LT(SteadyMs(), until_ms);
      ev_run(loop_, EVRUN_ONCE);
    }
  }

  struct ev_loop* const loop_ = ev_loop_new(EVBACKEND_EPOLL);
  std::optional<WorkerSocket> socket_;
  NotingCaller caller_;
  std::vector<std::string> kills_;
  uint32_t process_ = 0;
  std::shared_ptr<WorkerLane> lane_;
  std::unique_ptr<FakeWorker> worker_;
  std::vector<std::shared_ptr<NotingPort>> ports_;
  std::map<uint64_t, NotingPort*> port_of_;
  std::map<uint64_t, uint64_t> events_;
};

TEST_F(WorkerLaneTest, WhatWaitsForTheWorkerIsSentInItsOrderWhenItComes) {
  const uint64_t object = NewObject();
  Send(object);
  Send(object);
  Turn();
  Connect();
  EXPECT_THAT(Heard(), ElementsAre("0.1", "0.2"));
  Send(object);
  EXPECT_THAT(Heard(), ElementsAre("0.3"));
}

TEST_F(WorkerLaneTest, ATurnResumesTheHubForItsEvent) {
  Connect();
  const uint64_t object = NewObject();
  Send(object);
  worker::FromWorker said;
  for (const bool done : {false, true, true}) {
    worker::Turn* const turn = said.add_turns();
    turn->set_object(object);
    turn->set_event(1);
    turn->set_done(done);
    turn->set_hold(!done);
    turn->set_number(done ? 2 : 0);
    turn->set_failure(done ? "no" : "");
  }
  said.add_turns()->set_object(object + 1);  // of no object
  worker_->Say(said);
  Turn();
  NotingPort* const port = port_of_[object];
  ASSERT_EQ(port->resumed.size(), 3u);
  EXPECT_EQ(port->resumed[0].belongs_to, 101u);
  EXPECT_EQ(port->resumed[0].finishes, 0u);
  EXPECT_EQ(port->resumed[1].finishes, 101u);
  EXPECT_EQ(port->resumed[1].failure, "no");
  EXPECT_EQ(port->resumed[2].finishes, 0u) << "it is done already";
  EXPECT_EQ(port->resumed[2].belongs_to, 0u);
  EXPECT_THAT(port->holds, ElementsAre(true, false));
  Turn();
  EXPECT_EQ(worker_->Hear().durable_size(), 0) << "not before it is";
  EXPECT_EQ(port->resumed[0].durable, nullptr);
  port->resumed[1].durable();
  Turn();
  const worker::ToWorker heard = worker_->Hear();
  ASSERT_EQ(heard.durable_size(), 1);
  EXPECT_EQ(heard.durable(0).object(), object);
  EXPECT_EQ(heard.durable(0).turn(), 2u);
}

TEST_F(WorkerLaneTest, ADroppedObjectIsSaidToWhoKnowsItAndHasNoTurns) {
  const uint64_t unknown = NewObject();
  Connect();
  const uint64_t object = NewObject();
  Send(object);
  lane_->DropObject(unknown);
  lane_->DropObject(object);
  End(object, 1);
  EXPECT_THAT(worker_->Hear().drops(), ElementsAre(object));
  EXPECT_THAT(port_of_[object]->resumed, IsEmpty());
}

TEST_F(WorkerLaneTest, WhenTheWorkerEndsItsObjectsAreMadeAnewAndOthersWait) {
  Connect();
  const uint64_t known = NewObject();
  Send(known);
  Turn();
  worker_.reset();
  const uint64_t next = NewObject();
  // As a hub does.
  port_of_[known]->on_restart = [this, known] {
    lane_->DropObject(known);
    Send(NewObject(), true);
  };
  process_ = 1;  // the next one has been started before this is noticed
  Turn();
  EXPECT_EQ(port_of_[known]->restarts, 1);
  EXPECT_EQ(port_of_[next]->restarts, 0);
  EXPECT_THAT(kills_, ElementsAre("0 it has closed a connection"));
  Send(known);  // its hub has not heard of it, say
  Send(next);
  Connect();
  EXPECT_THAT(Heard(), testing::UnorderedElementsAre("1.1", "2.1"));
  port_of_[known]->on_restart = nullptr;
}

TEST_F(WorkerLaneTest, OneSuspectAtATimeIsUnderWayAndNothingBehindItInItsObject) {
  Connect();
  const uint64_t first = NewObject();
  const uint64_t second = NewObject();
  const uint64_t innocent = NewObject();
  Send(first, 1);
  Send(first, 1);
  Send(second, 1);
  Send(innocent);
  EXPECT_THAT(Heard(), ElementsAre("0.1", "2.1"));
  Send(first);
  Send(second);
  Send(innocent);
  EXPECT_THAT(Heard(), ElementsAre("2.2")) << "one behind a suspect waits though nothing else does";
  End(first, 1);
  EXPECT_THAT(Heard(), ElementsAre("0.2"));
  End(first, 2);
  EXPECT_THAT(Heard(), ElementsAre("0.3", "1.1"));
  lane_->DropObject(second);
  const uint64_t third = NewObject();
  Send(third, 1);
  EXPECT_THAT(Heard(), ElementsAre("3.1")) << "the one under way has gone with its object";
}

// Else workers that an operator ends, one after the other, would all be the first one's fault, which is given up then.
TEST_F(WorkerLaneTest, TheSuspectThatHasEndedWithTheFewestWorkersIsTriedFirst) {
  const uint64_t twice = NewObject();
  const uint64_t once = NewObject();
  const uint64_t once_more = NewObject();
  Send(twice, 2);
  Send(once, 1);
  Send(once_more, 1);
  Connect();
  EXPECT_THAT(Heard(), ElementsAre("1.1"));
  End(once, 1);
  EXPECT_THAT(Heard(), ElementsAre("2.1"));
  End(once_more, 1);
  EXPECT_THAT(Heard(), ElementsAre("0.1"));
}

TEST_F(WorkerLaneTest, ASuspectThatGoesOnForLongIsNoneAnyMore) {
  Connect();
  const uint64_t first = NewObject();
  const uint64_t second = NewObject();
  Send(first, 1);
  Send(first);  // for which the first one waits
  Send(second, 1);
  EXPECT_THAT(Heard(), ElementsAre("0.1"));
  std::vector<std::string> heard;
  Await([&] {
    const worker::ToWorker said = worker_->Hear();
    for (const worker::Event& event : said.events()) heard.push_back(std::to_string(event.number()));
    if (said.ping() != 0) {
      worker::FromWorker pong;
      pong.set_pong(said.ping());
      worker_->Say(pong);
    }
    return heard.size() == 2;
  });
  EXPECT_THAT(heard, ElementsAre("2", "1"));
}

TEST_F(WorkerLaneTest, WhoDoesNotAnswerAPingIsEnded) {
  Begin(300, 0);
  Connect();
  NewObject();
  Await([&] { return !kills_.empty(); });
  EXPECT_THAT(kills_, ElementsAre(HasSubstr("worker-timeout")));
}

TEST_F(WorkerLaneTest, HttpHasEndedWhenTheWorkerSaysSoOrIsGone) {
  int ended = 0;
  const auto count = [&] { ++ended; };
  lane_->EndHttp(count);
  EXPECT_EQ(ended, 1) << "there is no worker";
  Connect();
  lane_->EndHttp(count);
  Turn();
  EXPECT_TRUE(worker_->Hear().end_http());
  EXPECT_EQ(ended, 1);
  worker::FromWorker said;
  said.set_http_ended(true);
  for (int times = 0; times < 2; ++times) worker_->Say(said);
  Turn();
  EXPECT_EQ(ended, 2);
  lane_->EndHttp(count);
  worker_.reset();
  Turn();
  EXPECT_EQ(ended, 3);
}

TEST_F(WorkerLaneTest, GarbageEndsTheWorker) {
  Connect();
  Send(NewObject());
  Turn();
  worker_->Write(FakeWorker::Frame("\xff\xff\xff"));
  Turn();
  EXPECT_TRUE(worker_->IsLeft());
  EXPECT_EQ(ports_[0]->restarts, 1);
  EXPECT_EQ(kills_.size(), 1u);
}

TEST_F(WorkerLaneTest, ASecondMainConnectionAndOneOfAnotherProtocolAreRefused) {
  Connect();
  const FakeWorker second(socket_->Connect());
  second.Greet();
  const FakeWorker other(socket_->Connect());
  other.Greet(true, 2);
  Turn();
  EXPECT_TRUE(second.IsLeft());
  EXPECT_TRUE(other.IsLeft());
  EXPECT_FALSE(worker_->IsLeft());
  EXPECT_THAT(kills_, IsEmpty());
}

TEST_F(WorkerLaneTest, AConnectionForReadsCarriesNothingElse) {
  Connect();
  const uint64_t object = NewObject();
  Send(object);
  FakeWorker reads(socket_->Connect());
  reads.Greet(true);
  worker::FromWorker said;
  said.add_turns()->set_object(object);
  said.add_reads()->set_object(object);
  said.mutable_reads(0)->set_number(3);
  said.add_reads()->set_object(object + 1);
  reads.Say(said);
  Turn();
  EXPECT_EQ(port_of_[object]->resumed.size(), 1u) << "the read";
  const worker::ToWorker heard = reads.Hear();
  ASSERT_EQ(heard.reads_size(), 1);
  EXPECT_THAT(heard.reads(0).failure(), HasSubstr("no more"));
  EXPECT_EQ(worker_->Hear().reads_size(), 0);
}

TEST_F(WorkerLaneTest, WhatWasHeldIsWokenWhenItsWorkerEnds) {
  const uint64_t held = NewObject("test/held");
  const uint64_t idle = NewObject("test/idle");
  Send(held);
  Send(idle);
  Connect();
  worker::FromWorker said;
  for (const uint64_t object : {held, idle}) {
    worker::Turn* const turn = said.add_turns();
    turn->set_object(object);
    turn->set_event(1);
    turn->set_done(true);
    turn->set_hold(object == held);
  }
  worker_->Say(said);
  Turn();
  worker_.reset();
  Turn();
  EXPECT_THAT(caller_.calls, ElementsAre("test/held "));
}

TEST_F(WorkerLaneTest, CallsAreAnsweredOnceAndNotToTheNextWorker) {
  Connect();
  worker::FromWorker said;
  for (uint64_t number : {1, 2}) {
    worker::Call* const call = said.add_calls();
    call->set_number(number);
    call->set_hub_class("test");
    call->set_hub_name("a");
    call->set_payload(std::to_string(number));
  }
  worker_->Say(said);
  Turn();
  ASSERT_THAT(caller_.calls, ElementsAre("test/a 1", "test/a 2"));
  for (int i = 0; i < 2; ++i) caller_.dones[0]({.payload = "one", .failure = ""});
  Turn();
  const worker::ToWorker heard = worker_->Hear();
  ASSERT_EQ(heard.calls_size(), 1);
  EXPECT_EQ(heard.calls(0).payload(), "one");
  worker_.reset();
  Turn();
  Connect();
  said.mutable_calls()->DeleteSubrange(0, 1);
  worker_->Say(said);
  Turn();
  caller_.dones[1]({.payload = "of the worker before", .failure = ""});
  Turn();
  EXPECT_EQ(worker_->Hear().calls_size(), 0);
  lane_->Close();
  caller_.dones[2]({.payload = "too late", .failure = ""});
}

TEST_F(WorkerLaneTest, ACallThatIsNotAnsweredIsGivenUp) {
  Begin(0, 100);
  Connect();
  worker::FromWorker said;
  said.add_calls()->set_number(1);
  worker_->Say(said);
  worker::ToWorker heard;
  Await([&] {
    heard = worker_->Hear();
    return heard.calls_size() > 0;
  });
  ASSERT_EQ(heard.calls_size(), 1);
  EXPECT_THAT(heard.calls(0).failure(), HasSubstr("in time"));
  caller_.dones.at(0)({.payload = "late", .failure = ""});
  Turn();
  EXPECT_EQ(worker_->Hear().calls_size(), 0);
}

TEST_F(WorkerLaneTest, MuchThatIsSaidInOneTurnIsSeveralFrames) {
  Connect();
  const uint64_t object = NewObject();
  for (int i = 0; i < 10; ++i) {
    worker::Event event;
    event.set_object(object);
    event.mutable_request()->set_payload(std::string(8u << 20, 'x'));
    lane_->Send(object, std::move(event), 0, false);
  }
  int events = 0;
  for (int i = 0; i < 10'000 && events < 10; ++i) {
    Turn();
    events += worker_->Hear().events_size();
  }
  EXPECT_EQ(events, 10);
  EXPECT_LE(worker_->largest_frame(), FrameStream::kMaxFrame);
}

}  // namespace
}  // namespace dormouse
