#include "statekeeper/store/redis/redis_output.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <random>
#include <string>

namespace dormouse {
namespace {

std::string Gathered(const RedisOutput& output) {
  std::array<iovec, 4> parts;
  std::string text;
  for (const iovec& part : std::span(parts).first(output.Gather(parts))) {
    text.append(static_cast<const char*>(part.iov_base), part.iov_len);
  }
  return text;
}

TEST(RedisOutput, ShortTextsLeaveAsOne) {
  RedisOutput output;
  EXPECT_TRUE(output.empty());
  output.Add("PING", 1);
  output.Add("", 2);
  output.Add("PONG", 3);
  EXPECT_EQ(output.front(), "PINGPONG");
}

TEST(RedisOutput, ALongTextIsNotCopied) {
  const std::string text(RedisOutput::kReferredBytes, 'x');
  RedisOutput output;
  output.Add("before", 1);
  output.Refer(text, 2);
  output.Add("after", 3);
  EXPECT_EQ(Gathered(output), "before" + text + "after");
  output.Take(6);
  EXPECT_EQ(output.front().data(), text.data());
  output.Take(10);
  EXPECT_EQ(output.front().data(), text.data() + 10);
  EXPECT_EQ(Gathered(output), text.substr(10) + "after");
  output.Take(text.size() - 10 + 5);
  EXPECT_TRUE(output.empty());
}

TEST(RedisOutput, GathersNoMoreThanThereIsRoomFor) {
  const std::string text(RedisOutput::kReferredBytes, 'x');
  RedisOutput output;
  for (int i = 0; i < 6; ++i) output.Refer(text, i);
  EXPECT_EQ(Gathered(output).size(), 4 * text.size());
}

// A server may answer before it has read the whole command: that it is too long.
TEST(RedisOutput, WhatIsLeftOfAReleasedTextIsCopied) {
  RedisOutput output;
  std::string text(RedisOutput::kReferredBytes, 'x');
  const std::string next(RedisOutput::kReferredBytes, 'y');
  output.Refer(text, 1);
  output.Refer(next, 2);
  output.Take(100);
  output.Release(1);
  text.assign(text.size(), '?');
  EXPECT_EQ(Gathered(output), std::string(RedisOutput::kReferredBytes - 100, 'x') + next);
  output.Take(RedisOutput::kReferredBytes - 100);
  EXPECT_EQ(output.front().data(), next.data());
}

TEST(RedisOutput, WhateverTheSizesEveryByteLeavesInOrder) {
  std::minstd_rand random(7);  // NOLINT(cert-msc51-cpp): the same run each time
  std::deque<std::string> texts;
  std::string all;
  std::string written;
  RedisOutput output;
  const auto write = [&](size_t size) {
    const std::string gathered = Gathered(output);
    size = std::min(size, gathered.size());
    written += gathered.substr(0, size);
    output.Take(size);
  };
  for (int i = 0; i < 400; ++i) {
    texts.emplace_back(random() % (2 * RedisOutput::kReferredBytes), static_cast<char>('a' + i % 26));
    all += texts.back();
    i % 5 == 0 ? output.Add(texts.back(), i) : output.Refer(texts.back(), i);
    if (random() % 3 > 0) write(random() % (3 * RedisOutput::kReferredBytes));
  }
  while (!output.empty()) write(50'000);
  EXPECT_TRUE(written == all);
}

}  // namespace
}  // namespace dormouse
