#include "gateway/edge/fallback/posted_messages.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace dormouse::edge {
namespace {

using Message = std::pair<bool, std::string>;  // binary, and what it says

struct Result {
  std::vector<Message> messages;
  bool bad = false;
  bool at_border = false;
};
Result ReadPosted(std::string_view body, size_t cut) {
  Result result;
  PostedMessages posted;
  Message message;
  for (; !body.empty(); body.remove_prefix(std::min(cut, body.size()))) {
    std::string_view in = body.substr(0, cut);
    for (;;) {
      const PostedMessages::Step step = posted.Next(&in);
      if (step.kind == PostedMessages::Kind::kMore) break;
      if (step.kind == PostedMessages::Kind::kBad) return {result.messages, true, false};
      if (step.kind == PostedMessages::Kind::kBegin) message = {step.binary, ""};
      message.second += step.piece;
      if (step.last) result.messages.push_back(message);
    }
  }
  result.at_border = posted.at_border();
  return result;
}

TEST(PostedMessagesTest, AreTakenApartHoweverTheyAreCut) {
  const std::string body =
      "text 5\nhellobinary 3\n" + std::string("\0\n\2", 3) + "text 0\ntext 9\ntext 1\nx\n";
  const std::vector<Message> expected = {
      {false, "hello"}, {true, std::string("\0\n\2", 3)}, {false, ""}, {false, "text 1\nx\n"}};
  for (const size_t cut : {1, 2, 5, 1'000}) {
    const Result result = ReadPosted(body, cut);
    EXPECT_EQ(result.messages, expected) << cut;
    EXPECT_TRUE(result.at_border);
  }
}

TEST(PostedMessagesTest, AnythingElseIsBad) {
  for (const char* body : {"hello\n", "text\n", "text \n", "text -1\n", "text 5x\n", "Text 5\nhello",
                           "text 05 \n", "text 99999999999999999999\n", "binary 9223372036854775807\n",
                           "a line that has no end and is longer than any line can be"}) {
    EXPECT_TRUE(ReadPosted(body, 1).bad) << body;
  }
}

TEST(PostedMessagesTest, AMessageThatIsNotWholeIsSeen) {
  EXPECT_FALSE(ReadPosted("text 5\nhell", 3).at_border);
  EXPECT_FALSE(ReadPosted("text 5\nhellote", 3).at_border);
  EXPECT_TRUE(ReadPosted("text 5\nhello", 3).at_border);
}

}  // namespace
}  // namespace dormouse::edge
