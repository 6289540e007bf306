// dormouse-gateway: holds the WebSockets of the clients and forwards what they say to the statekeepers.
#include <ev.h>
#include <fmt/format.h>
#include <prometheus/registry.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/admin_server.h"
#include "common/descriptor_limit.h"
#include "common/gateway_identity.h"
#include "common/logging.h"
#include "common/options.h"
#include "common/token_authority.h"
#include "gateway/edge/edge_server.h"
#include "gateway/edge/gateway_metrics.h"
#include "gateway/edge/origin_list.h"
#include "gateway/edge/static_files.h"
#include "gateway/edge/trusted_proxies.h"
#include "gateway/link/statekeeper_links.h"
#include "proto/grpc_log.h"
#include "proto/link_credentials.h"
#include "proto/statekeeper_sockets.h"

namespace dormouse {
namespace {

// SIGTERM and SIGINT drain the edge; a second one hurries it.
class StopSignals {
 public:
  StopSignals(struct ev_loop* loop, EdgeServer* edge) : loop_(loop), edge_(edge) {
    for (auto [watcher, number] : {std::pair(&term_, SIGTERM), std::pair(&interrupt_, SIGINT)}) {
      ev_signal_init(
          watcher,
          [](struct ev_loop*, ev_signal* signal, int) {
            static_cast<StopSignals*>(signal->data)->OnSignal();
          },
          number);
      watcher->data = this;
      ev_signal_start(loop, watcher);
    }
  }

 private:
  void OnSignal() {
    edge_->Drain([this] { ev_break(loop_, EVBREAK_ALL); });
  }

  struct ev_loop* loop_;
  EdgeServer* edge_;
  ev_signal term_;
  ev_signal interrupt_;
};

// What options say of who may come in. nullopt: one of them is wrong, which has been said.
struct Entry {
  std::unique_ptr<TokenAuthority> tokens;  // nullptr: upgrades need none
  OriginList origins;
  TrustedProxies proxies;
};
std::optional<Entry> ReadEntry(const Options& options) {
  std::string wrong;
  Entry entry;
  if (auto origins = OriginList::Parse(options.allowed_origins, &wrong)) entry.origins = std::move(*origins);
  if (auto proxies = TrustedProxies::Parse(options.trusted_proxies, &wrong))
    entry.proxies = std::move(*proxies);
  if (options.auth_upgrade) entry.tokens = NewTokenAuthority(options, &wrong);
  if (wrong.empty()) return entry;
  SPDLOG_ERROR("{}", wrong);
  return std::nullopt;
}

// Where the gateway starts from, and what it shows there. nullopt: an option is wrong, which has been said.
struct Way {
  std::vector<std::string> statekeepers;
  std::shared_ptr<const LinkCredentials> credentials;
};
std::optional<Way> ReadWay(const Options& options) {
  std::string wrong;
  Way way{options.statekeepers,
          LinkCredentials::Read(LinkCredentials::FilesOf(options), LinkRole::kGateway, &wrong)};
  if (way.statekeepers.empty()) {
    way.statekeepers = {std::string(kUnixScheme) +
                        (std::filesystem::absolute(options.data) / "run").string()};
  }
  if (way.credentials != nullptr && !way.credentials->any() &&
      !std::ranges::all_of(way.statekeepers, IsUnixTarget)) {
    wrong = fmt::format("--statekeepers {} needs credentials: no statekeeper talks to strangers. {}",
                        fmt::join(way.statekeepers, ","), kHowToTrust);
  }
  if (wrong.empty()) return way;
  SPDLOG_ERROR("{}", wrong);
  return std::nullopt;
}

int Run(const Options& options) {
  const std::optional<Entry> entry = ReadEntry(options);
  const std::optional<Way> way = ReadWay(options);
  if (!entry.has_value() || !way.has_value()) return 1;
  const GrpcLog grpc_log(nullptr);
  RaiseDescriptorLimit();
  std::signal(SIGPIPE, SIG_IGN);
  struct ev_loop* loop = ev_default_loop(EVBACKEND_EPOLL);

  const std::string identity = NewGatewayIdentity();
  auto registry = std::make_shared<prometheus::Registry>();
  GatewayMetrics metrics(registry.get());
  EdgeServer edge({.gateway = GatewayIdOf(identity),
                   .listen = options.listen,
                   .web_root = options.web_root.empty() ? DefaultWebRoot() : options.web_root,
                   .drain_window_ms = options.drain_window.count(),
                   .handshake_timeout_ms = options.handshake_timeout.count(),
                   .tokens = entry->tokens.get(),
                   .origins = entry->origins,
                   .proxies = entry->proxies,
                   .max_connections = options.max_connections,
                   .max_connections_per_address = options.max_connections_per_address,
                   .inbound_buffer = options.inbound_buffer,
                   .outbound_buffer = options.outbound_buffer,
                   .connection_window = options.connection_window},
                  loop, &metrics);
  const std::unique_ptr<StatekeeperLinks> links =
      NewStatekeeperLinks({.identity = identity,
                           .statekeepers = way->statekeepers,
                           .credentials = way->credentials,
                           .replay_buffer = options.replay_buffer},
                          loop, &edge);
  if (const std::string wrong = edge.Start(links.get()); !wrong.empty()) {
    SPDLOG_ERROR("{}", wrong);
    return 1;
  }
  const AdminServer admin(options.admin, registry, [&edge] { return edge.readiness(); });
  const StopSignals signals(loop, &edge);
  SPDLOG_INFO("listening on port {}, admin on port {}", edge.port(), admin.port());
  ev_run(loop, 0);
  SPDLOG_INFO("stopped");
  return 0;
}

}  // namespace
}  // namespace dormouse

int main(int argc, char** argv) {
  umask(S_IRWXG | S_IRWXO);  // whatever it comes to write is for this user alone
  dormouse::Options options;
  if (const int status = dormouse::ParseOptions(argc, argv, dormouse::Process::kGateway, &options);
      status >= 0) {
    return status;
  }
  dormouse::InitLogging("gateway", options.log_level);
  try {
    return dormouse::Run(options);
  } catch (const std::exception& error) {
    SPDLOG_ERROR("{}", error.what());
    return 1;
  }
}
