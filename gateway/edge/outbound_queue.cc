#include "gateway/edge/outbound_queue.h"

#include <algorithm>
#include <utility>

namespace dormouse {

SharedFrame NewSharedFrame(std::string_view payload) {
  auto frame = std::make_shared<std::string>();
  frame->reserve(kFrameHeadroom + payload.size());
  frame->append(kFrameHeadroom, '\0');
  frame->append(payload);
  return frame;
}

OutboundQueue::Crossing OutboundQueue::Push(SharedFrame frame, bool binary, size_t from,
                                            const OutboundMarks& marks, bool returnable) {
  bytes_ += frame->size() - kFrameHeadroom - from;
  frames_.push_back({std::move(frame), from, binary, returnable});
  return Up(marks);
}

OutboundQueue::Crossing OutboundQueue::Buffered(size_t size, const OutboundMarks& marks) {
  buffered_ += size;
  return Up(marks);
}

OutboundQueue::Crossing OutboundQueue::Up(const OutboundMarks& marks) {
  if (marks.limit != 0 && bytes() > marks.limit) return Crossing::kLimit;
  if (marks.pause == 0 || paused_ || bytes() < marks.pause) return Crossing::kNone;
  paused_ = true;
  return Crossing::kPause;
}

OutboundQueue::Chunk OutboundQueue::NextChunk() const {
  const Frame& frame = frames_.front();
  const size_t left = frame.bytes->size() - kFrameHeadroom - frame.written;
  const size_t size = std::min(left, kChunk);
  return {frame.bytes->data() + kFrameHeadroom + frame.written, size, frame.written == 0, size == left,
          frame.binary};
}

void OutboundQueue::ChunkWritten(bool buffered) {
  const Chunk chunk = NextChunk();
  bytes_ -= chunk.size;
  if (buffered) buffered_ += chunk.size;
  frames_.front().written += chunk.size;
  if (chunk.last) frames_.pop_front();
}

void OutboundQueue::Flushed() { buffered_ = 0; }

OutboundQueue::Crossing OutboundQueue::Settle(const OutboundMarks& marks) {
  if (!paused_ || bytes() > marks.resume) return Crossing::kNone;
  paused_ = false;
  return Crossing::kResume;
}

std::vector<SharedFrame> OutboundQueue::Clear() {
  std::vector<SharedFrame> returned;
  for (Frame& frame : frames_) {
    if (frame.returnable) returned.push_back(std::move(frame.bytes));
  }
  frames_.clear();
  bytes_ = 0;
  return returned;
}

std::vector<SharedFrame> OutboundQueue::TakeReturnable() {
  if (!frames_.empty() && frames_.front().written > 0 && frames_.front().returnable) return Clear();
  std::vector<SharedFrame> returned;
  std::erase_if(frames_, [&](Frame& frame) {
    if (!frame.returnable) return false;
    bytes_ -= frame.bytes->size() - kFrameHeadroom;
    returned.push_back(std::move(frame.bytes));
    return true;
  });
  return returned;
}

}  // namespace dormouse
