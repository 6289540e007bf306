// dormouse-statekeeper: opens the store, takes the shards, runs a lane per core and serves gateways.

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "common/admin_server.h"
#include "common/ids.h"
#include "common/logging.h"
#include "common/options.h"
#include "common/token_authority.h"
#include "statekeeper/classes/echo/echo_class.h"
#include "statekeeper/classes/signal/signal_class.h"
#include "statekeeper/hub/registry.h"
#include "statekeeper/link/link_server.h"
#include "statekeeper/runtime/lane.h"
#include "statekeeper/store/store.h"

namespace dormouse {
namespace {

constexpr Duration kStopPatience{5'000};

int Fail(const std::string& message) {
  SPDLOG_ERROR("{}", message);
  std::fprintf(stderr, "dormouse-statekeeper: %s\n", message.c_str());
  return 1;
}

// "file" alone: in the data directory.
std::string StoreUrl(const Options& options) {
  return options.store == "file" ? "file:" + options.data + "/dormouse.db" : options.store;
}

link::ShardMap MapOf(const Options& options, const HubClassRegistry& classes, uint64_t incarnation,
                     uint32_t lanes, const std::string& unix_path, const std::vector<uint32_t>& epochs) {
  link::ShardMap map;
  map.set_version(1);
  map.set_shard_count(options.shards);
  link::Member* member = map.add_members();
  member->set_incarnation(incarnation);
  member->set_lanes(lanes);
  member->set_address(options.advertise.empty() ? options.listen : options.advertise);
  member->set_unix_path(unix_path);
  for (const uint32_t epoch : epochs) {
    map.add_owner(0);
    map.add_epoch(epoch);
  }
  for (const auto& [name, hub_class] : classes.all()) *map.add_classes() = hub_class->profile();
  return map;
}

int Run(const Options& options) {
  const uint64_t incarnation = NewGatewayId();
  const uint32_t lane_count = std::min(
      options.shards, options.lanes != 0 ? options.lanes : std::max(1u, std::thread::hardware_concurrency()));

  std::error_code error_code;
  const std::filesystem::path run_directory = std::filesystem::absolute(options.data) / "run";
  std::filesystem::create_directories(run_directory, error_code);
  // Whoever can reach a socket in it is taken for an operator.
  if (!error_code) std::filesystem::permissions(run_directory, std::filesystem::perms::owner_all, error_code);
  if (error_code) {
    return Fail(fmt::format("cannot create {} for this user alone: {}; choose another directory with --data",
                            run_directory.string(), error_code.message()));
  }
  const std::string unix_path =
      (run_directory / fmt::format("statekeeper-{:016x}.sock", incarnation)).string();

  std::string error;
  std::unique_ptr<TokenAuthority> authority;
  if (options.auth_algorithm != "none") {
    authority = NewTokenAuthority(options, &error);
    if (authority == nullptr) return Fail(error);
  }

  HubClassRegistry classes;
  classes.Register(NewEchoClass(options));
  classes.Register(NewSignalClass(options, authority.get()));

  StoreConfig store_config;
  store_config.url = StoreUrl(options);
  store_config.key_prefix = options.store_prefix;
  store_config.timeout = options.commit_timeout;
  store_config.owner = fmt::format("{:016x}", incarnation);
  store_config.shard_count = options.shards;
  const std::unique_ptr<StoreFactory> stores = OpenStore(store_config, &error);
  if (stores == nullptr) return Fail(error);

  auto registry = std::make_shared<prometheus::Registry>();
  LinkServer::Config server_config;
  server_config.addresses = {options.listen, "unix:" + unix_path};
  server_config.incarnation = incarnation;
  server_config.lanes = lane_count;
  server_config.links.gateway_grace = options.gateway_grace;
  const std::unique_ptr<LinkServer> server = NewLinkServer(server_config);

  std::atomic<bool> deposed{false};
  std::vector<std::unique_ptr<Lane>> lanes;
  std::vector<std::future<std::vector<ShardRecord>>> started;
  for (uint32_t i = 0; i < lane_count; ++i) {
    Lane::Config config;
    config.lane = i;
    config.owner = store_config.owner;
    for (uint32_t shard = i; shard < options.shards; shard += lane_count)
      config.shards.push_back(static_cast<ShardId>(shard));
    config.shard_count = options.shards;
    config.hibernate_after = options.hibernate_after;
    config.reap_interval = options.reap_interval;
    config.gateway_grace = options.gateway_grace;
    config.limits = {.max_attachment = options.max_attachment, .max_state = options.max_state};
    config.deposed = [&deposed] {
      if (!deposed.exchange(true)) kill(getpid(), SIGTERM);
    };
    lanes.push_back(std::make_unique<Lane>(std::move(config), &classes, stores.get(), registry.get()));
    started.push_back(lanes[i]->Start(server->NewGatewayLinks(i, lanes[i]->loop(), lanes[i].get())));
  }
  const auto stop_lanes = [&lanes](Duration patience) {
    for (const auto& lane : lanes) lane->Stop(patience);
  };

  std::vector<uint32_t> epochs(options.shards);
  for (uint32_t i = 0; i < lane_count; ++i) {
    const std::vector<ShardRecord> records = started[i].get();
    if (records.empty()) {
      stop_lanes(Duration(0));
      return Fail(fmt::format("the store at {} did not hand over the shards within {}; see the log above",
                              options.store, FormatDuration(options.commit_timeout)));
    }
    for (size_t k = 0; k < records.size(); ++k) epochs[i + k * lane_count] = records[k].epoch;
  }

  if (!server->Start(&error)) {
    stop_lanes(Duration(0));
    return Fail(error);
  }
  server->Publish(MapOf(options, classes, incarnation, lane_count, unix_path, epochs));

  std::atomic<bool> stopping{false};
  std::unique_ptr<AdminServer> admin;
  try {
    admin = std::make_unique<AdminServer>(options.admin, registry, [&] {
      AdminServer::Readiness readiness{true, ""};
      if (stopping) readiness = {false, "stopping"};
      for (const auto& lane : lanes) {
        if (!lane->store_healthy()) readiness = {false, "the store does not answer"};
      }
      return readiness;
    });
  } catch (const std::runtime_error& failure) {
    stop_lanes(Duration(0));
    return Fail(failure.what());
  }
  SPDLOG_INFO("statekeeper {:016x} serves {} shards in {} lanes on {} and {}; admin on port {}", incarnation,
              options.shards, lane_count, options.listen, unix_path, admin->port());

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  int received = 0;
  sigwait(&signals, &received);
  if (deposed) {
    SPDLOG_ERROR(
        "Another statekeeper has taken shards of this one, or the store was emptied. One store is for one "
        "statekeeper; this one ends");
  } else {
    SPDLOG_INFO("signal {}: finishing what was begun", received);
  }
  stopping = true;
  stop_lanes(kStopPatience);
  std::filesystem::remove(unix_path, error_code);
  return deposed ? 1 : 0;
}

}  // namespace
}  // namespace dormouse

int main(int argc, char** argv) {
  dormouse::Options options;
  const int status = dormouse::ParseOptions(argc, argv, dormouse::Process::kStatekeeper, &options);
  if (status >= 0) return status;
  dormouse::InitLogging("statekeeper", options.log_level);

  // Every thread inherits this: signals are taken by sigwait in Run alone.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return dormouse::Run(options);
}
