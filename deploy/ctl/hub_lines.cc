#include "deploy/ctl/hub_lines.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "common/clock.h"
#include "deploy/ctl/failure.h"

namespace dormouse {
namespace {

constexpr int kWithoutTimers = 1;
constexpr int kVersion = 2;
constexpr size_t kMaxKey = 4608;  // Context::kMaxKey
constexpr size_t kMaxTimers = 100;
constexpr size_t kMaxTimerName = 64;
constexpr size_t kMaxValue = 128u << 10;

using Writer = rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::UTF8<>,
                                 rapidjson::CrtAllocator, rapidjson::kWriteValidateEncodingFlag>;

std::string ToBase64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // it ends with a zero
  text.resize(static_cast<size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                                  reinterpret_cast<const unsigned char*>(bytes.data()),
                                                  static_cast<int>(bytes.size()))));
  return text;
}

std::optional<std::string> FromBase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size != static_cast<int>(bytes.size())) return std::nullopt;
  // What it pads with, it counts.
  const size_t padding = text.ends_with("==") ? 2 : (text.ends_with("=") ? 1 : 0);
  bytes.resize(bytes.size() - padding);
  if (ToBase64(bytes) != text) return std::nullopt;
  return bytes;
}

void WriteBytes(const std::string& name, std::string_view bytes, Writer* writer) {
  const bool is_text = IsUtf8(bytes);
  writer->Key((is_text ? name : name + "_base64").c_str());
  const std::string text = is_text ? std::string(bytes) : ToBase64(bytes);
  writer->String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

class Parser {
 public:
  Parser(std::istream* in, const std::string& name) : in_(in), name_(name) {}

  HubLines Parse() {
    if (!NextLine()) Fail("there is nothing in it");
    const int64_t rows = ParseHead();
    while (NextLine()) {
      if (static_cast<int64_t>(hub_.rows.size()) == rows) Fail("more rows follow than its first line says");
      std::string key = Bytes(document_, "key", kMaxKey);
      if (key.empty()) Fail("a key has at least one byte");
      std::string value = Bytes(document_, "value", kMaxValue);
      if (!hub_.rows.emplace(std::move(key), std::move(value)).second)
        Fail("its key is that of an earlier line");
    }
    if (static_cast<int64_t>(hub_.rows.size()) < rows) {
      Fail(fmt::format(
          "it ends after {} rows, and its first line says that there are {}: this is not all of it",
          hub_.rows.size(), rows));
    }
    return std::move(hub_);
  }

 private:
  // Reads its document; empty lines count for nothing.
  bool NextLine() {
    std::string line;
    do {
      if (!std::getline(*in_, line)) return false;
      ++number_;
    } while (line.find_first_not_of(" \t\r") == std::string::npos);
    document_.Parse<rapidjson::kParseValidateEncodingFlag>(line.data(), line.size());
    if (document_.HasParseError() || !document_.IsObject()) Fail("it is no JSON object");
    return true;
  }

  int64_t ParseHead() {
    const auto kind = document_.FindMember("dormouse");
    const auto version = document_.FindMember("version");
    const auto rows = document_.FindMember("rows");
    if (kind == document_.MemberEnd() || !kind->value.IsString() ||
        std::string_view(kind->value.GetString()) != "hub" || version == document_.MemberEnd() ||
        !version->value.IsInt() || rows == document_.MemberEnd() || !rows->value.IsInt64()) {
      Fail("it does not say that this is a hub: {\"dormouse\":\"hub\",\"version\":1,\"rows\":N}");
    }
    if (version->value.GetInt() < kWithoutTimers || version->value.GetInt() > kVersion) {
      Fail(fmt::format("it is in version {} of the format, and this dormousectl ({}) reads up to version {}",
                       version->value.GetInt(), DORMOUSE_VERSION, kVersion));
    }
    if (const auto hub = document_.FindMember("hub"); hub != document_.MemberEnd() && hub->value.IsString())
      hub_.hub = {hub->value.GetString(), hub->value.GetStringLength()};
    const auto alarm = document_.FindMember("alarm_ms");
    if (alarm != document_.MemberEnd() && !alarm->value.IsNull()) {
      if (!alarm->value.IsInt64() || alarm->value.GetInt64() <= 0)
        Fail("alarm_ms is not a number of milliseconds since 1970");
      hub_.alarm_ms = alarm->value.GetInt64();
    }
    if (const auto timers = document_.FindMember("timers"); timers != document_.MemberEnd())
      ParseTimers(timers->value);
    return rows->value.GetInt64();
  }

  void ParseTimers(const rapidjson::Value& timers) {
    if (!timers.IsArray()) Fail("timers is no list");
    if (timers.Size() > kMaxTimers)
      Fail(fmt::format("there are {} timers, more than the {} that a hub can have", timers.Size(),
                       kMaxTimers));
    for (const rapidjson::Value& timer : timers.GetArray()) {
      if (!timer.IsObject()) Fail("a timer is no JSON object");
      std::string name = Bytes(timer, "name", kMaxTimerName);
      if (name.empty()) Fail("a timer's name has at least one byte");
      const auto due = timer.FindMember("due_ms");
      if (due == timer.MemberEnd() || !due->value.IsInt64() || due->value.GetInt64() <= 0)
        Fail("a timer's due_ms is not a number of milliseconds since 1970");
      if (!hub_.timers.emplace(std::move(name), due->value.GetInt64()).second)
        Fail("two timers have the same name");
    }
  }

  std::string Bytes(const rapidjson::Value& object, const std::string& name, size_t most) {
    const auto text = object.FindMember(name.c_str());
    const auto base64 = object.FindMember((name + "_base64").c_str());
    const bool is_text = text != object.MemberEnd();
    if (is_text == (base64 != object.MemberEnd()))
      Fail(fmt::format("it has to have one of {0} and {0}_base64", name));
    const rapidjson::Value& value = is_text ? text->value : base64->value;
    if (!value.IsString()) Fail(fmt::format("its {} is no string", name));
    std::string bytes(value.GetString(), value.GetStringLength());
    if (!is_text) {
      std::optional<std::string> decoded = FromBase64(bytes);
      if (!decoded) Fail(fmt::format("its {}_base64 is no base64", name));
      bytes = *std::move(decoded);
    }
    if (bytes.size() > most)
      Fail(fmt::format("its {} has {} bytes, more than the {} that there can be", name, bytes.size(), most));
    return bytes;
  }

  [[noreturn]] void Fail(const std::string& what) const {
    throw Failure(Exit::kFailed, fmt::format("{}, line {}: {}.", name_, number_, what));
  }

  std::istream* const in_;
  const std::string name_;
  int number_ = 0;
  rapidjson::Document document_;
  HubLines hub_;
};

}  // namespace

