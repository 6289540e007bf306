// The other end of a worker's lane, in a test's hands.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "common/temp_dir.h"
#include "common/unix_address.h"
#include "proto/worker.pb.h"

namespace dormouse {

// A listening socket in a directory that goes with it.
class WorkerSocket {
 public:
  WorkerSocket() {
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&address_), sizeof(address_)), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
  }
  WorkerSocket(const WorkerSocket&) = delete;
  WorkerSocket& operator=(const WorkerSocket&) = delete;

  std::string path() const { return directory_ / "lane-0"; }
  // Whoever takes it closes it.
  int listener() const { return listener_; }
  int Connect() const {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address_), sizeof(address_)), 0);
    return fd;
  }

 private:
  const TempDir directory_;
  const sockaddr_un address_ = UnixAddress(path()).value();
  int listener_ = -1;
};

class FakeWorker {
 public:
  explicit FakeWorker(int fd) : fd_(fd) {}
  ~FakeWorker() { Leave(); }
  FakeWorker(const FakeWorker&) = delete;
  FakeWorker& operator=(const FakeWorker&) = delete;

  void Leave() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  static std::string Frame(std::string_view body) {
    std::string frame;
    for (size_t i = 0; i < 4; ++i) frame.push_back(static_cast<char>(body.size() >> (8 * i)));
    return frame.append(body);
  }
  void Write(std::string_view bytes) const {
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  void Say(const worker::FromWorker& message) const { Write(Frame(message.SerializeAsString())); }
  void Greet(bool reads_only = false, uint32_t protocol = 1) const {
    worker::FromWorker message;
    message.mutable_hello()->set_protocol(protocol);
    message.mutable_hello()->set_reads_only(reads_only);
    message.mutable_hello()->set_timers(knows_timers);
    Say(message);
  }
  void EndEvent(const worker::Event& event, const std::string& failure = "") const {
    worker::FromWorker message;
    worker::Turn* const turn = message.add_turns();
    turn->set_object(event.object());
    turn->set_event(event.number());
    turn->set_done(true);
    turn->set_failure(failure);
    Say(message);
  }
  // What has come since, as one message.
  worker::ToWorker Hear() {
    char bytes[65'536];
    for (ssize_t got = 0; (got = recv(fd_, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0;)
      input_.append(bytes, static_cast<size_t>(got));
    worker::ToWorker all;
    while (input_.size() >= 4) {
      size_t size = 0;
      for (size_t i = 0; i < 4; ++i)
        size |= static_cast<size_t>(static_cast<unsigned char>(input_[i])) << (8 * i);
      if (input_.size() < 4 + size) break;
      largest_frame_ = std::max(largest_frame_, size);
      EXPECT_TRUE(all.MergeFromString(input_.substr(4, size)));
      input_.erase(0, 4 + size);
    }
    return all;
  }
  // Whether the other end has closed the connection; what it has sent is passed over.
  bool IsLeft() const {
    char bytes[65'536];
    for (;;) {
      const ssize_t got = recv(fd_, bytes, sizeof(bytes), MSG_DONTWAIT);
      if (got <= 0) return got == 0 || errno == ECONNRESET;
    }
  }
  bool knows_timers = true;  // of the next Greet
  size_t largest_frame() const { return largest_frame_; }

 private:
  int fd_;
  std::string input_;
  size_t largest_frame_ = 0;
};

}  // namespace dormouse
