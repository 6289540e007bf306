// dormouse-gateway: holds the WebSockets of the clients and forwards what they say to the statekeepers.
#include <ev.h>
#include <fmt/format.h>
#include <prometheus/registry.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "common/auth/api_keys.h"
#include "common/auth/gateway_identity.h"
#include "common/auth/token_authority.h"
#include "common/config/configuration.h"
#include "common/config/options.h"
#include "common/descriptor_limit.h"
#include "common/freed_memory.h"
#include "common/http/admin_server.h"
#include "common/http/port_sharers.h"
#include "common/logging.h"
#include "common/loop/loop_lag.h"
#include "common/rpc/grpc_log.h"
#include "common/rpc/link_credentials.h"
#include "common/rpc/statekeeper_sockets.h"
#include "common/test_clock.h"
#include "gateway/api/api_server.h"
#include "gateway/edge/door/origin_list.h"
#include "gateway/edge/door/static_files.h"
#include "gateway/edge/door/trusted_proxies.h"
#include "gateway/edge/edge_server.h"
#include "gateway/edge/metrics/gateway_metrics.h"
#include "gateway/link/statekeeper_links.h"

namespace dormouse {
namespace {

// SIGTERM and SIGINT drain the edge; a second one hurries it.
class StopSignals {
 public:
  // `api`: nullptr: there is none.
  StopSignals(struct ev_loop* loop, edge::EdgeServer* edge, ApiServer* api)
      : loop_(loop), edge_(edge), api_(api) {
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
    if (api_ != nullptr) api_->StopListening();
    edge_->Drain([this] { ev_break(loop_, EVBREAK_ALL); });
  }

  struct ev_loop* loop_;
  edge::EdgeServer* edge_;
  ApiServer* const api_;
  ev_signal term_;
  ev_signal interrupt_;
};

// SIGHUP has the configuration read again.
class ReloadSignal {
 public:
  ReloadSignal(struct ev_loop* loop, std::function<void()> reload) : reload_(std::move(reload)) {
    ev_signal_init(
        &signal_,
        [](struct ev_loop*, ev_signal* signal, int) { static_cast<ReloadSignal*>(signal->data)->reload_(); },
        SIGHUP);
    signal_.data = this;
    ev_signal_start(loop, &signal_);
  }