bool IsUtf8(std::string_view text) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  return writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

std::string PrintHubLines(const HubLines& hub) {
  rapidjson::StringBuffer text;
  Writer head(text);
  head.StartObject();
  head.Key("dormouse");
  head.String("hub");
  head.Key("version");
  head.Int(hub.timers.empty() ? kWithoutTimers : kVersion);
  head.Key("hub");
  head.String(hub.hub.c_str());
  if (hub.alarm_ms) {
    head.Key("alarm");
    head.String(Iso8601(*hub.alarm_ms).c_str());
    head.Key("alarm_ms");
    head.Int64(*hub.alarm_ms);
  }
  if (!hub.timers.empty()) {
    head.Key("timers");
    head.StartArray();
    for (const auto& [name, due_ms] : hub.timers) {
      head.StartObject();
      WriteBytes("name", name, &head);
      head.Key("due");
      head.String(Iso8601(due_ms).c_str());
      head.Key("due_ms");
      head.Int64(due_ms);
      head.EndObject();
    }
    head.EndArray();
  }
  head.Key("rows");
  head.Uint64(hub.rows.size());
  head.EndObject();
  text.Put('\n');
  for (const auto& [key, value] : hub.rows) {
    Writer row(text);
    row.StartObject();
    WriteBytes("key", key, &row);
    WriteBytes("value", value, &row);
    row.EndObject();
    text.Put('\n');
  }
  return {text.GetString(), text.GetSize()};
}

HubLines ParseHubLines(std::istream* in, const std::string& name) { return Parser(in, name).Parse(); }

}  // namespace dormouse
