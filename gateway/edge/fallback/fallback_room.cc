#include "gateway/edge/fallback/fallback_room.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/clock.h"
#include "common/ids.h"
#include "common/json/json_writer.h"
#include "common/percent_decode.h"
#include "gateway/edge/fallback/event_text.h"
#include "gateway/edge/frames/close_frame.h"
#include "gateway/edge/frames/utf8.h"

namespace dormouse::edge {
namespace {

constexpr int64_t kTickMs = 32;
constexpr size_t kSlots = 1'024;
constexpr size_t kReadSize = 64u << 10;
constexpr size_t kStreamPiece = 64u << 10;
// That a request's body, or the reader of an answer, may stand still.
constexpr int64_t kPatienceMs = 10'000;
// Between two looks whether the edge has noticed the end of a connection.
constexpr int64_t kLeavingLookMs = 64;
constexpr uint64_t kMaxBody = 16u << 20;
constexpr uint64_t kMaxIgnoredBody = 64u << 10;
constexpr size_t kDescriptorsPart = 8;
constexpr size_t kLeavingAtOnce = 16;
constexpr char kPlain[] = "text/plain; charset=utf-8";
constexpr char kJson[] = "application/json";
constexpr char kOver[] =
    "There is no such connection: it is over, or it never was. Open another one: POST PATH/@fallback.\n";
constexpr char kTakenOver[] = "A later request of the same connection has taken the place of this one.\n";
constexpr char kUnsent[] = "after= names an event that was not sent yet.\n";

size_t DefaultMaxConnections() {
  rlimit descriptors{};
  getrlimit(RLIMIT_NOFILE, &descriptors);
  return std::max<size_t>(16, std::min<rlim_t>(descriptors.rlim_cur, 1 << 20) / kDescriptorsPart);
}

// Behind the gateway's tag, 128 bits that nobody guesses.
std::string NewId(const std::string& tag) { return tag + NewSecretHex(16); }

// nullopt: it is there, and no number.
std::optional<uint64_t> NumberOf(std::string_view text, uint64_t otherwise) {
  if (text.empty()) return otherwise;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number >> 53 != 0) return std::nullopt;
  return number;
}

HttpReply Say(int status, std::string body) { return {.status = status, .body = std::move(body)}; }

bool IsGet(FallbackCall call) { return call == FallbackCall::kEvents || call == FallbackCall::kPoll; }

// A page of another origin may read the answer.
std::string CorsLines(const HttpRequest& request) {
  const auto origin = request.Header("origin");
  return origin.has_value() ? fmt::format("Access-Control-Allow-Origin: {}\r\nVary: Origin\r\n", *origin)
                            : std::string();
}

HttpReply WithCors(HttpReply reply, const HttpRequest& request) {
  if (const auto origin = request.Header("origin")) {
    reply.headers.emplace_back("Access-Control-Allow-Origin", *origin);
    reply.headers.emplace_back("Vary", "Origin");
  }
  return reply;
}

}  // namespace

FallbackRoom::FallbackRoom(Config config, struct ev_loop* loop, FrontDoor* front_door, Door* door,
                           GatewayMetrics* metrics)
    : config_(config),
      loop_(loop),
      front_door_(front_door),
      door_(door),
      metrics_(metrics),
      buffer_(std::make_unique<char[]>(kReadSize)),
      request_timers_(loop, kTickMs, kSlots,
                      [this](TimerNode* node) { OnRequestTimer(static_cast<FallbackRequest*>(node)); }),
      connection_timers_(
          loop, kTickMs, kSlots,
          [this](TimerNode* node) { OnConnectionTimer(static_cast<FallbackConnection*>(node)); }),
      siblings_(config.is_on ? std::make_unique<Siblings>(
                                   loop, [door](int fd, const IpAddress& peer,
                                                std::string_view bytes) { door->Arrive(fd, peer, bytes); })
                             : nullptr) {
  if (config_.max_connections == 0) config_.max_connections = DefaultMaxConnections();
}

