// The gateway that runs, and has a successor to whom it gives everything: listens at a socket in its data directory,
// tells who asks whether that can be, and then hands over at the end of a turn of the loop, in one go: what happens in
// which order, and who serves when something goes wrong, is in decision.h.
//
// While it hands over, the loop stands still; a few seconds at most. Where it does not come to an end, the gateway
// goes on as if nothing had happened, but for that pause.
//
// On the loop's thread.
#pragma once

#include <ev.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/takeover/channel.h"
#include "gateway/takeover/decision.h"
#include "gateway/takeover/state_writer.h"
#include "proto/takeover.pb.h"

namespace dormouse::takeover {

// The socket of the gateway with that admin port: DATA/gateways/PORT.sock. Empty: the address names no port.
std::string SocketPath(const std::string& data, const std::string& admin);

class HandingOver : private StateWriter::Sink {
 public:
  // How a take-over went, for who counts.
  enum class Outcome {
    kDone,
    kRefused,  // by either side, before anything stopped
    kFailed,   // this gateway goes on
  };
  struct Report {
    Outcome outcome = Outcome::kRefused;
    std::string why;       // not kDone: a sentence
    int64_t pause_ms = 0;  // for which the loop stood still
    int successor = 0;     // kDone: its pid
  };
  // What is handed over.
  struct Gateway {
    std::string identity;
    // Why it cannot be now, a sentence; empty: it can.
    std::function<std::string()> why_not;
    std::function<uint32_t()> shards;       // of the cluster; 0: not known yet
    std::function<uint64_t()> descriptors;  // that will be handed over
    std::function<std::vector<int>()>
        ports;  // clients', admin's, backends': those that there are (proto/takeover.proto, Ports)
    // Whether all is as it should be when it is handed over. False: something is about to come to its end, and is
    // waited for, for half a second at most.
    std::function<bool()> is_settled;
    // Writes all that the successor needs, but for ports and the end of it.
    std::function<void(const std::vector<int>& ports, StateWriter* writer)> save;
    // Somebody else serves.
    std::function<void()> leave;
    std::function<void(const Report&)> report;
  };

  // `self`: as a successor would have to say it. `path` can be in the way of nobody who lives: admin ports are
  // exclusive. `loop` outlives this.
  HandingOver(struct ev_loop* loop, std::string path, Hello self, Gateway gateway);
  ~HandingOver() override;
  HandingOver(const HandingOver&) = delete;
  HandingOver& operator=(const HandingOver&) = delete;

  // Listens; empty, or why it cannot.
  std::string Listen();

 private:
  void OnVisitor();
  void OnPacket();
  void OnHello(const Hello& hello);
  void OnAsk(const Ask& ask);
  void Refuse(Channel* channel, std::string why);
  void Tell(Outcome outcome, std::string why, int64_t begun_ms = 0);
  void EndVisit();
  void HandOver();
  // Whether the successor has taken it. False: this one has withdrawn, for the reason given.
  bool IsTaken(Decision* decision, std::string* why);
  bool Take(const Chunk& chunk, std::span<const int> descriptors) override;

  struct ev_loop* const loop_;
  const std::string path_;
  const Hello self_;
  const Gateway gateway_;
  int listening_ = -1;
  bool left_ = false;
  Channel channel_;
  bool greeted_ = false;
  int64_t settle_by_ms_ = 0;
  int64_t deadline_ms_ = 0;  // of the hand-over
  ev_io visitor_;
  ev_io packet_;
  ev_timer patience_;
  ev_timer settling_;  // makes the loop turn
  ev_prepare turn_end_;
  std::string packet_bytes_;
};

}  // namespace dormouse::takeover
