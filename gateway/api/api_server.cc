#include "gateway/api/api_server.h"

#include <ev.h>
#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <unordered_map>
#include <utility>

#include "common/clock.h"
#include "common/http/http_date.h"
#include "common/http/http_request.h"
#include "common/http/listener.h"
#include "common/logging.h"
#include "common/loop/loop_timers.h"
#include "common/loop/task_queue.h"
#include "common/trace_context.h"
#include "gateway/api/api_grpc.h"
#include "gateway/api/api_limits.h"
#include "gateway/api/api_words.h"
#include "gateway/api/hub_client.h"

namespace dormouse {
namespace {

constexpr int64_t kTickMs = 64;
constexpr size_t kSlots = 256;
constexpr size_t kReadSize = 16u << 10;
constexpr size_t kMaxHead = 16u << 10;
constexpr int64_t kRequestMs = 10'000;  // for a whole request; for each piece of an answer
constexpr int64_t kIdleMs = 75'000;     // between two requests of a connection
// Connections beyond those with a call under way.
constexpr size_t kMoreConnections = 1'000;
constexpr std::string_view kBearer = "Bearer ";

std::string KeyIn(const HttpRequest& request) {
  const std::string_view authorization = request.Header("authorization").value_or("");
  if (!StartsWithIgnoringCase(authorization, kBearer)) return "";
  return std::string(TrimBlanks(authorization.substr(kBearer.size())));
}

}  // namespace

class ApiServer::Impl {
 public:
  Impl(Config config, prometheus::Registry* registry)
      : config_(std::move(config)),
        calls_(&prometheus::BuildGauge()
                    .Name("dormouse_api_calls")
                    .Help("Calls of backends that are under way")
                    .Register(*registry)
                    .Add({})),
        seconds_(
            &prometheus::BuildHistogram()
                 .Name("dormouse_api_call_seconds")
                 .Help("Time from a backend's whole request to its hub's answer")
                 .Register(*registry)
                 .Add({}, prometheus::Histogram::BucketBoundaries{0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10})),
        loop_(ev_loop_new(EVBACKEND_EPOLL), ev_loop_destroy),
        limits_({config_.max_calls, config_.max_calls_per_key, config_.max_calls_per_hub}),
        timers_(loop_.get(), kTickMs, kSlots,
                [this](TimerNode* node) { OnDeadline(static_cast<Visitor*>(node)); }),
        client_(std::make_unique<HubClient>(config_.statekeepers, config_.credentials, loop_.get())),
        listener_(loop_.get(), [this](int fd, const IpAddress&, bool crowded) { return Admit(fd, crowded); }),
        orders_(loop_.get()) {
    auto& answers = prometheus::BuildCounter()
                        .Name("dormouse_api_answers_total")
                        .Help("Answers to backends, by the first digit of their status")
                        .Register(*registry);
    for (size_t i = 0; i < answers_.size(); ++i)
      answers_[i] = &answers.Add({{"status", fmt::format("{}xx", i + 2)}});
    ev_idle_init(&go_on_, [](struct ev_loop*, ev_idle* watcher, int) {
      static_cast<Impl*>(watcher->data)->OnPipelined();
    });
    go_on_.data = this;
    if (config_.listening >= 0) {
      listener_.Adopt(config_.listening);
    } else if (!config_.listen.empty()) {
      const std::string wrong =
          listener_.Listen(config_.listen, Listener::Sharing::kExclusive, "--api-listen");
      if (!wrong.empty()) throw std::runtime_error(wrong);
    }
    port_ = listener_.port();
    listening_ = listener_.fd();
    if (!config_.grpc_listen.empty()) {
      grpc_ = std::make_unique<ApiGrpc>(
          config_.grpc_listen, config_.keys, config_.max_body,
          [this](const std::string& key, api::Request request, ApiGrpc::Answered answered) {
            auto asked = std::make_shared<api::Request>(std::move(request));
            orders_.Post(
                [this, key, asked, answered = std::move(answered)] { Begin(key, asked.get(), answered); });
          });
    }
    thread_ = std::thread([this] { ev_run(loop_.get(), 0); });
  }
  ~Impl() {
    grpc_.reset();
    orders_.Post([this] { ev_break(loop_.get(), EVBREAK_ALL); });
    thread_.join();
    orders_.Close();
    client_.reset();
    while (!visitors_.empty()) Remove(visitors_.begin()->second.get());
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  int port() const { return port_; }
  int grpc_port() const { return grpc_ == nullptr ? 0 : grpc_->port(); }
  int listening() const { return listening_; }
  void StopListening(int64_t idle_ms) {
    if (grpc_ != nullptr) grpc_->StopListening();
    orders_.Post([this, idle_ms] { OnStopListening(idle_ms); });
  }
  void Finish(int64_t patience_ms) {
    std::unique_lock lock(mutex_);
    answered_.wait_for(lock, std::chrono::milliseconds(patience_ms), [this] { return under_way_ == 0; });
  }

 private:
  struct Visitor : TimerNode {
    enum class State { kReading, kCalling, kWriting, kLingering };
    Impl* server = nullptr;
    uint64_t number = 0;
    int fd = -1;
    ev_io io;
    State state = State::kReading;
    std::string in;        // what was read and not dealt with
    size_t looked_at = 0;  // of `in`, for the head's end
    // Of a request whose body is not there yet.
    size_t head = 0;  // its bytes; 0: it is not there either
    size_t body = 0;
    std::string key;
    std::string traceparent;
    ApiTarget target;
    bool keeps = false;  // the connection stays open after the answer
    bool with_body = true;
    std::string out;
    size_t written = 0;
  };

  bool Admit(int fd, bool crowded) {
    const bool full = crowded || visitors_.size() >= config_.max_calls + kMoreConnections;
    const uint64_t number = ++last_number_;
    auto visitor = std::make_unique<Visitor>();
    Visitor* const added = visitor.get();
    added->server = this;
    added->number = number;
    added->fd = fd;
    ev_io_init(
        &added->io,
        [](struct ev_loop*, ev_io* io, int) {
          auto* const ready = static_cast<Visitor*>(io->data);
          ready->server->OnIo(ready);
        },
        fd, EV_READ);
    added->io.data = added;
    visitors_.emplace(number, std::move(visitor));
    timers_.Schedule(added, SteadyMs() + kRequestMs);
    if (full) {
      Answer(added, ApiRefusal(503, "busy",
                               "This gateway has too many connections of backends; keep them open, and "
                               "use each for many requests."));
    } else {
      Watch(added, EV_READ);
    }
    return true;
  }

  void OnIo(Visitor* visitor) {
    switch (visitor->state) {
      case Visitor::State::kReading:
        return Read(visitor);
      case Visitor::State::kWriting:
        return Write(visitor);
      case Visitor::State::kLingering:
        return Linger(visitor);
      case Visitor::State::kCalling:
        return;
    }
  }

  void Read(Visitor* visitor) {
    std::array<char, kReadSize> buffer;
    const ssize_t size = recv(visitor->fd, buffer.data(), buffer.size(), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) return Remove(visitor);
    // The time of a request begins with its first byte.
    if (visitor->in.empty()) timers_.Schedule(visitor, SteadyMs() + kRequestMs);
    visitor->in.append(buffer.data(), static_cast<size_t>(size));
    Judge(visitor);
  }

  // Acts on what has been read, as far as it goes.
  void Judge(Visitor* visitor) {
    if (visitor->head == 0 && !TakeHead(visitor)) return;
    if (visitor->in.size() < visitor->head + visitor->body) return Watch(visitor, EV_READ);
    Begin(visitor);
  }

  // False: it is not all there, or has been answered.
  bool TakeHead(Visitor* visitor) {
    const size_t size = FindHeadEnd(visitor->in, visitor->looked_at);
    visitor->looked_at = visitor->in.size();
    if (size > kMaxHead || (size == 0 && visitor->in.size() > kMaxHead)) {
      Answer(visitor,
             ApiRefusal(431, "bad_request", "The request's header is too large; send less than 16 KiB."));
      return false;
    }
    if (size == 0) {
      Watch(visitor, EV_READ);
      return false;
    }
    HttpRequest request;
    HttpReply refusal;
    visitor->keeps = false;
    if (!ParseHttpRequest(std::string_view{visitor->in}.substr(0, size), &request, &refusal)) {
      Answer(visitor, ApiRefusal(refusal.status, "bad_request",
                                 TrimBlanks(refusal.body.substr(0, refusal.body.find('\n')))));
      return false;
    }
    visitor->with_body = request.method != "HEAD";
    if (const auto reply = JudgeHead(request, visitor)) {
      // Its body has not been read: nothing can come after it.
      visitor->keeps = visitor->keeps && !request.has_body;
      if (visitor->keeps) visitor->in.erase(0, size);
      visitor->looked_at = 0;
      Answer(visitor, *reply);
      return false;
    }
    visitor->head = size;
    if (visitor->body > 0 && request.HasToken("expect", "100-continue") && visitor->in.size() == size) {
      constexpr std::string_view kGoOn = "HTTP/1.1 100 Continue\r\n\r\n";
      if (send(visitor->fd, kGoOn.data(), kGoOn.size(), MSG_NOSIGNAL) < 0) {
        Remove(visitor);
        return false;
      }
    }
    return true;
  }

  // What is wrong with a request, as far as its head says it.
  std::optional<HttpReply> JudgeHead(const HttpRequest& request, Visitor* visitor) {
    const bool says_close = request.HasToken("connection", "close");
    visitor->keeps = request.minor_version == 1 ? !says_close : request.HasToken("connection", "keep-alive");
    const auto name = config_.keys->NameOf(KeyIn(request));
    if (!name) {
      HttpReply reply = ApiRefusal(401, "unauthorized",
                                   "Send the header Authorization: Bearer KEY, with a key of this gateway's "
                                   "api-key-file.");
      reply.headers.emplace_back("WWW-Authenticate", "Bearer");
      return reply;
    }
    visitor->key = *name;
    visitor->traceparent = request.Header(kTraceParent).value_or("");
    HttpReply refusal;
    auto target = ReadApiTarget(request, config_.timeout_ms, &refusal);
    if (!target) return refusal;
    visitor->target = std::move(*target);
    if (request.Header("transfer-encoding")) {
      return ApiRefusal(
          411, "length_required",
          "Send the body with Content-Length, not in chunks: it has to be whole before it counts.");
    }
    const std::string_view length = request.Header("content-length").value_or("0");
    uint64_t bytes = 0;
    std::from_chars(length.data(), length.data() + length.size(), bytes);
    if (bytes > config_.max_body) {
      return ApiRefusal(
          413, "too_large",
          fmt::format("The body has {} bytes; {} are the most (option api-body).", bytes, config_.max_body));
    }
    visitor->body = bytes;
    return std::nullopt;
  }

  void Begin(Visitor* visitor) {
    const std::string_view body = std::string_view{visitor->in}.substr(visitor->head, visitor->body);
    HttpReply refusal;
    std::optional<api::Request> request = ReadApiRequest(visitor->target, body, &refusal);
    visitor->in.erase(0, visitor->head + visitor->body);
    visitor->head = visitor->body = visitor->looked_at = 0;
    if (!request) return Answer(visitor, refusal);
    const std::string hub = visitor->target.hub;
    if (const auto busy = limits_.Begin(visitor->key, hub)) return Answer(visitor, *busy);
    CountUnderWay(1);
    visitor->state = Visitor::State::kCalling;
    Watch(visitor, 0);
    LoopTimers::Cancel(visitor);
    const int64_t begun_ms = SteadyMs();
    request->set_traceparent(visitor->traceparent);
    const std::shared_ptr<OpenSpan> span = Trace(&*request);
    client_->Ask(std::move(*request), [this, number = visitor->number, key = visitor->key, hub, begun_ms,
                                       span](const api::Reply& reply) {
      limits_.End(key, hub);
      seconds_->Observe(static_cast<double>(SteadyMs() - begun_ms) / 1000);
      EndSpan(span.get(), reply);
      if (const auto found = visitors_.find(number); found != visitors_.end())
        Answer(found->second.get(), ApiReplyOf(found->second->target.verb, reply));
      CountUnderWay(-1);
    });
  }

  // The same over gRPC.
  void Begin(const std::string& key, api::Request* request, const ApiGrpc::Answered& answered) {
    const auto refuse = [&](api::Error::Code code, const std::string& sentence) {
      api::Reply reply;
      reply.mutable_error()->set_code(code);
      reply.mutable_error()->set_message(sentence);
      reply.mutable_error()->set_retryable(code == api::Error::BUSY);
      Count(code == api::Error::BUSY ? 503 : 400);
      answered(reply);
    };
    if (const std::string wrong = CompleteApiRequest(config_.timeout_ms, request); !wrong.empty())
      return refuse(api::Error::BAD_REQUEST, wrong);
    const std::string hub = request->hub();
    if (limits_.Begin(key, hub))
      return refuse(api::Error::BUSY,
                    "Too many calls are under way (options api-calls, api-calls-per-key, "
                    "api-calls-per-hub); wait for answers.");
    CountUnderWay(1);
    const int64_t begun_ms = SteadyMs();
    const std::shared_ptr<OpenSpan> span = Trace(request);
    client_->Ask(std::move(*request), [this, key, hub, answered, begun_ms, span](const api::Reply& reply) {
      limits_.End(key, hub);
      seconds_->Observe(static_cast<double>(SteadyMs() - begun_ms) / 1000);
      EndSpan(span.get(), reply);
      Count(StatusOf(reply));
      answered(reply);
      CountUnderWay(-1);
    });
  }

  // The request's span, which is its parent from now on. nullptr: it is not traced.
  std::shared_ptr<OpenSpan> Trace(api::Request* request) {
    if (config_.tracer == nullptr) return nullptr;
    std::shared_ptr<OpenSpan> span =
        config_.tracer->Begin("api request", Span::Kind::kServer, request->traceparent());
    if (span == nullptr) return nullptr;
    request->set_traceparent(span->traceparent());
    span->SetHub(request->hub());
    return span;
  }

  static void EndSpan(OpenSpan* span, const api::Reply& reply) {
    if (span == nullptr) return;
    span->EndAnswered(StatusOf(reply), api::Error::Code_Name(reply.error().code()));
  }

  static int StatusOf(const api::Reply& reply) {
    return reply.has_error() ? ApiErrorReply(reply.error()).status : 200;
  }

  // Answers, by their status.
  void Count(int status) {
    const auto digit = static_cast<size_t>(status / 100);
    if (digit >= 2 && digit - 2 < answers_.size()) answers_[digit - 2]->Increment();
  }

  // Calls that are under way; for who waits for their end.
  void CountUnderWay(int change) {
    calls_->Set(static_cast<double>(limits_.calls()));
    const std::lock_guard lock(mutex_);
    under_way_ += change;
    if (under_way_ == 0) answered_.notify_all();
  }

  void Answer(Visitor* visitor, const HttpReply& reply) {
    Count(reply.status);
    if (stopping_) visitor->keeps = false;
    visitor->out = fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nDate: {}\r\n",
        reply.status, StatusText(reply.status), reply.content_type, reply.body.size(), date_.At(WallMs()));
    for (const auto& [name, value] : reply.headers) visitor->out += fmt::format("{}: {}\r\n", name, value);
    visitor->out += visitor->keeps ? "\r\n" : "Connection: close\r\n\r\n";
    if (visitor->with_body) visitor->out += reply.body;
    visitor->written = 0;
    visitor->state = Visitor::State::kWriting;
    timers_.Schedule(visitor, SteadyMs() + kRequestMs);
    Write(visitor);
  }

