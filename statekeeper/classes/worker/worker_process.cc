#include "statekeeper/classes/worker/worker_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "common/clock.h"
#include "common/logging.h"

extern char** environ;

namespace dormouse {
namespace {

constexpr int64_t kLookMs = 250;       // at its memory, and whether it is there
constexpr int64_t kFirstPauseMs = 50;  // before it is started again
constexpr int64_t kLongestPauseMs = 5'000;
constexpr int64_t kLivedLongMs = 10'000;  // after which pauses begin anew
constexpr int64_t kStopPatienceMs = 2'000;

uint64_t ResidentBytes(pid_t pid) {
  std::ifstream statm(fmt::format("/proc/{}/statm", pid));
  uint64_t size = 0;
  uint64_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status)) return fmt::format("was ended by signal {}", WTERMSIG(status));
  return fmt::format("has ended with status {}", WEXITSTATUS(status));
}

}  // namespace

WorkerProcess::WorkerProcess(Config config)
    : config_(std::move(config)),
      output_(config_.keeps_output ? std::make_unique<WorkerOutput>() : nullptr) {}

WorkerProcess::~WorkerProcess() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = destroyed_ = true;
    if (pid_ != 0) kill(pid_, SIGKILL);
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void WorkerProcess::Start() {
  thread_ = std::thread([this] { Run(); });
}

void WorkerProcess::Kill(uint32_t number, const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (number != ends_ || pid_ == 0 || killed_ || stopping_) return;  // it ends in its own time
  killed_ = true;
  SPDLOG_ERROR("the worker of {} (pid {}) is ended: {}", config_.name, pid_, why);
  kill(pid_, SIGKILL);
}

void WorkerProcess::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (pid_ != 0) kill(pid_, SIGTERM);
  }
  changed_.notify_all();
}

std::string WorkerProcess::LastWords() {
  std::string words;
  {
    const std::lock_guard lock(mutex_);
    words = first_end_;
  }
  const std::string said = output_ == nullptr ? "" : output_->End();
  return said.empty() ? words : words + (words.empty() ? "" : ":\n") + said;
}

bool WorkerProcess::is_stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void WorkerProcess::Unset(const std::string& variable) {
  const std::lock_guard lock(mutex_);
  config_.environment.erase(variable);
}

bool WorkerProcess::Pause(int64_t ms) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping_; });
  return !stopping_;
}

void WorkerProcess::Run() {
  int64_t pause_ms = kFirstPauseMs;
  for (;;) {
    const int64_t began_ms = SteadyMs();
    pid_t pid = 0;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      pid = pid_ = Spawn();
      killed_ = false;
    }
    if (pid == 0) {
      const std::lock_guard lock(mutex_);
      if (ends_ == 0) first_end_ = "could not be started";
      ++ends_;
    } else {
      const int status = Watch(pid);
      const std::lock_guard lock(mutex_);
      if (ends_ == 0) first_end_ = HowItEnded(status);
      ++ends_;
      pid_ = 0;
      if (stopping_) return;
      SPDLOG_ERROR("the worker of {} (pid {}) {}; another one is started", config_.name, pid,
                   HowItEnded(status));
    }
    if (SteadyMs() - began_ms >= kLivedLongMs) pause_ms = kFirstPauseMs;
    if (!Pause(pause_ms)) return;
    pause_ms = std::min(2 * pause_ms, kLongestPauseMs);
  }
}

pid_t WorkerProcess::Spawn() {
  // It ends with the thread that starts it, whatever becomes of this process.
  std::vector<std::string> words = {"setpriv", "--pdeathsig", "KILL", "--"};
  words.insert(words.end(), config_.command.begin(), config_.command.end());
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::map<std::string, std::string> all = config_.environment;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view text = *each;
    // Our own configuration is none of its business, and may name secrets.
    if (text.starts_with("DORMOUSE_")) continue;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos) all.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  std::vector<std::string> variables;
  variables.reserve(all.size());
  for (const auto& [name, value] : all) variables.push_back(fmt::format("{}={}", name, value));
  std::vector<char*> environment;
  environment.reserve(variables.size() + 1);
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, config_.directory.c_str());
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (const int said = output_ == nullptr ? -1 : output_->write_end(); said >= 0)
    posix_spawn_file_actions_adddup2(&actions, said, STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  const int failed =
      posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments.data(), environment.data());
  if (output_ != nullptr) output_->CloseWriteEnd();  // of those that follow nobody asks
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    SPDLOG_ERROR("the worker of {} could not be started: {}", config_.name, std::strerror(failed));
    return 0;
  }
  SPDLOG_INFO("the worker of {} is started (pid {})", config_.name, pid);
  return pid;
}

int WorkerProcess::Watch(pid_t pid) {
  // By number: Debian 12 declares pidfd_open for C alone.
  pollfd end{static_cast<int>(syscall(SYS_pidfd_open, pid, 0)), POLLIN, 0};
  int64_t stop_by_ms = 0;
  bool told = false;
  for (;;) {
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) != 0) {
      if (end.fd >= 0) close(end.fd);
      return status;
    }
    poll(&end, 1, kLookMs);
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ && stop_by_ms == 0) stop_by_ms = SteadyMs() + kStopPatienceMs;
      if (stopping_ && (destroyed_ || SteadyMs() >= stop_by_ms)) kill(pid, SIGKILL);
    }
    if (config_.max_memory != 0 && !told && ResidentBytes(pid) > config_.max_memory) {
      told = true;
      Kill(ends_, fmt::format("it uses more than worker-memory, {} bytes", config_.max_memory));
    }
  }
}

}  // namespace dormouse
