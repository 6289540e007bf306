#include "gateway/edge/edge_server.h"

#include <random>
#include <utility>

#include "common/clock.h"
#include "gateway/edge/door/replies.h"
#include "gateway/edge/sockets/admission_timeout.h"

namespace dormouse::edge {
namespace {

// How often one that has left looks whether somebody is still answered here.
constexpr double kLeaveLookS = 0.02;

}  // namespace

EdgeServer::EdgeServer(Config config, struct ev_loop* loop, GatewayMetrics* metrics)
    : drain_window_ms_(config.drain_window_ms),
      loop_(loop),
      metrics_(metrics),
      partial_budget_(config.inbound_buffer),
      outbound_budget_{.limit = config.outbound_buffer},
      http_(std::move(config.http), loop, &router_, this, metrics),
      table_(std::random_device()() * uint64_t{0x9e37'79b9'7f4a'7c15}),
      wheel_(loop, ConnectionTimers::kTickMs, ConnectionTimers::kSlots,
             [this](TimerNode* node) {
               if (!has_left()) timers_.OnTimer(static_cast<Connection*>(node));
             }),
      sockets_(loop, this),
      events_(metrics),
      roll_call_(&table_, &hub_sockets_, &events_),
      out_(&outbound_budget_, &sockets_, &table_, &wheel_, &events_, metrics, config.close_timeout_ms),
      inbound_({.sockets = &sockets_,
                .table = &table_,
                .events = &events_,
                .out = &out_,
                .budget = &partial_budget_,
                .metrics = metrics},
               config.gateway, config.connection_window),
      timers_(&wheel_, &out_.closing),
      drain_(loop, &wheel_, &table_, config.settle_timeout_ms),
      state_({.router = &router_,
              .http = &http_,
              .table = &table_,
              .hub_sockets = &hub_sockets_,
              .sockets = &sockets_,
              .out = &out_,
              .inbound = &inbound_,
              .timers = &wheel_,
              .answers = &answers_,
              .partial_budget = &partial_budget_,
              .outbound_budget = &outbound_budget_}),
      trim_(loop) {
  sockets_.SetEnds(&inbound_, &out_.outbound);
  ev_prepare_init(&turn_end_, [](struct ev_loop*, ev_prepare* prepare, int) {
    static_cast<EdgeServer*>(prepare->data)->OnTurnEnd();
  });
  turn_end_.data = this;
  ev_idle_init(&more_to_do_, [](struct ev_loop*, ev_idle*, int) {});
  ev_timer_init(
      &leave_look_,
      [](struct ev_loop*, ev_timer* timer, int) { static_cast<EdgeServer*>(timer->data)->LookWhetherLeft(); },
      0, kLeaveLookS);
  leave_look_.data = this;
}

EdgeServer::~EdgeServer() {
  if (!has_left()) table_.ForEach([this](Connection* connection) { sockets_.CloseSilently(connection); });
  ev_timer_stop(loop_, &leave_look_);
  ev_prepare_stop(loop_, &turn_end_);
  ev_idle_stop(loop_, &more_to_do_);
}

std::string EdgeServer::Start(StatekeeperLinks* links) {
  Prepare(links);
  std::string wrong = http_.Listen();
  UpdateReadiness();
  return wrong;
}

void EdgeServer::Prepare(StatekeeperLinks* links) {
  links_ = links;
  events_.set_links(links);
  http_.Prepare(links);
  ev_prepare_start(loop_, &turn_end_);
  UpdateReadiness();
}

void EdgeServer::Listen(const HttpServer::Sockets& sockets) {
  http_.Listen(sockets);
  UpdateReadiness();
}

void EdgeServer::Change(const Config& changed) {
  drain_window_ms_ = changed.drain_window_ms;
  http_.Change(changed.http);
  partial_budget_.set_limit(changed.inbound_buffer);
  outbound_budget_.limit = changed.outbound_buffer;
  inbound_.set_window(changed.connection_window);
}

// --- What comes from the links.

void EdgeServer::OnDelivery(const DeliveryView& delivery) {
  switch (delivery.kind) {
    case DeliveryKind::kText:
    case DeliveryKind::kBinary:
      out_.outbound.Deliver(delivery);
      return out_.memory.Enforce();
    case DeliveryKind::kClose:
      out_.closing.Deliver(delivery);
      return out_.memory.Enforce();
    case DeliveryKind::kAdmit:
      for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
        if (Connection* connection = table_.Find(delivery.recipient(i))) Admit(connection, delivery.payload);
      }
      return;
    case DeliveryKind::kAutoResponse:
      return SetAnswers(delivery);
    case DeliveryKind::kRollCall:
      return roll_call_.Answer(delivery);
    case DeliveryKind::kBarrier:
    case DeliveryKind::kAskAnswerTimes:
      return;  // the links see to it
    case DeliveryKind::kOutputLost:
      for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
        Connection* connection = table_.Find(delivery.recipient(i));
        if (connection == nullptr) continue;
        out_.closing.Close(connection, CloseCause::kOutputLost, 1011, "Something was lost on the way");
      }
      return out_.memory.Enforce();
  }  // else of a later version
}

std::vector<int64_t> EdgeServer::AnswerTimes(const DeliveryView& question) {
  std::vector<int64_t> at_ms(question.recipient_count);
  for (uint32_t i = 0; i < question.recipient_count; ++i) {
    const Connection* connection = table_.Find(question.recipient(i));
    if (connection != nullptr) at_ms[i] = connection->answered_ms;
  }
  return at_ms;
}

void EdgeServer::SetAnswers(const DeliveryView& delivery) {
  AutoResponseView answer;
  if (!ReadAutoResponsePayload(delivery.payload, &answer)) return;
  for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
    Connection* connection = table_.Find(delivery.recipient(i));
    if (connection != nullptr) connection->answer = answers_.Take(answer.request, answer.reply);
  }
}

