#include "statekeeper/server.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "common/config/configuration.h"
#include "common/config/options.h"
#include "common/descriptor_limit.h"
#include "common/freed_memory.h"
#include "common/http/admin_server.h"
#include "common/lease.h"
#include "common/logging.h"
#include "common/rpc/grpc_log.h"
#include "common/rpc/link_gate.h"
#include "common/tracing/tracer.h"
#include "statekeeper/admin/admin_service.h"
#include "statekeeper/apps/app_http_service.h"
#include "statekeeper/apps/app_keeper.h"
#include "statekeeper/calls/hub_api.h"
#include "statekeeper/calls/hub_calls.h"
#include "statekeeper/classes/worker/worker_apps.h"
#include "statekeeper/fitness.h"
#include "statekeeper/hub/registry.h"
#include "statekeeper/link/link_server.h"
#include "statekeeper/main_loop.h"
#include "statekeeper/open_store.h"
#include "statekeeper/ownership/ownership.h"
#include "statekeeper/premises.h"
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

StoreConfig StoreConfigOf(const Options& options, uint64_t incarnation) {
  StoreConfig config;
  config.url = StoreUrl(options);
  config.redis = {.password = options.store_password_file,
                  .sentinel_password = options.store_sentinel_password_file,
                  .ca = options.store_ca,
                  .certificate = options.store_certificate,
                  .key = options.store_key};
  config.key_prefix = options.store_prefix;
  config.timeout = options.commit_timeout;
  config.owner = fmt::format("{:016x}", incarnation);
  config.shard_count = options.shards;
  return config;
}

Lane::Config LaneConfigOf(const Options& options) {
  Lane::Config config;
  config.shard_count = options.shards;
  config.hibernate_after = options.hibernate_after;
  config.reap_interval = options.reap_interval;
  config.gateway_grace = options.gateway_grace;
  config.limits = LimitsOf(options);
  config.max_handlers = options.max_handlers;
  config.max_awake = options.max_awake;
  config.store_timeout = options.commit_timeout;
  config.max_attempts = options.max_attempts;
  return config;
}

// For workers, which have another working directory.
std::string WithoutLinks(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::canonical(path, ignored);
}

// The parts of the process, made in the order in which they stand below: each uses those above it, and ends before
// them.
class Statekeeper {
 public:
  Statekeeper(ConfigurationInEffect* in_effect, const RegisterClasses& register_classes, Premises premises);

  // Makes all parts, and starts them. Else what is wrong, in a sentence.
  std::string Start();
  // Until a signal ends it.
  void Serve();

 private:
  bool Register(const Options& options, HubClassRegistry* classes, std::string* wrong) {
    return register_classes_(options, classes, wrong) && apps_.Register(options, classes, wrong);
  }
  // A part of Start each.
  std::string OpenClassesAndStore();
  void MakeLanes();
  void MakeOwnership();
  std::string MakeAppKeeper();
  void MakeServer();
  std::string OpenPorts();

  void Join();
  AdminServer::Readiness Readiness() const;
  // What of a configuration may change while the statekeeper runs. Empty, or what is wrong; nothing has changed
  // then. No change: of the app.
  std::string Change(const Options& options, const std::vector<Configuration::Change>& changes);
  // Makes that version the live one; `done` as AppKeeper::Config::use says.
  void UseApp(std::shared_ptr<WorkerApp> app, std::function<void(std::string)> done);
  void OnReload();
  // Lets requests to the app end that are under way, while hubs go on.
  void EndHttp(Duration patience);
  void StopLanes(Duration patience);

  ConfigurationInEffect* const in_effect_;
  const RegisterClasses& register_classes_;
  const std::shared_ptr<const Configuration> configuration_;  // at the start
  const Options& options_;
  const Premises premises_;

