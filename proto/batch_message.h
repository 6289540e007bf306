// Messages of link.proto whose bulk is one bytes field of packed records (packed.h): written and read without
// a copy of the records on the way between where they are made, or looked at, and the stream. On the wire
// they are what protobuf makes of them.
//
// Plain data; one thread.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <cstddef>
#include <span>
#include <string_view>

namespace google::protobuf {
class MessageLite;
}

namespace dormouse {

// A message that grows record by record.
class BatchBuilder {
 public:
  // Where so many bytes more are to be written, now. `later`: so many are known to follow, `rest` included.
  char* Extend(size_t bytes, size_t later = 0);
  std::string_view records() const;
  size_t size() const { return size_; }

  // The message, with the records as its field `field` beside `rest`. There are none after that.
  grpc::ByteBuffer Finish(const google::protobuf::MessageLite& rest, int field);

 private:
  char* data() const { return reinterpret_cast<char*>(const_cast<uint8_t*>(slice_.begin())); }
  // So that so many bytes behind the head fit.
  void Reserve(size_t bytes);

  grpc::Slice slice_;  // the field's head right-aligned, then the records
  size_t size_ = 0;
  size_t last_size_ = 0;  // of the message before: the next one will be about as large
};

// A message of records that lie elsewhere; they are copied.
grpc::ByteBuffer ToBuffer(const google::protobuf::MessageLite& rest, int field,
                          std::span<const std::string_view> records);

// The records of a message that was received, where they lie in it.
class BatchBytes {
 public:
  // As long as this lasts and, where the stream is local, the handling of the arrival.
  std::string_view view() const { return view_; }

 private:
  friend bool FromBuffer(const grpc::ByteBuffer& buffer, int field, google::protobuf::MessageLite* rest,
                         BatchBytes* records);
  grpc::Slice slice_;
  std::string_view view_;
};

// Takes such a message apart. False where it is none.
bool FromBuffer(const grpc::ByteBuffer& buffer, int field, google::protobuf::MessageLite* rest,
                BatchBytes* records);

}  // namespace dormouse