void EdgeServer::OnProfiles(const std::vector<link::ClassProfile>& profiles, uint32_t /*shard_count*/) {
  router_.SetProfiles(profiles);
  // A class may have been given an idle timeout that had none.
  table_.ForEach([this](Connection* connection) {
    if (!connection->closing && !connection->armed()) timers_.CheckDeadlines(connection);
  });
}

// What its hub missed cannot be made good for: the client has to come again.
void EdgeServer::OnUnreadable(const EventView& event) {
  metrics_->events_unreadable->Increment();
  Connection* connection = table_.Find(event.connection);
  if (connection != nullptr) {
    out_.closing.Close(connection, CloseCause::kUnreadable, 1011, "This could not be handed on");
  }
}

// --- Sockets come and go.

std::optional<HttpReply> EdgeServer::OnUpgrade(Upgrade upgrade, const FrontDoor::Visit& visit) {
  if (has_left()) return Busy("This gateway is being replaced; connect again.\n");
  Connection* connection = table_.Allocate();
  if (connection == nullptr) return Busy("This gateway is full; connect again to reach another.\n");
  connection->hub = std::move(upgrade.hub);
  connection->hub_class = upgrade.hub_class;
  connection->SetRole(upgrade.role);
  if (upgrade.deflate_window_bits != 0) {
    connection->deflate_window_bits = upgrade.deflate_window_bits;
    connection->reader.AllowCompressed();
  }
  if (!sockets_.Adopt(visit.socket, upgrade.answer, visit.rest, connection)) {
    table_.Free(connection);
    return std::nullopt;
  }
  connection->seat = std::move(visit.socket->seat);
  metrics_->opened->Increment();
  hub_sockets_.Add(connection);
  inbound_.OnOpen(connection, upgrade.open_request);
  timers_.Start(connection);
  return std::nullopt;
}

void EdgeServer::OnGone(Connection* connection) {
  inbound_.DispatchPending(connection);
  out_.closing.OnGone(connection);
  LoopTimers::Cancel(connection);
  hub_sockets_.Remove(connection);
  table_.Free(connection);
}

// --- Once a turn.