  void Write(Visitor* visitor) {
    while (visitor->written < visitor->out.size()) {
      const ssize_t size = send(visitor->fd, visitor->out.data() + visitor->written,
                                visitor->out.size() - visitor->written, MSG_NOSIGNAL);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && errno == EAGAIN) return Watch(visitor, EV_WRITE);
      if (size < 0) return Remove(visitor);
      visitor->written += static_cast<size_t>(size);
      timers_.Schedule(visitor, SteadyMs() + kRequestMs);
    }
    visitor->out = {};
    if (!visitor->keeps) {
      // Closing with something unread would make the kernel take the answer back.
      shutdown(visitor->fd, SHUT_WR);
      visitor->state = Visitor::State::kLingering;
      return Linger(visitor);
    }
    visitor->state = Visitor::State::kReading;
    timers_.Schedule(visitor, SteadyMs() + (visitor->in.empty() ? kIdleMs : kRequestMs));
    Watch(visitor, EV_READ);
    if (visitor->in.empty()) return;
    // The client has sent its next request already. Not within this call, or many would nest.
    pipelined_.push_back(visitor->number);
    if (!ev_is_active(&go_on_)) ev_idle_start(loop_.get(), &go_on_);
  }

  void OnPipelined() {
    ev_idle_stop(loop_.get(), &go_on_);
    for (const uint64_t number : std::exchange(pipelined_, {})) {
      const auto found = visitors_.find(number);
      if (found != visitors_.end() && found->second->state == Visitor::State::kReading)
        Judge(found->second.get());
    }
  }

