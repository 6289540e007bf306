#include "common/json/json_fields.h"

#include <rapidjson/document.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <utility>

namespace dormouse {

class JsonFields::Parser {
 public:
  rapidjson::Reader reader;  // keeps its stack's memory
};

// Follows the parser through the text. A field's text goes from after its key's colon to where the parser
// stands when it tells of the value's end.
class JsonFields::Handler : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Handler> {
 public:
  Handler(JsonFields* out, std::string_view json, const rapidjson::MemoryStream* stream)
      : out_(out), json_(json), stream_(stream) {}

  bool Default() { return Value(stream_->Tell()); }  // a scalar
  bool StartObject() { return Start(true); }
  bool StartArray() { return Start(false); }
  bool EndObject(rapidjson::SizeType) { return End(); }
  bool EndArray(rapidjson::SizeType) { return End(); }

  bool Key(const char* text, rapidjson::SizeType size, bool) {
    const std::string_view key(text, size);
    if (depth_ == 1) {
      top_key_ = key;
      Begin(&top_, [&](const std::string& name) { return name == key; });
    } else if (depth_ == 2 && inside_object_) {
      Begin(&nested_, [&](const std::string& name) {
        return name.size() == top_key_.size() + 1 + key.size() && name.starts_with(top_key_) &&
               name[top_key_.size()] == '.' && name.ends_with(key);
      });
    }
    return true;
  }

 private:
  struct Wanted {
    int index = -1;  // -1: the field under way is not asked for
    size_t from = 0;
  };

  template <typename Matches>
  void Begin(Wanted* wanted, Matches matches) {
    wanted->index = -1;
    wanted->from = stream_->Tell();
    for (size_t i = 0; i < out_->names_.size(); ++i) {
      if (matches(out_->names_[i])) wanted->index = static_cast<int>(i);
    }
  }

  bool Start(bool object) {
    if (depth_ == 0 && !object) return false;
    if (depth_ == 1) inside_object_ = object;
    ++depth_;
    return true;
  }
  bool End() {
    --depth_;
    return depth_ == 0 || Value(stream_->Tell() + 1);  // told before the bracket is taken
  }
  bool Value(size_t end) {
    if (depth_ == 0) return false;
    if (depth_ == 1) return Record(&top_, end);
    return depth_ == 2 && inside_object_ ? Record(&nested_, end) : true;
  }
  bool Record(Wanted* wanted, size_t end) {
    if (wanted->index < 0) return true;
    Field* field = &out_->fields_[static_cast<size_t>(wanted->index)];
    wanted->index = -1;
    if (field->present()) {  // twice: which one counts is not for us to say
      *field = {};
      return false;
    }
    const size_t begin = json_.find_first_not_of(" \t\r\n:", wanted->from);
    field->raw = json_.substr(begin, end - begin);
    return true;
  }

  JsonFields* out_;
  std::string_view json_;
  const rapidjson::MemoryStream* stream_;
  int depth_ = 0;
  bool inside_object_ = false;  // the top-level field under way is an object
  std::string top_key_;
  Wanted top_;
  Wanted nested_;
};

bool JsonFields::Field::Says(std::string_view text) const {
  if (!is_string()) return false;
  const std::string_view inside = raw.substr(1, raw.size() - 2);
  return inside == text || (inside.find('\\') != std::string_view::npos && Unescaped() == text);
}

bool JsonFields::Field::StartsWith(std::string_view text) const {
  if (!is_string()) return false;
  const std::string_view inside = raw.substr(1, raw.size() - 2);
  const size_t escape = inside.find('\\');
  return escape >= text.size() ? inside.starts_with(text) : Unescaped().starts_with(text);
}

std::string JsonFields::Field::Unescaped() const {
  rapidjson::Document text;
  text.Parse(raw.data(), raw.size());
  return text.IsString() ? std::string(text.GetString(), text.GetStringLength()) : std::string();
}

JsonFields::JsonFields(std::vector<std::string> names)
    : names_(std::move(names)), fields_(names_.size()), parser_(std::make_unique<Parser>()) {}

JsonFields::~JsonFields() = default;

void JsonFields::ReadHead(std::string_view json) {
  if (Read(json)) return;
  // What ends with the text may go on after it: 12 of 123.
  for (Field& field : fields_) {
    if (field.raw.data() + field.raw.size() == json.data() + json.size()) field = {};
  }
}

bool JsonFields::Read(std::string_view json) {
  for (Field& field : fields_) field = {};
  rapidjson::MemoryStream stream(json.data(), json.size());
  Handler handler(this, json, &stream);
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                              rapidjson::kParseNumbersAsStringsFlag;
  if (parser_->reader.Parse<kFlags>(stream, handler).IsError()) return false;
  return stream.Tell() == json.size();  // it takes a zero byte for the end
}

}  // namespace dormouse
