#include "common/rpc/framed_stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/rpc/frame_head.h"
#include "common/rpc/link_channel.h"
#include "common/rpc/stream_inbox.h"
#include "common/unix_address.h"

namespace dormouse {
namespace {

// What one turn of the loop reads of one stream. A message of more than the half is read where it will lie.
constexpr size_t kReadBytes = 64u << 10;
// The same for such a message.
constexpr size_t kLargeReadBytes = 1u << 20;
// Over TCP: how often it is looked whether there is somebody, and how often until who has not begun is late.
constexpr double kLookS = 0.5;
constexpr int kPatientLooks = 10;

}  // namespace

std::string LaneSocket(const std::string& path, uint32_t lane) { return path + "." + std::to_string(lane); }

std::shared_ptr<FramedStream> FramedStream::Connect(const std::string& path,
                                                    const grpc::ByteBuffer& first_message,
                                                    std::shared_ptr<StreamInbox> inbox) {
  auto stream = Begin(first_message, std::move(inbox));
  if (const int fd = ConnectToUnixSocket(path); fd >= 0) {
    stream->Connected(PlainBytes::OfUnixSocket(fd));
  } else {
    stream->Failed("nobody listens at " + path);
  }
  return stream;
}

std::shared_ptr<FramedStream> FramedStream::Begin(const grpc::ByteBuffer& first_message,
                                                  std::shared_ptr<StreamInbox> inbox) {
  auto stream = std::make_shared<FramedStream>(inbox, nullptr);
  ev_timer_again(inbox->loop(), &stream->look_);
  inbox->Adopt(stream);
  stream->Write(first_message);
  return stream;
}

void FramedStream::Serve(std::unique_ptr<StreamBytes> bytes, std::string received,
                         std::shared_ptr<StreamInbox> inbox, Admit admit) {
  const auto stream = std::make_shared<FramedStream>(inbox, std::move(admit));
  inbox->Adopt(stream);
  stream->Attach(std::move(bytes));
  stream->open_ = true;
  stream->in_ = std::move(received);
  if (inbox->held()) return stream->Wait();
  if (!stream->in_.empty() || stream->bytes_->has_more()) stream->ReadNext();
}

FramedStream::FramedStream(std::shared_ptr<StreamInbox> inbox, Admit admit)
    : inbox_(std::move(inbox)), admit_(std::move(admit)) {
  ev_io_init(
      &readable_,
      [](struct ev_loop*, ev_io* watcher, int) { static_cast<FramedStream*>(watcher->data)->OnReadable(); },
      -1, EV_READ);
  ev_io_init(
      &writable_,
      [](struct ev_loop*, ev_io* watcher, int) { static_cast<FramedStream*>(watcher->data)->OnWritable(); },
      -1, EV_WRITE);
  ev_timer_init(
      &look_,
      [](struct ev_loop*, ev_timer* watcher, int) { static_cast<FramedStream*>(watcher->data)->OnLook(); }, 0,
      kLookS);
  ev_timer_init(
      &read_on_,
      [](struct ev_loop*, ev_timer* watcher, int) {
        static_cast<FramedStream*>(watcher->data)->OnReadable();
      },
      0, 0);
  readable_.data = writable_.data = look_.data = read_on_.data = this;
}

// --- How it begins.

void FramedStream::Connected(std::unique_ptr<StreamBytes> bytes, std::string opening) {
  if (ended_) return;
  opening_ = std::move(opening);
  Attach(std::move(bytes));
  connecting_.reset();
  if (bytes_->NeedsOpening()) return AwaitRoom(true);  // what it needs begins then
  open_ = true;
  Flush();
}

void FramedStream::Failed(std::string why) {
  if (ended_) return;
  const auto alive = shared_from_this();
  Abort();
  set_status({grpc::StatusCode::UNAVAILABLE, std::move(why)});
  inbox_->Put({Arrival::kClosed, alive});
}

void FramedStream::Attach(std::unique_ptr<StreamBytes> bytes) {
  bytes_ = std::move(bytes);
  ev_io_set(&readable_, bytes_->fd(), EV_READ);
  ev_io_set(&writable_, bytes_->fd(), EV_WRITE);
  ev_io_start(inbox_->loop(), &readable_);
  if (bytes_->is_remote()) {
    ev_timer_again(inbox_->loop(), &look_);
  } else {
    ev_timer_stop(inbox_->loop(), &look_);
  }
}

void FramedStream::GoOnOpening() {
  const StreamBytes::Opening opening = bytes_->Open();
  if (opening == StreamBytes::Opening::kFailed) return Broke(bytes_->why());
  AwaitRoom(opening == StreamBytes::Opening::kWrites);
  if (opening != StreamBytes::Opening::kDone) return;
  open_ = true;
  Flush();
  if (bytes_->has_more()) OnReadable();
}

void FramedStream::OnLook() {
  const auto alive = shared_from_this();
  const bool is_late = ++looks_ >= kPatientLooks;
  if (!open_ && is_late) return Broke(bytes_ == nullptr ? "it cannot be reached" : "it does not answer");
  if (admit_ != nullptr && is_late) {
    return End({grpc::StatusCode::DEADLINE_EXCEEDED, "the stream did not begin with a greeting in time"});
  }
  if (bytes_ != nullptr && bytes_->IsDead()) Broke("its machine does not answer any more");
}

// --- What comes.

void FramedStream::OnReadable() {
  const auto alive = shared_from_this();
  if (!open_) return GoOnOpening();
  if (inbox_->held()) return Wait();
  ReadOn();
  inbox_->EndTurn();
}

void FramedStream::ReadOn() {
  if (large_.size() > 0) {
    ReadLarge();
  } else {
    ReadSome();
  }
  if (!ended_ && !inbox_->held() && bytes_->has_more()) ev_timer_start(inbox_->loop(), &read_on_);
}

void FramedStream::ReadSome() {
  static thread_local std::array<char, kReadBytes> buffer;
  // What was begun goes before what comes.
  const size_t begun = in_.copy(buffer.data(), buffer.size());
  const size_t got = Read(buffer.data() + begun, buffer.size() - begun);
  if (got == 0) return;
  in_.clear();
  Take({buffer.data(), begun + got});
}

size_t FramedStream::Read(char* to, size_t size) {
  const ssize_t got = bytes_->Read(to, size);
  if (got < 0) Broke(bytes_->why());
  return got > 0 ? static_cast<size_t>(got) : 0;
}

void FramedStream::ReadLarge() {
  char* const to = reinterpret_cast<char*>(const_cast<uint8_t*>(large_.begin())) + large_have_;
  large_have_ += Read(to, std::min(large_.size() - large_have_, kLargeReadBytes));
  if (ended_ || large_have_ < large_.size()) return;
  const grpc::Slice whole = std::exchange(large_, grpc::Slice());
  HandOver(grpc::ByteBuffer(&whole, 1));
}

void FramedStream::Take(std::string_view bytes) {
  while (bytes.size() >= kFrameHeadBytes) {
    const uint32_t length = ReadFrameHead(bytes);
    if (length == kEndMark) {
      if (bytes.size() < 2 * kFrameHeadBytes) break;
      const uint32_t end_length = ReadFrameHead(bytes.substr(kFrameHeadBytes));
      if (end_length > kReadBytes / 2) return Broke("it ended in a way that makes no sense");
      if (bytes.size() - 2 * kFrameHeadBytes < end_length) break;
      return OnEnd(bytes.substr(2 * kFrameHeadBytes, end_length));
    }
    if (length > kMaxMessageBytes) return Broke("it began a message that is too large");
    const std::string_view rest = bytes.substr(kFrameHeadBytes);
    if (rest.size() < length) {
      if (length <= kReadBytes / 2) break;
      large_ = grpc::Slice(length);
      rest.copy(reinterpret_cast<char*>(const_cast<uint8_t*>(large_.begin())), rest.size());
      large_have_ = rest.size();
      return;
    }
    bytes.remove_prefix(kFrameHeadBytes + length);
    const grpc::Slice message(rest.data(), length,
                              grpc::Slice::STATIC_SLICE);  // for as long as the call takes
    if (!HandOver(grpc::ByteBuffer(&message, 1))) break;
  }
  if (!ended_) in_.assign(bytes);
}

bool FramedStream::HandOver(grpc::ByteBuffer message) {
  Arrival arrival(Arrival::kMessage, shared_from_this());
  if (admit_ != nullptr) {
    const grpc::Status status = std::exchange(admit_, nullptr)(message);
    if (!status.ok()) {
      End(status);
      return false;
    }
    arrival.kind = Arrival::kOpened;
  }
  arrival.message.Swap(&message);
  inbox_->HandOverNow(arrival);
  if (ended_) return false;
  if (inbox_->held()) Wait();
  return !inbox_->held();
}

void FramedStream::Wait() {
  ev_io_stop(inbox_->loop(), &readable_);
  ev_timer_stop(inbox_->loop(), &read_on_);
  inbox_->Park(shared_from_this());
}

void FramedStream::ReadNext() {
  if (ended_ || !last_.empty()) return;
  const auto alive = shared_from_this();
  ev_io_start(inbox_->loop(), &readable_);
  const std::string waiting = std::exchange(in_, {});
  Take(waiting);
  if (!ended_ && !inbox_->held() && bytes_->has_more()) ReadOn();
  inbox_->EndTurn();
}

void FramedStream::OnEnd(std::string_view bytes) {
  link::StreamEnd end;
  if (!end.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Broke("it ended in a way that makes no sense");
  }
  Closed({static_cast<grpc::StatusCode>(end.code()), end.message(), end.details()});
}

void FramedStream::Broke(const std::string& why) { Closed({grpc::StatusCode::UNAVAILABLE, why}); }

void FramedStream::Closed(grpc::Status status) {
  const auto alive = shared_from_this();
  Abort();
  set_status(std::move(status));
  Arrival arrival(Arrival::kClosed, alive);
  inbox_->HandOverNow(arrival);
}

// --- What goes.

bool FramedStream::Busy() {
  awaited_ |= writing_;
  return writing_ || broken_ || ended_;
}

void FramedStream::Write(const grpc::ByteBuffer& message) {
  if (ended_) return;
  if (!message.TrySingleSlice(&out_).ok()) message.DumpToSingleSlice(&out_);  // the latter copies
  WriteFrameHead(static_cast<uint32_t>(out_.size()), out_head_);
  out_sent_ = 0;
  writing_ = true;
  Flush();
}

size_t FramedStream::OutBytes() const { return opening_.size() + kFrameHeadBytes + out_.size(); }

void FramedStream::Flush() {
  if (!open_) return;
  while (writing_) {
    iovec parts[3];
    size_t count = 0;
    size_t skip = out_sent_;
    const auto add = [&](const void* from, size_t size) {
      if (skip < size) parts[count++] = {static_cast<char*>(const_cast<void*>(from)) + skip, size - skip};
      skip -= std::min(skip, size);
    };
    add(opening_.data(), opening_.size());
    add(out_head_, kFrameHeadBytes);
    add(out_.begin(), out_.size());
    const ssize_t sent = bytes_->Write(parts, count);
    if (sent < 0) {
      broken_ = true;
      writing_ = false;
      shutdown(bytes_->fd(), SHUT_RDWR);  // what the other end had said before is still read, then the end
      break;
    }
    out_sent_ += static_cast<size_t>(sent);
    writing_ = out_sent_ < OutBytes() || bytes_->has_unsent();
    if (sent == 0) break;
  }
  if (!writing_) {
    opening_.clear();
    out_ = grpc::Slice();
  }
  AwaitRoom(writing_);
}

void FramedStream::AwaitRoom(bool await) {
  if (await == static_cast<bool>(ev_is_active(&writable_))) return;
  if (await) {
    ev_io_start(inbox_->loop(), &writable_);
  } else {
    ev_io_stop(inbox_->loop(), &writable_);
  }
}

void FramedStream::OnWritable() {
  const auto alive = shared_from_this();
  if (!open_) return GoOnOpening();
  Flush();
  if (writing_) return;
  if (!last_.empty()) {
    SayLast(last_);
    return Abort();
  }
  if (!std::exchange(awaited_, false) || broken_) return;
  Arrival arrival(Arrival::kWritable, alive);
  inbox_->HandOverNow(arrival);
  inbox_->EndTurn();
}

void FramedStream::SayLast(const std::string& last) {
  const iovec all{const_cast<char*>(last.data()), last.size()};
  bytes_->Write(&all, 1);  // there is room, or nobody reads
}

void FramedStream::End(const grpc::Status& why) {
  if (ended_ || !last_.empty()) return;
  if (!open_) return Abort();
  const std::string last = PrintStreamEnd(why);
  if (!writing_) {
    SayLast(last);
    return Abort();
  }
  last_ = last;
  ev_io_stop(inbox_->loop(), &readable_);
  ev_timer_stop(inbox_->loop(), &read_on_);
}

void FramedStream::Abort() {
  if (std::exchange(ended_, true)) return;
  ev_io_stop(inbox_->loop(), &readable_);
  ev_io_stop(inbox_->loop(), &writable_);
  ev_timer_stop(inbox_->loop(), &look_);
  ev_timer_stop(inbox_->loop(), &read_on_);
  connecting_.reset();
  bytes_.reset();
  in_.clear();
  large_ = grpc::Slice();
  out_ = grpc::Slice();
  inbox_->LetGo(this);  // may be the last word
}

}  // namespace dormouse
