#include "gateway/edge/edge_server.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "common/clock.h"
#include "common/logging.h"
#include "common/shard.h"
#include "gateway/edge/door/handshake.h"
#include "gateway/edge/door/offered_protocols.h"
#include "gateway/edge/door/open_request.h"
#include "gateway/edge/door/upgrade_auth.h"
#include "gateway/edge/frames/deflate_offer.h"

namespace dormouse::edge {
namespace {

// A revolution of the wheel is 524 s: a longer idle timeout costs a second look at each connection.
constexpr int64_t kTickMs = 64;
constexpr size_t kSlots = 8192;
constexpr int64_t kNever = INT64_MAX;

HttpReply Refusal(int status, std::string body) { return {.status = status, .body = std::move(body)}; }

HttpReply Busy(std::string body) {
  return {.status = 503, .body = std::move(body), .headers = {{"Retry-After", "1"}}};
}

HttpReply UpgradeRequired(std::string body) {
  return {.status = 426,
          .body = std::move(body),
          .headers = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}}};
}

constexpr std::string_view kMethods = "GET, HEAD, OPTIONS";
constexpr std::string_view kHealthMethods = "GET, HEAD, POST, OPTIONS";

HttpReply MethodNotAllowed(std::string_view allowed) {
  return {.status = 405,
          .body = fmt::format("Only {} is answered here.\n", allowed),
          .headers = {{"Allow", std::string(allowed)}}};
}

// For whoever asks, pages of other origins included.
HttpReply Health() {
  return {.content_type = "application/json",
          .body = fmt::format(R"({{"status":"ok","service":"signal-hub","version":"{}","timestamp":{}}})",
                              DORMOUSE_VERSION, WallMs()),
          .headers = {{"Access-Control-Allow-Origin", "*"},
                      {"Access-Control-Allow-Methods", std::string(kHealthMethods)},
                      {"Access-Control-Allow-Headers", "*"}}};
}

HttpReply BadName() {
  return Refusal(404,
                 "A hub's name is 1-128 characters of A-Z a-z 0-9 . _ ~ -, and not . or ..; choose such a "
                 "name in the path.\n");
}

// 16 bytes in base64: 22 characters and "==".
bool IsWebSocketKey(std::string_view key) {
  return key.size() == 24 && key.ends_with("==") && std::all_of(key.begin(), key.end() - 2, [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
                  c == '/';
         });
}

// Those whose request has not come yet leave most descriptors to those who have come in.
size_t MaxVisitors() {
  rlimit descriptors{};
  getrlimit(RLIMIT_NOFILE, &descriptors);
  return std::max<size_t>(64, std::min<rlim_t>(descriptors.rlim_cur, 1 << 20) / 4);
}

HttpReply TooManyFromAddress() {
  return Refusal(429,
                 "Your address has as many connections here as one address may have; close some first.\n");
}

}  // namespace

