// The edge's part of what a gateway hands to its successor (gateway/takeover/): classes, connections with all that hangs
// off them, and visitors whose request has not come whole.
//
// What a connection consists of is in connection.h; a member that is added there belongs here, too, and
// edge_state_test.cc.
//
// On the loop's thread.
#pragma once

#include <cstdint>
#include <optional>

#include "common/loop/loop_timers.h"
#include "gateway/edge/buffers/frame_state.h"
#include "gateway/edge/buffers/outbound_budget.h"
#include "gateway/edge/buffers/partial_message.h"
#include "gateway/edge/door/http_server.h"
#include "gateway/edge/door/router.h"
#include "gateway/edge/hubs/hub_sockets.h"
#include "gateway/edge/inbound/inbound.h"
#include "gateway/edge/outbound/outbound_path.h"
#include "gateway/edge/rules/socket_answers.h"
#include "gateway/edge/sockets/connection_table.h"
#include "gateway/edge/sockets/web_sockets.h"
#include "gateway/takeover/state_reader.h"
#include "gateway/takeover/state_writer.h"

namespace dormouse::edge {

class EdgeState {
 public:
  // All outlive this.
  struct Parts {
    Router* router;
    HttpServer* http;
    ConnectionTable* table;
    HubSockets* hub_sockets;
    WebSockets* sockets;
    OutboundPath* out;
    Inbound* inbound;
    LoopTimers* timers;
    SocketAnswers* answers;
    PartialBudget* partial_budget;
    OutboundBudget* outbound_budget;
  };
  explicit EdgeState(const Parts& parts) : parts_(parts) {}

  // At the end of a turn. Changes nothing.
  void Save(takeover::StateWriter* writer) const;

  // --- In an edge that has had no connection yet, and knows the classes' profiles; nobody is told of anything.
  // False: that is no item of the edge's. What is wrong with it the reader is told.
  bool Restore(const takeover::Item& item, takeover::StateReader* reader);
  // There are no more items.
  void Finish();
  uint64_t visitors() const { return visitors_; }  // that were restored

 private:
  void SaveConnection(Connection* connection, takeover::StateWriter* writer) const;
  void RestoreConnection(const takeover::Connection& from, takeover::StateReader* reader);
  void RestoreVisitor(const takeover::Visitor& from, takeover::StateReader* reader);
  // All frames of the last connection are there.
  void FinishConnection();

  const Parts parts_;
  std::optional<RestoredFrames> frames_;
  Connection* last_ = nullptr;  // that was restored
  bool is_scheduled_ = false;   // it
  uint64_t visitors_ = 0;
};

}  // namespace dormouse::edge
