#include "statekeeper/main_loop.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace dormouse {
namespace {

int OpenSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

}  // namespace

MainLoop::MainLoop() : signals_(OpenSignals()), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (signals_ < 0 || wake_ < 0) throw std::runtime_error("no descriptors are left");
}

MainLoop::~MainLoop() {
  close(signals_);
  close(wake_);
}

void MainLoop::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  const uint64_t one = 1;
  (void)!write(wake_, &one, sizeof(one));
}

int MainLoop::Run(const std::function<void()>& reload) {
  for (;;) {
    std::array<pollfd, 2> both{pollfd{signals_, POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
    poll(both.data(), both.size(), -1);
    signalfd_siginfo received{};
    if (read(signals_, &received, sizeof(received)) == sizeof(received)) {
      if (received.ssi_signo != SIGHUP) return static_cast<int>(received.ssi_signo);
      reload();
    }
    RunTasks();
  }
}

void MainLoop::RunTasks() {
  uint64_t count = 0;
  (void)!read(wake_, &count, sizeof(count));
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (const auto& task : tasks) task();
}

}  // namespace dormouse
