// From sockets to hubs: puts messages together, holds them against their class's rules, and hands them on.
// Control frames are answered here.
//
// What one connection says costs others little, however much it is: of each turn of the loop it gets what one
// read takes (web_sockets.cc); its hub has at most a window of it to deal with, and until it has, the socket
// is read no further; and when memory for messages that come in pieces is short, those go that cost most.
// Messages that came in pieces are handed on as far as a turn has time for them, and the rest in the turns
// that follow: a hundred sockets may have theirs whole in the same one.
//
// On the loop's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "common/ids.h"
#include "gateway/edge/buffers/partial_message.h"
#include "gateway/edge/frames/inflater.h"
#include "gateway/edge/hubs/event_writer.h"
#include "gateway/edge/metrics/gateway_metrics.h"
#include "gateway/edge/outbound/outbound_path.h"
#include "gateway/edge/rules/edge_rules.h"
#include "gateway/edge/sockets/connection_table.h"
#include "gateway/edge/sockets/web_sockets.h"

namespace dormouse::edge {

class Inbound : public WebSockets::Receiver {
 public:
  // All outlive this.
  struct Parts {
    WebSockets* sockets;
    ConnectionTable* table;
    EventWriter* events;
    OutboundPath* out;
    PartialBudget* budget;  // for messages that come in pieces
    GatewayMetrics* metrics;
  };
  // `window`: messages of one connection that its hub has not dealt with.
  Inbound(const Parts& parts, GatewayId gateway, uint32_t window)
      : parts_(parts), gateway_(gateway), window_(window) {}
  Inbound(const Inbound&) = delete;
  Inbound& operator=(const Inbound&) = delete;

  void OnOpen(Connection* connection, std::string_view open_request);
  // It ends: what was whole before that is handed on now.
  void DispatchPending(Connection* connection);
  // Once a turn of the loop: hands on what had to wait. True: more waits, so the next turn is not to wait for
  // an event.
  bool OnTurnEnd();

  // Reads those sockets again whose hubs can take events.
  void OnUncongested();
  // As StatekeeperLinks::Edge's.
  void OnSettled(const EventView& event);
  void set_window(uint32_t window) { window_ = window; }

  // --- For this process's successor. Of a connection whose message awaits its dispatch:
  void SavePending(const Connection& connection, takeover::Partial* to) const;
  // Flags and message are as they were: puts it in line, and among those whose hubs are congested.
  void Restore(Connection* connection, const takeover::Partial& from);

  // WebSockets::Receiver
  void OnPiece(Connection* connection, const FrameReader::Step& piece) override;
  void OnPing(Connection* connection, std::string_view payload) override;
  void OnPong(Connection* connection, std::string_view payload) override;
  void OnPeerClose(Connection* connection, uint16_t code, std::string_view reason) override;
  void OnProtocolError(Connection* connection, uint16_t code, std::string_view what) override;

 private:
  // Bytes of messages from pieces that are handed on in a turn; one message may go beyond it.
  static constexpr size_t kTurnBytes = 256u << 10;

  struct MessageType {
    bool binary;
    bool compressed;
  };
  void OnComplete(Connection* connection, MessageType type);
  void Dispatch(Connection* connection, MessageType type);
  void OnMessage(Connection* connection, std::string_view message, MessageType type);
  void OnCompressed(Connection* connection, std::string_view compressed, bool binary);
  void OnText(Connection* connection, std::string_view message, bool binary);
  void OnOversized(Connection* connection, std::string_view head, uint64_t size);
  bool AppendToPartial(Connection* connection, std::string_view piece);
  bool IsWithinRateLimit(Connection* connection, std::string_view message);
  void OnRateLimited(Connection* connection, std::string_view message, double rate);
  bool MayReply(Connection* connection);
  void Answer(Connection* connection, std::string_view text);
  void Forward(Connection* connection, EventKind kind, std::string_view message);
  bool IsWindowUsed(const Connection& connection, uint32_t part) const;
  void ResumeReading(Connection* connection);
  TemplateValues Values(const Connection& connection) const;

  const Parts parts_;
  const GatewayId gateway_;
  uint32_t window_;
  Inflater inflater_;
  std::vector<uint64_t> congested_;  // handles; each at most once
  struct Complete {
    uint64_t handle;
    MessageType type;
  };
  std::deque<Complete> complete_;  // of those that await their dispatch; the next first
  size_t turn_budget_ = kTurnBytes;
};

}  // namespace dormouse::edge
