#include "clients/load/commands.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

namespace dormouse::load {

Commands::Commands() {
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGTERM);
  sigaddset(&stops, SIGINT);
  sigprocmask(SIG_BLOCK, &stops, nullptr);
  signals_ = signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK);
}

Commands::~Commands() { close(signals_); }

void Commands::Await(int other, int timeout_ms) {
  pollfd watched[] = {{other, POLLIN, 0}, {signals_, POLLIN, 0}, {ended_ ? -1 : STDIN_FILENO, POLLIN, 0}};
  if (poll(watched, 3, timeout_ms) <= 0) return;
  if (watched[1].revents != 0) {
    signalfd_siginfo info{};
    signalled_ = read(signals_, &info, sizeof(info)) > 0 || signalled_;
  }
  if (watched[2].revents != 0) Read();
}

void Commands::Read() {
  char buffer[4096];
  const ssize_t got = read(STDIN_FILENO, buffer, sizeof(buffer));
  if (got > 0) {
    text_.append(buffer, static_cast<size_t>(got));
  } else {
    ended_ = true;
  }
}

std::vector<std::string> Commands::TakeLines() {
  std::vector<std::string> lines;
  for (size_t end; (end = text_.find('\n')) != std::string::npos; text_.erase(0, end + 1)) {
    lines.push_back(text_.substr(0, end));
  }
  return lines;
}

}  // namespace dormouse::load
