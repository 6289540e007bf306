// A frame as tests look at it.
#pragma once

#include <algorithm>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "common/json/json_reader.h"

namespace dormouse {

// A frame of the hub, its fields by path: "payload.code".
struct Frame {
  std::string text;

  std::string operator[](const std::string& path) const {
    std::string value = text;
    for (size_t begin = 0; begin <= path.size();) {
      const size_t end = std::min(path.find('.', begin), path.size());
      value = std::string(JsonObject(value).Find(path.substr(begin, end - begin)));
      begin = end + 1;
    }
    return value;
  }
  std::string String(const std::string& path) const {
    return JsonString((*this)[path]).value_or("(no string)");
  }
  std::string type() const { return String("type"); }
  std::string code() const { return String("payload.code"); }  // of an error
  double Number(const std::string& path) const { return JsonNumber((*this)[path]).value_or(-1); }
  std::set<std::string> Keys(const std::string& path) const {
    std::set<std::string> keys;
    const std::string text_there = (*this)[path];
    const JsonObject object(text_there);
    for (const JsonMember& member : object.members()) keys.insert(member.key());
    return keys;
  }
};

inline std::vector<std::string> Types(const std::vector<Frame>& frames) {
  std::vector<std::string> types;
  types.reserve(frames.size());
  for (const Frame& frame : frames) types.push_back(frame.type());
  return types;
}

inline std::ostream& operator<<(std::ostream& out, const Frame& frame) { return out << frame.text; }

}  // namespace dormouse
