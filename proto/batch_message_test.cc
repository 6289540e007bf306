#include "proto/batch_message.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "proto/link.pb.h"

namespace dormouse {
namespace {

constexpr int kField = link::ToGateway::kDeliveriesFieldNumber;

void Append(BatchBuilder* builder, const std::string& record) {
  std::memcpy(builder->Extend(record.size()), record.data(), record.size());
}

std::string Bytes(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  EXPECT_TRUE(buffer.DumpToSingleSlice(&slice).ok());
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

grpc::ByteBuffer Buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

TEST(BatchMessageTest, IsWhatProtobufReads) {
  BatchBuilder builder;
  link::ToGateway rest;
  rest.set_batch(7);
  for (const size_t size : {0u, 1u, 127u, 128u, 5'000u, 3'000'000u, 3u}) {
    std::string all;
    for (int i = 0; i < 3 && size > 0; ++i) {
      Append(&builder, std::string(size, static_cast<char>('a' + i)));
      all += std::string(size, static_cast<char>('a' + i));
    }
    EXPECT_EQ(builder.records(), all);
    link::ToGateway read;
    ASSERT_TRUE(read.ParseFromString(Bytes(builder.Finish(rest, kField))));
    EXPECT_EQ(read.batch(), 7u);
    EXPECT_EQ(read.deliveries(), all);
    EXPECT_EQ(builder.size(), 0u);
  }
}

TEST(BatchMessageTest, ReadsWhatProtobufWritesWithoutCopyingTheRecords) {
  link::ToGateway message;
  message.mutable_hello()->set_incarnation(1);
  message.set_deliveries("records");
  message.add_settled()->set_last(5);
  const grpc::ByteBuffer buffer = Buffer(message.SerializeAsString());
  link::ToGateway rest;
  BatchBytes records;
  ASSERT_TRUE(FromBuffer(buffer, kField, &rest, &records));
  EXPECT_EQ(records.view(), "records");
  EXPECT_EQ(rest.hello().incarnation(), 1u);
  EXPECT_EQ(rest.settled(0).last(), 5u);
  EXPECT_EQ(rest.deliveries(), "");
}

TEST(BatchMessageTest, RecordsThatLieElsewhereAreGathered) {
  link::ToGateway rest;
  rest.set_batch(3);
  const std::vector<std::string_view> parts = {"one", "", "two"};
  link::ToGateway read;
  ASSERT_TRUE(read.ParseFromString(Bytes(ToBuffer(rest, kField, parts))));
  EXPECT_EQ(read.deliveries(), "onetwo");
  EXPECT_EQ(read.batch(), 3u);
}

TEST(BatchMessageTest, TakesNoMoreMemoryThanTwiceItsSizeOrLittle) {
  BatchBuilder builder;
  Append(&builder, std::string(60'000, 'x'));
  builder.Finish(link::ToGateway(), kField);
  Append(&builder, "x");
  EXPECT_EQ(Bytes(builder.Finish(link::ToGateway(), kField)).size(), 3u);
}

TEST(BatchMessageTest, EveryTruncationAndEveryFlippedByteIsReadWithinBounds) {
  link::ToGateway message;
  message.set_batch(300);
  message.set_deliveries("records");
  message.add_settled()->set_last(5);
  const std::string whole = message.SerializeAsString();
  link::ToGateway rest;
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const bool cut : {false, true}) {
      std::string bytes = cut ? whole.substr(0, i) : whole;  // its own allocation, for the sanitizer
      if (!cut) bytes[i] = static_cast<char>(~bytes[i]);
      BatchBytes records;
      const bool sound = FromBuffer(Buffer(bytes), kField, &rest, &records);
      EXPECT_EQ(sound, link::ToGateway().ParseFromString(bytes)) << i;
    }
  }
}

}  // namespace
}  // namespace dormouse
