// Reading JSON without building a document: a value is the slice of the text it was written as, so what is
// only passed on is passed on byte for byte, and what is not asked for costs a skip.
//
// A text is checked once, as a whole (IsValidJson). Everything else here takes text that was found valid, or
// a slice of such text, and cannot fail on it. Neither part recurses: a megabyte of nested arrays needs heap,
// not stack. Pure functions; the slices live as long as the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dormouse {

// Whether `text` is one JSON value in valid UTF-8, with nothing but white space around it.
bool IsValidJson(std::string_view text);

// One JSON value as it was written, without white space around it. An empty slice: there is no value.
using JsonSlice = std::string_view;

struct JsonMember {
  JsonSlice quoted_key;  // as written
  JsonSlice value;
  bool escaped = false;  // there is a backslash in the key

  std::string key() const;
  // Whether that is the key, without building it.
  bool IsCalled(std::string_view name) const;
};

// The members of one object; not those of objects within it.
class JsonObject {
 public:
  JsonObject() = default;
  // `text` may be anything valid: what is not an object has no members.
  explicit JsonObject(JsonSlice text);

  // Empty: there is no such member. Of equal keys the last one counts.
  JsonSlice Find(std::string_view key) const;
  const std::vector<JsonMember>& members() const { return members_; }

 private:
  std::vector<JsonMember> members_;
};

// The elements of an array, the first `limit` of them; nothing when `text` is not an array.
std::optional<std::vector<JsonSlice>> JsonElements(JsonSlice text, size_t limit = SIZE_MAX);

inline bool IsJsonObject(JsonSlice text) { return !text.empty() && text.front() == '{'; }
inline bool IsJsonString(JsonSlice text) { return !text.empty() && text.front() == '"'; }
inline bool IsJsonNumber(JsonSlice text) {
  return !text.empty() && (text.front() == '-' || (text.front() >= '0' && text.front() <= '9'));
}
// No value at all, or null.
inline bool IsJsonNothing(JsonSlice text) { return text.empty() || text == "null"; }

// The text of a string, nothing when it is none.
std::optional<std::string> JsonString(JsonSlice text);
// A number, nothing when it is none.
std::optional<double> JsonNumber(JsonSlice text);

}  // namespace dormouse
