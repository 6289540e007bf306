// Writing JSON, one object at a time, members in the order of the calls:
//
//   JsonWriter().String("type", "pong").Int("n", 3).Raw("data", slice).Finish()   //
//   {"type":"pong","n":3,...}
//
// Output is always valid: strings are escaped, and bytes that are no UTF-8 become U+FFFD. Raw values must be
// valid JSON; an empty one becomes null.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dormouse {

// Appends `text` as a JSON string, quotes included.
void AppendJsonString(std::string_view text, std::string* out);
std::string JsonQuoted(std::string_view text);

class JsonWriter {
 public:
  JsonWriter() : text_("{") {}

  JsonWriter& String(std::string_view key, std::string_view value);
  JsonWriter& Int(std::string_view key, int64_t value);
  JsonWriter& Bool(std::string_view key, bool value);
  JsonWriter& Raw(std::string_view key, std::string_view json);
  // With the key, too, as it was written, quotes included.
  JsonWriter& RawMember(std::string_view quoted_key, std::string_view json);

  // The object; the writer is used up.
  std::string Finish();

 private:
  void Key(std::string_view key);
  std::string text_;
};

}  // namespace dormouse
