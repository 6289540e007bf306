#include "gateway/edge/buffers/unconfirmed.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace dormouse::edge {

Unconfirmed::~Unconfirmed() {
  budget_->kept -= memory_;
  budget_->answered -= answered_memory_;
}

bool Unconfirmed::Add(OutboundQueue::Frame frame, const KeptOutputLimits& bounds, int64_t now_ms) {
  Confirm(now_ms);
  if (!HasUnanswered()) since_ms_ = now_ms;
  ++written_;
  const size_t bytes = frame.size();
  Push({.head = std::move(frame.head), .body = std::move(frame.body), .compressed = frame.compressed});
  unasked_bytes_ += bytes;
  while (size() > 0 && (size() > bounds.messages || bytes_ > bounds.bytes)) DropOldest();
  return !ping_pending() && (written_ - asked_ >= kAskMessages || unasked_bytes_ >= kAskBytes);
}

void Unconfirmed::Push(Kept kept) {
  kept.head.shrink_to_fit();
  size_t memory = sizeof(Kept) + kept.head.capacity();
  // Of a body that others share, too, each counts its part as of now. Who hands it over may hold it as well.
  if (kept.body != nullptr) {
    memory += kept.body->memory() / static_cast<size_t>(std::max(kept.body.use_count() - 1, 1L));
  }
  kept.memory = static_cast<uint32_t>(std::min<size_t>(memory, UINT32_MAX));
  memory_ += kept.memory;
  budget_->kept += kept.memory;
  bytes_ += kept.size();
  frames_.push_back(std::move(kept));
}

void Unconfirmed::DropOldest() {
  const bool is_answered = written_ - size() < answered_;
  Kept& oldest = frames_[first_++];
  if (is_answered) {
    answered_memory_ -= oldest.memory;
    budget_->answered -= oldest.memory;
  }
  bytes_ -= oldest.size();
  memory_ -= oldest.memory;
  budget_->kept -= oldest.memory;
  oldest = {};
  // So each is moved once, on average.
  if (first_ > frames_.size() / 2) {
    frames_.erase(frames_.begin(), frames_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

std::string Unconfirmed::MakePing() {
  asked_ = written_;
  unasked_bytes_ = 0;
  std::string payload(sizeof(asked_), '\0');
  std::memcpy(payload.data(), &asked_, sizeof(asked_));
  return payload;
}

bool Unconfirmed::OnPong(std::string_view payload, int64_t now_ms) {
  uint64_t number = 0;
  if (payload.size() != sizeof(number)) return false;
  std::memcpy(&number, payload.data(), sizeof(number));
  if (number <= answered_ || number > asked_) return false;
  UpdateTaken(now_ms);
  const uint64_t older = written_ - size();
  for (uint64_t i = std::max(answered_, older); i < number; ++i) {
    const uint32_t memory = frames_[first_ + (i - older)].memory;
    answered_memory_ += memory;
    budget_->answered += memory;
  }
  answered_ = number;
  answered_ms_ = since_ms_ = now_ms;
  return true;
}

void Unconfirmed::UpdateTaken(int64_t now_ms) {
  if (now_ms - settling_ms_ >= kTakenAfterMs) taken_ = settling_;
  if (taken_ < settling_ || settling_ == answered_) return;
  settling_ = answered_;
  settling_ms_ = answered_ms_;
  if (now_ms - settling_ms_ >= kTakenAfterMs) taken_ = settling_;
}

bool Unconfirmed::OnMessage(int64_t now_ms) {
  Confirm(now_ms);
  UpdateTaken(now_ms);
  if (spoken_ == confirmed_ && taken_ > spoken_) {
    spoken_ = taken_;
    spoken_ms_ = now_ms;
  }
  return HasUnanswered() && !ping_pending() && now_ms - since_ms_ >= kAskAfterMs;
}

void Unconfirmed::Confirm(int64_t now_ms) {
  if (spoken_ == confirmed_ || now_ms - spoken_ms_ < kEndedAfterMs) return;
  DropUntil(spoken_);
  confirmed_ = spoken_;
}

void Unconfirmed::DropUntil(uint64_t number) {
  const uint64_t oldest = written_ - size() + 1;
  for (uint64_t i = oldest; i <= number; ++i) DropOldest();
}

void Unconfirmed::DropAnsweredButLast() {
  if (answered_ > 0) DropUntil(answered_ - 1);
}

void Unconfirmed::DropAnswered() { DropUntil(answered_); }

void Unconfirmed::Drop() {
  while (size() > 0) DropOldest();
  frames_.shrink_to_fit();
}

void Unconfirmed::Save(takeover::Kept* to) const {
  to->set_frames(size());
  to->set_written(written_);
  to->set_asked(asked_);
  to->set_answered(answered_);
  to->set_settling(settling_);
  to->set_taken(taken_);
  to->set_spoken(spoken_);
  to->set_confirmed(confirmed_);
  to->set_unasked_bytes(unasked_bytes_);
  to->set_since_ms(since_ms_);
  to->set_answered_ms(answered_ms_);
  to->set_settling_ms(settling_ms_);
  to->set_spoken_ms(spoken_ms_);
}

OutboundQueue::Frame Unconfirmed::KeptFrame(size_t i) const {
  const Kept& kept = frames_[first_ + i];
  return {.head = kept.head, .body = kept.body, .returnable = true, .compressed = kept.compressed};
}

void Unconfirmed::Restore(const takeover::Kept& from) {
  missing_ = from.frames();
  written_ = from.written();
  asked_ = from.asked();
  answered_ = from.answered();
  settling_ = from.settling();
  taken_ = from.taken();
  spoken_ = from.spoken();
  confirmed_ = from.confirmed();
  unasked_bytes_ = from.unasked_bytes();
  since_ms_ = from.since_ms();
  answered_ms_ = from.answered_ms();
  settling_ms_ = from.settling_ms();
  spoken_ms_ = from.spoken_ms();
}

void Unconfirmed::RestoreFrame(OutboundQueue::Frame frame) {
  Push({.head = std::move(frame.head), .body = std::move(frame.body), .compressed = frame.compressed});
  if (written_ - missing_ < answered_) {
    answered_memory_ += frames_.back().memory;
    budget_->answered += frames_.back().memory;
  }
  if (missing_ > 0) --missing_;
}

Unconfirmed::Taken Unconfirmed::Take(int64_t now_ms) {
  Confirm(now_ms);
  Taken taken;
  taken.lost_answered = lost_answered();
  taken.lost_unanswered = lost_unanswered();
  taken.frames.reserve(size());
  for (size_t i = first_; i < frames_.size(); ++i) {
    taken.frames.push_back({.head = std::move(frames_[i].head),
                            .body = std::move(frames_[i].body),
                            .returnable = true,
                            .compressed = frames_[i].compressed});
  }
  const uint64_t older = written_ - size();
  taken.answered = answered_ > older ? answered_ - older : 0;
  frames_.clear();
  budget_->kept -= memory_;
  budget_->answered -= answered_memory_;
  memory_ = answered_memory_ = first_ = bytes_ = unasked_bytes_ = 0;
  confirmed_ = spoken_ = taken_ = settling_ = answered_ = asked_ = written_;
  return taken;
}

}  // namespace dormouse::edge
