// A gateway that takes over from the one that runs: finds it, hears whether that can be, asks for its state, and
// decides, once it has all of it (decision.h).
//
// One thread; calls wait for the other process, some seconds at most.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gateway/takeover/channel.h"
#include "gateway/takeover/decision.h"
#include "gateway/takeover/state_reader.h"
#include "proto/takeover.pb.h"

namespace dormouse::takeover {

class TakingOver : private StateReader::Source {
 public:
  // Greets the gateway at that socket. `self`: what it says of itself, but for versions. nullptr: it cannot be, and
  // `*wrong` is a sentence.
  static std::unique_ptr<TakingOver> Begin(const std::string& path, Hello self, std::string* wrong);
  ~TakingOver() override;
  TakingOver(const TakingOver&) = delete;
  TakingOver& operator=(const TakingOver&) = delete;

  const std::string& identity() const { return welcome_.identity(); }

  // Asks for the state. From here on the other stands still. The first item has been taken: ports(). `shards`: of the
  // cluster. nullptr: `*wrong`.
  StateReader* Ask(uint32_t shards, std::string* wrong);
  // With their descriptors, in the order that Ports says; each the caller's once it was taken.
  const Ports& ports() const { return ports_; }
  int TakePort(size_t place);

  // All of the state was read: it is this process that serves, from here on. False: it is not, `*wrong`.
  bool Take(uint64_t sockets, std::string* wrong);
  // It does not take over. The other goes on at once, and logs why.
  void Refuse(const std::string& why);

 private:
  explicit TakingOver(Channel channel) : channel_(std::move(channel)) {}
  bool Next(Chunk* chunk, std::vector<int>* descriptors, std::string* wrong) override;
  bool Receive(ToSuccessor* message, std::vector<int>* descriptors, int64_t deadline_ms, std::string* wrong);
  void Send(const FromSuccessor& message);

  Channel channel_;
  Welcome welcome_;
  Ports ports_;
  std::vector<int> port_descriptors_;
  StateReader reader_{this};
  std::unique_ptr<Decision> decision_;
  int64_t deadline_ms_ = 0;  // of the whole
  std::string bytes_;
};

}  // namespace dormouse::takeover