void EdgeServer::OnTurnEnd() {
  if (has_left()) return;
  sockets_.OnTurnEnd();
  const bool more_to_hand_on = inbound_.OnTurnEnd();
  const bool more_to_write = out_.outbound.OnTurnEnd();
  if (more_to_hand_on || more_to_write) {
    ev_idle_start(loop_, &more_to_do_);
  } else {
    ev_idle_stop(loop_, &more_to_do_);
  }
  links_->Flush();
  UpdateMetrics();
  trim_.Held(outbound_budget_.memory + partial_budget_.used());
  if (!ready_ || !IsReady()) UpdateReadiness();  // while it is not ready, the reason may change
  if (http_.app_requests() == 0) drain_.OnTurnEnd(links_->unsettled());
}

void EdgeServer::UpdateMetrics() {
  metrics_->connections->Set(static_cast<double>(table_.size()));
  metrics_->inbound_partial_bytes->Set(static_cast<double>(partial_budget_.used()));
  metrics_->outbound_queued_bytes->Set(static_cast<double>(outbound_budget_.queued));
  metrics_->outbound_buffer_bytes->Set(static_cast<double>(outbound_budget_.memory));
  metrics_->events_unsettled->Set(static_cast<double>(links_->unsettled()));
  metrics_->replay_buffer_bytes->Set(static_cast<double>(links_->unsettled_bytes()));
}

bool EdgeServer::IsReady() const {
  return !has_left() && !drain_.started() && http_.listening() && router_.has_profiles() && links_->ready();
}

void EdgeServer::UpdateReadiness() {
  ready_ = IsReady();
  AdminServer::Readiness now;
  now.ready = ready_;
  if (drain_.started() || has_left()) {
    now.detail = "stopping";
  } else if (!ready_) {
    now.detail = links_->ready() ? "no hub classes known yet" : links_->not_ready_reason();
  }
  readiness_.Set(std::move(now));
}

void EdgeServer::Drain(std::function<void()> done) {
  http_.Stop(drain_.started() ? 0 : drain_window_ms_);
  drain_.Start(drain_window_ms_, std::move(done));
  UpdateReadiness();
  ev_feed_event(loop_, &turn_end_, EV_PREPARE);  // also when nothing else makes the loop turn
}

// --- A successor.

std::string EdgeServer::WhyNotHandedOver() const {
  if (drain_.started()) return "the gateway that runs is stopping";
  return has_left() ? "the gateway that runs has been replaced" : "";
}

bool EdgeServer::Settle() {
  bool is_settled = !http_.app_opens_socket();
  table_.ForEach([&](Connection* connection) {
    if (connection->CanMove()) return;
    is_settled = false;
    out_.closing.Close(connection, CloseCause::kGoingAway, 1001, "Going Away");
  });
  return is_settled;
}

size_t EdgeServer::movable_connections() {
  size_t count = 0;
  table_.ForEach([&count](Connection* connection) { count += connection->CanMove() ? 1 : 0; });
  return count;
}

void EdgeServer::Save(takeover::StateWriter* writer) {
  // Whoever is still on the way out will not be heard here any more.
  table_.ForEach([this](Connection* connection) {
    if (!connection->CanMove())
      out_.returned.ReturnQueue(connection, ReturnedFrames::FateOfWritten(*connection));
  });
  out_.outbound.EndTurn();
  state_.Save(writer);
}

void EdgeServer::Leave(int64_t window_ms, std::function<void()> done) {
  left_ = std::move(done);
  leave_by_ms_ = SteadyMs() + window_ms;
  ev_idle_stop(loop_, &more_to_do_);
  table_.ForEach([this](Connection* connection) {
    LoopTimers::Cancel(connection);
    sockets_.CloseSilently(connection);
  });
  http_.ForgetWaiting();
  http_.Stop(window_ms);
  UpdateReadiness();
  ev_timer_again(loop_, &leave_look_);
  LookWhetherLeft();
}

void EdgeServer::LookWhetherLeft() {
  const bool is_empty = http_.app_requests() == 0 && http_.visitors() == 0;
  if (left_ == nullptr || (!is_empty && SteadyMs() < leave_by_ms_)) return;
  ev_timer_stop(loop_, &leave_look_);
  std::exchange(left_, nullptr)();
}

}  // namespace dormouse::edge
