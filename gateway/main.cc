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
#include <system_error>
#include <utility>

#include "common/admin_server.h"
#include "common/descriptor_limit.h"
#include "common/freed_memory.h"
#include "common/gateway_identity.h"
#include "common/http/port_sharers.h"
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

// The directory of the page. nullopt: that is none, which has been said.
std::optional<std::string> ReadWebRoot(const Options& options) {
  if (options.web_root.empty()) return DefaultWebRoot();
  std::error_code error;
  const std::filesystem::directory_iterator readable(options.web_root, error);
  if (!error) return options.web_root;
  SPDLOG_ERROR(
      "--web-root {}: {}; name a directory that this user may read, or none for the page that comes along",
      options.web_root, error.message());
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

// What gateways have in common that may share a port: the data directory and what they show to statekeepers,
// which is one cluster's. (Not the list of those: it changes while gateways are replaced one by one.)
std::string ClusterOf(const Options& options, const std::vector<std::string>& statekeepers) {
  std::string cluster;
  const auto add = [&cluster](const std::string& path) {
    std::error_code unresolved;
    cluster += std::filesystem::weakly_canonical(path, unresolved).string() + '\n';
  };
  for (const std::string& path : {options.data, options.cluster_secret, options.link_ca}) add(path);
  for (const std::string& target : statekeepers) {
    if (IsUnixTarget(target)) add(target.substr(kUnixScheme.size()));
  }
  return cluster;
}

int Run(const Options& options) {
  const std::optional<Entry> entry = ReadEntry(options);
  const std::optional<Way> way = ReadWay(options);
  const std::optional<std::string> web_root = ReadWebRoot(options);
  if (!entry.has_value() || !way.has_value() || !web_root.has_value()) return 1;
  const GrpcLog grpc_log(nullptr);
  RaiseDescriptorLimit();
  KeepSomeFreedMemory();
  std::signal(SIGPIPE, SIG_IGN);
  struct ev_loop* loop = ev_default_loop(EVBACKEND_EPOLL);

  const std::string identity = NewGatewayIdentity();
  auto registry = std::make_shared<prometheus::Registry>();
  GatewayMetrics metrics(registry.get());
  EdgeServer edge({.gateway = GatewayIdOf(identity),
                   .listen = options.listen,
                   .web_root = *web_root,
                   .shipped_web_root = DefaultWebRoot(),
                   .drain_window_ms = options.drain_window.count(),
                   .handshake_timeout_ms = options.handshake_timeout.count(),
                   .tokens = entry->tokens.get(),
                   .origins = entry->origins,
                   .proxies = entry->proxies,
                   .proxy_protocol = options.proxy_protocol,
                   .max_connections = options.max_connections,
                   .max_connections_per_address = options.max_connections_per_address,
                   .inbound_buffer = options.inbound_buffer,
                   .outbound_buffer = options.outbound_buffer,
                   .connection_window = options.connection_window,
                   .compression = options.compression == "deflate",
                   .hub_view = options.hub_view},
                  loop, &metrics);
  const std::unique_ptr<StatekeeperLinks> links =
      NewStatekeeperLinks({.identity = identity,
                           .statekeepers = way->statekeepers,
                           .credentials = way->credentials,
                           .replay_buffer = options.replay_buffer},
                          loop, &edge);
  PortSharers sharers(ClusterOf(options, way->statekeepers));
  std::string wrong = sharers.Claim(options.listen);
  if (wrong.empty()) wrong = edge.Start(links.get());
  if (!wrong.empty()) {
    SPDLOG_ERROR("{}", wrong);
    return 1;
  }
  sharers.Settle(edge.port());
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
