#include "statekeeper/server.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "common/auth/private_directory.h"
#include "common/auth/shared_secret.h"
#include "common/config/configuration.h"
#include "common/config/options.h"
#include "common/descriptor_limit.h"
#include "common/freed_memory.h"
#include "common/http/admin_server.h"
#include "common/ids.h"
#include "common/lease.h"
#include "common/logging.h"
#include "common/rpc/grpc_log.h"
#include "common/rpc/link_credentials.h"
#include "common/rpc/link_gate.h"
#include "common/rpc/statekeeper_sockets.h"
#include "common/test_clock.h"
#include "common/tracing/tracer.h"
#include "statekeeper/admin/admin_service.h"
#include "statekeeper/apps/app_http_service.h"
#include "statekeeper/apps/app_keeper.h"
#include "statekeeper/calls/hub_api.h"
#include "statekeeper/calls/hub_calls.h"
#include "statekeeper/classes/worker/worker_apps.h"
#include "statekeeper/data_directory.h"
#include "statekeeper/fitness.h"
#include "statekeeper/hub/registry.h"
#include "statekeeper/link/link_server.h"
#include "statekeeper/main_loop.h"
#include "statekeeper/open_store.h"
#include "statekeeper/ownership/ownership.h"
#include "statekeeper/runtime/lane/lane.h"
#include "statekeeper/runtime/lane/lane_shards.h"
#include "statekeeper/store/store.h"

