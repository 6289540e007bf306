#include "gateway/edge/buffers/frame_state.h"

#include <memory>

namespace dormouse::edge {

void SaveFrame(const OutboundQueue::Frame& frame, takeover::StateWriter* writer, takeover::Frame* to) {
  to->set_opcode(static_cast<uint32_t>(frame.opcode));
  writer->SetText(frame.head, to->mutable_head());
  if (frame.body != nullptr) writer->SetShared(frame.body->view(), to->mutable_body());
  to->set_returnable(frame.returnable);
  to->set_compressed(frame.compressed);
  to->set_sent(frame.sent);
  if (frame.end != SIZE_MAX) to->set_end(frame.end);
}

OutboundQueue::Frame RestoredFrames::Restore(const takeover::Frame& from) {
  OutboundQueue::Frame frame{.opcode = static_cast<Opcode>(from.opcode()),
                             .head = reader_->TakeText(from.head()),
                             .returnable = from.returnable(),
                             .compressed = from.compressed(),
                             .sent = from.sent(),
                             .end = from.has_end() ? from.end() : SIZE_MAX};
  if (from.has_body()) {
    SharedBody& body = bodies_[from.body().number()];
    if (body == nullptr) body = std::make_shared<SharedBytes>(reader_->Shared(from.body()), budget_);
    frame.body = body;
  }
  return frame;
}

}  // namespace dormouse::edge
