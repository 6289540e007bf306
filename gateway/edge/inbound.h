// From sockets to hubs: puts messages together, holds them against their class's rules, and hands them on.
//
// What one connection says costs others little, however much it is: of each turn of the loop it gets what one
// read takes (web_sockets.cc); its hub has at most a window of it to deal with, and until it has, the socket
// is read no further; and when memory for messages that come in pieces is short, those go that cost most.
//
// On the loop's thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/ids.h"
#include "gateway/edge/connection_table.h"
#include "gateway/edge/edge_rules.h"
#include "gateway/edge/event_writer.h"
#include "gateway/edge/gateway_metrics.h"
#include "gateway/edge/outbound.h"
#include "gateway/edge/partial_message.h"
#include "gateway/edge/web_sockets.h"

namespace dormouse {

class Inbound {
 public:
  // All outlive this; `budget`: for messages that come in pieces. `window`: messages of one connection.
  Inbound(GatewayId gateway, uint32_t window, ConnectionTable* table, EventWriter* events, Outbound* outbound,
          PartialBudget* budget, GatewayMetrics* metrics)
      : gateway_(gateway),
        window_(window),
        table_(table),
        events_(events),
        outbound_(outbound),
        budget_(budget),
        metrics_(metrics) {}

  void OnOpen(Connection* connection, std::string_view open_request);
  void OnPiece(Connection* connection, const WebSockets::Piece& piece);

  // Reads those sockets again whose hubs can take events.
  void OnUncongested();
  // As StatekeeperLinks::Edge's.
  void OnSettled(const EventView& event);

 private:
  void OnMessage(Connection* connection, std::string_view message, bool binary);
  void OnOversized(Connection* connection, std::string_view head, uint64_t size);
  bool AppendToPartial(Connection* connection, std::string_view piece);
  bool TakeToken(Connection* connection, std::string_view message);
  void OnOverLimit(Connection* connection, std::string_view message, double rate);
  bool MayTell(Connection* connection);
  void Answer(Connection* connection, std::string_view text);
  void Forward(Connection* connection, EventKind kind, std::string_view message);
  bool IsWindowUsed(const Connection& connection, uint32_t part) const;
  void ReadAgain(Connection* connection);
  TemplateValues Values(const Connection& connection) const;

  const GatewayId gateway_;
  const uint32_t window_;
  ConnectionTable* table_;
  EventWriter* events_;
  Outbound* outbound_;
  PartialBudget* budget_;
  GatewayMetrics* metrics_;
  std::vector<uint64_t> congested_;  // handles; each at most once
};

}  // namespace dormouse
