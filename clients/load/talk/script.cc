#include "clients/load/talk/script.h"

#include <charconv>
#include <sstream>
#include <stdexcept>

#include "common/json/json_reader.h"

namespace dormouse::load {
namespace {

// Every bit of the result depends on every bit of `seed`.
uint64_t Mixed(uint64_t seed) {
  seed += 0x9e3779b97f4a7c15;
  seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9;
  seed = (seed ^ seed >> 27) * 0x94d049bb133111eb;
  return seed ^ seed >> 31;
}

std::string RandomOf(uint32_t connection, uint32_t number) {
  std::string letters;
  uint64_t bits = Mixed(uint64_t{connection} << 32 | number);
  for (int i = 0; i < 16; ++i, bits >>= 4) letters.push_back("abcdefghijkmnpqr"[bits & 0xf]);
  return letters;
}

bool Holds(JsonSlice whole, JsonSlice part) {
  if (IsJsonObject(part)) {
    if (!IsJsonObject(whole)) return false;
    const JsonObject members(whole);
    const JsonObject asked(part);
    for (const JsonMember& wanted : asked.members()) {
      const JsonSlice there = members.Find(wanted.key());
      if (there.empty() || !Holds(there, wanted.value)) return false;
    }
    return true;
  }
  const auto wanted = JsonElements(part);
  if (wanted.has_value()) {
    const auto there = JsonElements(whole);
    if (!there.has_value() || there->size() != wanted->size()) return false;
    for (size_t i = 0; i < wanted->size(); ++i) {
      if (!Holds((*there)[i], (*wanted)[i])) return false;
    }
    return true;
  }
  if (IsJsonString(part)) return IsJsonString(whole) && JsonString(whole) == JsonString(part);
  if (IsJsonNumber(part)) return IsJsonNumber(whole) && JsonNumber(whole) == JsonNumber(part);
  return whole == part;
}

// A text that is no JSON has its ends of lines written as \r and \n.
std::string WithEndsOfLines(const std::string& text) {
  if (IsJsonObject(text)) return text;
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    const std::string_view two = std::string_view(text).substr(at, 2);
    if (two == "\\r" || two == "\\n") {
      out.push_back(two == "\\r" ? '\r' : '\n');
      ++at;
    } else {
      out.push_back(text[at]);
    }
  }
  return out;
}

}  // namespace

Script Script::Parse(const std::string& text) {
  Script script;
  bool in_loop = false;
  std::istringstream lines(text);
  int number = 0;
  bool sends = false;
  bool expects = false;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const auto wrong = [&](const std::string& what) {
      throw std::runtime_error("line " + std::to_string(number) + " of the script: " + what);
    };
    const size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string::npos || line[begin] == '#') continue;
    line.erase(0, begin);
    line.erase(line.find_last_not_of(" \t\r") + 1);
    const std::string verb = line.substr(0, line.find(' '));
    const std::string rest = verb.size() == line.size() ? "" : WithEndsOfLines(line.substr(verb.size() + 1));
    std::vector<Line>& part = in_loop ? script.loop_ : script.greeting_;
    if (verb == "loop" && !in_loop && rest.empty()) {
      in_loop = true;
    } else if (verb == "skip" && rest.empty()) {
      part.push_back({.verb = Verb::kSkip, .text = ""});
    } else if (verb == "wait") {
      int64_t wait_ms = -1;
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), wait_ms);
      if (error != std::errc() || end != rest.data() + rest.size() || wait_ms < 0) {
        wrong("'wait' wants milliseconds, as in: wait 100");
      }
      part.push_back({.verb = Verb::kWait, .text = "", .wait_ms = wait_ms});
    } else if (verb == "send" || verb == "expect" || verb == "ignore") {
      if (rest.empty()) wrong("'" + verb + "' wants a text behind it");
      if (verb == "ignore") {
        script.ignored_.push_back(rest);
        continue;
      }
      part.push_back({.verb = verb == "send" ? Verb::kSend : Verb::kExpect, .text = rest});
      (verb == "send" ? sends : expects) |= in_loop;
    } else {
      wrong("'" + line + "' is none of: send TEXT, expect TEXT, skip, ignore TEXT, wait MS, loop (once)");
    }
  }
  if (!sends || !expects) {
    throw std::runtime_error(
        "the script needs a line 'loop', and behind it a 'send' and an 'expect': the request");
  }
  return script;
}

bool Script::IsIgnored(std::string_view frame, uint32_t connection, uint32_t number) const {
  for (const std::string& ignored : ignored_) {
    if (Matches(Filled(ignored, connection, number), frame)) return true;
  }
  return false;
}

std::string_view Script::WithoutIgnored(std::string_view frame) const {
  for (const std::string& ignored : ignored_) {
    if (IsJsonObject(ignored)) continue;
    while (frame.size() > ignored.size() && frame.starts_with(ignored)) frame.remove_prefix(ignored.size());
    while (frame.size() > ignored.size() && frame.ends_with(ignored)) frame.remove_suffix(ignored.size());
  }
  return frame;
}

std::string Filled(std::string_view text, uint32_t connection, uint32_t number) {
  std::string filled;
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("{i}")) {
      filled += std::to_string(connection);
      at += 3;
    } else if (rest.starts_with("{n}")) {
      filled += std::to_string(number);
      at += 3;
    } else if (rest.starts_with("{random}")) {
      filled += RandomOf(connection, number);
      at += 8;
    } else {
      filled.push_back(text[at++]);
    }
  }
  return filled;
}

bool Matches(std::string_view expected, std::string_view frame) {
  if (expected == frame) return true;
  return IsJsonObject(expected) && IsValidJson(expected) && IsValidJson(frame) && Holds(frame, expected);
}

}  // namespace dormouse::load
