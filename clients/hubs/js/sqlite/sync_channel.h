// Asks over a unix socket and waits for the answer where it stands, in frames as proto/worker.proto has them: a
// length of 4 bytes, little-endian, and so many bytes.
//
// Used by one thread. When anything fails the channel is closed: an answer that comes late would be taken for that to
// another question.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace dormouse {

class SyncChannel {
 public:
  static constexpr size_t kMaxFrame = 64 << 20;

  SyncChannel() = default;
  ~SyncChannel() { Close(); }
  SyncChannel(const SyncChannel&) = delete;
  SyncChannel& operator=(const SyncChannel&) = delete;

  bool Connect(const std::string& path, std::string* error);
  bool Request(const char* bytes, size_t size, std::chrono::milliseconds timeout, std::string* answer,
               std::string* error);
  // Sends and awaits nothing, such as a greeting.
  bool Send(const char* bytes, size_t size, std::chrono::milliseconds timeout, std::string* error);
  void Close();

 private:
  using Clock = std::chrono::steady_clock;

  bool SendBy(const char* bytes, size_t size, Clock::time_point deadline, std::string* error);
  bool Receive(char* bytes, size_t size, Clock::time_point deadline, std::string* error);
  // Until the socket can be read from, or written to.
  bool Await(int16_t what, Clock::time_point deadline, std::string* error);
  bool Fail(const std::string& error, std::string* said);

  int socket_ = -1;
};

}  // namespace dormouse
