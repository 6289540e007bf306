// What connections say and expect, from a file, so that any hub class can be talked to:
//
//   # a comment
//   skip
//   expect {"type": "welcome"}
//   send {"type": "join", "name": "guest-{i}"}
//   ignore {"type": "joined"}
//   loop
//   send {"type": "say", "id": {n}, "text": "{random}"}
//   expect {"type": "said", "id": {n}, "text": "{random}"}
//   wait 100
//
// Lines before `loop` are played once a socket, those behind it for each request. What is expected has to
// come as the next frame: a JSON object with these members at least, or this very text, in which \r and \n
// stand for themselves. `skip` takes the next frame, whatever it says; those that match an `ignore` may come
// at any time, and a text to be ignored may be stuck to another one. {i} is the connection's number, {n} that
// of the request, {random} 16 letters that belong to both.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dormouse::load {

class Script {
 public:
  enum class Verb : uint8_t { kSend, kExpect, kSkip, kWait };
  struct Line {
    Verb verb = Verb::kSend;
    std::string text;
    int64_t wait_ms = 0;
  };

  // Throws std::runtime_error with the number of the line that is wrong.
  static Script Parse(const std::string& text);

  const std::vector<Line>& greeting() const { return greeting_; }
  const std::vector<Line>& loop() const { return loop_; }

  bool IsIgnored(std::string_view frame, uint32_t connection, uint32_t number) const;
  // The frame without texts to be ignored that are stuck to its front or end, as servers do that say lines.
  std::string_view WithoutIgnored(std::string_view frame) const;

 private:
  std::vector<Line> greeting_;
  std::vector<Line> loop_;
  std::vector<std::string> ignored_;
};

// With what the placeholders stand for.
std::string Filled(std::string_view text, uint32_t connection, uint32_t number);

// Whether a frame is what is expected.
bool Matches(std::string_view expected, std::string_view frame);

}  // namespace dormouse::load
