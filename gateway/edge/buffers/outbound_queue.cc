#include "gateway/edge/buffers/outbound_queue.h"

#include <algorithm>
#include <utility>

namespace dormouse::edge {
namespace {

// What a queue takes that has nothing in it.
constexpr size_t kEmptyQueue = sizeof(OutboundQueue) + 640;  // a deque allocates before it is used
// Messages by which MemoryShare judges the rest.
constexpr size_t kSample = 8;

}  // namespace

OutboundQueue::OutboundQueue(OutboundBudget* budget, int64_t now_ms)
    : budget_(budget), stalled_since_ms_(now_ms) {
  UpdateBudget();
}

OutboundQueue::~OutboundQueue() {
  budget_->memory -= counted_memory_;
  budget_->queued -= counted_queued_;
}

// Keeps the sums of all queues right; at the end of all that changes this one.
void OutboundQueue::UpdateBudget() {
  const uint64_t memory = kEmptyQueue + own_;
  budget_->memory += memory - counted_memory_;
  budget_->queued += bytes_ - counted_queued_;
  counted_memory_ = memory;
  counted_queued_ = bytes_;
}

size_t OutboundQueue::MemoryOf(const Frame& frame) { return sizeof(Frame) + frame.head.capacity(); }

size_t OutboundQueue::PayloadLeft(const Frame& frame) {
  const WireMessage wire = frame.wire();
  return wire.PayloadWithin(frame.end) - wire.PayloadWithin(frame.sent);
}

void OutboundQueue::Account(const Frame& frame) {
  own_ += MemoryOf(frame);
  bytes_ += PayloadLeft(frame);
  if (!IsControl(frame.opcode)) ++messages_;
}

void OutboundQueue::Unaccount(const Frame& frame) {
  own_ -= MemoryOf(frame);
  bytes_ -= PayloadLeft(frame);
  if (!IsControl(frame.opcode)) --messages_;
}

OutboundQueue::Crossing OutboundQueue::Push(Frame frame, const OutboundWatermarks& marks) {
  Account(frame);
  frames_.push_back(std::move(frame));
  UpdateBudget();
  return CheckPause(marks);
}

void OutboundQueue::PushPong(std::string_view payload) {
  const size_t place = mid_message() ? 1 : 0;
  Frame pong{.opcode = Opcode::kPong, .head = std::string(payload)};
  if (place < frames_.size() && frames_[place].opcode == Opcode::kPong) {
    Unaccount(frames_[place]);
    frames_.erase(frames_.begin() + static_cast<ptrdiff_t>(place));
  }
  Account(pong);
  frames_.insert(frames_.begin() + static_cast<ptrdiff_t>(place), std::move(pong));
  UpdateBudget();
}

OutboundQueue::Crossing OutboundQueue::CheckPause(const OutboundWatermarks& marks) {
  if (marks.limit != 0 && bytes_ > marks.limit) return Crossing::kLimit;
  const Backlog now = waiting();
  const bool pause =
      paused_at_.has_value()
          ? now.messages >= 2 * uint64_t{paused_at_->messages} || now.bytes >= 2 * paused_at_->bytes
          : (marks.pause != 0 && now.bytes >= marks.pause) ||
                (marks.pause_messages != 0 && now.messages >= marks.pause_messages);
  if (!pause) return Crossing::kNone;
  paused_at_ = {.messages = now.messages, .bytes = std::max<uint64_t>(now.bytes, 1)};
  return Crossing::kPause;
}

bool OutboundQueue::Gather(WriteBatch* batch, size_t most) const {
  bool returnable = false;
  size_t left = most;
  for (const Frame& frame : frames_) {
    const WireMessage wire = frame.wire();
    const size_t wanted = std::min(frame.end, wire.wire_size()) - frame.sent;
    const size_t taken = wire.AppendTo(batch, frame.sent, frame.sent + std::min(wanted, left));
    returnable = returnable || (taken > 0 && frame.returnable);
    left -= taken;
    if (taken < wanted) break;
  }
  return returnable;
}

void OutboundQueue::Sent(size_t bytes, int64_t now_ms, std::vector<Frame>* whole) {
  if (bytes > 0) stalled_since_ms_ = now_ms;
  while (bytes > 0) {
    Frame& frame = frames_.front();
    const size_t left = std::min(frame.end, frame.wire().wire_size()) - frame.sent;
    if (bytes < left) {
      bytes_ -= PayloadLeft(frame);
      frame.sent += bytes;
      bytes_ += PayloadLeft(frame);
      break;
    }
    bytes -= left;
    Unaccount(frame);
    if (frame.returnable || frame.opcode == Opcode::kClose) whole->push_back(std::move(frame));
    frames_.pop_front();
  }
  UpdateBudget();
}

OutboundQueue::Crossing OutboundQueue::CheckResume(const OutboundWatermarks& marks) {
  if (!paused_at_.has_value() || (marks.pause != 0 && bytes_ > marks.resume) ||
      (marks.pause_messages != 0 && waiting().messages > marks.resume_messages)) {
    return Crossing::kNone;
  }
  paused_at_.reset();
  return Crossing::kResume;
}

std::vector<OutboundQueue::Frame> OutboundQueue::Clear() {
  std::vector<Frame> returned;
  std::deque<Frame> kept;
  for (Frame& frame : frames_) {
    if (frame.opcode == Opcode::kClose) {
      kept.push_back(std::move(frame));
      continue;
    }
    if (const size_t end = frame.wire().EndOfFrame(frame.sent); end > frame.sent) {
      Frame rest = frame;
      rest.returnable = false;
      rest.end = std::min(end, frame.end);
      kept.push_back(std::move(rest));
    }
    if (frame.returnable) returned.push_back(std::move(frame));
  }
  frames_.clear();
  bytes_ = own_ = messages_ = 0;
  for (Frame& frame : kept) Push(std::move(frame), {});
  UpdateBudget();
  return returned;
}

std::vector<OutboundQueue::Frame> OutboundQueue::TakeReturnable() {
  if (mid_message() && frames_.front().returnable) return Clear();
  std::vector<Frame> returned;
  std::erase_if(frames_, [&](Frame& frame) {
    if (!frame.returnable) return false;
    Unaccount(frame);
    returned.push_back(std::move(frame));
    return true;
  });
  UpdateBudget();
  return returned;
}

void OutboundQueue::Save(takeover::Queue* to) const {
  to->set_paused(paused_at_.has_value());
  if (paused_at_.has_value()) {
    to->set_paused_messages(paused_at_->messages);
    to->set_paused_bytes(paused_at_->bytes);
  }
  to->set_stalled_since_ms(stalled_since_ms_);
  to->set_write_scheduled(write_scheduled);
}

void OutboundQueue::Restore(const takeover::Queue& from) {
  if (from.paused()) paused_at_ = {.messages = from.paused_messages(), .bytes = from.paused_bytes()};
  stalled_since_ms_ = from.stalled_since_ms();
}

void OutboundQueue::RestoreFrame(Frame frame) {
  Account(frame);
  frames_.push_back(std::move(frame));
  UpdateBudget();
}

uint64_t OutboundQueue::MemoryShare() const {
  uint64_t whole = 0;
  uint64_t part = 0;
  for (size_t i = 0; i < std::min(frames_.size(), kSample); ++i) {
    const SharedBody& body = frames_[i].body;
    if (body == nullptr) continue;
    whole += body->memory();
    part += body->memory() / static_cast<uint64_t>(std::max(body.use_count(), 1L));
  }
  const double share = whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  return counted_memory_ + static_cast<uint64_t>(share * static_cast<double>(bytes_));
}

uint64_t OutboundQueue::oldest_body() const {
  return frames_.empty() || frames_.front().body == nullptr ? UINT64_MAX : frames_.front().body->number();
}

}  // namespace dormouse::edge
