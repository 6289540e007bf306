#include "common/rpc/local_stream.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "common/rpc/link_channel.h"
#include "common/rpc/stream_inbox.h"
#include "common/unix_address.h"
#include "proto/link.pb.h"

namespace dormouse {
namespace {

constexpr size_t kHeadBytes = 4;
// What one turn of the loop reads of one stream. A message of more than the half is read where it will lie.
constexpr size_t kReadBytes = 64u << 10;
// The same for such a message.
constexpr size_t kLargeReadBytes = 1u << 20;
// What the kernel is to take before the other end reads; it gives as much of that as the system allows. Each
// time that it is full, both processes take turns.
constexpr int kSendBuffer = 1 << 20;

void WriteHead(uint32_t value, char* out) {
  for (size_t i = 0; i < kHeadBytes; ++i) out[i] = static_cast<char>(value >> (8 * i));
}

uint32_t ReadHead(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < kHeadBytes; ++i)
    value |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return value;
}

std::string PrintEnd(const grpc::Status& why, uint32_t mark) {
  link::StreamEnd end;
  end.set_code(static_cast<uint32_t>(why.error_code()));
  end.set_message(why.error_message());
  end.set_details(why.error_details());
  std::string bytes(2 * kHeadBytes, '\0');
  WriteHead(mark, bytes.data());
  WriteHead(static_cast<uint32_t>(end.ByteSizeLong()), bytes.data() + kHeadBytes);
  end.AppendToString(&bytes);
  return bytes;
}

}  // namespace

std::string LaneSocket(const std::string& path, uint32_t lane) { return path + "." + std::to_string(lane); }

std::shared_ptr<LocalStream> LocalStream::Connect(const std::string& path,
                                                  const grpc::ByteBuffer& first_message,
                                                  std::shared_ptr<StreamInbox> inbox) {
  auto stream = std::make_shared<LocalStream>(ConnectToUnixSocket(path), inbox, nullptr);
  if (stream->fd_ < 0) {
    stream->set_status({grpc::StatusCode::UNAVAILABLE, "nobody listens at " + path});
    inbox->Put({Arrival::kClosed, stream});
    return stream;
  }
  inbox->Adopt(stream);
  stream->Write(first_message);
  return stream;
}

void LocalStream::Serve(int fd, std::shared_ptr<StreamInbox> inbox, Admit admit) {
  const auto stream = std::make_shared<LocalStream>(fd, inbox, std::move(admit));
  inbox->Adopt(stream);
}

LocalStream::LocalStream(int fd, std::shared_ptr<StreamInbox> inbox, Admit admit)
    : inbox_(std::move(inbox)), admit_(std::move(admit)), fd_(fd) {
  if (fd_ < 0) return;
  setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof(kSendBuffer));
  ev_io_init(
      &readable_,
      [](struct ev_loop*, ev_io* watcher, int) { static_cast<LocalStream*>(watcher->data)->OnReadable(); },
      fd_, EV_READ);
  ev_io_init(
      &writable_,
      [](struct ev_loop*, ev_io* watcher, int) { static_cast<LocalStream*>(watcher->data)->OnWritable(); },
      fd_, EV_WRITE);
  readable_.data = writable_.data = this;
  ev_io_start(inbox_->loop(), &readable_);
}

// --- What comes.

void LocalStream::OnReadable() {
  const auto alive = shared_from_this();
  if (inbox_->held()) return Wait();
  if (large_.size() > 0) {
    ReadLarge();
  } else {
    static thread_local std::array<char, kReadBytes> buffer;
    // What was begun goes before what comes.
    const size_t begun = in_.copy(buffer.data(), buffer.size());
    const size_t got = Read(buffer.data() + begun, buffer.size() - begun);
    if (got > 0) {
      in_.clear();
      Take({buffer.data(), begun + got});
    }
  }
  inbox_->EndTurn();
}

size_t LocalStream::Read(char* to, size_t size) {
  const ssize_t got = recv(fd_, to, size, 0);
  if (got > 0) return static_cast<size_t>(got);
  if (got == 0) Broke("the other end is gone");
  if (got < 0 && errno != EAGAIN && errno != EINTR) Broke("the connection broke");
  return 0;
}

void LocalStream::ReadLarge() {
  char* const to = reinterpret_cast<char*>(const_cast<uint8_t*>(large_.begin())) + large_have_;
  large_have_ += Read(to, std::min(large_.size() - large_have_, kLargeReadBytes));
  if (fd_ < 0 || large_have_ < large_.size()) return;
  const grpc::Slice whole = std::exchange(large_, grpc::Slice());
  HandOver(grpc::ByteBuffer(&whole, 1));
}