namespace dormouse {
namespace {

constexpr Duration kStopPatience{5'000};

int Fail(const std::string& message) {
  SPDLOG_ERROR("{}", message);
  // Also where nothing is logged; but not between JSON.
  if (!LogIsJson()) std::fprintf(stderr, "dormouse-statekeeper: %s\n", message.c_str());
  return 1;
}

// "file" alone: in the data directory.
std::string StoreUrl(const Options& options) {
  return options.store == "file" ? "file:" + options.data + "/dormouse.db" : options.store;
}

// `app`: there is one. What was there for want of it leaves the clients' port to it; its sockets stay.
std::vector<link::ClassProfile> Profiles(const HubClassRegistry& classes, bool app) {
  std::vector<link::ClassProfile> profiles;
  for (const auto& [name, hub_class] : classes.all()) {
    profiles.push_back(hub_class->profile());
    if (app && classes.IsUntilApp(name)) profiles.back().clear_routes();
  }
  return profiles;
}

// An address to listen on that is not one to call.
bool IsWildcard(const std::string& address) {
  return address.starts_with("0.0.0.0:") || address.starts_with("[::]:");
}

// Why what `listen` says cannot be done. Empty: it can.
std::string WhyNotListening(const Options& options, const LinkCredentials& credentials) {
  if (options.listen.empty()) {
    return options.advertise.empty() ? ""
                                     : "--advertise is an address of --listen HOST:PORT, which is missing";
  }
  if (options.listen.starts_with("unix")) {
    return "--listen must be HOST:PORT; the unix socket is in the directory run of --data";
  }
  if (credentials.any()) return "";
  return fmt::format(
      "--listen {} needs credentials, or everybody who reaches it would be believed. {}; or leave "
      "--listen out, to serve this host's gateways on the unix socket only",
      options.listen, kHowToTrust);
}

HubLimits LimitsOf(const Options& options) {
  return {.max_attachment = options.max_attachment,
          .max_state = options.max_state,
          .history = options.hub_history,
          .history_bytes = options.hub_history_bytes,
          .max_output = options.max_output,
          .max_changes = options.max_changes,
          .handler_budget = options.handler_budget,
          .connection_cpu = options.connection_cpu};
}

// What of a configuration may change while the statekeeper runs. Empty, or what is wrong; nothing has changed
// then.
std::string Change(const Options& options, const std::vector<Configuration::Change>& changes,
                   const RegisterClasses& register_classes, prometheus::Registry* registry,
                   const std::vector<std::unique_ptr<Lane>>& lanes, const WorkerApps& apps,
                   Ownership* ownership) {
  // Hubs in memory are made anew by that: not where only the log changes. No change: of the app.
  const bool of_hubs =
      changes.empty() || std::ranges::any_of(changes, [](const Configuration::Change& change) {
        return change.option != "log-level" && change.option != "log-format";
      });
  std::shared_ptr<HubClassRegistry> classes;
  if (of_hubs) {
    classes = std::make_shared<HubClassRegistry>();
    std::string wrong;
    if (!register_classes(options, classes.get(), &wrong)) return wrong;
    classes->UseMetrics(registry);
    ownership->ChangeClasses(Profiles(*classes, apps.any()));
  }
  SetLogging(options.log_level, options.log_format);
  for (const auto& lane : lanes) {
    lane->Post([to = lane.get(), changed = Lane::Changes{.hibernate_after = options.hibernate_after,
                                                         .limits = LimitsOf(options),
                                                         .max_awake = options.max_awake,
                                                         .classes = classes}] { to->Change(changed); });
  }
  return "";
}

// Once all lanes have done what they were told before.
void AfterAll(const std::vector<std::unique_ptr<Lane>>& lanes, const std::function<void()>& done) {
  const auto left = std::make_shared<std::atomic<size_t>>(lanes.size());
  for (const auto& lane : lanes) {
    lane->Post([left, done] {
      if (--*left == 0) done();
    });
  }
}

std::vector<std::string> NamesOf(const HubClassRegistry& classes) {
  std::vector<std::string> names;
  for (const auto& [name, hub_class] : classes.all()) names.push_back(name);
  return names;
}

int Run(ConfigurationInEffect* in_effect, const RegisterClasses& register_classes) {
  const std::shared_ptr<const Configuration> configuration = in_effect->Get();
  const Options& options = configuration->options();
  RaiseDescriptorLimit();
  KeepSomeFreedMemory();
  const uint64_t incarnation = NewGatewayId();
  const uint32_t lane_count = std::min(
      options.shards, options.lanes != 0 ? options.lanes : std::max(1u, std::thread::hardware_concurrency()));

  std::string error = UseTestClock(options.listen);
  if (!error.empty()) return Fail(error);
  const std::shared_ptr<const LinkCredentials> credentials =
      LinkCredentials::Read(LinkCredentials::FilesOf(options), LinkRole::kStatekeeper, &error);
  if (credentials == nullptr) return Fail(error);
  if (const std::string wrong = WhyNotListening(options, *credentials); !wrong.empty()) return Fail(wrong);
  std::shared_ptr<const SharedSecret> admin_key;
  if (!options.admin_key.empty()) {
    admin_key = SharedSecret::Read("admin-key", options.admin_key, &error);
    if (admin_key == nullptr) return Fail(error);
  }

  std::error_code ignored;  // what is wrong shows in a moment
  std::filesystem::create_directories(options.data, ignored);
  const bool closed = CloseDataDirectory(options.data);
  // Whoever can reach a socket in it is believed to be whatever he says.
  const std::string run_directory = std::filesystem::absolute(options.data) / "run";
  if (!MakePrivateDirectory(run_directory, &error)) return Fail(error);
  if (!closed) {
    SPDLOG_WARN(
        "Other users can look into {}, which is theirs or holds more than this cluster's files. "
        "They cannot read those, but should have no business there",
        options.data);
  }
  const std::string unix_path = StatekeeperSocket(run_directory, incarnation);

  HubCalls calls(incarnation, credentials);
  HubApi api(&calls);
  const std::string app_http = fmt::format("{}/app-{:016x}.sock", run_directory, incarnation);
  // Workers have another working directory.
  WorkerApps apps({.run_directory = std::filesystem::canonical(run_directory, ignored),
                   .http_socket = app_http,
                   .lanes = lane_count,
                   .caller = &calls,
                   .timeout_ms = options.worker_timeout.count(),
                   .max_memory = options.worker_memory,
                   .call_timeout_ms = options.call_timeout.count()});
  const RegisterClasses register_all = [&](const Options& now, HubClassRegistry* all, std::string* wrong) {
    return register_classes(now, all, wrong) && apps.Register(now, all, wrong);
  };
  HubClassRegistry classes;
  if (!register_all(options, &classes, &error)) return Fail(error);

  StoreConfig store_config;
  store_config.url = StoreUrl(options);
  store_config.redis = {.password = options.store_password_file,
                        .sentinel_password = options.store_sentinel_password_file,
                        .ca = options.store_ca,
                        .certificate = options.store_certificate,
                        .key = options.store_key};
  store_config.key_prefix = options.store_prefix;
  store_config.timeout = options.commit_timeout;
  store_config.owner = fmt::format("{:016x}", incarnation);
  store_config.shard_count = options.shards;
  const std::unique_ptr<StoreFactory> stores = OpenStore(store_config, &error);
  if (stores == nullptr) return Fail(error);

  if (stores->shared() && options.advertise.empty() && IsWildcard(options.listen)) {
    SPDLOG_WARN("Nobody on another host can reach this statekeeper at {}; name it with --advertise",
                options.listen);
  }

  auto registry = std::make_shared<prometheus::Registry>();
  classes.UseMetrics(registry.get());
  const std::unique_ptr<Tracer> tracer =
      NewTracer(options, "dormouse-statekeeper", fmt::format("{:016x}", incarnation), registry.get(), &error);
  if (!error.empty()) return Fail(error);
  std::shared_ptr<const LinkGate> gate;  // of the port, if there is one
  if (!options.listen.empty()) gate = std::make_shared<LinkGate>(credentials, admin_key, registry.get());
  const GrpcLog grpc_log([gate] {
    if (gate != nullptr) gate->CountFailedHandshake();
  });
  Lease lease;
  SuspectTurn suspects;
  std::vector<std::unique_ptr<Lane>> lanes;
  std::vector<Lane*> lane_pointers;
  std::unique_ptr<Ownership> ownership;
  MainLoop main_loop;
  std::unique_ptr<AppKeeper>
      app_keeper;  // of deployed versions; null: the app is a directory of this machine
  std::unique_ptr<LinkService> operators;
  const std::unique_ptr<LinkService> app_service = NewAppHttpService(app_http);
  std::unique_ptr<LinkServer> server;  // its end is the first: its calls go to the others
  for (uint32_t i = 0; i < lane_count; ++i) {
    Lane::Config config;
    config.lane = i;
    config.shard_count = options.shards;
    config.hibernate_after = options.hibernate_after;
    config.reap_interval = options.reap_interval;
    config.gateway_grace = options.gateway_grace;
    config.limits = LimitsOf(options);
    config.max_handlers = options.max_handlers;
    config.max_awake = options.max_awake;
    config.store_timeout = options.commit_timeout;
    config.max_attempts = options.max_attempts;
    config.suspects = &suspects;
    config.caller = &calls;
    config.lease = &lease;
    config.tracer = tracer.get();
    config.fenced = [&ownership](const ShardEpoch& shard) { ownership->Fenced(shard); };
    config.spoken_of = [&ownership](const ShardEpoch& shard) { ownership->EpochSeen(shard); };
    lanes.push_back(std::make_unique<Lane>(std::move(config), &classes, stores.get(), registry.get()));
    lane_pointers.push_back(lanes[i].get());
  }
  LaneShards shards(lane_pointers, options.shards);

  Ownership::Config ownership_config;
  ownership_config.id = incarnation;
  ownership_config.address = options.advertise.empty() ? options.listen : options.advertise;
  ownership_config.unix_path = unix_path;
  if (apps.serves_http()) ownership_config.app_http = app_http;
  ownership_config.credentials = credentials;
  ownership_config.lanes = lane_count;
  ownership_config.shard_count = options.shards;
  ownership_config.cluster_id = stores->cluster_id();
  ownership_config.member_ttl = options.member_ttl;
  ownership_config.shared = stores->shared();
  ownership_config.classes = Profiles(classes, false);
  ownership_config.publish = [&server](link::ShardMap map) { server->Publish(std::move(map)); };
  ownership_config.withdraw = [&server] { server->Withdraw(); };
  ownership_config.new_store = [&stores](struct ev_loop* loop) { return stores->NewClusterStore(loop); };
  ownership = std::make_unique<Ownership>(std::move(ownership_config), &lease, &shards, registry.get());

  calls.Use(&shards, ownership.get());

  const auto change = [&](const Options& now, const std::vector<Configuration::Change>& changes) {
    return Change(now, changes, register_all, registry.get(), lanes, apps, ownership.get());
  };
  std::unique_ptr<AdminServer> admin;
  std::atomic<bool> has_joined{false};
  const auto join = [&] {
    has_joined = true;
    ownership->Start();
    SPDLOG_INFO("statekeeper {:016x} joins with {} lanes on {}; admin on port {}", incarnation, lane_count,
                options.listen.empty() ? unix_path : options.listen + " and " + unix_path, admin->port());
  };
  if (options.app.empty()) {
    AppKeeper::Config config;
    config.member = fmt::format("{:016x}", incarnation);
    config.directory = std::filesystem::absolute(options.data) / "app-versions";
    config.taken = NamesOf(classes);
    config.new_store = [&stores](struct ev_loop* loop) { return stores->NewClusterStore(loop); };
    config.start = [&apps](AppManifest manifest, std::string* wrong) {
      return apps.Start(std::move(manifest), wrong);
    };
    config.use = [&](std::shared_ptr<WorkerApp> app, std::function<void(std::string)> done) {
      main_loop.Post([&, app = std::move(app), done = std::move(done)]() mutable {
        apps.Propose(std::move(app));
        const std::string wrong = change(in_effect->Get()->options(), {});
        apps.Propose(nullptr);
        if (!wrong.empty()) return done(wrong);
        ownership->ChangeAppHttp(apps.serves_http() ? app_http : "");
        AfterAll(lanes, [done = std::move(done)] { done(""); });
      });
    };
    config.settled = [&] { main_loop.Post(join); };
    app_keeper = AppKeeper::New(std::move(config), &error);
    if (app_keeper == nullptr) return Fail(error);
  }
  operators = NewAdminService(credentials, ownership.get(), &shards, registry, in_effect, app_keeper.get());

  LinkServer::Config server_config;
  server_config.addresses = {"unix:" + unix_path};
  if (gate != nullptr) {
    server_config.addresses.push_back(options.listen);
    server_config.gate = gate;
  }
  server_config.incarnation = incarnation;
  server_config.lanes = lane_count;
  server_config.links.gateway_grace = options.gateway_grace;
  server_config.links.gateway_buffer = options.gateway_buffer;
  server_config.services = {ownership->service(), operators.get(), &calls, &api, app_service.get()};
  server = NewLinkServer(server_config);

  for (uint32_t i = 0; i < lane_count; ++i) {
    lanes[i]->Start(server->NewGatewayLinks(i, lanes[i]->loop(), lanes[i].get())).wait();
  }
  const auto stop_lanes = [&lanes](Duration patience) {
    for (const auto& lane : lanes) lane->Stop(patience);
  };
  if (!server->Start(&error)) {
    stop_lanes(Duration(0));
    return Fail(error);
  }

  std::atomic<bool> stopping{false};
  try {
    const auto readiness = [&] {
      Fitness fitness{.stopping = stopping, .membership = ownership->NotReady()};
      if (!has_joined && app_keeper != nullptr) {
        const std::string why = app_keeper->NotSettled();
        fitness.membership = why.empty() ? "it is joining the cluster" : why;
      }
      fitness.store_is_silent = ownership->StoreIsSilent();
      for (const auto& lane : lanes) fitness.stores.push_back(lane->store_report());
      return JudgeFitness(fitness);
    };
    admin = std::make_unique<AdminServer>(options.admin, registry, readiness, in_effect);
  } catch (const std::runtime_error& failure) {
    stop_lanes(Duration(0));
    return Fail(failure.what());
  }
  if (app_keeper == nullptr) {
    join();
  } else {
    app_keeper->Start();
  }

  const int received = main_loop.Run([&] {
    if (!in_effect->Get()->file().empty() || options.app.empty()) {
      Reload(in_effect, [&](const Configuration& next, const std::vector<Configuration::Change>& changes) {
        return change(next.options(), changes);
      });
    }
    const std::shared_ptr<const Configuration> now = in_effect->Get();
    if (!apps.HasChanged(now->options())) return;
    if (const std::string wrong = change(now->options(), {}); !wrong.empty()) SPDLOG_ERROR("{}", wrong);
  });
  SPDLOG_INFO("signal {}: handing over, and finishing what was begun", received);
  stopping = true;
  if (app_keeper != nullptr) app_keeper->Stop();
  if (has_joined) ownership->HandOver(options.stop_timeout);
  stop_lanes(kStopPatience);
  if (has_joined) ownership->Stop();
  std::filesystem::remove(unix_path, ignored);
  return 0;
}

}  // namespace

int RunStatekeeper(int argc, char** argv, const RegisterClasses& register_classes) {
  umask(S_IRWXG | S_IRWXO);  // state and sockets are for this user alone
  // Every thread inherits this: signals are taken by sigwait in Run alone.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  int status = 0;
  std::optional<Configuration> configuration =
      Configuration::Read(argc, argv, Process::kStatekeeper, &status);
  if (!configuration.has_value()) return status;
  const Options& options = configuration->options();
  InitLogging("statekeeper", options.log_level, options.log_format);
  if (options.password_was_visible) {
    SPDLOG_WARN(
        "A password stood on the command line, where others could see it until now (and whatever wrote it "
        "may "
        "show it still). Put it in a file, name that with store-password-file and write USER@HOST in "
        "--store.");
  }
  ConfigurationInEffect in_effect(std::move(*configuration));
  return Run(&in_effect, register_classes);
}

}  // namespace dormouse
