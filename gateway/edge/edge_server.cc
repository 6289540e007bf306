#include "gateway/edge/edge_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "gateway/edge/utf8.h"
#include "proto/link.pb.h"

namespace dormouse {
namespace {

// A revolution of the wheel is 524 s: a longer idle timeout costs a second look at each connection.
constexpr int64_t kTickMs = 64;
constexpr size_t kSlots = 8192;
constexpr size_t kMaxSubprotocol = 1024;

HttpReply Refusal(int status, std::string body) { return {.status = status, .body = std::move(body)}; }

HttpReply Busy(std::string body) {
  return {.status = 503, .body = std::move(body), .headers = {{"Retry-After", "1"}}};
}

HttpReply UpgradeRequired(std::string body) {
  return {.status = 426,
          .body = std::move(body),
          .headers = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}}};
}

HttpReply NotFound(std::string_view path) {
  return Refusal(
      404, fmt::format("There is nothing at {}. WebSockets open at /websocket/NAME (class echo) and /ws/NAME "
                       "(class signal); the web client is at /.\n",
                       path.substr(0, 200)));
}

HttpReply BadName() {
  return Refusal(
      404, "A hub's name is 1-128 characters of A-Z a-z 0-9 . _ ~ -; choose such a name in the path.\n");
}

// 16 bytes in base64: 22 characters and "==".
bool IsWebSocketKey(std::string_view key) {
  return key.size() == 24 && key.ends_with("==") && std::all_of(key.begin(), key.end() - 2, [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
                  c == '/';
         });
}

// Protobuf strings are UTF-8; what clients write into a request need not be.
std::string AsUtf8(std::string_view text) {
  std::string out(text);
  if (!IsValidUtf8(out)) {
    std::replace_if(
        out.begin(), out.end(), [](char c) { return (c & 0x80) != 0; }, '?');
  }
  return out;
}

std::string SerializeOpenRequest(const HttpRequest& request, const std::string& remote_address,
                                 std::string_view subprotocol) {
  link::OpenRequest open;
  open.set_path(AsUtf8(request.path));
  open.set_query(AsUtf8(request.query));
  open.set_remote_address(remote_address);
  open.set_subprotocol(std::string(subprotocol));
  for (const char* name : {"origin", "user-agent", "x-forwarded-for"}) {
    const auto value = request.Header(name);
    if (!value.has_value()) continue;
    link::OpenRequest::Header* header = open.add_headers();
    header->set_name(name);
    header->set_value(AsUtf8(*value));
  }
  return open.SerializeAsString();
}

}  // namespace