EdgeServer::EdgeServer(Config config, struct ev_loop* loop, GatewayMetrics* metrics)
    : config_(std::move(config)),
      loop_(loop),
      metrics_(metrics),
      files_(config_.web_root, config_.shipped_web_root),
      address_limit_(config_.max_connections_per_address),
      partials_(config_.inbound_buffer),
      waiting_{.limit = config_.outbound_buffer},
      table_(std::random_device()() * uint64_t{0x9e37'79b9'7f4a'7c15}),
      timers_(loop, kTickMs, kSlots, [this](TimerNode* node) { OnTimer(static_cast<Connection*>(node)); }),
      sockets_(loop, this),
      listener_(loop,
                [this](int fd, const IpAddress& peer, bool crowded) { return OnAccept(fd, peer, crowded); }),
      front_door_(loop, {.deadline_ms = config_.handshake_timeout_ms, .max_visitors = MaxVisitors()}, this),
      random_(std::random_device()()) {
  ev_prepare_init(&turn_end_, [](struct ev_loop*, ev_prepare* prepare, int) {
    static_cast<EdgeServer*>(prepare->data)->OnTurnEnd();
  });
  turn_end_.data = this;
  ev_idle_init(&more_to_do_, [](struct ev_loop*, ev_idle*, int) {});
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
  table_.ForEach([this](Connection* connection) { sockets_.CloseSilently(connection); });
  ev_prepare_stop(loop_, &turn_end_);
  ev_idle_stop(loop_, &more_to_do_);
  ev_timer_stop(loop_, &settle_timer_);
}

std::string EdgeServer::Start(StatekeeperLinks* links) {
  links_ = links;
  events_.emplace(links, metrics_);
  outbound_.emplace(&sockets_, &table_, &of_hubs_, &*events_, &timers_, &waiting_, metrics_,
                    config_.close_timeout_ms);
  inbound_.emplace(config_.gateway, config_.connection_window, &sockets_, &table_, &*events_, &*outbound_,
                   &partials_, metrics_);
  if (config_.hub_view)
    hub_view_.emplace(loop_, &front_door_, &router_, links, config_.tokens, config_.origins);
  std::string wrong = listener_.Listen(config_.listen, Listener::Sharing::kShared, "--listen");
  ev_prepare_start(loop_, &turn_end_);
  UpdateReadiness();
  return wrong;
}

void EdgeServer::Change(const Config& changed) {
  config_.origins = changed.origins;
  config_.proxies = changed.proxies;
  config_.max_connections = changed.max_connections;
  config_.compression = changed.compression;
  config_.drain_window_ms = changed.drain_window_ms;
  address_limit_.set_limit(changed.max_connections_per_address);
  front_door_.set_deadline_ms(changed.handshake_timeout_ms);
  partials_.set_limit(changed.inbound_buffer);
  waiting_.limit = changed.outbound_buffer;
  inbound_->set_window(changed.connection_window);
  if (hub_view_.has_value()) hub_view_->set_origins(changed.origins);
}

// --- What comes from the links.

void EdgeServer::OnDelivery(const DeliveryView& delivery) { outbound_->Deliver(delivery); }

void EdgeServer::OnProfiles(const std::vector<link::ClassProfile>& profiles, uint32_t /*shard_count*/) {
  router_.SetProfiles(profiles);
  // A class may have been given an idle timeout that had none.
  table_.ForEach([this](Connection* connection) {
    if (!connection->closing && !connection->armed()) CheckDeadlines(connection);
  });
}

void EdgeServer::OnUncongested() { inbound_->OnUncongested(); }

void EdgeServer::OnSettled(const EventView& event) { inbound_->OnSettled(event); }

// What its hub missed cannot be made good for: the client has to come again.
void EdgeServer::OnUnreadable(const EventView& event) {
  metrics_->events_unreadable->Increment();
  Connection* connection = table_.Find(event.connection);
  if (connection != nullptr) {
    outbound_->Close(connection, CloseCause::kUnreadable, 1011, "This could not be handed on");
  }
}

// In proportion to the hubs that have sockets here, which is not what an idle connection may cost; but a
// store that loses time is no matter of course.
void EdgeServer::OnForgotten(const std::vector<bool>& by_shard) {
  of_hubs_.ForEachHub([&](const Connection* connection) {
    if (by_shard[ShardOf(connection->hub, static_cast<uint32_t>(by_shard.size()))])
      events_->Append(*connection, EventKind::kPresent, kAskForRoll);
  });
}

// --- Requests.

bool EdgeServer::OnAccept(int fd, const IpAddress& peer, bool crowded) {
  if (crowded) metrics_->accepts_crowded->Increment();
  const bool from_proxy = config_.proxies.Contains(peer);
  AddressLimit::Seat seat;
  if (const auto refusal = from_proxy ? std::nullopt : TakeSeat(peer, &seat)) {
    front_door_.TurnAway(fd, *refusal);
  } else {
    front_door_.Admit(fd, peer, std::move(seat),
                      {.crowded = crowded, .proxied = from_proxy && config_.proxy_protocol});
  }
  return !crowded;
}

// The refusal where the client has as many as it may.
std::optional<HttpReply> EdgeServer::TakeSeat(const IpAddress& client, AddressLimit::Seat* seat) {
  auto taken = address_limit_.Take(client);
  if (taken.has_value()) {
    *seat = std::move(*taken);
    return std::nullopt;
  }
  metrics_->Refused(RefusalCause::kAddressLimit);
  return TooManyFromAddress();
}

// Behind it may be a second proxy of ours: then it is counted once its request says for whom.
std::optional<HttpReply> EdgeServer::OnProxied(const IpAddress& client, AddressLimit::Seat* seat) {
  return config_.proxies.Contains(client) ? std::nullopt : TakeSeat(client, seat);
}

std::optional<HttpReply> EdgeServer::OnRequest(const HttpRequest& request, const FrontDoor::Visit& visit) {
  IpAddress client = visit.peer;
  if (config_.proxies.Contains(client)) {
    client = config_.proxies.ClientOf(client, request);
    if (auto refusal = TakeSeat(client, visit.seat)) return refusal;
  }
  if (hub_view_.has_value() && HubView::Concerns(request)) return hub_view_->OnRequest(request, visit);
  const bool gets = request.method == "GET" || request.method == "HEAD";
  const bool asks = request.method == "OPTIONS";
  if (request.path == "/health")
    return gets || asks || request.method == "POST" ? Health() : MethodNotAllowed(kHealthMethods);
  if (asks) return Options(request);
  if (!gets) return MethodNotAllowed(kMethods);
  if (request.WantsWebSocket()) return OnUpgrade(request, visit, client);
  return OnPlainRequest(request);
}

// Load balancers ask so whether anybody is there (HAProxy's option httpchk), with any path.
HttpReply EdgeServer::Options(const HttpRequest& request) {
  HttpReply reply = request.path == "*" ? HttpReply{} : OnPlainRequest(request);
  if (reply.status == 404) return reply;
  return {.headers = {{"Allow", std::string(request.path == "*" ? kHealthMethods : kMethods)}}};
}

HttpReply EdgeServer::NotFound(std::string_view path) const {
  return Refusal(404, fmt::format("There is nothing at {}. WebSockets open at {}; the web client is at /.\n",
                                  path.substr(0, 200), router_.Describe()));
}

HttpReply EdgeServer::OnPlainRequest(const HttpRequest& request) {
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

std::optional<HttpReply> EdgeServer::OnUpgrade(const HttpRequest& request, const FrontDoor::Visit& visit,
                                               const IpAddress& client) {
  if (draining_) {
    metrics_->Refused(RefusalCause::kStopping);
    return Busy("This gateway is stopping; connect again to reach another.\n");
  }
  if (!router_.has_profiles()) {
    metrics_->Refused(RefusalCause::kNotReady);
    return Busy("This gateway has not found a statekeeper yet; try again in a second.\n");
  }
  Router::Match match = router_.Find(request.path);
  if (match.result == Router::Result::kUnknownPath) return NotFound(request.path);
  if (match.result == Router::Result::kBadName) return BadName();
  if (request.method != "GET" || request.minor_version < 1) {
    return Refusal(400, "A WebSocket is opened with GET and HTTP/1.1.\n");
  }
  // Its bytes would be taken for frames.
  if (request.has_body) return Refusal(400, "A WebSocket is opened without a body; send none.\n");
  if (request.Header("sec-websocket-version") != "13") {
    return UpgradeRequired("Only WebSocket version 13 is spoken here; send Sec-WebSocket-Version: 13.\n");
  }
  const std::string_view key = request.Header("sec-websocket-key").value_or("");
  if (!IsWebSocketKey(key)) return Refusal(400, "Sec-WebSocket-Key must be 16 bytes in base64.\n");
  const auto protocols = ReadOfferedProtocols(request);
  if (!protocols.has_value()) {
    return Refusal(400,
                   fmt::format("Sec-WebSocket-Protocol must be a list of tokens, the one to be chosen at "
                               "most {} characters long.\n",
                               kMaxAnsweredProtocol));
  }
  if (!config_.origins.Admits(request.Header("origin"))) {
    metrics_->Refused(RefusalCause::kOrigin);
    return Refusal(
        403, "Pages of this origin may not open sockets here; --allowed-origins lists those that may.\n");
  }
  if (visit.crowded || (config_.max_connections != 0 && table_.size() >= config_.max_connections)) {
    metrics_->Refused(RefusalCause::kFull);
    return Busy("This gateway is full; connect again to reach another.\n");
  }
  std::optional<TokenClaims> claims;
  if (config_.tokens != nullptr) {
    auto checked = UpgradeAuth(*config_.tokens).Check(request, *protocols, WallMs());
    if (auto* refusal = std::get_if<HttpReply>(&checked)) {
      metrics_->Refused(RefusalCause::kToken);
      return std::move(*refusal);
    }
    claims = std::get<TokenClaims>(std::move(checked));
    if (!MayEnter(*claims, HubNameOf(match.hub))) {
      metrics_->Refused(RefusalCause::kToken);
      return Refusal(403, "The token is not for this hub (claim hubs).\n");
    }
  }
  Connection* connection = table_.Allocate();
  if (connection == nullptr) return Busy("This gateway is full; connect again to reach another.\n");
  connection->hub = std::move(match.hub);
  connection->hub_class = match.hub_class;
  connection->seat = std::move(*visit.seat);
  if (claims.has_value()) connection->SetRole(claims->role);
  opening_ =
      MakeOpenRequest(request, client, protocols->subprotocol, claims.has_value() ? &*claims : nullptr);
  std::string extensions;
  if (const auto deflate = config_.compression ? AcceptDeflate(request) : std::nullopt) {
    connection->deflate_window_bits = deflate->parameters.server_window_bits;
    connection->reader.AllowCompressed();
    extensions = deflate->answer;
  }
  const std::string answer =
      WriteUpgradeAnswer({.key = key, .subprotocol = protocols->answer, .extensions = extensions});
  if (!sockets_.Adopt(visit.fd, answer, visit.rest, connection)) table_.Free(connection);
  return std::nullopt;
}

// --- Sockets.

void EdgeServer::OnOpen(Connection* connection) {
  metrics_->opened->Increment();
  of_hubs_.Add(connection);
  inbound_->OnOpen(connection, opening_);
  opening_.clear();
  const EdgeRules& rules = connection->hub_class->rules();
  const int64_t opened = connection->last_seen_ms;
  int64_t look = kNever;
  if (rules.idle_timeout_ms != 0) look = opened + static_cast<int64_t>(rules.idle_timeout_ms);
  if (rules.admission_timeout_ms != 0) {
    connection->admission_deadline_ms = opened + static_cast<int64_t>(rules.admission_timeout_ms);
    look = std::min(look, connection->admission_deadline_ms);
  }
  if (look != kNever && !connection->closing) timers_.Schedule(connection, look);
}

void EdgeServer::OnPiece(Connection* connection, const FrameReader::Step& piece) {
  inbound_->OnPiece(connection, piece);
}

void EdgeServer::OnPing(Connection* connection, std::string_view payload) {
  connection->last_seen_ms = SteadyMs();
  outbound_->OnPing(connection, payload);
}

void EdgeServer::OnPong(Connection* connection, std::string_view payload) {
  connection->last_seen_ms = SteadyMs();
  outbound_->OnPong(connection, payload);
}

void EdgeServer::OnPeerClose(Connection* connection, uint16_t code, std::string_view reason) {
  connection->last_seen_ms = SteadyMs();
  inbound_->OnEnd(connection);
  outbound_->OnPeerClose(connection, code, reason);
}

void EdgeServer::OnProtocolError(Connection* connection, uint16_t code, std::string_view what) {
  inbound_->OnEnd(connection);
  outbound_->OnProtocolError(connection, code, what);
}

void EdgeServer::OnWritable(Connection* connection) { outbound_->OnWritable(connection); }

void EdgeServer::OnGone(Connection* connection) {
  inbound_->OnEnd(connection);
  outbound_->Gone(connection);
  LoopTimers::Cancel(connection);
  of_hubs_.Remove(connection);
  table_.Free(connection);
}

void EdgeServer::OnTimer(Connection* connection) {
  if (connection->closing) {
    // Its client neither answers nor reads. Should even that not end it, look again.
    sockets_.Abort(connection);
    timers_.Schedule(connection, SteadyMs() + config_.close_timeout_ms);
  } else if (connection->draining) {
    if (!outbound_->MayClose(connection))
      return timers_.Schedule(connection, SteadyMs() + Outbound::kAnswerMs);
    outbound_->Close(connection, CloseCause::kGoingAway, 1001, "Going Away");
  } else {
    CheckDeadlines(connection);
  }
}

// Runs when the earliest of a connection's deadlines may have come: once per idle timeout, or per idle check
// where the client was heard since.
void EdgeServer::CheckDeadlines(Connection* connection) {
  const int64_t now = SteadyMs();
  int64_t look_again = kNever;
  if (!IsAdmittedInTime(connection, now, &look_again) || !IsHeardInTime(connection, now, &look_again)) return;
  if (look_again != kNever) timers_.Schedule(connection, look_again);
}

// False: it was closed. `*look_again` becomes earlier where it has to. So is the next.
bool EdgeServer::IsAdmittedInTime(Connection* connection, int64_t now, int64_t* look_again) {
  if (connection->admission_deadline_ms == 0) return true;
  const EdgeRules& rules = connection->hub_class->rules();
  if (rules.admission_timeout_ms == 0) {  // any more
    connection->admission_deadline_ms = 0;
    return true;
  }
  if (now >= connection->admission_deadline_ms) {
    // What the client said to be let in may be what is not read, on purpose.
    if (!connection->congested) {
      outbound_->Close(connection, CloseCause::kNotAdmitted, rules.admission_close_code,
                       rules.admission_close_reason);
      return false;
    }
    connection->admission_deadline_ms = now + static_cast<int64_t>(rules.admission_timeout_ms);
  }
  *look_again = std::min(*look_again, connection->admission_deadline_ms);
  return true;
}

// A silent socket is closed after the idle timeout and before an idle check more; and so is one whose message
// has been coming for that long.
bool EdgeServer::IsHeardInTime(Connection* connection, int64_t now, int64_t* look_again) {
  const EdgeRules& rules = connection->hub_class->rules();
  if (rules.idle_timeout_ms == 0) return true;
  const auto timeout = static_cast<int64_t>(rules.idle_timeout_ms);
  if (now - connection->last_seen_ms >= timeout) {
    connection->last_seen_ms =
        std::max(connection->last_seen_ms, now - WebSockets::SinceLastDataMs(*connection));
  }
  int64_t since = connection->last_seen_ms;
  if (connection->partial != nullptr) since = std::min(since, connection->partial->started_ms());
  // One that is not read on purpose cannot be heard.
  if (now - since >= timeout && !connection->IsBackpressured()) {
    if (!outbound_->MayClose(connection)) {
      *look_again = std::min(*look_again, now + Outbound::kAnswerMs);
      return true;
    }
    outbound_->Close(connection, CloseCause::kIdle, rules.idle_close_code, rules.idle_close_reason);
    return false;
  }
  *look_again =
      std::min(*look_again, std::max(since + timeout, now + static_cast<int64_t>(rules.idle_check_ms)));
  return true;
}

// --- Once a turn.

void EdgeServer::OnTurnEnd() {
  sockets_.OnTurnEnd();
  const bool more_to_hand_on = inbound_->OnTurnEnd();
  const bool more_to_write = outbound_->OnTurnEnd();
  if (more_to_hand_on || more_to_write) {
    ev_idle_start(loop_, &more_to_do_);
  } else {
    ev_idle_stop(loop_, &more_to_do_);
  }
  links_->Flush();
  const size_t unsettled = links_->unsettled();
  metrics_->connections->Set(static_cast<double>(table_.size()));
  metrics_->inbound_partial_bytes->Set(static_cast<double>(partials_.used()));
  metrics_->outbound_queued_bytes->Set(static_cast<double>(waiting_.queued));
  metrics_->outbound_buffer_bytes->Set(static_cast<double>(waiting_.memory));
  metrics_->events_unsettled->Set(static_cast<double>(unsettled));
  metrics_->replay_buffer_bytes->Set(static_cast<double>(links_->unsettled_bytes()));
  trim_.Held(waiting_.memory + partials_.used());
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

}  // namespace dormouse::edge
