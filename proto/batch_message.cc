#include "proto/batch_message.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message_lite.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace dormouse {
namespace {

using google::protobuf::MessageLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

// Wire types of protobuf.
constexpr uint32_t kVarint = 0;
constexpr uint32_t kFixed64 = 1;
constexpr uint32_t kBytes = 2;
constexpr uint32_t kFixed32 = 5;

constexpr size_t kMaxHead = 10;  // of the field: tag and length
constexpr size_t kLeast = 256;
constexpr size_t kMaxGuess = 64u << 10;
// Half of what it takes may be empty, but not of more than this.
constexpr size_t kMaxWaste = 4096;

uint32_t TagOf(int field) { return static_cast<uint32_t>(field) << 3 | kBytes; }

bool Skip(uint32_t tag, CodedInputStream* in) {
  uint64_t varint = 0;
  uint32_t size = 0;
  switch (tag & 7) {
    case kVarint:
      return in->ReadVarint64(&varint);
    case kFixed64:
      return in->Skip(8);
    case kBytes:
      return in->ReadVarint32(&size) && size <= INT32_MAX && in->Skip(static_cast<int>(size));
    case kFixed32:
      return in->Skip(4);
    default:
      return false;
  }
}

bool Merge(std::string_view bytes, MessageLite* message) {
  if (bytes.empty()) return true;
  CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  return message->MergePartialFromCodedStream(&in) && in.ConsumedEntireMessage();
}

}  // namespace

char* BatchBuilder::Extend(size_t bytes, size_t later) {
  Reserve(size_ + bytes + later);
  char* const at = data() + kMaxHead + size_;
  size_ += bytes;
  return at;
}

std::string_view BatchBuilder::records() const {
  return size_ == 0 ? std::string_view() : std::string_view(data() + kMaxHead, size_);
}

void BatchBuilder::Reserve(size_t bytes) {
  if (kMaxHead + bytes <= slice_.size()) return;
  const size_t guess = size_ == 0 ? std::min(last_size_ + last_size_ / 4, kMaxGuess) : 2 * size_;
  grpc::Slice larger(kMaxHead + std::max({bytes, guess, kLeast}));
  std::memcpy(const_cast<uint8_t*>(larger.begin()), slice_.begin(), size_ == 0 ? 0 : kMaxHead + size_);
  slice_ = larger;
}

grpc::ByteBuffer BatchBuilder::Finish(const MessageLite& rest, int field) {
  const size_t rest_size = rest.ByteSizeLong();
  Reserve(size_ + rest_size);
  size_t begin = kMaxHead;
  if (size_ > 0) {
    uint8_t head[kMaxHead];
    uint8_t* end = CodedOutputStream::WriteVarint32ToArray(TagOf(field), head);
    end = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(size_), end);
    begin -= static_cast<size_t>(end - head);
    std::memcpy(data() + begin, head, static_cast<size_t>(end - head));
  }
  const size_t end = kMaxHead + size_ + rest_size;
  rest.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(data()) + kMaxHead + size_);
  grpc::Slice message = slice_.size() - end > std::max(end, kMaxWaste)
                            ? grpc::Slice(data() + begin, end - begin)
                            : slice_.sub(begin, end);
  last_size_ = size_ + rest_size;
  size_ = 0;
  slice_ = grpc::Slice();
  return {&message, 1};
}

grpc::ByteBuffer ToBuffer(const MessageLite& rest, int field, std::span<const std::string_view> records) {
  size_t size = 0;
  for (const std::string_view record : records) size += record.size();
  BatchBuilder builder;
  if (size > 0) {
    char* at = builder.Extend(size, rest.ByteSizeLong());
    for (const std::string_view record : records) at += record.copy(at, record.size());
  }
  return builder.Finish(rest, field);
}

bool FromBuffer(const grpc::ByteBuffer& buffer, int field, MessageLite* rest, BatchBytes* records) {
  rest->Clear();
  records->view_ = {};
  if (!buffer.Valid()) return true;  // an empty message
  if (!buffer.TrySingleSlice(&records->slice_).ok() && !buffer.DumpToSingleSlice(&records->slice_).ok()) {
    return false;
  }
  const std::string_view all(reinterpret_cast<const char*>(records->slice_.begin()), records->slice_.size());
  CodedInputStream in(records->slice_.begin(), static_cast<int>(all.size()));
  size_t unread = 0;  // from here on, up to the next field of records
  while (true) {
    const auto at = static_cast<size_t>(in.CurrentPosition());
    if (at == all.size()) break;
    const uint32_t tag = in.ReadTag();
    if (tag != TagOf(field)) {
      if (tag == 0 || !Skip(tag, &in)) return false;
      continue;
    }
    uint32_t size = 0;
    if (!in.ReadVarint32(&size)) return false;
    const auto begin = static_cast<size_t>(in.CurrentPosition());
    if (size > all.size() - begin || !in.Skip(static_cast<int>(size))) return false;
    records->view_ = all.substr(begin, size);
    if (!Merge(all.substr(unread, at - unread), rest)) return false;
    unread = begin + size;
  }
  return Merge(all.substr(unread), rest);
}

}  // namespace dormouse
