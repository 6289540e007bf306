#include "gateway/edge/door/http_server.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "gateway/edge/door/replies.h"

namespace dormouse::edge {
namespace {

// Those whose request has not come yet leave most descriptors to those who have come in.
size_t MaxVisitors() {
  rlimit descriptors{};
  getrlimit(RLIMIT_NOFILE, &descriptors);
  return std::max<size_t>(64, std::min<rlim_t>(descriptors.rlim_cur, 1 << 20) / 4);
}

}  // namespace

HttpServer::HttpServer(Config config, struct ev_loop* loop, const Router* router, Handler* handler,
                       GatewayMetrics* metrics)
    : config_(std::move(config)),
      loop_(loop),
      router_(router),
      handler_(handler),
      metrics_(metrics),
      pages_(config_.web_root, config_.shipped_web_root, router),
      policy_(router, config_.upgrades),
      address_limit_(config_.max_connections_per_address),
      listener_(loop,
                [this](int fd, const IpAddress& peer, bool crowded) { return OnAccept(fd, peer, crowded); }),
      front_door_(loop, {.deadline_ms = config_.handshake_timeout_ms, .max_visitors = MaxVisitors()}, this) {}

std::string HttpServer::Start(StatekeeperLinks* links) {
  if (config_.hub_view) {
    hub_view_.emplace(loop_, &front_door_, router_, links, config_.upgrades.tokens, config_.upgrades.origins);
  }
  return listener_.Listen(config_.listen, Listener::Sharing::kShared, "--listen");
}

void HttpServer::Stop() {
  stopping_ = true;
  listener_.Stop();
}

void HttpServer::Change(const Config& changed) {
  config_.proxies = changed.proxies;
  config_.max_connections = changed.max_connections;
  policy_.Change(changed.upgrades);
  address_limit_.set_limit(changed.max_connections_per_address);
  front_door_.set_deadline_ms(changed.handshake_timeout_ms);
  if (hub_view_.has_value()) hub_view_->set_origins(changed.upgrades.origins);
}

bool HttpServer::OnAccept(int fd, const IpAddress& peer, bool crowded) {
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
std::optional<HttpReply> HttpServer::TakeSeat(const IpAddress& client, AddressLimit::Seat* seat) {
  auto taken = address_limit_.Take(client);
  if (taken.has_value()) {
    *seat = std::move(*taken);
    return std::nullopt;
  }
  metrics_->Refused(RefusalCause::kAddressLimit);
  return Refusal(429,
                 "Your address has as many connections here as one address may have; close some first.\n");
}

// Behind it may be a second proxy of ours: then it is counted once its request says for whom.
std::optional<HttpReply> HttpServer::OnProxied(const IpAddress& client, AddressLimit::Seat* seat) {
  return config_.proxies.Contains(client) ? std::nullopt : TakeSeat(client, seat);
}

std::optional<HttpReply> HttpServer::OnRequest(const HttpRequest& request, const FrontDoor::Visit& visit) {
  IpAddress client = visit.peer;
  if (config_.proxies.Contains(client)) {
    client = config_.proxies.ClientOf(client, request);
    if (auto refusal = TakeSeat(client, visit.seat)) return refusal;
  }
  if (hub_view_.has_value() && HubView::Concerns(request)) return hub_view_->OnRequest(request, visit);
  if (HttpPages::WantsWebSocket(request)) return OnUpgrade(request, visit, client);
  return pages_.Answer(request);
}

std::optional<HttpReply> HttpServer::OnUpgrade(const HttpRequest& request, const FrontDoor::Visit& visit,
                                               const IpAddress& client) {
  const bool is_full =
      visit.crowded || (config_.max_connections != 0 && handler_->connections() >= config_.max_connections);
  auto judged = policy_.Judge(request, client, {.is_stopping = stopping_, .is_full = is_full});
  if (auto* refusal = std::get_if<UpgradeRefusal>(&judged)) {
    if (refusal->cause.has_value()) metrics_->Refused(*refusal->cause);
    return std::move(refusal->reply);
  }
  return handler_->OnUpgrade(std::get<Upgrade>(std::move(judged)), visit);
}

}  // namespace dormouse::edge
