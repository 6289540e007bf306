#include "gateway/edge/outbound_queue.h"

#include <algorithm>
#include <utility>

namespace dormouse {
namespace {

// What a queue takes that has nothing in it.
constexpr size_t kEmptyQueue = sizeof(OutboundQueue) + 640;  // a deque allocates before it is used
// Messages by which Held judges the rest.
constexpr size_t kSample = 8;

}  // namespace

OutboundChunk ChunkOf(const MessageParts& message, bool binary, size_t from, size_t most,
                      std::string* scratch) {
  const size_t left = message.size() - from;
  const size_t size = std::min(left, most);
  OutboundChunk chunk{nullptr, size, from == 0, size == left, binary};
  if (from >= message.head.size() && message.body != nullptr) {
    chunk.data = message.body + (from - message.head.size());
    return chunk;
  }
  const std::string_view head = message.head.substr(from, size);
  scratch->assign(kFrameHeadroom, '\0');
  scratch->append(head).append(message.body, size - head.size());
  chunk.data = scratch->data() + kFrameHeadroom;
  return chunk;
}

OutboundQueue::OutboundQueue(OutboundBudget* budget, int64_t now_ms)
    : budget_(budget), still_since_ms_(now_ms) {
  Count();
}

OutboundQueue::~OutboundQueue() {
  budget_->memory -= counted_memory_;
  budget_->queued -= counted_queued_;
}

// Keeps the sums of all queues right; at the end of all that changes this one.
void OutboundQueue::Count() {
  const uint64_t memory = kEmptyQueue + own_ + buffered_;
  budget_->memory += memory - counted_memory_;
  budget_->queued += bytes() - counted_queued_;
  counted_memory_ = memory;
  counted_queued_ = bytes();
}

MessageParts OutboundQueue::PartsOf(const Frame& frame) {
  MessageParts parts{.head = frame.head};
  if (frame.body != nullptr) {
    parts.body = frame.body->data();
    parts.body_size = frame.body->size();
  }
  return parts;
}

size_t OutboundQueue::Own(const Frame& frame) { return sizeof(Frame) + frame.head.capacity(); }

OutboundQueue::Crossing OutboundQueue::Push(Frame frame, const OutboundMarks& marks) {
  bytes_ += frame.size() - frame.written;
  own_ += Own(frame);
  if (frame.written > 0) buffered_messages_ = 0;  // its last bytes are here
  frames_.push_back(std::move(frame));
  Count();
  return Up(marks);
}

OutboundQueue::Crossing OutboundQueue::Buffered(size_t size, const OutboundMarks& marks) {
  buffered_ += size;
  buffered_messages_ = 1;
  Count();
  return Up(marks);
}

OutboundQueue::Crossing OutboundQueue::Up(const OutboundMarks& marks) {
  if (marks.limit != 0 && bytes() > marks.limit) return Crossing::kLimit;
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

OutboundChunk OutboundQueue::NextChunk(std::string* scratch, size_t most) const {
  const Frame& frame = frames_.front();
  return ChunkOf(PartsOf(frame), frame.binary, frame.written, std::min(most, kChunk), scratch);
}

std::optional<OutboundQueue::Frame> OutboundQueue::ChunkWritten(bool buffered, int64_t now_ms, size_t most) {
  Frame& frame = frames_.front();
  const size_t left = frame.size() - frame.written;
  const size_t size = std::min({left, most, kChunk});
  bytes_ -= size;
  if (buffered) buffered_ += size;
  if (buffered && size == left) ++buffered_messages_;
  frame.written += size;
  std::optional<Frame> whole;
  if (size == left) {
    own_ -= Own(frame);
    if (frame.returnable) whole = std::move(frame);
    frames_.pop_front();
  }
  still_since_ms_ = now_ms;
  Count();
  return whole;
}

void OutboundQueue::Flushed(int64_t now_ms) {
  if (buffered_ > 0) still_since_ms_ = now_ms;
  buffered_ = buffered_messages_ = 0;
  Count();
}

OutboundQueue::Crossing OutboundQueue::Settle(const OutboundMarks& marks) {
  if (!paused_at_.has_value() || (marks.pause != 0 && bytes() > marks.resume) ||
      (marks.pause_messages != 0 && waiting().messages > marks.resume_messages)) {
    return Crossing::kNone;
  }
  paused_at_.reset();
  return Crossing::kResume;
}

std::vector<OutboundQueue::Frame> OutboundQueue::Clear() {
  std::vector<Frame> returned;
  for (Frame& frame : frames_) {
    if (frame.returnable) returned.push_back(std::move(frame));
  }
  frames_.clear();
  bytes_ = own_ = 0;
  Count();
  return returned;
}

std::vector<OutboundQueue::Frame> OutboundQueue::TakeReturnable() {
  if (!frames_.empty() && frames_.front().written > 0 && frames_.front().returnable) return Clear();
  std::vector<Frame> returned;
  std::erase_if(frames_, [&](Frame& frame) {
    if (!frame.returnable) return false;
    bytes_ -= frame.size();
    own_ -= Own(frame);
    returned.push_back(std::move(frame));
    return true;
  });
  Count();
  return returned;
}

uint64_t OutboundQueue::Held() const {
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

}  // namespace dormouse
