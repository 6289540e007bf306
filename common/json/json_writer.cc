#include "common/json/json_writer.h"

#include <charconv>
#include <utility>

namespace dormouse {
namespace {

// The size of the UTF-8 character that `text` begins with, 0 when there is none. `text` is not empty.
size_t CharacterSize(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (!follows(1) || !follows(2)) return 0;
    if (first == 0xe0 && byte(1) < 0xa0) return 0;   // overlong
    if (first == 0xed && byte(1) >= 0xa0) return 0;  // half of a surrogate pair
    return 3;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    if (first == 0xf0 && byte(1) < 0x90) return 0;   // overlong
    if (first == 0xf4 && byte(1) >= 0x90) return 0;  // over U+10FFFF
    return 4;
  }
  return 0;
}

bool IsPlain(char c) {
  return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x80 && c != '"' &&
         c != '\\';
}

void AppendEscaped(char c, std::string* out) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out->append("\\\"");
      break;
    case '\\':
      out->append("\\\\");
      break;
    case '\n':
      out->append("\\n");
      break;
    case '\r':
      out->append("\\r");
      break;
    case '\t':
      out->append("\\t");
      break;
    default:
      out->append("\\u00");
      out->push_back(kHex[static_cast<unsigned char>(c) >> 4]);
      out->push_back(kHex[static_cast<unsigned char>(c) & 0xf]);
  }
}

}  // namespace

void AppendJsonString(std::string_view text, std::string* out) {
  out->push_back('"');
  while (!text.empty()) {
    size_t plain = 0;
    while (plain < text.size() && IsPlain(text[plain])) ++plain;
    out->append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const size_t size = CharacterSize(text);
    if (size == 0) {
      out->append("\xef\xbf\xbd");
      text.remove_prefix(1);
    } else if (size == 1) {
      AppendEscaped(text.front(), out);
      text.remove_prefix(1);
    } else {
      out->append(text.substr(0, size));
      text.remove_prefix(size);
    }
  }
  out->push_back('"');
}

std::string JsonQuoted(std::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

void JsonWriter::Key(std::string_view key) {
  if (text_.size() > 1) text_.push_back(',');
  AppendJsonString(key, &text_);
  text_.push_back(':');
}

JsonWriter& JsonWriter::String(std::string_view key, std::string_view value) {
  Key(key);
  AppendJsonString(value, &text_);
  return *this;
}

JsonWriter& JsonWriter::Int(std::string_view key, int64_t value) {
  Key(key);
  char digits[20];
  text_.append(digits, std::to_chars(std::begin(digits), std::end(digits), value).ptr);
  return *this;
}

JsonWriter& JsonWriter::Bool(std::string_view key, bool value) { return Raw(key, value ? "true" : "false"); }

JsonWriter& JsonWriter::Raw(std::string_view key, std::string_view json) {
  Key(key);
  text_.append(json.empty() ? "null" : json);
  return *this;
}

JsonWriter& JsonWriter::RawMember(std::string_view quoted_key, std::string_view json) {
  if (text_.size() > 1) text_.push_back(',');
  text_.append(quoted_key).append(":").append(json);
  return *this;
}

std::string JsonWriter::Finish() {
  text_.push_back('}');
  return std::move(text_);
}

}  // namespace dormouse
