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
#include "gateway/edge/web_sockets.h"

namespace dormouse {

class Inbound {
 public:
  Inbound(GatewayId gateway, ConnectionTable* table, EventWriter* events, Outbound* outbound,
          GatewayMetrics* metrics)
      : gateway_(gateway), table_(table), events_(events), outbound_(outbound), metrics_(metrics) {}

  void OnOpen(Connection* connection, std::string_view open_request);
  void OnPiece(Connection* connection, const WebSockets::Piece& piece);

  // Reads those sockets again whose hubs can take events.
  void OnUncongested();

 private:
  void Collect(Connection* connection, const WebSockets::Piece& piece);
  void OnMessage(Connection* connection, std::string_view message);
  void OnOversized(Connection* connection);
  bool TakeToken(Connection* connection, std::string_view message);
  void Append(Connection* connection, EventKind kind, std::string_view payload);
  TemplateValues Values(const Connection& connection) const;

  const GatewayId gateway_;
  ConnectionTable* table_;
  EventWriter* events_;
  Outbound* outbound_;
  GatewayMetrics* metrics_;
  std::vector<uint64_t> congested_;  // handles; each at most once
};

}  // namespace dormouse
