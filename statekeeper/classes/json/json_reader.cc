#include "statekeeper/classes/json/json_reader.h"

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <cstdlib>

namespace dormouse {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Walks valid JSON. Every method leaves the cursor after what it read.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  void SkipSpace() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  // After white space: takes `c` if it is next.
  bool Take(char c) {
    SkipSpace();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  JsonSlice Value() {
    SkipSpace();
    const size_t begin = at_;
    if (at_ >= text_.size()) return {};
    const char first = text_[at_];
    if (first == '"') {
      SkipString();
    } else if (first == '{' || first == '[') {
      SkipNested();
    } else {
      const size_t end = text_.find_first_of(",]} \t\n\r", at_);
      at_ = end == std::string_view::npos ? text_.size() : end;
    }
    return text_.substr(begin, at_ - begin);
  }

 private:
  void SkipString() {
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        ++at_;
        return;
      }
    }
  }
  void SkipNested() {
    size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        SkipString();
        continue;
      }
      ++at_;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return;
    }
  }

  std::string_view text_;
  size_t at_ = 0;
};

struct StringCatcher : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, StringCatcher> {
  std::string text;
  bool String(const char* data, rapidjson::SizeType size, bool) {
    text.assign(data, size);
    return true;
  }
};

std::string Unquote(JsonSlice quoted) {
  if (quoted.find('\\') == JsonSlice::npos) return std::string(quoted.substr(1, quoted.size() - 2));
  rapidjson::MemoryStream stream(quoted.data(), quoted.size());
  rapidjson::Reader reader;
  StringCatcher catcher;
  reader.Parse(stream, catcher);
  return std::move(catcher.text);
}

}  // namespace

bool IsValidJson(std::string_view text) {
  // Numbers stay text: their value is nobody's business here, and 1e999 is well-formed.
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                              rapidjson::kParseNumbersAsStringsFlag;
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::BaseReaderHandler<> nobody;
  rapidjson::Reader reader;
  if (reader.Parse<kFlags>(stream, nobody).IsError()) return false;
  return stream.Tell() == text.size();  // the reader takes a zero byte for the end
}

JsonObject::JsonObject(JsonSlice text) {
  Cursor cursor(text);
  if (!cursor.Take('{') || cursor.Take('}')) return;
  members_.reserve(12);
  do {
    const JsonSlice key = cursor.Value();
    if (!IsJsonString(key) || !cursor.Take(':')) return;
    members_.push_back({Unquote(key), cursor.Value()});
  } while (cursor.Take(','));
}

JsonSlice JsonObject::Find(std::string_view key) const {
  for (auto member = members_.rbegin(); member != members_.rend(); ++member) {
    if (member->key == key) return member->value;
  }
  return {};
}

std::optional<std::vector<JsonSlice>> JsonElements(JsonSlice text) {
  Cursor cursor(text);
  if (!cursor.Take('[')) return std::nullopt;
  std::vector<JsonSlice> elements;
  if (cursor.Take(']')) return elements;
  do {
    elements.push_back(cursor.Value());
  } while (cursor.Take(','));
  return elements;
}

std::optional<std::string> JsonString(JsonSlice text) {
  if (!IsJsonString(text)) return std::nullopt;
  return Unquote(text);
}

std::optional<double> JsonNumber(JsonSlice text) {
  if (!IsJsonNumber(text)) return std::nullopt;
  return std::strtod(std::string(text).c_str(), nullptr);
}

}  // namespace dormouse
