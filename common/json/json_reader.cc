#include "common/json/json_reader.h"

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <cctype>
#include <charconv>
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

char Unescaped(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;
  }
}

// Whether the text of a string, without its quotes, is `name`. Stops at the first difference: who fills a
// frame with keys that have to be unescaped costs no more than one with others.
bool IsTextOf(std::string_view raw, std::string_view name) {
  constexpr size_t kUnicode = 6;  // \uXXXX
  while (!raw.empty() && !name.empty()) {
    char next = raw.front();
    size_t size = 1;
    if (next == '\\' && raw[1] == 'u') {
      unsigned code = 0;
      std::from_chars(raw.data() + 2, raw.data() + kUnicode, code, 16);
      if (code >= 0x80) {
        const bool may_be = (static_cast<unsigned char>(name.front()) & 0x80u) != 0;
        return may_be && Unquote("\"" + std::string(raw) + "\"") == name;
      }
      next = static_cast<char>(code);
      size = kUnicode;
    } else if (next == '\\') {
      next = Unescaped(raw[1]);
      size = 2;
    }
    if (next != name.front()) return false;
    raw.remove_prefix(size);
    name.remove_prefix(1);
  }
  return raw.empty() && name.empty();
}

// Whether what comes next is the first digit of an exponent.
bool EndsInExponent(std::string_view text) {
  if (text.ends_with('+') || text.ends_with('-')) text.remove_suffix(1);
  return text.size() >= 2 && (text.back() == 'e' || text.back() == 'E') &&
         std::isdigit(static_cast<unsigned char>(text[text.size() - 2])) != 0;
}

// The error in `text`; nothing: it is JSON as far as RapidJSON can tell.
std::optional<rapidjson::ParseErrorCode> FindError(std::string_view text) {
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                              rapidjson::kParseNumbersAsStringsFlag;
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::BaseReaderHandler<> nobody;
  rapidjson::Reader reader;
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, nobody);
  if (result.IsError()) return result.Code();
  // The reader takes a zero byte for the end.
  if (stream.Tell() != text.size()) return rapidjson::kParseErrorDocumentRootNotSingular;
  return std::nullopt;
}

// Well-formed (RFC 8259, 6 and 8.2), but RapidJSON refuses them: numbers that no double holds, and halves of
// surrogate pairs. This writes small numbers and whole characters in their place; what was malformed stays
// so.
std::string WithoutExtremes(std::string_view text) {
  constexpr size_t kSafeDigits = 18;
  std::string out;
  out.reserve(text.size());
  bool in_string = false;
  size_t digits = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\' && at + 1 < text.size()) {
      const bool surrogate = at + 5 < text.size() && text[at + 1] == 'u' &&
                             (text[at + 2] == 'd' || text[at + 2] == 'D') &&
                             std::string_view("89abcdefABCDEF").find(text[at + 3]) != std::string_view::npos;
      out.push_back(c);
      out.push_back(text[++at]);
      if (surrogate) {
        out.append("00");
        at += 2;
      }
      continue;
    }
    const bool digit = !in_string && std::isdigit(static_cast<unsigned char>(c)) != 0;
    digits = digit ? digits + 1 : 0;
    if (digits > kSafeDigits) continue;
    if (digit && EndsInExponent(out)) {
      out.push_back('0');
      digits = kSafeDigits;  // the rest of it goes
      continue;
    }
    out.push_back(c);
  }
  return out;
}

}  // namespace

bool IsValidJson(std::string_view text) {
  const std::optional<rapidjson::ParseErrorCode> error = FindError(text);
  if (error == rapidjson::kParseErrorNumberTooBig ||
      error == rapidjson::kParseErrorStringUnicodeSurrogateInvalid) {
    return !FindError(WithoutExtremes(text)).has_value();
  }
  return !error.has_value();
}

JsonObject::JsonObject(JsonSlice text) {
  Cursor cursor(text);
  if (!cursor.Take('{') || cursor.Take('}')) return;
  members_.reserve(12);
  do {
    const JsonSlice key = cursor.Value();
    if (!IsJsonString(key) || !cursor.Take(':')) return;
    const bool escaped = key.find('\\') != key.npos;
    members_.push_back({key, cursor.Value(), escaped});
  } while (cursor.Take(','));
}

std::string JsonMember::key() const { return Unquote(quoted_key); }

bool JsonMember::IsCalled(std::string_view name) const {
  const std::string_view raw = quoted_key.substr(1, quoted_key.size() - 2);
  return escaped ? IsTextOf(raw, name) : raw == name;
}

JsonSlice JsonObject::Find(std::string_view key) const {
  for (auto member = members_.rbegin(); member != members_.rend(); ++member) {
    if (member->IsCalled(key)) return member->value;
  }
  return {};
}

std::optional<std::vector<JsonSlice>> JsonElements(JsonSlice text, size_t limit) {
  Cursor cursor(text);
  if (!cursor.Take('[')) return std::nullopt;
  std::vector<JsonSlice> elements;
  if (cursor.Take(']')) return elements;
  do {
    elements.push_back(cursor.Value());
  } while (elements.size() < limit && cursor.Take(','));
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