  HubCalls calls_;
  HubApi api_;
  WorkerApps apps_;
  HubClassRegistry classes_;
  std::unique_ptr<StoreFactory> stores_;
  const std::shared_ptr<prometheus::Registry> registry_;
  std::unique_ptr<Tracer> tracer_;
  std::shared_ptr<const LinkGate> gate_;  // of the port, if there is one
  std::optional<GrpcLog> grpc_log_;
  Lease lease_;
  SuspectTurn suspects_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::optional<LaneShards> shards_;
  std::unique_ptr<Ownership> ownership_;
  MainLoop main_loop_;
  std::unique_ptr<AppKeeper>
      app_keeper_;  // of deployed versions; null: the app is a directory of this machine
  std::unique_ptr<LinkService> operators_;
  std::unique_ptr<LinkService> app_service_;
  std::unique_ptr<LinkServer> server_;
  std::atomic<bool> has_joined_{false};
  std::atomic<bool> stopping_{false};
  std::unique_ptr<AdminServer> admin_;
};

Statekeeper::Statekeeper(ConfigurationInEffect* in_effect, const RegisterClasses& register_classes,
                         Premises premises)
    : in_effect_(in_effect),
      register_classes_(register_classes),
      configuration_(in_effect->Get()),
      options_(configuration_->options()),
      premises_(std::move(premises)),
      calls_(premises_.incarnation, premises_.credentials),
      api_(&calls_),
      apps_({.run_directory = WithoutLinks(premises_.run_directory),
             .http_socket = premises_.app_http_socket,
             .lanes = premises_.lanes,
             .caller = &calls_,
             .timeout_ms = options_.worker_timeout.count(),
             .max_memory = options_.worker_memory,
             .call_timeout_ms = options_.call_timeout.count()}),
      registry_(std::make_shared<prometheus::Registry>()) {}

std::string Statekeeper::Start() {
  if (std::string wrong = OpenClassesAndStore(); !wrong.empty()) return wrong;
  MakeLanes();
  MakeOwnership();
  calls_.Use(&*shards_, ownership_.get());
  if (options_.app.empty()) {
    if (std::string wrong = MakeAppKeeper(); !wrong.empty()) return wrong;
  }
  MakeServer();
  for (uint32_t i = 0; i < premises_.lanes; ++i) {
    lanes_[i]->Start(server_->NewGatewayLinks(i, lanes_[i]->loop(), lanes_[i].get())).wait();
  }
  if (std::string wrong = OpenPorts(); !wrong.empty()) {
    StopLanes(Duration(0));
    return wrong;
  }
  if (app_keeper_ == nullptr) {
    Join();
  } else {
    app_keeper_->Start();
  }
  return "";
}

std::string Statekeeper::OpenClassesAndStore() {
  std::string wrong;
  if (!Register(options_, &classes_, &wrong)) return wrong;
  stores_ = OpenStore(StoreConfigOf(options_, premises_.incarnation), &wrong);
  if (stores_ == nullptr) return wrong;
  if (stores_->shared() && options_.advertise.empty() && IsWildcard(options_.listen)) {
    SPDLOG_WARN("Nobody on another host can reach this statekeeper at {}; name it with --advertise",
                options_.listen);
  }
  classes_.UseMetrics(registry_.get());
  tracer_ = NewTracer(options_, "dormouse-statekeeper", fmt::format("{:016x}", premises_.incarnation),
                      registry_.get(), &wrong);
  return wrong;
}

void Statekeeper::MakeLanes() {
  if (!options_.listen.empty())
    gate_ = std::make_shared<LinkGate>(premises_.credentials, premises_.admin_key, registry_.get());
  grpc_log_.emplace([gate = gate_] {
    if (gate != nullptr) gate->CountFailedHandshake();
  });
  std::vector<Lane*> lanes;
  for (uint32_t i = 0; i < premises_.lanes; ++i) {
    Lane::Config config = LaneConfigOf(options_);
    config.lane = i;
    config.suspects = &suspects_;
    config.caller = &calls_;
    config.lease = &lease_;
    config.tracer = tracer_.get();
    config.fenced = [this](const ShardEpoch& shard) { ownership_->Fenced(shard); };
    config.spoken_of = [this](const ShardEpoch& shard) { ownership_->EpochSeen(shard); };
    lanes_.push_back(std::make_unique<Lane>(std::move(config), &classes_, stores_.get(), registry_.get()));
    lanes.push_back(lanes_[i].get());
  }
  shards_.emplace(std::move(lanes), options_.shards);
}

