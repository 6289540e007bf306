// From sockets to hubs: puts messages together, holds them against their class's rules, and hands them on.
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
  // All outlive this; `budget`: for messages that come in pieces.
  Inbound(GatewayId gateway, ConnectionTable* table, EventWriter* events, Outbound* outbound,
          PartialBudget* budget, GatewayMetrics* metrics)
      : gateway_(gateway),
        table_(table),
        events_(events),
        outbound_(outbound),
        budget_(budget),
        metrics_(metrics) {}

  void OnOpen(Connection* connection, std::string_view open_request);
  void OnPiece(Connection* connection, const WebSockets::Piece& piece);

  // Reads those sockets again whose hubs can take events.
  void OnUncongested();

 private:
  void OnMessage(Connection* connection, std::string_view message, bool binary);
  void OnOversized(Connection* connection, uint64_t size);
  bool TakeToken(Connection* connection, std::string_view message);
  void Append(Connection* connection, EventKind kind, std::string_view payload);
  TemplateValues Values(const Connection& connection) const;

  const GatewayId gateway_;
  ConnectionTable* table_;
  EventWriter* events_;
  Outbound* outbound_;
  PartialBudget* budget_;
  GatewayMetrics* metrics_;
  std::vector<uint64_t> congested_;  // handles; each at most once
};

}  // namespace dormouse
