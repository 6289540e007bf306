#include "statekeeper/classes/worker/worker_app.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "common/auth/private_directory.h"
#include "common/clock.h"
#include "common/ids.h"
#include "common/logging.h"
#include "common/test_clock.h"
#include "common/unix_address.h"

namespace dormouse {
namespace {

// How long the hubs of a former version may take to end what they have begun.
constexpr auto kFarewell = std::chrono::seconds(10);
constexpr char kHttpVariable[] = "DORMOUSE_WORKER_HTTP";

int ListenAt(const std::string& path, std::string* error) {
  const auto address = UnixAddress(path);
  if (!address.has_value()) {
    *error = "the path " + path + " is too long for a socket; choose a shorter --data";
    return -1;
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  unlink(path.c_str());
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0 ||
      listen(fd, 16) != 0) {
    *error = "cannot listen on " + path + ": " + std::strerror(errno);
    if (fd >= 0) close(fd);
    return -1;
  }
  return fd;
}

}  // namespace

std::shared_ptr<WorkerApp> WorkerApp::New(Config config, std::string* error) {
  std::shared_ptr<WorkerApp> app(new WorkerApp(std::move(config)));
  if (!app->Listen(error)) return nullptr;
  WorkerProcess::Config process;
  process.name = fmt::format("app {} ({})", app->manifest().name, app->manifest().version);
  process.directory = app->manifest().directory;
  process.command = app->manifest().command;
  process.environment = app->manifest().environment;
  process.environment["DORMOUSE_WORKER_SOCKETS"] = app->directory_;
  process.environment["DORMOUSE_WORKER_LANES"] = std::to_string(app->config_.lanes);
  if (app->manifest().http) process.environment[kHttpVariable] = app->http_place();
  if (const char* clock = std::getenv(kTestClockVariable); clock != nullptr)
    process.environment[kTestClockVariable] = std::filesystem::absolute(clock);
  process.keeps_output = app->config_.keeps_output;
  process.max_memory = app->config_.max_memory;
  app->process_ = std::make_unique<WorkerProcess>(std::move(process));
  return app;
}

bool WorkerApp::Listen(std::string* error) {
  directory_ = config_.run_directory + "/w" + NewSecretHex(4);
  if (!MakePrivateDirectory(directory_, error)) return false;
  for (uint32_t lane = 0; lane < config_.lanes; ++lane) {
    const int fd = ListenAt(fmt::format("{}/lane-{}", directory_, lane), error);
    if (fd < 0) return false;
    seats_.push_back({fd, 0, nullptr});
  }
  return true;
}

WorkerApp::~WorkerApp() {
  {
    const std::lock_guard lock(farewell_mutex_);
    ended_ = true;
  }
  farewell_changed_.notify_all();
  if (farewell_.joinable()) farewell_.join();
  process_.reset();
  for (const Seat& seat : seats_) {
    if (seat.lane == nullptr && seat.listener >= 0) close(seat.listener);
  }
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

// It connects when its code is loaded; nobody accepts it before this version is used.
bool WorkerApp::IsUp() const { return IsUpWithin(0); }

bool WorkerApp::IsUpWithin(int patience_ms) const {
  pollfd first{seats_[0].listener, POLLIN, 0};
  return poll(&first, 1, patience_ms) == 1;
}

bool WorkerApp::AwaitReady(int64_t patience_ms) const {
  const int64_t until_ms = SteadyMs() + patience_ms;
  for (;;) {
    if (IsUpWithin(20)) return true;
    if (has_failed() || SteadyMs() >= until_ms) return false;
  }
}

std::string WorkerApp::http_place() const {
  return config_.http_socket.empty() ? directory_ + "/http" : config_.http_socket;
}

void WorkerApp::Supersede() {
  const std::lock_guard lock(farewell_mutex_);
  if (farewell_.joinable()) return;
  superseded_ = true;
  // One that is started for the hubs that are left must not serve in the stead of the version that is live.
  process_->Unset(kHttpVariable);
  farewell_ = std::thread([this] {
    std::unique_lock waiting(farewell_mutex_);
    farewell_changed_.wait_for(waiting, kFarewell, [this] { return ended_; });
    process_->Stop();
  });
}

void WorkerApp::BeginLane(uint32_t lane, struct ev_loop* loop) {
  const std::lock_guard lock(mutex_);
  Seat& seat = seats_.at(lane);
  if (seat.users++ > 0) return;
  WorkerLane::Config config;
  config.app = manifest().name;
  config.lane = lane;
  config.listener = std::exchange(seat.listener, -1);
  config.timeout_ms = config_.timeout_ms;
  config.call_timeout_ms = config_.call_timeout_ms;
  config.caller = config_.caller;
  config.process = [process = process_.get()] { return process->ends(); };
  config.kill = [process = process_.get()](uint32_t number, const std::string& why) {
    process->Kill(number, why);
  };
  config.suspect_lane = suspect_lane_;
  config.is_over = [process = process_.get()] { return process->is_stopping(); };
  seat.lane = std::make_shared<WorkerLane>(std::move(config), loop);
}

void WorkerApp::EndLane(uint32_t lane) {
  std::shared_ptr<WorkerLane> ended;
  {
    const std::lock_guard lock(mutex_);
    Seat& seat = seats_.at(lane);
    if (--seat.users > 0) return;
    ended = std::move(seat.lane);
  }
  // Another lane may have hubs there still, and a worker ends with the first of its connections.
  if (superseded_) {
    ended->Leave();
  } else {
    process_->Stop();  // it is to end with its connections
    ended->Close();
  }
}

void WorkerApp::EndHttp(std::function<void()> done) {
  const std::shared_ptr<WorkerLane> first = lane(0);
  if (first == nullptr) return done();
  first->EndHttp(std::move(done));
}

std::shared_ptr<WorkerLane> WorkerApp::lane(uint32_t lane) {
  const std::lock_guard lock(mutex_);
  return seats_.at(lane).lane;
}

}  // namespace dormouse
