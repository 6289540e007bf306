#include "gateway/takeover/state_writer.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "gateway/takeover/state_reader.h"
#include "gateway/takeover/testing/state_copy.h"

namespace dormouse::takeover {
namespace {

// What tells one file from another.
ino_t FileOf(int fd) {
  struct stat info {};
  EXPECT_EQ(fstat(fd, &info), 0);
  return info.st_ino;
}

TEST(StateWriterTest, ItemsComeInOrderWithTheirDescriptors) {
  StateCopy copy;
  StateWriter writer(&copy);
  std::vector<ino_t> files;
  std::vector<int> pipes;
  for (uint64_t i = 0; i < 700; ++i) {
    Item item;
    item.mutable_connection()->set_handle(i);
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    close(ends[1]);
    pipes.push_back(ends[0]);
    files.push_back(FileOf(ends[0]));
    writer.Add(std::move(item), ends[0]);
  }
  ASSERT_TRUE(writer.Finish());
  for (const int fd : pipes) close(fd);
  EXPECT_GE(copy.packets(), 3u);  // of 250 descriptors at most

  StateReader reader(&copy);
  for (uint64_t i = 0; i < 700; ++i) {
    const Item* const item = reader.Next();
    ASSERT_NE(item, nullptr) << reader.wrong();
    EXPECT_EQ(item->connection().handle(), i);
    const int fd = reader.TakeDescriptor();
    EXPECT_EQ(FileOf(fd), files[i]);
    close(fd);
  }
  EXPECT_EQ(reader.Next(), nullptr);
  EXPECT_EQ(reader.wrong(), "there is no more");
}

TEST(StateWriterTest, LongTextsGoInPiecesAndSharedOnesOnce) {
  StateCopy copy;
  StateWriter writer(&copy);
  const std::string own(1'000'000, 'o');
  const std::string shared(300'000, 's');
  const std::string small = "small and shared";
  for (int i = 0; i < 100; ++i) {
    Item item;
    Frame* const frame = item.mutable_waiting_frame();
    writer.SetText(i == 7 ? std::string_view(own) : "short", frame->mutable_head());
    writer.SetShared(i % 2 == 0 ? std::string_view(shared) : std::string_view(small), frame->mutable_body());
    writer.Add(std::move(item));
  }
  ASSERT_TRUE(writer.Finish());
  EXPECT_LT(writer.bytes(), 1'400'000u);

  StateReader reader(&copy);
  std::shared_ptr<std::string> first;
  for (int i = 0; i < 100; ++i) {
    const Item* const item = reader.Next();
    ASSERT_NE(item, nullptr) << reader.wrong();
    EXPECT_EQ(reader.TakeText(item->waiting_frame().head()), i == 7 ? own : "short");
    const auto body = reader.Shared(item->waiting_frame().body());
    EXPECT_EQ(*body, i % 2 == 0 ? shared : small);
    if (i == 0) first = body;
    if (i == 2) {
      EXPECT_EQ(body, first);
    }
  }
  EXPECT_EQ(reader.wrong(), "");
}

TEST(StateWriterTest, WhatIsMissingIsWrong) {
  StateCopy copy;
  StateWriter writer(&copy);
  Item item;
  item.mutable_connection()->mutable_unread()->set_number(9);
  writer.Add(std::move(item));
  writer.Finish();
  StateReader reader(&copy);
  const Item* const read = reader.Next();
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(reader.TakeText(read->connection().unread()), "");
  EXPECT_EQ(reader.wrong(), "a text is missing");
  EXPECT_EQ(reader.TakeDescriptor(), -1);
  EXPECT_EQ(reader.Next(), nullptr);
}

}  // namespace
}  // namespace dormouse::takeover
