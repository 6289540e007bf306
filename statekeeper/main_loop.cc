#include "statekeeper/main_loop.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

namespace dormouse {
namespace {

int OpenSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

// While the main loop runs.
struct SignalWatch {
  ev_io io;
  TaskQueue* tasks;
  const std::function<void()>& reload;
  int end = 0;  // the signal that ends the process

  void Read(struct ev_loop* loop) {
    signalfd_siginfo received{};
    if (read(io.fd, &received, sizeof(received)) != sizeof(received)) return;
    if (received.ssi_signo == SIGHUP) return reload();
    end = static_cast<int>(received.ssi_signo);
    tasks->Close();
    ev_break(loop, EVBREAK_ALL);
  }
};

}  // namespace

MainLoop::MainLoop()
    : signals_(OpenSignals()), loop_(ev_loop_new(EVBACKEND_EPOLL), ev_loop_destroy), tasks_(loop_.get()) {
  if (signals_ < 0) throw std::runtime_error("no descriptors are left");
}

MainLoop::~MainLoop() {
  tasks_.Close();
  close(signals_);
}

int MainLoop::Run(const std::function<void()>& reload) {
  SignalWatch watch{.io = {}, .tasks = &tasks_, .reload = reload};
  ev_io_init(
      &watch.io,
      [](struct ev_loop* loop, ev_io* io, int) { static_cast<SignalWatch*>(io->data)->Read(loop); }, signals_,
      EV_READ);
  watch.io.data = &watch;
  ev_io_start(loop_.get(), &watch.io);
  ev_run(loop_.get(), 0);
  ev_io_stop(loop_.get(), &watch.io);
  return watch.end;
}

}  // namespace dormouse
