#include "clients/load/engine/crew.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <string>
#include <thread>

#include "clients/load/engine/worker.h"
#include "clients/load/sockets.h"

namespace dormouse::load {

Crew::Crew(const Scenario& scenario, const Settings& settings)
    : workers_(settings.threads * settings.processes),
      bytes_(sizeof(Shared) + workers_ * sizeof(Slot)),
      reports_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  // Zeros are what everything in it begins with; pages that nobody writes to take no memory.
  void* const memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    throw std::runtime_error("there is no memory for " + std::to_string(workers_) + " workers");
  shared_ = static_cast<Shared*>(memory);
  for (uint32_t i = 0; i < workers_; ++i) commanded_.push_back(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const pid_t parent = getpid();
  for (uint32_t process = 0; process < settings.processes; ++process) {
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("a load process cannot be started");
    if (child > 0) {
      processes_.push_back(child);
      continue;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // Ctrl-C is for who directs, who then lets the checks be made.
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    if (getppid() != parent) _exit(1);
    std::vector<std::jthread> threads;
    for (uint32_t thread = 0; thread < settings.threads; ++thread) {
      const uint32_t worker = process * settings.threads + thread;
      threads.emplace_back([&, worker] {
        Work(scenario, settings, worker, &shared_->board, &shared_->slots[worker], commanded_[worker],
             reports_);
      });
    }
    threads.clear();
    _exit(0);
  }
}

Crew::~Crew() {
  for (const pid_t process : processes_) {
    if (!closing_) kill(process, SIGKILL);
    waitpid(process, nullptr, 0);
  }
  for (const int fd : commanded_) close(fd);
  close(reports_);
  munmap(shared_, bytes_);
}

void Crew::Command(Step step) {
  closing_ = closing_ || step == Step::kClose;
  const uint32_t number = (shared_->board.command.load() >> 8) + 1;
  shared_->board.command.store(number << 8 | static_cast<uint32_t>(step));
  const uint64_t one = 1;
  for (const int fd : commanded_) (void)!write(fd, &one, sizeof(one));
}

bool Crew::HaveDone() const {
  const uint32_t command = shared_->board.command.load();
  for (uint32_t i = 0; i < workers_; ++i) {
    if (slot(i).done.load() != command) return false;
  }
  return true;
}

void Crew::Check() {
  for (uint32_t i = 0; i < workers_; ++i) {
    if (slot(i).has_trouble.load()) throw std::runtime_error(slot(i).trouble);
  }
  if (closing_) return;
  for (pid_t& process : processes_) {
    if (waitpid(process, nullptr, WNOHANG) == process) throw std::runtime_error("a load process has ended");
  }
}

void Crew::TakeReports() {
  uint64_t count;
  (void)!read(reports_, &count, sizeof(count));
}

}  // namespace dormouse::load