EdgeServer::EdgeServer(Config config, struct ev_loop* loop, GatewayMetrics* metrics)
    : config_(std::move(config)),
      loop_(loop),
      metrics_(metrics),
      files_(config_.web_root),
      table_(std::random_device()() * uint64_t{0x9e37'79b9'7f4a'7c15}),
      timers_(loop, kTickMs, kSlots, [this](TimerNode* node) { OnTimer(static_cast<Connection*>(node)); }),
      sockets_(loop, this),
      listener_(loop,
                [this](int fd, std::string remote_address, bool crowded) {
                  if (crowded) metrics_->accepts_crowded->Increment();
                  front_door_.Admit(fd, std::move(remote_address), crowded);
                }),
      front_door_(loop, {.deadline_ms = config_.handshake_timeout_ms}, this, metrics),
      random_(std::random_device()()) {
  ev_prepare_init(&turn_end_, [](struct ev_loop*, ev_prepare* prepare, int) {
    static_cast<EdgeServer*>(prepare->data)->OnTurnEnd();
  });
  turn_end_.data = this;
  ev_timer_init(
      &settle_timer_,
      [](struct ev_loop*, ev_timer* timer, int) {
        auto* self = static_cast<EdgeServer*>(timer->data);
        SPDLOG_WARN("stopping although {} events are not settled; their hubs will miss these closes",
                    self->links_->unsettled());
        self->FinishDrain();
      },
      0, 0);
  settle_timer_.data = this;
}

EdgeServer::~EdgeServer() {
  ev_prepare_stop(loop_, &turn_end_);
  ev_timer_stop(loop_, &settle_timer_);
}

std::string EdgeServer::Start(StatekeeperLinks* links) {
  links_ = links;
  events_.emplace(links, metrics_);
  outbound_.emplace(&table_, &*events_, &timers_, metrics_, config_.close_timeout_ms);
  inbound_.emplace(config_.gateway, &table_, &*events_, &*outbound_, metrics_);
  if (!sockets_.ok()) return "libwebsockets does not start: is the package libwebsockets-evlib-ev installed?";
  std::string wrong = listener_.Listen(config_.listen);
  ev_prepare_start(loop_, &turn_end_);
  UpdateReadiness();
  return wrong;
}

// --- What comes from the links.

void EdgeServer::OnDelivery(const DeliveryView& delivery) { outbound_->Deliver(delivery); }

void EdgeServer::OnProfiles(const std::vector<link::ClassProfile>& profiles, uint32_t /*shard_count*/) {
  router_.SetProfiles(profiles);
  // A class may have been given an idle timeout that had none.
  table_.ForEach([this](Connection* connection) {
    if (!connection->closing && !connection->armed()) LookForSilence(connection);
  });
}

void EdgeServer::OnUncongested() { inbound_->OnUncongested(); }

// --- Requests.

std::optional<HttpReply> EdgeServer::OnRequest(const HttpRequest& request, const FrontDoor::Visit& visit) {
  if (request.method != "GET" && request.method != "HEAD") {
    return HttpReply{
        .status = 405, .body = "Only GET is answered here.\n", .headers = {{"Allow", "GET, HEAD"}}};
  }
  if (request.WantsWebSocket() && request.path != "/health") return OnUpgrade(request, visit);
  return OnPlainRequest(request);
}

HttpReply EdgeServer::OnPlainRequest(const HttpRequest& request) {
  if (request.path == "/health") {
    return {.content_type = "application/json",
            .body = fmt::format(R"({{"status":"ok","service":"signal-hub","version":"{}","timestamp":"{}"}})",
                                DORMOUSE_VERSION, Iso8601(WallMs())),
            .headers = {{"Access-Control-Allow-Origin", "*"}}};
  }
  if (const StaticFiles::File* file = files_.Find(request.path)) {
    return {.content_type = file->content_type, .body = file->content};
  }
  switch (router_.Find(request.path).result) {
    case Router::Result::kBadName:
      return BadName();
    case Router::Result::kFound:
      if (request.path == "/") break;
      return UpgradeRequired("This is the address of a WebSocket; open it with one (ws:// or wss://).\n");
    case Router::Result::kUnknownPath:
      break;
  }
  return NotFound(request.path);
}

std::optional<HttpReply> EdgeServer::OnUpgrade(const HttpRequest& request, const FrontDoor::Visit& visit) {
  if (draining_) return Busy("This gateway is stopping; connect again to reach another.\n");
  if (!router_.has_profiles())
    return Busy("This gateway has not found a statekeeper yet; try again in a second.\n");
  Router::Match match = router_.Find(request.path);
  if (match.result == Router::Result::kUnknownPath) return NotFound(request.path);
  if (match.result == Router::Result::kBadName) return BadName();
  if (request.method != "GET" || request.minor_version < 1) {
    return Refusal(400, "A WebSocket is opened with GET and HTTP/1.1.\n");
  }
  if (request.Header("sec-websocket-version") != "13") {
    return UpgradeRequired("Only WebSocket version 13 is spoken here; send Sec-WebSocket-Version: 13.\n");
  }
  const std::string_view key = request.Header("sec-websocket-key").value_or("");
  if (!IsWebSocketKey(key)) return Refusal(400, "Sec-WebSocket-Key must be 16 bytes in base64.\n");
  const std::string_view subprotocol = FirstListItem(request.Header("sec-websocket-protocol").value_or(""));
  if (!subprotocol.empty() && (!IsHttpToken(subprotocol) || subprotocol.size() > kMaxSubprotocol)) {
    return Refusal(400, "Sec-WebSocket-Protocol must name a token of at most 1024 characters first.\n");
  }
  Connection* connection = visit.crowded ? nullptr : table_.Allocate();
  if (connection == nullptr) return Busy("This gateway is full; connect again to reach another.\n");
  connection->hub = std::move(match.hub);
  connection->hub_class = match.hub_class;
  opening_ = SerializeOpenRequest(request, visit.remote_address, subprotocol);
  if (!sockets_.Adopt(visit.fd, {.key = key, .subprotocol = subprotocol, .rest = visit.rest}, connection)) {
    table_.Free(connection);
  }
  return std::nullopt;
}

// --- Sockets.

void EdgeServer::OnOpen(Connection* connection) {
  metrics_->opened->Increment();
  inbound_->OnOpen(connection, opening_);
  const uint64_t idle_timeout_ms = connection->hub_class->rules().idle_timeout_ms;
  if (idle_timeout_ms != 0 && !connection->closing) {
    timers_.Schedule(connection, connection->last_seen_ms + static_cast<int64_t>(idle_timeout_ms));
  }
}

void EdgeServer::OnPiece(Connection* connection, const WebSockets::Piece& piece) {
  inbound_->OnPiece(connection, piece);
}

void EdgeServer::OnPong(Connection* connection) { connection->last_seen_ms = SteadyMs(); }

void EdgeServer::OnPeerClose(Connection* connection, uint16_t code, std::string_view reason) {
  connection->last_seen_ms = SteadyMs();
  outbound_->Ended(connection, CloseCause::kClient, code, IsValidUtf8(reason) ? reason : std::string_view());
}

bool EdgeServer::OnWritable(Connection* connection) { return outbound_->OnWritable(connection); }

void EdgeServer::OnFailed(Connection* connection, uint16_t code, std::string_view reason) {
  outbound_->Ended(connection, code == 1006 ? CloseCause::kBroken : CloseCause::kProtocolError, code, reason);
}

void EdgeServer::OnGone(Connection* connection) {
  outbound_->Ended(connection, CloseCause::kBroken, 1006, {});
  LoopTimers::Cancel(connection);
  outbound_->Forget(connection);
  table_.Free(connection);
}

void EdgeServer::OnTimer(Connection* connection) {
  if (connection->closing) {
    // Its client neither answers nor reads. Should even that not end it, look again.
    WebSockets::Kill(connection);
    timers_.Schedule(connection, SteadyMs() + config_.close_timeout_ms);
  } else if (connection->draining) {
    outbound_->Close(connection, CloseCause::kGoingAway, 1001, "Going Away");
  } else {
    LookForSilence(connection);
  }
}

// Runs once per idle timeout, or per idle check where the client was heard since. So a silent socket is
// closed after the idle timeout and before an idle check more.
void EdgeServer::LookForSilence(Connection* connection) {
  const EdgeRules& rules = connection->hub_class->rules();
  if (rules.idle_timeout_ms == 0) return;
  const int64_t now = SteadyMs();
  const auto timeout = static_cast<int64_t>(rules.idle_timeout_ms);
  if (now - connection->last_seen_ms >= timeout) {
    connection->last_seen_ms = std::max(connection->last_seen_ms, now - WebSockets::SilentMs(*connection));
  }
  // One that is not read on purpose cannot be heard.
  if (now - connection->last_seen_ms >= timeout && !connection->congested) {
    outbound_->Close(connection, CloseCause::kIdle, rules.idle_close_code, rules.idle_close_reason);
    return;
  }
  timers_.Schedule(connection, std::max(connection->last_seen_ms + timeout,
                                        now + static_cast<int64_t>(rules.idle_check_ms)));
}

// --- Once a turn.

void EdgeServer::OnTurnEnd() {
  links_->Flush();
  const size_t unsettled = links_->unsettled();
  metrics_->connections->Set(static_cast<double>(table_.size()));
  metrics_->outbound_queued_bytes->Set(static_cast<double>(outbound_->queued_bytes()));
  metrics_->events_unsettled->Set(static_cast<double>(unsettled));
  if (!ready_ || !IsReady()) UpdateReadiness();  // while it is not ready, the reason may change
  if (draining_ && drained_ != nullptr && table_.size() == 0) {
    if (unsettled == 0) {
      FinishDrain();
    } else if (!ev_is_active(&settle_timer_)) {
      ev_timer_set(&settle_timer_, static_cast<double>(config_.settle_timeout_ms) / 1000, 0);
      ev_timer_start(loop_, &settle_timer_);
    }
  }
}

bool EdgeServer::IsReady() const {
  return !draining_ && listener_.listening() && router_.has_profiles() && links_->ready();
}

void EdgeServer::UpdateReadiness() {
  ready_ = IsReady();
  AdminServer::Readiness now;
  now.ready = ready_;
  if (draining_) {
    now.detail = "stopping";
  } else if (!ready_) {
    now.detail = links_->ready() ? "no hub classes known yet" : links_->not_ready_reason();
  }
  const std::lock_guard lock(readiness_mutex_);
  readiness_ = std::move(now);
}

AdminServer::Readiness EdgeServer::readiness() const {
  const std::lock_guard lock(readiness_mutex_);
  return readiness_;
}

// --- The end.

void EdgeServer::Drain(std::function<void()> done) {
  const int64_t window = draining_ ? 0 : config_.drain_window_ms;
  draining_ = true;
  drained_ = std::move(done);
  listener_.Stop();
  UpdateReadiness();
  SPDLOG_INFO("stopping: closing {} sockets within {}ms", table_.size(), window);
  const int64_t now = SteadyMs();
  std::uniform_int_distribution<int64_t> delay(0, window);
  table_.ForEach([&](Connection* connection) {
    connection->draining = true;
    if (!connection->closing) timers_.Schedule(connection, now + delay(random_));
  });
  ev_feed_event(loop_, &turn_end_, EV_PREPARE);  // also when nothing else makes the loop turn
}

void EdgeServer::FinishDrain() {
  ev_timer_stop(loop_, &settle_timer_);
  std::exchange(drained_, nullptr)();
}

}  // namespace dormouse
