#include "gateway/edge/edge_state.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

namespace dormouse::edge {
namespace {

// Of takeover::Connection::flags. Their numbers are part of the state's version.
enum Flag : uint32_t {
  kClosing = 1u << 0,
  kCloseSent = 1u << 1,
  kReadingPaused = 1u << 2,
  kInputIgnored = 1u << 3,
  kPeerEnded = 1u << 4,
  kFinalPingSent = 1u << 5,
  kAborted = 1u << 6,
  kRateExemptionUsed = 1u << 7,
  kCongested = 1u << 8,
  kWindowFull = 1u << 9,
  kAwaitsDispatch = 1u << 10,
};

uint32_t FlagsOf(const Connection& connection) {
  const auto flag = [](bool is_set, Flag which) { return is_set ? static_cast<uint32_t>(which) : 0u; };
  return flag(connection.closing, kClosing) | flag(connection.close_sent, kCloseSent) |
         flag(connection.reading_paused, kReadingPaused) | flag(connection.input_ignored, kInputIgnored) |
         flag(connection.peer_ended, kPeerEnded) | flag(connection.final_ping_sent, kFinalPingSent) |
         flag(connection.aborted, kAborted) | flag(connection.rate_exemption_used, kRateExemptionUsed) |
         flag(connection.congested, kCongested) | flag(connection.window_full, kWindowFull) |
         flag(connection.awaits_dispatch, kAwaitsDispatch);
}

void SetFlags(uint32_t flags, Connection* connection) {
  connection->closing = (flags & kClosing) != 0;
  connection->close_sent = (flags & kCloseSent) != 0;
  connection->reading_paused = (flags & kReadingPaused) != 0;
  connection->input_ignored = (flags & kInputIgnored) != 0;
  connection->peer_ended = (flags & kPeerEnded) != 0;
  connection->final_ping_sent = (flags & kFinalPingSent) != 0;
  connection->aborted = (flags & kAborted) != 0;
  connection->rate_exemption_used = (flags & kRateExemptionUsed) != 0;
  connection->congested = (flags & kCongested) != 0;
  connection->window_full = (flags & kWindowFull) != 0;
  connection->awaits_dispatch = (flags & kAwaitsDispatch) != 0;
}

}  // namespace

void EdgeState::Save(takeover::StateWriter* writer) const {
  parts_.router->ForEachClass([writer](const HubClassEdge& hub_class) {
    takeover::Item item;
    *item.mutable_profile() = hub_class.profile();
    writer->Add(std::move(item));
  });
  parts_.table->SaveSlots(writer);
  parts_.table->ForEach([&](Connection* connection) {
    if (connection->CanMove()) SaveConnection(connection, writer);
  });
  parts_.http->ForEachWaiting([writer](const FrontDoor::Waiting& waiting) {
    takeover::Item item;
    takeover::Visitor* const visitor = item.mutable_visitor();
    visitor->set_peer(std::string(waiting.peer.bytes()));
    if (const auto key = waiting.seat->key()) visitor->set_seat(*key);
    visitor->set_bytes(std::string(waiting.bytes));
    visitor->set_crowded(waiting.how.crowded);
    visitor->set_proxied(waiting.how.proxied);
    visitor->set_deadline_ms(waiting.deadline_ms);
    writer->Add(std::move(item), waiting.fd);
  });
}

void EdgeState::SaveConnection(Connection* connection, takeover::StateWriter* writer) const {
  takeover::Item item;
  takeover::Connection* const to = item.mutable_connection();
  to->set_handle(connection->handle);
  to->set_hub(connection->hub);
  to->set_hub_class(connection->hub_class->name());
  to->set_last_seen_ms(connection->last_seen_ms);
  to->set_admission_deadline_ms(connection->admission_deadline_ms);
  connection->rate_limiter.Save(to->mutable_rate());
  if (const auto key = connection->seat.key()) to->set_seat(*key);
  to->set_unsettled(connection->unsettled);
  to->set_unsettled_bytes(connection->unsettled_bytes);
  connection->reader.Save(to->mutable_reader());
  if (connection->unread != nullptr) writer->SetText(*connection->unread, to->mutable_unread());
  if (connection->role != nullptr) to->set_role(*connection->role);
  if (connection->partial != nullptr) {
    connection->partial->Save(to->mutable_partial());
    writer->SetText(connection->partial->Copy(), to->mutable_partial()->mutable_bytes());
    parts_.inbound->SavePending(*connection, to->mutable_partial());
  }
  if (connection->outbound_queue != nullptr) connection->outbound_queue->Save(to->mutable_queue());
  if (connection->unconfirmed != nullptr) connection->unconfirmed->Save(to->mutable_kept());
  if (connection->rate_violations != nullptr) connection->rate_violations->Save(to->mutable_violations());
  to->set_answer_request(std::string(connection->answer.request()));
  to->set_answer_reply(std::string(connection->answer.reply()));
  to->set_answered_ms(connection->answered_ms);
  to->set_deflate_window_bits(connection->deflate_window_bits);
  to->set_pending_answers(connection->pending_answers);
  to->set_flags(FlagsOf(*connection));
  to->set_watched(static_cast<uint32_t>(WebSockets::EventsOf(*connection)));
  if (connection->armed()) to->set_timer_ms(connection->due_ms);
  writer->Add(std::move(item), connection->io.fd);

  if (connection->outbound_queue != nullptr) {
    for (const OutboundQueue::Frame& frame : connection->outbound_queue->frames()) {
      takeover::Item waiting;
      SaveFrame(frame, writer, waiting.mutable_waiting_frame());
      writer->Add(std::move(waiting));
    }
  }
  if (connection->unconfirmed != nullptr) {
    for (size_t i = 0; i < connection->unconfirmed->kept(); ++i) {
      takeover::Item kept;
      SaveFrame(connection->unconfirmed->KeptFrame(i), writer, kept.mutable_kept_frame());
      writer->Add(std::move(kept));
    }
  }
}

bool EdgeState::Restore(const takeover::Item& item, takeover::StateReader* reader) {
  if (!frames_.has_value()) frames_.emplace(reader, parts_.outbound_budget);
  const bool is_of_the_last = item.has_waiting_frame() || item.has_kept_frame();
  if (!is_of_the_last) FinishConnection();
  if (is_of_the_last && last_ == nullptr) {
    reader->Fail("a message is nobody's");
    return true;
  }
  switch (item.item_case()) {
    case takeover::Item::kProfile:
      parts_.router->Restore(item.profile());
      return true;
    case takeover::Item::kSlots:
      parts_.table->RestoreSlots(item.slots());
      return true;
    case takeover::Item::kConnection:
      RestoreConnection(item.connection(), reader);
      return true;
    case takeover::Item::kWaitingFrame:
      parts_.out->queues.Open(last_)->RestoreFrame(frames_->Restore(item.waiting_frame()));
      return true;
    case takeover::Item::kKeptFrame:
      if (last_->unconfirmed == nullptr) {
        reader->Fail("a kept message is nobody's");
      } else {
        last_->unconfirmed->RestoreFrame(frames_->Restore(item.kept_frame()));
      }
      return true;
    case takeover::Item::kVisitor:
      RestoreVisitor(item.visitor(), reader);
      return true;
    default:
      return false;
  }
}

void EdgeState::RestoreConnection(const takeover::Connection& from, takeover::StateReader* reader) {
  const HubClassEdge* const hub_class = parts_.router->FindClass(from.hub_class());
  const int fd = reader->TakeDescriptor();
  Connection* const connection =
      hub_class == nullptr || fd < 0 ? nullptr : parts_.table->RestoreConnection(from.handle());
  if (connection == nullptr) return reader->Fail("a connection makes no sense");
  connection->hub = from.hub();
  connection->hub_class = hub_class;
  connection->last_seen_ms = from.last_seen_ms();
  connection->admission_deadline_ms = from.admission_deadline_ms();
  connection->rate_limiter.Restore(from.rate());
  if (from.has_seat()) connection->seat = parts_.http->TakeSeatAgain(from.seat());
  connection->unsettled = from.unsettled();
  connection->unsettled_bytes = from.unsettled_bytes();
  connection->reader.Restore(from.reader());
  if (from.has_unread()) connection->unread = std::make_unique<std::string>(reader->TakeText(from.unread()));
  if (from.has_role()) connection->SetRole(from.role());
  if (from.has_partial()) {
    connection->partial = std::make_unique<PartialMessage>(parts_.partial_budget, connection->handle,
                                                           from.partial().started_ms());
    connection->partial->Restore(from.partial(), reader->TakeText(from.partial().bytes()));
  }
  if (from.has_queue()) parts_.out->queues.Open(connection)->Restore(from.queue());
  if (from.has_kept()) parts_.out->kept.Restore(connection, from.kept());
  if (from.has_violations()) {
    connection->rate_violations = std::make_unique<RateLimitViolations>();
    connection->rate_violations->Restore(from.violations());
  }
  if (!from.answer_request().empty())
    connection->answer = parts_.answers->Take(from.answer_request(), from.answer_reply());
  connection->answered_ms = from.answered_ms();
  connection->deflate_window_bits = static_cast<uint8_t>(from.deflate_window_bits());
  connection->pending_answers = static_cast<uint8_t>(from.pending_answers());
  SetFlags(from.flags(), connection);
  parts_.hub_sockets->Add(connection);
  parts_.inbound->Restore(connection, from.partial());
  parts_.sockets->Restore(fd, static_cast<int>(from.watched()), connection);
  if (from.has_timer_ms()) parts_.timers->Schedule(connection, from.timer_ms());
  last_ = connection;
  is_scheduled_ = from.queue().write_scheduled();
}

void EdgeState::FinishConnection() {
  if (last_ != nullptr && is_scheduled_) parts_.out->outbound.RestoreSchedule(last_);
  last_ = nullptr;
}

void EdgeState::RestoreVisitor(const takeover::Visitor& from, takeover::StateReader* reader) {
  const int fd = reader->TakeDescriptor();
  if (fd < 0) return;
  AddressLimit::Seat seat;
  if (from.has_seat()) seat = parts_.http->TakeSeatAgain(from.seat());
  parts_.http->RestoreWaiting({.fd = fd,
                               .peer = IpAddress::FromBytes(from.peer()),
                               .seat = &seat,
                               .bytes = from.bytes(),
                               .how = {.crowded = from.crowded(), .proxied = from.proxied()},
                               .deadline_ms = from.deadline_ms()});
  ++visitors_;
}

void EdgeState::Finish() {
  FinishConnection();
  parts_.table->FinishRestoring();
  frames_.reset();
}

}  // namespace dormouse::edge