FallbackRoom::~FallbackRoom() {
  requests_.clear();
  by_id_.clear();
  connections_.clear();
}

void FallbackRoom::Change(const Config& changed) {
  config_.window_ms = changed.window_ms;
  config_.heartbeat_ms = changed.heartbeat_ms;
  config_.wait_ms = changed.wait_ms;
  config_.buffer = changed.buffer;
}

// --- Requests.

std::optional<HttpReply> FallbackRoom::OnRequest(const HttpRequest& request, const FrontDoor::Visit& visit) {
  const FallbackTarget target = *ReadFallbackTarget(request.path);
  if (!door_->AdmitsOrigin(request)) {
    metrics_->Refused(RefusalCause::kOrigin);
    return Say(403,
               "Pages of this origin may not open sockets here; --allowed-origins lists those that may.\n");
  }
  const std::string_view method = IsGet(target.call) ? "GET" : "POST";
  if (request.method == "OPTIONS") {
    HttpReply reply{.status = 204};
    reply.headers = {
        {"Allow", fmt::format("{}, OPTIONS", method)},
        {"Access-Control-Allow-Methods", std::string(method)},
        {"Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID, Dormouse-Protocol"},
        {"Access-Control-Max-Age", "7200"}};
    return WithCors(std::move(reply), request);
  }
  const auto refuse = [&](int status, std::string why) {
    return WithCors(Say(status, std::move(why)), request);
  };
  if (request.method != method) {
    HttpReply reply = refuse(405, fmt::format("Only {} is answered here.\n", method));
    reply.headers.emplace_back("Allow", fmt::format("{}, OPTIONS", method));
    return reply;
  }
  // Bodies in chunks are passed on by others as they like; with a length nobody can be wrong.
  const auto length_field = request.Header("content-length");
  if (request.has_body && (IsGet(target.call) || !length_field.has_value())) {
    return IsGet(target.call) ? refuse(400, "A GET has no body here; send none.\n")
                              : refuse(411, "Send the body with a Content-Length.\n");
  }
  const std::optional<uint64_t> length = NumberOf(length_field.value_or("0"), 0);
  if (!length.has_value() || *length > (target.call == FallbackCall::kSend ? kMaxBody : kMaxIgnoredBody))
    return refuse(413, "The body is too long; send messages in several requests of at most 16 MiB.\n");
  const auto after =
      NumberOf(target.call == FallbackCall::kEvents && request.Header("last-event-id").has_value()
                   ? *request.Header("last-event-id")
                   : QueryField(request.query, "after"),
               0);
  const auto from = NumberOf(QueryField(request.query, "from"), 1);
  const auto code = NumberOf(QueryField(request.query, "code"), kNoCloseCode);
  const auto reason = PercentDecode(QueryField(request.query, "reason"));
  const bool is_open = target.call == FallbackCall::kOpen;  // whose query is its hub's
  const std::string_view id = is_open ? std::string_view() : QueryField(request.query, "id");
  if (const std::string_view tag = id.substr(0, Siblings::kTagSize);
      tag.size() == Siblings::kTagSize && tag != siblings_->tag() && visit.socket->tls == nullptr &&
      Siblings::HandOver(tag, visit.socket->fd, visit.peer, visit.head, visit.rest)) {
    close(visit.socket->fd);
    return std::nullopt;
  }
  if (!is_open && (!after.has_value() || !from.has_value() || *from == 0)) {
    return refuse(400, "after= and from= are numbers, from= from 1 on.\n");
  }
  if (target.call == FallbackCall::kClose &&
      (!code.has_value() ||
       (*code != kNoCloseCode && (*code > 4'999 || !IsCloseCode(static_cast<uint16_t>(*code)))) ||
       !reason.has_value() || !IsValidUtf8(*reason))) {
    return refuse(400, "code= is a close code of RFC 6455 that may be sent, reason= its reason in UTF-8.\n");
  }

  auto owned = std::make_unique<FallbackRequest>(loop_, static_cast<FallbackRequest::Owner*>(this),
                                                 target.call, request, visit, *length);
  FallbackRequest* const taken = owned.get();
  requests_.emplace(taken, std::move(owned));
  taken->cors = CorsLines(request);
  if (is_open) {
    taken->upgrade = WriteUpgradeRequest(request, target.path);
  } else {
    taken->id = id;
    taken->after = *after;
    taken->posted.next = *from;
    taken->code = static_cast<uint16_t>(*code);
    taken->reason = *reason;
  }
  request_timers_.Schedule(taken, SteadyMs() + kPatienceMs);
  return std::nullopt;
}

void FallbackRoom::OnBegin(FallbackRequest* request) {
  switch (request->call()) {
    case FallbackCall::kEvents:
    case FallbackCall::kPoll:
      return Fetch(request);
    case FallbackCall::kSend:
      return StartSending(request);
    case FallbackCall::kOpen:
    case FallbackCall::kClose:
      return OnBody(request);
  }
}

void FallbackRoom::OnBody(FallbackRequest* request) {
  if (request->call() == FallbackCall::kSend) return GoOnSending(request);
  request->Take(request->body().size());  // it means nothing
  if (!request->has_whole_body()) return request->SetReading(true);
  if (request->call() == FallbackCall::kOpen) return Open(request);
  Close(request);
}

FallbackConnection* FallbackRoom::Find(FallbackRequest* request) {
  const auto found = by_id_.find(request->id);
  if (found != by_id_.end()) return found->second;
  Answer(request, 410, kOver);
  return nullptr;
}

bool FallbackRoom::Confirm(FallbackConnection* connection, FallbackRequest* request) {
  if (request->after > connection->last_event()) {
    Answer(request, 400, kUnsent);
    return false;
  }
  connection->Confirm(request->after);
  if (!connection->is_leaving()) return true;
  // It had ended, and its client knows that now.
  Forget(connection);
  EndOutput(connection, kOver);
  AnswerReceived(request, 200, connection->received());
  return false;
}

void FallbackRoom::Answer(FallbackRequest* request, int status, std::string_view body) {
  Detach(request);
  metrics_->HttpResponse(status);
  request->Answer(status, kPlain, status == 503 ? "Retry-After: 1\r\n" : "", body, date_.At(WallMs()));
}

void FallbackRoom::AnswerReceived(FallbackRequest* request, int status, uint64_t received) {
  Detach(request);
  metrics_->HttpResponse(status);
  request->Answer(status, kJson, "", fmt::format("{{\"received\":{}}}\n", received), date_.At(WallMs()));
}

// --- Opening.

void FallbackRoom::Open(FallbackRequest* request) {
  int ends[2];
  if (!MakeRoom() || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    metrics_->Refused(RefusalCause::kFull);
    return Answer(request, 503, "This gateway is full; connect again to reach another.\n");
  }
  auto owned = std::make_unique<FallbackConnection>(
      FallbackConnection::Parts{
          .loop = loop_, .owner = this, .buffer = {buffer_.get(), kReadSize}, .held_bytes = &held_bytes_},
      NewId(siblings_->tag()), ends[0]);
  FallbackConnection* const connection = owned.get();
  connections_.emplace(connection, std::move(owned));
  connection->output = request;
  request->connection = connection;
  const std::string upgrade = std::exchange(request->upgrade, {});
  // A fresh pair takes far more than this.
  const ssize_t sent = send(ends[0], upgrade.data(), upgrade.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(upgrade.size())) shutdown(ends[0], SHUT_WR);  // which the door sees
  UpdateMetrics();
  request->SetReading(true);  // to see it go
  door_->Enter(ends[1], request->peer(), request->crowded());
}

// Those that were opened and left go first.
bool FallbackRoom::MakeRoom() {
  if (connections_.size() < config_.max_connections) return true;
  // Those that have been let go are still there for a moment.
  const size_t most = config_.max_connections + config_.max_connections / 4 + kLeavingAtOnce;
  if (unfetched_.empty() || connections_.size() >= most) return false;
  Lose(unfetched_.front());
  return true;
}

void FallbackRoom::OnUpgradeAnswered(FallbackConnection* connection) {
  FallbackRequest* const request = std::exchange(connection->output, nullptr);
  if (request != nullptr) request->connection = nullptr;
  if (!connection->is_open()) {
    std::string answer = connection->answer();
    Remove(connection);
    if (request == nullptr) return;
    const size_t first_line = answer.find("\r\n");
    if (first_line == std::string::npos)
      return Answer(request, 503, "This could not be opened now; try again.\n");
    answer.insert(first_line + 2, request->cors);
    return request->AnswerAsIs(std::move(answer));
  }
  if (request == nullptr) return Lose(connection);
  by_id_.emplace(connection->id(), connection);
  connection->place = unfetched_.insert(unfetched_.end(), connection);
  connection->is_unfetched = true;
  connection_timers_.Schedule(connection, SteadyMs() + config_.window_ms);
  const UpgradeHeads heads = ReadUpgradeAnswer(connection->answer()).value_or(UpgradeHeads{});
  connection->ForgetAnswer();
  metrics_->HttpResponse(201);
  request->Answer(
      201, kJson, heads.headers,
      fmt::format(R"({{"id":"{}","window":{},"heartbeat":{},"wait":{},"maxBody":{},"protocol":{}}})"
                  "\n",
                  connection->id(), config_.window_ms, config_.heartbeat_ms, config_.wait_ms, kMaxBody,
                  JsonQuoted(heads.protocol)),
      date_.At(WallMs()));
}

// --- Down.

void FallbackRoom::Fetch(FallbackRequest* request) {
  FallbackConnection* const connection = Find(request);
  if (connection == nullptr) return;
  if (request->after < connection->confirmed()) {
    return Answer(request, 409, "What comes after that was confirmed already; this request is an old one.\n");
  }
  if (!Confirm(connection, request)) return;
  EndOutput(connection, kTakenOver);
  if (std::exchange(connection->is_unfetched, false)) unfetched_.erase(connection->place);
  connection->output = request;
  request->connection = connection;
  request->sent_event = request->after;
  LoopTimers::Cancel(connection);
  if (request->call() == FallbackCall::kPoll) {
    ++polls_;
    UpdateMetrics();
    if (connection->kept() > 0) return AnswerPoll(connection);
    request->wait_until_ms = SteadyMs() + config_.wait_ms;
    return request_timers_.Schedule(request, request->wait_until_ms);
  }
  ++streams_;
  UpdateMetrics();
  metrics_->HttpResponse(200);
  request->LimitSilence(config_.heartbeat_ms + config_.window_ms);
  request->Begin("text/event-stream", "X-Accel-Buffering: no\r\n", date_.At(WallMs()));
  request_timers_.Schedule(request, SteadyMs() + config_.heartbeat_ms);
  request->Append(OpenEvent(request->after));
  if (connection->output == request) Feed(connection);
}

void FallbackRoom::Feed(FallbackConnection* connection) {
  FallbackRequest* const request = connection->output;
  while (connection->output == request && !request->has_unwritten()) {
    std::string piece;
    while (request->sent_event < connection->last_event() && piece.size() < kStreamPiece)
      piece += connection->event(++request->sent_event);
    const bool has_all = request->sent_event == connection->last_event();
    if (has_all && connection->asks() && request->asked_at < connection->last_event()) {
      request->asked_at = connection->last_event();
      piece += ConfirmEvent(connection->last_event());
    }
    if (piece.empty()) break;
    request->Append(piece);
  }
  if (connection->output != request || !connection->has_ended() || request->has_unwritten()) return;
  Detach(request);
  request->End();
}

void FallbackRoom::AnswerPoll(FallbackConnection* connection) {
  FallbackRequest* const request = connection->output;
  std::string body;
  while (request->sent_event < connection->last_event()) body += connection->event(++request->sent_event);
  if (connection->asks()) body += ConfirmEvent(connection->last_event());
  Detach(request);
  metrics_->HttpResponse(200);
  request->Answer(200, kPlain, "", body, date_.At(WallMs()));
}

void FallbackRoom::OnOutput(FallbackConnection* connection) {
  while (held_bytes_ > config_.buffer && !connection->is_leaving()) EvictCostliest();
  FallbackRequest* const request = connection->output;
  if (request == nullptr || connection->is_leaving()) return;
  if (request->call() == FallbackCall::kEvents) return Feed(connection);
  if (request->call() == FallbackCall::kPoll) AnswerPoll(connection);
}

void FallbackRoom::EvictCostliest() {
  FallbackConnection* costliest = nullptr;
  for (const auto& [connection, owned] : connections_) {
    if (!connection->is_leaving() &&
        (costliest == nullptr || connection->held_bytes() > costliest->held_bytes()))
      costliest = connection;
  }
  if (costliest != nullptr) Lose(costliest);
}

void FallbackRoom::EndOutput(FallbackConnection* connection, std::string_view why) {
  FallbackRequest* const request = connection->output;
  if (request == nullptr) return;
  if (request->call() != FallbackCall::kEvents) return Answer(request, 409, why);
  Detach(request);
  request->Append(fmt::format(": {}\n", why));
  if (requests_.contains(request)) request->End();
}

void FallbackRoom::OnWritten(FallbackRequest* request) {
  if (request->connection != nullptr && request->call() == FallbackCall::kEvents) Feed(request->connection);
}

// --- Up.

void FallbackRoom::StartSending(FallbackRequest* request) {
  FallbackConnection* const connection = Find(request);
  if (connection == nullptr) return;
  if (request->posted.next > connection->received() + 1)
    return AnswerReceived(request, 409, connection->received());
  // An old request may confirm less than has been confirmed.
  if (!Confirm(connection, request)) return;
  if (connection->input != nullptr) Answer(connection->input, 409, kTakenOver);
  connection->input = request;
  request->connection = connection;
  LoopTimers::Cancel(connection);
  GoOnSending(request);
}

void FallbackRoom::GoOnSending(FallbackRequest* request) {
  FallbackConnection* const connection = request->connection;
  if (connection == nullptr) return;
  std::string_view body = request->body();
  const size_t before = body.size();
  const FallbackConnection::Taken taken = connection->Take(&request->posted, &body);
  request->Take(before - body.size());
  request->received_bytes += before - body.size();
  if (taken == FallbackConnection::Taken::kBad ||
      (request->has_whole_body() && taken == FallbackConnection::Taken::kAll &&
       !request->posted.messages.at_border())) {
    return Answer(
        request, 400,
        "The body is not made of messages: each is \"text LENGTH\" or \"binary LENGTH\", a line feed, "
        "and so many bytes.\n");
  }
  if (taken == FallbackConnection::Taken::kFull || !connection->is_forwarded())
    return request->SetReading(false);
  if (!request->has_whole_body()) return request->SetReading(true);
  AnswerReceived(request, 200, connection->received());
}

void FallbackRoom::OnInputForwarded(FallbackConnection* connection) {
  if (connection->input != nullptr) GoOnSending(connection->input);
}

// --- The end.

void FallbackRoom::Close(FallbackRequest* request) {
  FallbackConnection* const connection = Find(request);
  if (connection == nullptr || !Confirm(connection, request)) return;
  connection->Close(request->code, request->reason);
  Forget(connection);
  EndOutput(connection, "closed by the client\n");
  if (connection->input != nullptr) Answer(connection->input, 410, kOver);
  AnswerReceived(request, 200, connection->received());
}

void FallbackRoom::Lose(FallbackConnection* connection) {
  metrics_->fallback_lost->Increment();
  connection->Lose();
  Forget(connection);
  EndOutput(connection, kOver);
  if (connection->input != nullptr) Answer(connection->input, 410, kOver);
}

void FallbackRoom::Forget(FallbackConnection* connection) {
  by_id_.erase(connection->id());
  if (std::exchange(connection->is_unfetched, false)) unfetched_.erase(connection->place);
  connection_timers_.Schedule(connection, SteadyMs() + kLeavingLookMs);
}

void FallbackRoom::Detach(FallbackRequest* request) {
  FallbackConnection* const connection = std::exchange(request->connection, nullptr);
  if (connection == nullptr) return;
  if (connection->output == request) {
    connection->output = nullptr;
    if (request->call() == FallbackCall::kEvents) --streams_;
    if (request->call() == FallbackCall::kPoll) --polls_;
    UpdateMetrics();
  } else {
    connection->input = nullptr;
  }
  request_timers_.Schedule(request, SteadyMs() + kPatienceMs);
  if (connection->is_open() && connection->output == nullptr && connection->input == nullptr)
    connection_timers_.Schedule(connection, SteadyMs() + config_.window_ms);
}

void FallbackRoom::OnFinished(FallbackRequest* request) {
  Detach(request);
  const bool again = request->keeps_alive();
  const IpAddress peer = request->peer();
  FallbackRequest::Leaving client = request->Release();
  Remove(request);
  if (again) return door_->Readmit(std::move(client.socket), peer, client.rest);
  front_door_->SeeOut(std::move(client.socket));
}

void FallbackRoom::OnLeft(FallbackRequest* request) {
  const bool is_cut = IsGet(request->call()) && request->connection != nullptr;
  if (is_cut) metrics_->fallback_cut->Increment();
  Detach(request);
  Remove(request);
}

void FallbackRoom::Remove(FallbackRequest* request) {
  metrics_->fallback_bytes_out->Increment(static_cast<double>(request->written_bytes));
  metrics_->fallback_bytes_in->Increment(static_cast<double>(request->received_bytes));
  requests_.erase(request);
}

void FallbackRoom::Remove(FallbackConnection* connection) {
  connections_.erase(connection);
  UpdateMetrics();
}

void FallbackRoom::OnRequestTimer(FallbackRequest* request) {
  const int64_t now_ms = SteadyMs();
  if (request->connection != nullptr && request->call() == FallbackCall::kPoll)
    return AnswerPoll(request->connection);
  if (request->connection != nullptr && request->call() == FallbackCall::kEvents) {
    // Who takes nothing for so long does not read, or is not there.
    if (request->has_unwritten() &&
        now_ms - request->moved_ms() >= std::min(config_.heartbeat_ms, kPatienceMs))
      return OnLeft(request);
    request_timers_.Schedule(request, now_ms + config_.heartbeat_ms);
    if (!request->has_unwritten()) request->Append(":\n\n");
    return;
  }
  const bool waits_for_client = request->has_unwritten() || request->is_reading();
  if (!waits_for_client) return request_timers_.Schedule(request, now_ms + kPatienceMs);
  const int64_t late_ms = request->moved_ms() + kPatienceMs;
  if (now_ms < late_ms) return request_timers_.Schedule(request, late_ms);
  if (request->is_begun()) return OnLeft(request);
  Answer(request, 408, "The request's body did not come in time; send it without pauses.\n");
}

void FallbackRoom::OnConnectionTimer(FallbackConnection* connection) {
  if (!connection->is_leaving()) return Lose(connection);
  if (connection->IsGone()) return Remove(connection);
  connection_timers_.Schedule(connection, SteadyMs() + kLeavingLookMs);
}

void FallbackRoom::UpdateMetrics() {
  metrics_->fallback_connections->Set(static_cast<double>(connections_.size()));
  metrics_->fallback_streams->Set(static_cast<double>(streams_));
  metrics_->fallback_polls->Set(static_cast<double>(polls_));
}

}  // namespace dormouse::edge
