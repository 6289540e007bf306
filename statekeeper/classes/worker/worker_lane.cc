#include "statekeeper/classes/worker/worker_lane.h"

#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <stdexcept>
#include <utility>

#include "common/clock.h"
#include "common/ids.h"
#include "common/logging.h"
#include "statekeeper/classes/worker/worker_hub.h"

namespace dormouse {
namespace {

constexpr uint32_t kProtocol = 1;
constexpr double kPingSeconds = 0.25;
// Of events that wait for the end of the turn; then they leave.
constexpr size_t kFlushBytes = 256u << 10;
constexpr size_t kMaxCall = 32u << 20;
constexpr size_t kMaxCalls = 10'000;
constexpr int64_t kSuspectMs = 1'000;  // what ends a worker does so before, or keeps it from answering pings

// Objects are never called alike, whatever lane or process they were of.
uint64_t FirstObject() { return (NewGatewayId() << 20) & ~(uint64_t{1} << 63); }

}  // namespace

struct WorkerLane::Answers {
  std::mutex mutex;
  struct ev_loop* loop = nullptr;  // nullptr: nobody takes them any more
  ev_async* arrived = nullptr;
  // With the stream that the call came on: the next worker's calls may have the same numbers.
  std::vector<std::pair<size_t, worker::CallAnswer>> waiting;
};

WorkerLane::WorkerLane(Config config, struct ev_loop* loop)
    : config_(std::move(config)), loop_(loop), answers_(std::make_shared<Answers>()) {
  ev_io_init(&connection_, &WorkerLane::OnConnection, config_.listener, EV_READ);
  ev_prepare_init(&turn_end_, &WorkerLane::OnTurnEnd);
  ev_timer_init(&timer_, &WorkerLane::OnTimer, kPingSeconds, kPingSeconds);
  ev_async_init(&answered_, &WorkerLane::OnAnswers);
  ev_cleanup_init(&loop_end_, &WorkerLane::OnLoopEnd);
  connection_.data = turn_end_.data = timer_.data = answered_.data = loop_end_.data = this;
  ev_io_start(loop_, &connection_);
  ev_prepare_start(loop_, &turn_end_);
  ev_async_start(loop_, &answered_);
  answers_->loop = loop_;
  answers_->arrived = &answered_;
}

WorkerLane::~WorkerLane() { Close(); }

void WorkerLane::Close() {
  if (std::exchange(closed_, true)) return;
  {
    const std::lock_guard lock(answers_->mutex);
    answers_->loop = nullptr;
  }
  EndSuspectTurn();
  main_ = nullptr;
  streams_.clear();
  ended_.clear();
  objects_.clear();
  ev_io_stop(loop_, &connection_);
  ev_prepare_stop(loop_, &turn_end_);
  ev_timer_stop(loop_, &timer_);
  ev_async_stop(loop_, &answered_);
  ev_cleanup_stop(loop_, &loop_end_);
  close(config_.listener);
}

void WorkerLane::Leave() {
  if (!IsConnected() && config_.is_over()) return Close();
  left_ = shared_from_this();
  ev_cleanup_start(loop_, &loop_end_);
}

void WorkerLane::OnLoopEnd(struct ev_loop*, ev_cleanup* watcher, int) {
  const auto self = std::move(static_cast<WorkerLane*>(watcher->data)->left_);
  self->Close();
}

void WorkerLane::EndHttp(std::function<void()> done) {
  if (!IsConnected()) return done();
  http_ended_ = std::move(done);
  output_.set_end_http(true);
}

// --- The connection.

void WorkerLane::OnConnection(struct ev_loop*, ev_io* watcher, int) {
  static_cast<WorkerLane*>(watcher->data)->Accept();
}

void WorkerLane::Accept() {
  const int fd = accept4(config_.listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  const size_t number = ++last_stream_;
  streams_.emplace(number, std::make_unique<FrameStream>(
                               loop_, fd,
                               FrameStream::Callbacks{
                                   [this, number](std::string_view frame) { return OnFrame(number, frame); },
                                   [this, number](const std::string& why) { OnEnd(number, why); }}));
}

bool WorkerLane::OnFrame(size_t stream, std::string_view frame) {
  worker::FromWorker message;
  if (!message.ParseFromArray(frame.data(), static_cast<int>(frame.size()))) return false;
  if (message.has_hello()) {
    if (message.hello().protocol() != kProtocol || message.hello().lane() != config_.lane) {
      SPDLOG_ERROR("a worker of {} speaks protocol {} to lane {}; it must be {} and {}", config_.app,
                   message.hello().protocol(), message.hello().lane(), kProtocol, config_.lane);
      return false;
    }
    if (!message.hello().reads_only()) {
      if (IsConnected()) return false;  // one is enough
      main_number_ = stream;
      process_ = config_.process();
      main_ = streams_.at(stream).get();
      knows_timers_ = message.hello().timers();
      ping_ = 0;
      ev_timer_start(loop_, &timer_);
      std::vector<uint64_t> innocents;
      for (const auto& [number, object] : objects_) {
        if (object.waiting.empty()) continue;
        if (const uint32_t restarts = object.waiting.front().second; restarts != 0) {
          suspects_waiting_.emplace(restarts, number);
        } else {
          innocents.push_back(number);
        }
      }
      // Hubs may go on while theirs is sent, and objects come and go.
      for (const uint64_t number : innocents) {
        if (const auto it = objects_.find(number); it != objects_.end()) SendWaiting(number, &it->second);
      }
      LookForSuspects();
    }
  }
  if (message.pong() != 0 && message.pong() == ping_) ping_ = 0;
  const bool is_main = stream == main_number_;
  if (is_main) {
    for (worker::Turn& turn : *message.mutable_turns()) OnTurn(&turn);
  }
  // Behind the turns: they see what those write.
  for (worker::Read& read : *message.mutable_reads()) OnRead(&read, stream);
  for (worker::AskAnswerTimes& question : *message.mutable_ask_answer_times()) {
    OnAskAnswerTimes(&question, stream);
  }
  if (!is_main) return true;
  for (worker::Call& call : *message.mutable_calls()) OnCall(&call);
  for (const worker::Log& log : message.logs()) OnLog(log);
  if (message.http_ended() && http_ended_ != nullptr) std::exchange(http_ended_, nullptr)();
  return true;
}

void WorkerLane::OnEnd(size_t stream, const std::string& why) {
  // Called from the stream: it may not go before that has returned.
  ended_.push_back(std::move(streams_.at(stream)));
  streams_.erase(stream);
  if (stream != main_number_ || main_ == nullptr) return;
  main_ = nullptr;
  main_number_ = 0;
  if (http_ended_ != nullptr) std::exchange(http_ended_, nullptr)();
  output_.Clear();
  output_bytes_ = 0;
  calls_.clear();
  ev_timer_stop(loop_, &timer_);
  size_t lost = 0;
  std::vector<std::shared_ptr<HubPort>> ports;
  std::vector<std::string> held;
  for (auto it = objects_.begin(); it != objects_.end();) {
    if (!it->second.introduced) {
      ++it;
      continue;
    }
    ++lost;
    ports.push_back(it->second.port);
    if (it->second.held) held.push_back(it->second.hub);
    it = objects_.erase(it);
  }
  EndSuspectTurn();
  suspects_waiting_.clear();
  const bool over = config_.is_over();
  if (!over || lost > 0) {
    SPDLOG_WARN("lane {} has lost the worker of {} ({}); {} hubs go on in the next one", config_.lane,
                config_.app, why, lost);
  }
  for (const auto& port : ports) port->Restart();
  // Each gets an event, for what it was awake for may be its clients' sockets, which nobody serves now.
  for (std::string& hub : held) {
    if (config_.caller != nullptr)
      config_.caller->Call({.hub = std::move(hub), .payload = "", .timeout_ms = config_.call_timeout_ms},
                           [](const auto&) {});
  }
  if (!over) return config_.kill(process_, "it has closed a connection");
  if (const auto self = std::move(left_); self != nullptr) self->Close();
}

void WorkerLane::OnTurnEnd(struct ev_loop*, ev_prepare* watcher, int) {
  auto* const lane = static_cast<WorkerLane*>(watcher->data);
  lane->ended_.clear();
  lane->Flush();
}

void WorkerLane::Flush() {
  if (main_ == nullptr) return;
  if (output_.ByteSizeLong() > 0) {
    main_->Write(output_);
    output_.Clear();
    output_bytes_ = 0;
  }
  if (main_->backlog() > 0) main_->Flush();
}

void WorkerLane::OnTimer(struct ev_loop*, ev_timer* timer, int) {
  static_cast<WorkerLane*>(timer->data)->Ping();
}

void WorkerLane::Ping() {
  const int64_t now_ms = SteadyMs();
  std::vector<uint64_t> late;
  for (const auto& [number, until_ms] : calls_) {
    if (now_ms >= until_ms) late.push_back(number);
  }
  for (const uint64_t number : late) {
    worker::CallAnswer answer;
    answer.set_number(number);
    answer.set_failure("The hub has not answered in time");
    Answer(std::move(answer));
  }
  if (ping_ != 0) {
    if (config_.timeout_ms != 0 && now_ms - pinged_ms_ > config_.timeout_ms) {
      ping_ = 0;
      config_.kill(process_, "it has not answered for worker-timeout");
    }
    return;
  }
  if (suspect_object_ != 0 && now_ms - suspect_since_ms_ >= kSuspectMs) AcquitSuspect();
  LookForSuspects();  // another lane's may have ended
  if (objects_.empty()) return;
  ping_ = ++last_ping_;
  pinged_ms_ = now_ms;
  output_.set_ping(ping_);
}

// --- Objects and their events.

uint64_t WorkerLane::NewObject(std::shared_ptr<HubPort> port, std::string hub) {
  static thread_local uint64_t last = FirstObject();
  Object& object = objects_[++last];
  object.port = std::move(port);
  object.hub = std::move(hub);
  return last;
}

void WorkerLane::DropObject(uint64_t number) {
  const auto it = objects_.find(number);
  if (it == objects_.end()) return;
  const bool introduced = it->second.introduced;
  objects_.erase(it);
  if (introduced && IsConnected()) output_.add_drops(number);
  if (suspect_object_ == number) {
    EndSuspectTurn();
    LookForSuspects();
  }
}

void WorkerLane::Send(uint64_t number, worker::Event event, uint64_t deferred, uint32_t restarts) {
  const auto it = objects_.find(number);
  if (it == objects_.end()) return;  // lost with its worker, as its hub is about to hear
  Object& object = it->second;
  if (deferred != 0) object.deferred.emplace(event.number(), deferred);
  object.waiting.emplace_back(std::move(event), restarts);
  if (object.waiting.size() == 1) SendWaiting(number, &object);
}

void WorkerLane::SendWaiting(uint64_t number, Object* object) {
  if (!IsConnected()) return;
  std::vector<uint64_t> unknown;
  while (!object->waiting.empty()) {
    if (object->suspect != 0) break;  // alone: what has not begun cannot be to blame
    auto& [event, restarts] = object->waiting.front();
    if (restarts != 0) {
      if (!TakeSuspectTurn()) {
        suspects_waiting_.emplace(restarts, number);
        break;
      }
      suspect_object_ = number;
      suspect_since_ms_ = SteadyMs();
      object->suspect = event.number();
    }
    object->introduced = true;
    if (event.has_timer() && !knows_timers_) {
      // What is left of it says nothing: it takes its number, and may be the one that wakes.
      event.clear_timer();
      const auto deferred = object->deferred.find(event.number());
      unknown.push_back(deferred->second);
      object->deferred.erase(deferred);
    }
    MakeRoom(event.ByteSizeLong());
    *output_.add_events() = std::move(event);
    object->waiting.pop_front();
  }
  const std::shared_ptr<HubPort> port = object->port;
  for (const uint64_t timer : unknown) {
    port->Resume({.run = [](Context&) {},
                  .finishes = timer,
                  .failure = "the worker's host is of a version that knows no named timers"});
  }
}

void WorkerLane::MakeRoom(size_t bytes) {
  if (output_bytes_ > 0 && output_bytes_ + bytes > kFlushBytes) Flush();
  output_bytes_ += bytes;
}

void WorkerLane::EndSuspect(uint64_t number, Object* object, uint64_t event) {
  if (object->suspect == 0 || object->suspect != event) return;
  object->suspect = 0;
  EndSuspectTurn();
  if (!object->waiting.empty()) SendWaiting(number, object);
  if (suspect_object_ == 0) LookForSuspects();
}

void WorkerLane::AcquitSuspect() {
  const auto it = objects_.find(suspect_object_);
  if (it != objects_.end()) EndSuspect(it->first, &it->second, it->second.suspect);
}

bool WorkerLane::TakeSuspectTurn() {
  if (suspect_object_ != 0) return false;
  uint32_t none = 0;
  return config_.suspect_lane->compare_exchange_strong(none, config_.lane + 1);
}

void WorkerLane::EndSuspectTurn() {
  suspect_object_ = 0;
  uint32_t own = config_.lane + 1;
  config_.suspect_lane->compare_exchange_strong(own, 0);
}

void WorkerLane::LookForSuspects() {
  while (suspect_object_ == 0 && !suspects_waiting_.empty()) {
    const auto next = *suspects_waiting_.begin();
    suspects_waiting_.erase(suspects_waiting_.begin());
    const auto it = objects_.find(next.second);
    if (it != objects_.end()) SendWaiting(next.second, &it->second);
    if (suspects_waiting_.contains(next)) return;  // another lane has one under way
  }
}

void WorkerLane::OnTurn(worker::Turn* said) {
  const auto it = objects_.find(said->object());
  if (it == objects_.end()) return;
  Object& object = it->second;
  const std::shared_ptr<HubPort> port = object.port;
  const uint64_t number = said->object();
  HubPort::Resumption resumption;
  const auto deferred = object.deferred.find(said->event());
  if (deferred != object.deferred.end()) {
    resumption.belongs_to = deferred->second;
    if (said->done()) {
      resumption.finishes = deferred->second;
      resumption.failure = said->failure();
      object.deferred.erase(deferred);
    }
  }
  if (said->hold() != object.held) {
    object.held = said->hold();
    port->Hold(object.held);
  }
  if (said->number() != 0) {
    resumption.durable = [weak = weak_from_this(), number, turn = said->number()] {
      const auto self = weak.lock();
      if (self == nullptr || self->closed_ || !self->IsConnected()) return;
      worker::Durable* const durable = self->output_.add_durable();
      durable->set_object(number);
      durable->set_turn(turn);
    };
  }
  const uint64_t event = said->event();
  const bool done = said->done();
  auto turn = std::make_shared<worker::Turn>();
  turn->Swap(said);
  resumption.run = [turn](Context& context) { ApplyEffects(context, *turn); };
  port->Resume(std::move(resumption));
  if (!done) return;
  // The hub may have gone on meanwhile.
  if (const auto still = objects_.find(number); still != objects_.end())
    EndSuspect(number, &still->second, event);
}

void WorkerLane::OnRead(worker::Read* said, size_t stream) {
  const auto answer = [weak = weak_from_this(), stream](worker::ReadAnswer rows) {
    worker::ToWorker message;
    *message.add_reads() = std::move(rows);
    if (const auto self = weak.lock()) self->AnswerOn(stream, std::move(message));
  };
  const auto it = objects_.find(said->object());
  if (it == objects_.end()) {
    worker::ReadAnswer none;
    none.set_object(said->object());
    none.set_number(said->number());
    none.set_failure("the object is no more");
    return answer(std::move(none));
  }
  auto read = std::make_shared<worker::Read>();
  read->Swap(said);
  HubPort::Resumption resumption;
  resumption.run = [read, answer](Context& context) {
    worker::ReadAnswer rows;
    try {
      rows = ReadRows(context, *read);
    } catch (const std::logic_error& wrong) {  // no key is like that
      rows.set_failure(wrong.what());
    }
    rows.set_object(read->object());
    rows.set_number(read->number());
    answer(std::move(rows));
  };
  it->second.port->Resume(std::move(resumption));
}

void WorkerLane::OnAskAnswerTimes(worker::AskAnswerTimes* question, size_t stream) {
  worker::AnswerTimes times;
  times.set_object(question->object());
  times.set_number(question->number());
  const auto answer = [weak = weak_from_this(), stream](worker::AnswerTimes said) {
    worker::ToWorker message;
    *message.add_answer_times() = std::move(said);
    if (const auto self = weak.lock()) self->AnswerOn(stream, std::move(message));
  };
  const auto it = objects_.find(question->object());
  if (it == objects_.end()) {
    times.set_failure("the object is no more");
    return answer(std::move(times));
  }
  std::vector<ConnectionId> open;
  for (const std::string& bytes : question->connections()) {
    open.push_back(ConnectionId::FromBytes(bytes).value_or(ConnectionId{}));
  }
  HubPort::Resumption resumption;
  resumption.run = [open = std::move(open), answer, times = std::move(times)](Context& context) {
    context.DoNotStayAwake();
    context.AskAnswerTimes(open, [answer, times](const std::vector<int64_t>& at_ms) {
      worker::AnswerTimes said = times;
      said.mutable_at_ms()->Add(at_ms.begin(), at_ms.end());
      answer(std::move(said));
    });
  };
  it->second.port->Resume(std::move(resumption));
}

void WorkerLane::AnswerOn(size_t stream, worker::ToWorker answer) {
  if (closed_) return;
  if (stream == main_number_) {
    MakeRoom(answer.ByteSizeLong());
    output_.MergeFrom(answer);
    return;
  }
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return;
  it->second->Write(answer);
  it->second->Flush();
}

// --- Calls.

void WorkerLane::OnAnswers(struct ev_loop*, ev_async* watcher, int) {
  auto* const lane = static_cast<WorkerLane*>(watcher->data);
  std::vector<std::pair<size_t, worker::CallAnswer>> waiting;
  {
    const std::lock_guard lock(lane->answers_->mutex);
    waiting.swap(lane->answers_->waiting);
  }
  for (auto& [stream, answer] : waiting) {
    if (stream == lane->main_number_) lane->Answer(std::move(answer));
  }
}

void WorkerLane::OnCall(worker::Call* call) {
  worker::CallAnswer refusal;
  refusal.set_number(call->number());
  calls_.emplace(call->number(), 0);
  if (call->payload().size() > kMaxCall) {
    refusal.set_failure("a call has at most 32 MiB");
    return Answer(std::move(refusal));
  }
  if (config_.caller == nullptr) {
    refusal.set_failure("calls are not possible here");
    return Answer(std::move(refusal));
  }
  if (calls_.size() >= kMaxCalls) {
    refusal.set_failure("too many calls are under way");
    refusal.set_retryable(true);
    return Answer(std::move(refusal));
  }
  const int64_t timeout_ms = call->timeout_ms() == 0 ? config_.call_timeout_ms : call->timeout_ms();
  calls_[call->number()] = SteadyMs() + timeout_ms;
  config_.caller->Call(
      {.hub = call->hub_class() + "/" + call->hub_name(),
       .payload = std::move(*call->mutable_payload()),
       .timeout_ms = timeout_ms,
       .traceparent = std::move(*call->mutable_traceparent())},
      [answers = answers_, stream = main_number_, number = call->number()](HubCaller::Answer said) {
        worker::CallAnswer answer;
        answer.set_number(number);
        answer.set_payload(std::move(said.payload));
        answer.set_failure(std::move(said.failure));
        answer.set_retryable(said.retryable);
        const std::lock_guard lock(answers->mutex);
        if (answers->loop == nullptr) return;
        answers->waiting.emplace_back(stream, std::move(answer));
        ev_async_send(answers->loop, answers->arrived);
      });
}

void WorkerLane::Answer(worker::CallAnswer answer) {
  if (calls_.erase(answer.number()) == 0) return;  // it was given up
  if (!IsConnected()) return;
  MakeRoom(answer.ByteSizeLong());
  *output_.add_calls() = std::move(answer);
}

void WorkerLane::OnLog(const worker::Log& log) {
  const LogAbout about(
      {.lane = config_.lane, .hub = log.hub(), .connection = ConnectionId::FromBytes(log.connection())});
  switch (log.level()) {
    case worker::Log::DEBUG:
      return SPDLOG_DEBUG("{}", log.text());
    case worker::Log::WARN:
      return SPDLOG_WARN("{}", log.text());
    case worker::Log::ERROR:
      return SPDLOG_ERROR("{}", log.text());
    default:
      return SPDLOG_INFO("{}", log.text());
  }
}

}  // namespace dormouse
