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
#include "common/clock.h"
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
#include "common/tls/tls_files.h"
#include "common/tracing/tracer.h"
#include "gateway/api/api_server.h"
#include "gateway/edge/door/origin_list.h"
#include "gateway/edge/door/static_files.h"
#include "gateway/edge/door/trusted_proxies.h"
#include "gateway/edge/edge_server.h"
#include "gateway/edge/metrics/gateway_metrics.h"
#include "gateway/link/statekeeper_links.h"
#include "gateway/succession.h"
#include "gateway/takeover/handing_over.h"
#include "gateway/takeover/taking_over.h"

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

// The port for backends; nullopt: there is none. `*wrong`: a sentence, where there should be one.
std::optional<ApiServer::Config> ReadApiConfig(const Options& options, const Way& way, std::string* wrong) {
  if (options.api_listen.empty() && options.api_grpc_listen.empty()) return std::nullopt;
  ApiServer::Config config;
  config.listen = options.api_listen;
  config.grpc_listen = options.api_grpc_listen;
  config.keys = ApiKeys::Read("api-key-file", options.api_key_file, wrong);
  if (config.keys == nullptr) return std::nullopt;
  config.statekeepers = way.statekeepers;
  config.credentials = way.credentials;
  config.timeout_ms = options.api_timeout.count();
  config.max_body = options.api_body;
  config.max_calls = options.api_calls;
  config.max_calls_per_key = options.api_calls_per_key;
  config.max_calls_per_hub = options.api_calls_per_hub;
  return config;
}