 private:
  const std::function<void()> reload_;
  ev_signal signal_;
};

// What options say of who may come in. nullopt: one of them is wrong, `*wrong` says which.
struct Entry {
  edge::OriginList origins;
  edge::TrustedProxies proxies;
};
std::optional<Entry> ReadEntry(const Options& options, std::string* wrong) {
  Entry entry;
  if (auto origins = edge::OriginList::Parse(options.allowed_origins, wrong))
    entry.origins = std::move(*origins);
  if (auto proxies = edge::TrustedProxies::Parse(options.trusted_proxies, wrong))
    entry.proxies = std::move(*proxies);
  return wrong->empty() ? std::optional(std::move(entry)) : std::nullopt;
}

// What may change while the gateway runs is filled in.
edge::EdgeServer::Config EdgeConfig(const Options& options, Entry entry) {
  edge::EdgeServer::Config config;
  config.drain_window_ms = options.drain_window.count();
  config.http.handshake_timeout_ms = options.handshake_timeout.count();
  config.http.app.timeout_ms = options.app_timeout.count();
  config.http.fallback.window_ms = options.fallback_window.count();
  config.http.fallback.heartbeat_ms = options.fallback_heartbeat.count();
  config.http.fallback.wait_ms = options.fallback_wait.count();
  config.http.fallback.buffer = options.fallback_buffer;
  config.http.upgrades.origins = std::move(entry.origins);
  config.http.proxies = std::move(entry.proxies);
  config.http.max_connections = options.max_connections;
  config.http.max_connections_per_address = options.max_connections_per_address;
  config.inbound_buffer = options.inbound_buffer;
  config.outbound_buffer = options.outbound_buffer;
  config.connection_window = options.connection_window;
  config.http.upgrades.compression = options.compression == "deflate";
  return config;
}

// The directory of the page. nullopt: that is none, which has been said.
std::optional<std::string> ReadWebRoot(const Options& options) {
  if (options.web_root.empty()) return edge::DefaultWebRoot();
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

// The port for backends; nullptr: there is none. `*wrong`: a sentence, where there should be one.
std::unique_ptr<ApiServer> NewApiServer(const Options& options, const Way& way,
                                        prometheus::Registry* registry, std::string* wrong) {
  if (options.api_listen.empty()) return nullptr;
  ApiServer::Config config;
  config.listen = options.api_listen;
  config.keys = ApiKeys::Read("api-key-file", options.api_key_file, wrong);
  if (config.keys == nullptr) return nullptr;
  config.statekeepers = way.statekeepers;
  config.credentials = way.credentials;
  config.timeout_ms = options.api_timeout.count();
  config.max_body = options.api_body;
  config.max_calls = options.api_calls;
  config.max_calls_per_key = options.api_calls_per_key;
  config.max_calls_per_hub = options.api_calls_per_hub;
  return std::make_unique<ApiServer>(std::move(config), registry);
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

int Run(ConfigurationInEffect* in_effect) {
  const std::shared_ptr<const Configuration> configuration = in_effect->Get();
  const Options& options = configuration->options();
  std::string wrong = UseTestClock(options.listen);
  if (!wrong.empty()) {
    SPDLOG_ERROR("{}", wrong);
    return 1;
  }
  std::optional<Entry> entry = ReadEntry(options, &wrong);
  std::unique_ptr<TokenAuthority> tokens;  // nullptr: upgrades need none
  if (wrong.empty() && options.auth_upgrade) tokens = NewTokenAuthority(options, &wrong);
  if (!wrong.empty()) SPDLOG_ERROR("{}", configuration->Located(wrong));
  const std::optional<Way> way = ReadWay(options);
  const std::optional<std::string> web_root = ReadWebRoot(options);
  if (!wrong.empty() || !way.has_value() || !web_root.has_value()) return 1;
  const GrpcLog grpc_log(nullptr);
  RaiseDescriptorLimit();
  KeepSomeFreedMemory();
  std::signal(SIGPIPE, SIG_IGN);
  struct ev_loop* loop = ev_default_loop(EVBACKEND_EPOLL);

  const std::string identity = NewGatewayIdentity();
  auto registry = std::make_shared<prometheus::Registry>();
  edge::GatewayMetrics metrics(registry.get());
  edge::EdgeServer::Config edge_config = EdgeConfig(options, std::move(*entry));
  edge_config.gateway = GatewayIdOf(identity);
  edge_config.http.listen = options.listen;
  edge_config.http.web_root = *web_root;
  edge_config.http.shipped_web_root = edge::DefaultWebRoot();
  edge_config.http.upgrades.tokens = tokens.get();
  edge_config.http.proxy_protocol = options.proxy_protocol;
  edge_config.http.hub_view = options.hub_view;
  edge_config.http.fallback.is_on = options.fallback;
  edge_config.http.fallback.max_connections = options.fallback_connections;
  edge::EdgeServer edge(std::move(edge_config), loop, &metrics);
  const std::unique_ptr<StatekeeperLinks> links =
      NewStatekeeperLinks({.identity = identity,
                           .statekeepers = way->statekeepers,
                           .credentials = way->credentials,
                           .replay_buffer = options.replay_buffer,
                           .batch_deliveries = metrics.batch_deliveries},
                          loop, &edge);
  PortSharers sharers(ClusterOf(options, way->statekeepers));
  wrong = sharers.Claim(options.listen);
  std::unique_ptr<ApiServer> api;
  if (wrong.empty()) api = NewApiServer(options, *way, registry.get(), &wrong);
  if (wrong.empty()) wrong = edge.Start(links.get());
  if (!wrong.empty()) {
    SPDLOG_ERROR("{}", wrong);
    return 1;
  }
  sharers.Settle(edge.port());
  const AdminServer admin(
      options.admin, registry, [&edge] { return edge.readiness(); }, in_effect);
  const LoopLag lag(loop, &LoopLag::NewHistogram(registry.get(), {}));
  const StopSignals signals(loop, &edge, api.get());
  const ReloadSignal reload_signal(loop, [&] {
    Reload(in_effect, [&](const Configuration& next, const std::vector<Configuration::Change>&) {
      std::string unfit;
      std::optional<Entry> changed = ReadEntry(next.options(), &unfit);
      if (!changed.has_value()) return unfit;
      SetLogging(next.options().log_level, next.options().log_format);
      edge.Change(EdgeConfig(next.options(), std::move(*changed)));
      return unfit;
    });
  });
  SPDLOG_INFO("listening on port {}, admin on port {}{}", edge.port(), admin.port(),
              api == nullptr ? "" : fmt::format(", backends on port {}", api->port()));
  ev_run(loop, 0);
  if (api != nullptr) api->Finish(options.drain_window.count());
  SPDLOG_INFO("stopped");
  return 0;
}

}  // namespace
}  // namespace dormouse

int main(int argc, char** argv) {
  umask(S_IRWXG | S_IRWXO);      // whatever it comes to write is for this user alone
  std::signal(SIGHUP, SIG_IGN);  // until somebody can listen
  int status = 0;
  std::optional<dormouse::Configuration> configuration =
      dormouse::Configuration::Read(argc, argv, dormouse::Process::kGateway, &status);
  if (!configuration.has_value()) return status;
  const dormouse::Options& options = configuration->options();
  dormouse::InitLogging("gateway", options.log_level, options.log_format);
  dormouse::ConfigurationInEffect in_effect(std::move(*configuration));
  try {
    return dormouse::Run(&in_effect);
  } catch (const std::exception& error) {
    SPDLOG_ERROR("{}", error.what());
    return 1;
  }
}