void Statekeeper::MakeOwnership() {
  Ownership::Config config;
  config.id = premises_.incarnation;
  config.address = options_.advertise.empty() ? options_.listen : options_.advertise;
  config.unix_path = premises_.link_socket;
  if (apps_.serves_http()) config.app_http = premises_.app_http_socket;
  config.credentials = premises_.credentials;
  config.lanes = premises_.lanes;
  config.shard_count = options_.shards;
  config.cluster_id = stores_->cluster_id();
  config.member_ttl = options_.member_ttl;
  config.shared = stores_->shared();
  config.classes = Profiles(classes_, false);
  config.publish = [this](link::ShardMap map) { server_->Publish(std::move(map)); };
  config.withdraw = [this] { server_->Withdraw(); };
  config.new_store = [this](struct ev_loop* loop) { return stores_->NewClusterStore(loop); };
  ownership_ = std::make_unique<Ownership>(std::move(config), &lease_, &*shards_, registry_.get());
}

std::string Statekeeper::MakeAppKeeper() {
  AppKeeper::Config config;
  config.member = fmt::format("{:016x}", premises_.incarnation);
  config.directory = std::filesystem::absolute(options_.data) / "app-versions";
  config.taken = NamesOf(classes_);
  config.new_store = [this](struct ev_loop* loop) { return stores_->NewClusterStore(loop); };
  config.start = [this](AppManifest manifest, std::string* wrong) {
    return apps_.Start(std::move(manifest), wrong);
  };
  config.use = [this](std::shared_ptr<WorkerApp> app, std::function<void(std::string)> done) {
    main_loop_.Post([this, app = std::move(app), done = std::move(done)]() mutable {
      UseApp(std::move(app), std::move(done));
    });
  };
  config.settled = [this] { main_loop_.Post([this] { Join(); }); };
  std::string wrong;
  app_keeper_ = AppKeeper::New(std::move(config), &wrong);
  return app_keeper_ == nullptr ? wrong : "";
}

void Statekeeper::MakeServer() {
  operators_ = NewAdminService(premises_.credentials, ownership_.get(), &*shards_, registry_, in_effect_,
                               app_keeper_.get());
  app_service_ = NewAppHttpService(premises_.app_http_socket);
  LinkServer::Config config;
  config.addresses = {"unix:" + premises_.link_socket};
  if (gate_ != nullptr) {
    config.addresses.push_back(options_.listen);
    config.gate = gate_;
  }
  config.incarnation = premises_.incarnation;
  config.lanes = premises_.lanes;
  config.links.gateway_grace = options_.gateway_grace;
  config.links.gateway_buffer = options_.gateway_buffer;
  config.services = {ownership_->service(), operators_.get(), &calls_, &api_, app_service_.get()};
  server_ = NewLinkServer(config);
}

std::string Statekeeper::OpenPorts() {
  std::string wrong;
  if (!server_->Start(&wrong)) return wrong;
  try {
    admin_ = std::make_unique<AdminServer>(
        options_.admin, registry_, [this] { return Readiness(); }, in_effect_);
  } catch (const std::runtime_error& failure) {
    return failure.what();
  }
  return "";
}

void Statekeeper::Serve() {
  const int received = main_loop_.Run([this] { OnReload(); });
  SPDLOG_INFO("signal {}: handing over, and finishing what was begun", received);
  stopping_ = true;
  if (app_keeper_ != nullptr) app_keeper_->Stop();
  const SteadyTime handed_over_by = SteadyClock::now() + options_.stop_timeout;
  EndHttp(options_.stop_timeout / 2);
  if (has_joined_)
    ownership_->HandOver(std::chrono::duration_cast<Duration>(handed_over_by - SteadyClock::now()));
  StopLanes(kStopPatience);
  if (has_joined_) ownership_->Stop();
  std::error_code ignored;
  std::filesystem::remove(premises_.link_socket, ignored);
}

void Statekeeper::Join() {
  has_joined_ = true;
  ownership_->Start();
  SPDLOG_INFO(
      "statekeeper {:016x} joins with {} lanes on {}; admin on port {}", premises_.incarnation,
      premises_.lanes,
      options_.listen.empty() ? premises_.link_socket : options_.listen + " and " + premises_.link_socket,
      admin_->port());
}