  void Linger(Visitor* visitor) {
    std::array<char, kReadSize> buffer;
    const ssize_t size = recv(visitor->fd, buffer.data(), buffer.size(), 0);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) return Remove(visitor);
    Watch(visitor, EV_READ);
  }

  void Watch(Visitor* visitor, int events) {
    if (ev_is_active(&visitor->io) && (visitor->io.events & (EV_READ | EV_WRITE)) == events) return;
    ev_io_stop(loop_.get(), &visitor->io);
    if (events == 0) return;
    ev_io_set(&visitor->io, visitor->fd, events);
    ev_io_start(loop_.get(), &visitor->io);
  }

  void OnDeadline(Visitor* visitor) {
    const bool is_late = visitor->state == Visitor::State::kReading && !visitor->in.empty();
    if (!is_late) return Remove(visitor);
    visitor->keeps = false;
    Answer(visitor, ApiRefusal(408, "bad_request", "The request has not come whole within 10 s."));
  }

  void OnStopListening(int64_t idle_ms) {
    stopping_ = true;
    listener_.Stop();
    std::vector<Visitor*> idle;
    for (auto& [number, visitor] : visitors_) {
      if (visitor->state == Visitor::State::kReading && visitor->in.empty()) idle.push_back(visitor.get());
    }
    for (Visitor* const visitor : idle) {
      if (idle_ms == 0) {
        Remove(visitor);
      } else {
        timers_.Schedule(visitor, SteadyMs() + idle_ms);
      }
    }
  }

  void Remove(Visitor* visitor) {
    ev_io_stop(loop_.get(), &visitor->io);
    LoopTimers::Cancel(visitor);
    close(visitor->fd);
    visitors_.erase(visitor->number);
  }

  const Config config_;
  prometheus::Gauge* const calls_;
  prometheus::Histogram* const seconds_;
  std::array<prometheus::Counter*, 4> answers_{};
  const std::unique_ptr<struct ev_loop, void (*)(struct ev_loop*)> loop_;
  ApiLimits limits_;
  HttpDate date_;
  LoopTimers timers_;
  std::unordered_map<uint64_t, std::unique_ptr<Visitor>> visitors_;
  uint64_t last_number_ = 0;
  bool stopping_ = false;
  std::unique_ptr<HubClient> client_;
  std::unique_ptr<ApiGrpc> grpc_;
  Listener listener_;
  int port_ = 0;
  int listening_ = -1;
  TaskQueue orders_;  // of the main thread: at most one of each kind; and calls over gRPC
  ev_idle go_on_;
  std::vector<uint64_t> pipelined_;  // visitors whose next request is there
  std::mutex mutex_;
  std::condition_variable answered_;
  int under_way_ = 0;  // mutex_
  std::thread thread_;
};

ApiServer::ApiServer(Config config, prometheus::Registry* registry)
    : impl_(std::make_unique<Impl>(std::move(config), registry)) {}

ApiServer::~ApiServer() = default;

int ApiServer::port() const { return impl_->port(); }

int ApiServer::grpc_port() const { return impl_->grpc_port(); }

int ApiServer::listening() const { return impl_->listening(); }

void ApiServer::StopListening(int64_t idle_ms) { impl_->StopListening(idle_ms); }

void ApiServer::Finish(int64_t patience_ms) { impl_->Finish(patience_ms); }

}  // namespace dormouse