// The certificate for clients; nullptr: there is none, or `*wrong` is a sentence.
std::unique_ptr<const TlsFiles> OpenTls(const Options& options,
                                        const std::shared_ptr<const LinkCredentials>& credentials,
                                        std::string* wrong) {
  if (options.tls_cert.empty()) return nullptr;
  TlsTickets::Secret secret;
  if (credentials->secret() != nullptr)
    secret = [credentials] { return credentials->secret()->Derive("tickets of TLS for clients"); };
  return TlsFiles::Open({.role = TlsContext::Role::kServer,
                         .verifies_peer = !options.tls_client_ca.empty(),
                         .protocol = "http/1.1",
                         .tickets = std::make_shared<const TlsTickets>(std::move(secret))},
                        {.certificate = {"tls-cert", options.tls_cert},
                         .key = {"tls-key", options.tls_key},
                         .ca = {"tls-client-ca", options.tls_client_ca}},
                        wrong);
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

// The admin port of a gateway that has taken over: it answers once the links do, so that who asks whether the gateway
// is ready does not hear of the moment in between; meanwhile he waits to be accepted.
class LateStart {
 public:
  LateStart(struct ev_loop* loop, std::function<bool()> is_ready, std::function<void()> start)
      : is_ready_(std::move(is_ready)), start_(std::move(start)), deadline_ms_(SteadyMs() + kPatienceMs) {
    ev_timer_init(
        &look_,
        [](struct ev_loop* on, ev_timer* timer, int) {
          auto* const self = static_cast<LateStart*>(timer->data);
          if (!self->is_ready_() && SteadyMs() < self->deadline_ms_) return;
          ev_timer_stop(on, timer);
          self->start_();
        },
        0, 0.002);
    look_.data = this;
    ev_timer_again(loop, &look_);
  }

 private:
  static constexpr int64_t kPatienceMs = 1'000;

  const std::function<bool()> is_ready_;
  const std::function<void()> start_;
  const int64_t deadline_ms_;
  ev_timer look_;
};

int Run(ConfigurationInEffect* in_effect, const std::vector<std::string>& words) {
  const std::shared_ptr<const Configuration> configuration = in_effect->Get();
  const Options& options = configuration->options();
  std::string wrong = UseTestClock(options.listen);
  if (wrong.empty() && !options.tls_cert.empty()) wrong = UseTestClock(options.tls_listen);
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
  const std::unique_ptr<const TlsFiles> tls = OpenTls(options, way->credentials, &wrong);
  const bool wants_tls =
      std::ranges::any_of(configuration->settings(), [](const Configuration::Setting& setting) {
        return setting.name == "tls-listen" && setting.source != Configuration::Source::kDefault &&
               !setting.value.empty();
      });
  if (tls == nullptr && wrong.empty() && wants_tls)
    wrong = "--tls-listen needs --tls-cert and --tls-key: without a certificate nobody can be served there";
  if (wrong.empty() && tls == nullptr && options.listen.empty())
    wrong = "--listen is empty, and there is no --tls-cert: nobody could come in";
  if (!wrong.empty()) {
    SPDLOG_ERROR("{}", configuration->Located(wrong));
    return 1;
  }
  const GrpcLog grpc_log(nullptr);
  RaiseDescriptorLimit();
  KeepSomeFreedMemory();
  std::signal(SIGPIPE, SIG_IGN);
  struct ev_loop* loop = ev_default_loop(EVBACKEND_EPOLL);

  const std::string cluster = ClusterOf(options, way->statekeepers);
  std::unique_ptr<takeover::TakingOver> other;  // that this one takes over from
  if (options.take_over) {
    other = takeover::TakingOver::Begin(takeover::SocketPath(options.data, options.admin),
                                        IntroductionOf(options, cluster), &wrong);
    if (other == nullptr) {
      SPDLOG_ERROR("not taking over: {}", wrong);
      return 1;
    }
  }
  const std::string identity = other == nullptr ? NewGatewayIdentity() : other->identity();
  auto registry = std::make_shared<prometheus::Registry>();
  edge::GatewayMetrics metrics(registry.get());
  const std::unique_ptr<Tracer> tracer = NewTracer(
      options, "dormouse-gateway", fmt::format("{:016x}", GatewayIdOf(identity)), registry.get(), &wrong);
  if (!wrong.empty()) {
    SPDLOG_ERROR("{}", configuration->Located(wrong));
    return 1;
  }
  edge::EdgeServer::Config edge_config = EdgeConfig(options, std::move(*entry));
  edge_config.gateway = GatewayIdOf(identity);
  edge_config.http.listen = options.listen;
  if (tls != nullptr) edge_config.http.tls_listen = options.tls_listen;
  edge_config.http.tls = tls.get();
  edge_config.http.web_root = *web_root;
  edge_config.http.shipped_web_root = edge::DefaultWebRoot();
  edge_config.http.upgrades.tokens = tokens.get();
  edge_config.http.proxy_protocol = options.proxy_protocol;
  edge_config.http.hub_view = options.hub_view;
  edge_config.http.tracer = tracer.get();
  edge_config.http.fallback.is_on = options.fallback;
  edge_config.http.fallback.max_connections = options.fallback_connections;
  edge::EdgeServer edge(std::move(edge_config), loop, &metrics);
  const std::unique_ptr<StatekeeperLinks> links =
      NewStatekeeperLinks({.identity = identity,
                           .statekeepers = way->statekeepers,
                           .credentials = way->credentials,
                           .replay_buffer = options.replay_buffer,
                           .hold = other != nullptr,
                           .batch_deliveries = metrics.batch_deliveries},
                          loop, &edge);
  PortSharers sharers(cluster);
  PortSharers tls_sharers(cluster);
  PortSharers grpc_sharers(cluster);
  std::optional<ApiServer::Config> api_config = ReadApiConfig(options, *way, &wrong);
  TakenOver taken;
  if (other != nullptr && wrong.empty()) {
    edge.Prepare(links.get());
    if (!TakeOver(other.get(), loop, &edge, links.get(), &metrics, &taken, &wrong))
      wrong = "not taking over: " + wrong;
    other.reset();
  } else {
    if (wrong.empty() && !options.listen.empty()) wrong = sharers.Claim(options.listen);
    if (wrong.empty() && tls != nullptr) wrong = tls_sharers.Claim(options.tls_listen);
    if (wrong.empty() && !options.api_grpc_listen.empty())
      wrong = grpc_sharers.Claim(options.api_grpc_listen);
  }
  std::unique_ptr<ApiServer> api;
  if (wrong.empty() && api_config.has_value()) {
    api_config->listening = taken.api;
    api_config->tracer = tracer.get();
    try {
      api = std::make_unique<ApiServer>(std::move(*api_config), registry.get());
    } catch (const std::runtime_error& failure) {
      // The sockets of who took over are worth more than its port for backends.
      if (options.take_over) {
        SPDLOG_ERROR("{}", failure.what());
      } else {
        wrong = failure.what();
      }
    }
  }
  if (wrong.empty() && !options.take_over) wrong = edge.Start(links.get());
  if (!wrong.empty()) {
    SPDLOG_ERROR("{}", wrong);
    return 1;
  }
  if (edge.port() != 0) sharers.Settle(edge.port());
  if (edge.tls_port() != 0) tls_sharers.Settle(edge.tls_port());
  if (api != nullptr && api->grpc_port() != 0) grpc_sharers.Settle(api->grpc_port());
  std::unique_ptr<AdminServer> admin;
  const auto start_admin = [&] {
    admin = std::make_unique<AdminServer>(
        options.admin, registry, [&edge] { return edge.readiness(); }, in_effect, taken.admin);
    const auto port = [](const char* form, int number) {
      return number == 0 ? "" : fmt::format(fmt::runtime(form), number);
    };
    SPDLOG_INFO("listening on {}{}{}, admin on port {}{}{}", port("port {}", edge.port()),
                edge.port() != 0 && edge.tls_port() != 0 ? ", " : "",
                port("port {} for TLS", edge.tls_port()), admin->port(),
                port(", backends on port {}", api == nullptr ? 0 : api->port()),
                port(", by gRPC on port {}", api == nullptr ? 0 : api->grpc_port()));
  };
  std::optional<LateStart> late_admin;
  if (options.take_over) {
    late_admin.emplace(
        loop, [&edge] { return edge.readiness().ready; }, start_admin);
  } else {
    start_admin();
  }
  const LoopLag lag(loop, &LoopLag::NewHistogram(registry.get(), {}));
  const StopSignals signals(loop, &edge, api.get());
  const ReloadSignal reload_signal(loop, [&] {
    if (tls != nullptr) tls->ReadAgain();
    Reload(in_effect, [&](const Configuration& next, const std::vector<Configuration::Change>&) {
      std::string unfit;
      std::optional<Entry> changed = ReadEntry(next.options(), &unfit);
      if (!changed.has_value()) return unfit;
      SetLogging(next.options().log_level, next.options().log_format);
      edge.Change(EdgeConfig(next.options(), std::move(*changed)));
      if (tracer != nullptr) tracer->set_share(next.options().trace_sample);
      return unfit;
    });
  });
  const Succession succession(
      {.loop = loop,
       .edge = &edge,
       .links = links.get(),
       .api = api.get(),
       .metrics = &metrics,
       .admin = [&admin] { return admin.get(); },
       .drain_window_ms = [&] { return in_effect->Get()->options().drain_window.count(); },
       .done = [loop] { ev_break(loop, EVBREAK_ALL); }},
      options, cluster, identity, words);
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
  std::signal(SIGUSR2, SIG_IGN);
  const std::vector<std::string> words(argv, argv + argc);  // for a successor; some are hidden below
  int status = 0;
  std::optional<dormouse::Configuration> configuration =
      dormouse::Configuration::Read(argc, argv, dormouse::Process::kGateway, &status);
  if (!configuration.has_value()) return status;
  const dormouse::Options& options = configuration->options();
  dormouse::InitLogging("gateway", options.log_level, options.log_format);
  dormouse::ConfigurationInEffect in_effect(std::move(*configuration));
  try {
    return dormouse::Run(&in_effect, words);
  } catch (const std::exception& error) {
    SPDLOG_ERROR("{}", error.what());
    return 1;
  }
}