void LocalStream::Take(std::string_view bytes) {
  while (bytes.size() >= kHeadBytes) {
    const uint32_t length = ReadHead(bytes);
    if (length == kEndMark) {
      if (bytes.size() < 2 * kHeadBytes) break;
      const uint32_t end_length = ReadHead(bytes.substr(kHeadBytes));
      if (end_length > kReadBytes / 2) return Broke("it ended in a way that makes no sense");
      if (bytes.size() - 2 * kHeadBytes < end_length) break;
      return OnEnd(bytes.substr(2 * kHeadBytes, end_length));
    }
    if (length > kMaxMessageBytes) return Broke("it began a message that is too large");
    const std::string_view rest = bytes.substr(kHeadBytes);
    if (rest.size() < length) {
      if (length <= kReadBytes / 2) break;
      large_ = grpc::Slice(length);
      rest.copy(reinterpret_cast<char*>(const_cast<uint8_t*>(large_.begin())), rest.size());
      large_have_ = rest.size();
      return;
    }
    bytes.remove_prefix(kHeadBytes + length);
    const grpc::Slice message(rest.data(), length,
                              grpc::Slice::STATIC_SLICE);  // for as long as the call takes
    if (!HandOver(grpc::ByteBuffer(&message, 1))) break;
  }
  if (fd_ >= 0) in_.assign(bytes);
}

bool LocalStream::HandOver(grpc::ByteBuffer message) {
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
  if (fd_ < 0) return false;
  if (inbox_->held()) Wait();
  return !inbox_->held();
}

void LocalStream::Wait() {
  ev_io_stop(inbox_->loop(), &readable_);
  inbox_->Park(shared_from_this());
}

void LocalStream::ReadNext() {
  if (fd_ < 0 || !last_.empty()) return;
  ev_io_start(inbox_->loop(), &readable_);
  const std::string waiting = std::exchange(in_, {});
  Take(waiting);
  inbox_->EndTurn();
}

void LocalStream::OnEnd(std::string_view bytes) {
  link::StreamEnd end;
  if (!end.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Broke("it ended in a way that makes no sense");
  }
  Closed({static_cast<grpc::StatusCode>(end.code()), end.message(), end.details()});
}

void LocalStream::Broke(const char* why) { Closed({grpc::StatusCode::UNAVAILABLE, why}); }

void LocalStream::Closed(grpc::Status status) {
  const auto alive = shared_from_this();
  Abort();
  set_status(std::move(status));
  Arrival arrival(Arrival::kClosed, alive);
  inbox_->HandOverNow(arrival);
}

// --- What goes.

bool LocalStream::Busy() {
  awaited_ |= writing_;
  return writing_ || broken_ || fd_ < 0;
}

void LocalStream::Write(const grpc::ByteBuffer& message) {
  if (fd_ < 0) return;
  if (!message.TrySingleSlice(&out_).ok()) message.DumpToSingleSlice(&out_);  // the latter copies
  WriteHead(static_cast<uint32_t>(out_.size()), out_head_);
  out_sent_ = 0;
  writing_ = true;
  Flush();
}

void LocalStream::Flush() {
  while (writing_) {
    iovec parts[2];
    size_t count = 0;
    if (out_sent_ < kHeadBytes) parts[count++] = {out_head_ + out_sent_, kHeadBytes - out_sent_};
    const size_t sent = out_sent_ < kHeadBytes ? 0 : out_sent_ - kHeadBytes;
    parts[count++] = {const_cast<uint8_t*>(out_.begin()) + sent, out_.size() - sent};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    const ssize_t got = sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      broken_ = true;
      writing_ = false;
      shutdown(fd_, SHUT_RDWR);  // what the other end had said before is still read, then the end
      break;
    }
    out_sent_ += static_cast<size_t>(got);
    writing_ = out_sent_ < kHeadBytes + out_.size();
  }
  if (!writing_) out_ = grpc::Slice();
  if (writing_ != static_cast<bool>(ev_is_active(&writable_))) {
    if (writing_) {
      ev_io_start(inbox_->loop(), &writable_);
    } else {
      ev_io_stop(inbox_->loop(), &writable_);
    }
  }
}

void LocalStream::OnWritable() {
  const auto alive = shared_from_this();
  Flush();
  if (writing_) return;
  if (!last_.empty()) {
    send(fd_, last_.data(), last_.size(), MSG_NOSIGNAL);  // there is room, or nobody reads
    return Abort();
  }
  if (!std::exchange(awaited_, false) || broken_) return;
  Arrival arrival(Arrival::kWritable, alive);
  inbox_->HandOverNow(arrival);
  inbox_->EndTurn();
}

void LocalStream::End(const grpc::Status& why) {
  if (fd_ < 0 || !last_.empty()) return;
  const std::string last = PrintEnd(why, kEndMark);
  if (!writing_) {
    send(fd_, last.data(), last.size(), MSG_NOSIGNAL);
    return Abort();
  }
  last_ = last;
  ev_io_stop(inbox_->loop(), &readable_);
}

void LocalStream::Abort() {
  if (fd_ < 0) return;
  ev_io_stop(inbox_->loop(), &readable_);
  ev_io_stop(inbox_->loop(), &writable_);
  close(std::exchange(fd_, -1));
  in_.clear();
  large_ = grpc::Slice();
  out_ = grpc::Slice();
  inbox_->LetGo(this);  // may be the last word
}

}  // namespace dormouse
