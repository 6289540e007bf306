#include "gateway/edge/door/hub_view.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "gateway/edge/door/offered_protocols.h"
#include "gateway/edge/door/upgrade_auth.h"

namespace dormouse::edge {
namespace {

constexpr std::string_view kPath = "/hub-view";
constexpr double kQuestionsPerSecond = 50;
constexpr uint32_t kQuestionsAtOnce = 100;
constexpr size_t kMaxWaiting = 64;
// A hub gets two seconds to come to rest; and the way there and back.
constexpr int64_t kPatienceMs = 3'000;
constexpr double kTickS = 0.25;

HttpReply Say(int status, std::string_view what) {
  return {.status = status,
          .content_type = "application/json",
          .body = fmt::format("{{\"error\":\"{}\"}}\n", what)};
}

HttpReply Later(int status, std::string_view what) {
  HttpReply reply = Say(status, what);
  reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

}  // namespace

HubView::HubView(struct ev_loop* loop, FrontDoor* door, const Router* router, StatekeeperLinks* links,
                 const TokenAuthority* tokens, const OriginList& origins)
    : loop_(loop), door_(door), router_(router), links_(links), tokens_(tokens), origins_(origins) {
  ev_timer_init(
      &timer_, [](struct ev_loop*, ev_timer* timer, int) { static_cast<HubView*>(timer->data)->OnTimer(); },
      0, kTickS);
  timer_.data = this;
}

HubView::~HubView() {
  ev_timer_stop(loop_, &timer_);
  for (auto& [number, waiting] : waiting_) close(waiting.socket.fd);
}

bool HubView::Concerns(const HttpRequest& request) {
  return request.path == kPath || (request.path.starts_with(kPath) && request.path[kPath.size()] == '/');
}

std::optional<HttpReply> HubView::Refuse(const HttpRequest& request) const {
  if (request.method != "GET" && request.method != "POST") {
    HttpReply reply = Say(405, "GET looks, POST lets it sleep.");
    reply.headers.emplace_back("Allow", "GET, POST");
    return reply;
  }
  if (!origins_.Admits(request.Header("origin"))) {
    return Say(403,
               "Pages of this origin may not look at hubs here; --allowed-origins lists those that may.");
  }
  if (tokens_ == nullptr) return std::nullopt;
  auto checked = UpgradeAuth(*tokens_).Check(request, {}, WallMs());
  if (auto* refusal = std::get_if<HttpReply>(&checked)) return std::move(*refusal);
  return std::nullopt;
}

std::optional<HttpReply> HubView::OnRequest(const HttpRequest& request, const FrontDoor::Visit& visit) {
  if (auto refusal = Refuse(request)) return refusal;
  const bool sleep = request.method == "POST";
  const std::string_view path = request.path.substr(kPath.size());
  if (path.empty() && !sleep) return Classes();
  if (sleep && request.Header("dormouse-sleep") != "now") {
    return Say(400, "To let a hub sleep, send the header Dormouse-Sleep: now.");
  }
  Router::Match match = router_->Find(path);
  if (match.result != Router::Result::kFound) {
    return Say(404, "No hub has this path; /hub-view lists the routes of the hub classes.");
  }
  if (!questions_.TryAcquire(kQuestionsPerSecond, kQuestionsAtOnce, SteadyMs())) {
    return Later(429, "Too many look at hubs here; ask again in a second.");
  }
  if (waiting_.size() >= kMaxWaiting)
    return Later(503, "Too many wait for an answer; ask again in a second.");
  // The answer needs the number, which is known only then: it comes in a later turn.
  const auto number = std::make_shared<uint64_t>(0);
  *number = links_->LookAt(match.hub, sleep, [this, number](const link::Look& look, uint64_t statekeeper) {
    OnLook(*number, look, statekeeper);
  });
  if (*number == 0) return Later(503, "The statekeeper that owns the hub does not answer now.");
  waiting_[*number] = {std::move(*visit.socket), SteadyMs() + kPatienceMs, std::move(match.hub)};
  if (!ev_is_active(&timer_)) ev_timer_again(loop_, &timer_);
  return std::nullopt;
}

HttpReply HubView::Classes() const {
  std::vector<std::string> classes;
  for (const auto& [name, paths] : router_->routes()) {
    std::vector<std::string> routes;
    routes.reserve(paths.size());
    for (const std::string& path : paths) routes.push_back(fmt::format("\"{}\"", path));
    classes.push_back(fmt::format(R"({{"name":"{}","routes":[{}]}})", name, fmt::join(routes, ",")));
  }
  return {.content_type = "application/json",
          .body = fmt::format("{{\"classes\":[{}]}}\n", fmt::join(classes, ","))};
}

void HubView::OnLook(uint64_t number, const link::Look& look, uint64_t statekeeper) {
  auto found = waiting_.extract(number);
  if (found.empty()) return;
  Waiting& waiting = found.mapped();
  HttpReply reply;
  switch (look.status()) {
    case link::Look::OK:
      reply = {
          .content_type = "application/json",
          .body = fmt::format(
              R"({{"hub":"{}","awake":{},"awakeMs":{},"idleMs":{},"bytes":{},"wakeUs":{},"statekeeper":"{:016x}"}})"
              "\n",
              waiting.hub, look.awake(), look.awake_ms(), look.idle_ms(), look.bytes(), look.wake_us(),
              statekeeper)};
      break;
    case link::Look::BUSY:
      reply = Later(409, "Something is under way in the hub; it did not come to rest in time.");
      break;
    default:
      reply = Later(503, "The hub has just got another owner; ask again.");
  }
  door_->Finish(std::move(waiting.socket), reply);
}

void HubView::OnTimer() {
  const int64_t now = SteadyMs();
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (it->second.until_ms > now) {
      ++it;
      continue;
    }
    links_->ForgetLook(it->first);
    Waiting waiting = std::move(it->second);
    it = waiting_.erase(it);
    door_->Finish(std::move(waiting.socket), Later(503, "The hub's owner did not answer in time."));
  }
  if (waiting_.empty()) ev_timer_stop(loop_, &timer_);
}

}  // namespace dormouse::edge
