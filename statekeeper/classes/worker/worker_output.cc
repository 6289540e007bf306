#include "statekeeper/classes/worker/worker_output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>

namespace dormouse {
namespace {

constexpr size_t kLongestLine = 8u << 10;  // one that is longer is passed on in parts
constexpr auto kPatience = std::chrono::milliseconds(300);

}  // namespace

WorkerOutput::WorkerOutput(int into) : into_(into), stop_(eventfd(0, EFD_CLOEXEC)) {
  std::array<int, 2> ends{-1, -1};
  if (stop_ >= 0 && pipe2(ends.data(), O_CLOEXEC) == 0) {
    read_end_ = ends[0];
    write_end_ = ends[1];
    fcntl(read_end_, F_SETFL, O_NONBLOCK);
    thread_ = std::thread([this] { Run(); });
  } else {
    is_over_ = true;
  }
}

WorkerOutput::~WorkerOutput() {
  CloseWriteEnd();
  const uint64_t one = 1;
  if (stop_ >= 0) (void)!write(stop_, &one, sizeof(one));
  if (thread_.joinable()) thread_.join();
  if (read_end_ >= 0) close(read_end_);
  if (stop_ >= 0) close(stop_);
}

void WorkerOutput::CloseWriteEnd() {
  if (write_end_ >= 0) close(write_end_);
  write_end_ = -1;
}

std::string WorkerOutput::End() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kPatience, [this] { return is_over_; });
  std::string_view end = kept_;
  while (end.ends_with('\n')) end.remove_suffix(1);
  return std::string(end);
}

void WorkerOutput::Run() {
  std::array<char, 16u << 10> buffer;
  for (;;) {
    std::array<pollfd, 2> both{pollfd{read_end_, POLLIN, 0}, pollfd{stop_, POLLIN, 0}};
    poll(both.data(), both.size(), -1);
    const ssize_t got = read(read_end_, buffer.data(), buffer.size());
    if (got > 0) {
      Take({buffer.data(), static_cast<size_t>(got)});
      continue;
    }
    const bool is_empty = got < 0 && (errno == EAGAIN || errno == EINTR);
    if (!is_empty || both[1].revents != 0) break;
  }
  PassOn(waiting_.size());
  const std::lock_guard lock(mutex_);
  is_over_ = true;
  changed_.notify_all();
}

void WorkerOutput::Take(std::string_view bytes) {
  {
    const std::lock_guard lock(mutex_);
    kept_.append(bytes);
    if (kept_.size() > kKept) kept_.erase(0, kept_.size() - kKept);
  }
  waiting_.append(bytes);
  const size_t line = waiting_.rfind('\n');
  if (line != std::string::npos) PassOn(line + 1);
  if (waiting_.size() > kLongestLine) PassOn(waiting_.size());
}

void WorkerOutput::PassOn(size_t size) {
  std::string_view rest(waiting_.data(), size);
  while (!rest.empty()) {
    const ssize_t wrote = write(into_, rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) break;  // nobody can be told
    rest.remove_prefix(static_cast<size_t>(wrote));
  }
  waiting_.erase(0, size);
}

}  // namespace dormouse