AdminServer::Readiness Statekeeper::Readiness() const {
  Fitness fitness{.stopping = stopping_, .membership = ownership_->NotReady()};
  if (!has_joined_ && app_keeper_ != nullptr) {
    const std::string why = app_keeper_->NotSettled();
    fitness.membership = why.empty() ? "it is joining the cluster" : why;
  }
  fitness.membership_store = ownership_->store_report();
  for (const auto& lane : lanes_) fitness.stores.push_back(lane->store_report());
  return JudgeFitness(fitness);
}

std::string Statekeeper::Change(const Options& options, const std::vector<Configuration::Change>& changes) {
  // Hubs in memory are made anew by that: not where only the log changes.
  const bool of_hubs =
      changes.empty() || std::ranges::any_of(changes, [](const Configuration::Change& change) {
        return change.option != "log-level" && change.option != "log-format" &&
               change.option != "trace-sample";
      });
  std::shared_ptr<HubClassRegistry> classes;
  if (of_hubs) {
    classes = std::make_shared<HubClassRegistry>();
    std::string wrong;
    if (!Register(options, classes.get(), &wrong)) return wrong;
    classes->UseMetrics(registry_.get());
    ownership_->ChangeClasses(Profiles(*classes, apps_.any()));
  }
  SetLogging(options.log_level, options.log_format);
  if (tracer_ != nullptr) tracer_->set_share(options.trace_sample);
  for (const auto& lane : lanes_) {
    lane->Post([to = lane.get(), changed = Lane::Changes{.hibernate_after = options.hibernate_after,
                                                         .limits = LimitsOf(options),
                                                         .max_awake = options.max_awake,
                                                         .classes = classes}] { to->Change(changed); });
  }
  return "";
}

void Statekeeper::UseApp(std::shared_ptr<WorkerApp> app, std::function<void(std::string)> done) {
  apps_.Propose(std::move(app));
  const std::string wrong = Change(in_effect_->Get()->options(), {});
  apps_.Propose(nullptr);
  if (!wrong.empty()) return done(wrong);
  ownership_->ChangeAppHttp(apps_.serves_http() ? premises_.app_http_socket : "");
  AfterAll(lanes_, [done = std::move(done)] { done(""); });
}

void Statekeeper::OnReload() {
  if (!in_effect_->Get()->file().empty() || options_.app.empty()) {
    Reload(in_effect_, [this](const Configuration& next, const std::vector<Configuration::Change>& changes) {
      return Change(next.options(), changes);
    });
  }
  const std::shared_ptr<const Configuration> now = in_effect_->Get();
  if (!apps_.HasChanged(now->options())) return;
  if (const std::string wrong = Change(now->options(), {}); !wrong.empty()) SPDLOG_ERROR("{}", wrong);
}

void Statekeeper::EndHttp(Duration patience) {
  if (!apps_.serves_http()) return;
  // Where others serve it, gateways go there from now on.
  if (has_joined_ && ownership_->View()->members.size() > 1) ownership_->ChangeAppHttp("");
  const auto ended = std::make_shared<std::promise<void>>();
  const std::future<void> future = ended->get_future();
  lanes_[0]->Post([app = apps_.current(), ended] { app->EndHttp([ended] { ended->set_value(); }); });
  if (future.wait_for(patience) == std::future_status::ready) return;
  SPDLOG_WARN("requests to the app are broken off: they had half of stop-timeout to end in");
}

void Statekeeper::StopLanes(Duration patience) {
  for (const auto& lane : lanes_) lane->Stop(patience);
}

int Run(ConfigurationInEffect* in_effect, const RegisterClasses& register_classes) {
  RaiseDescriptorLimit();
  KeepSomeFreedMemory();
  std::string wrong;
  std::optional<Premises> premises = Prepare(in_effect->Get()->options(), &wrong);
  if (!premises.has_value()) return Fail(wrong);
  Statekeeper statekeeper(in_effect, register_classes, *std::move(premises));
  wrong = statekeeper.Start();
  if (!wrong.empty()) return Fail(wrong);
  statekeeper.Serve();
  return 0;
}

}  // namespace

int RunStatekeeper(int argc, char** argv, const RegisterClasses& register_classes) {
  umask(S_IRWXG | S_IRWXO);  // state and sockets are for this user alone
  // Every thread inherits this: signals are taken by MainLoop alone.
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
