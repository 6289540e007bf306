// Picks a few fields out of a JSON object without building it: the raw text of top-level fields ("id") and of
// fields one level down ("payload.timestamp"), as the sender wrote them. The whole text is checked to be one
// JSON object in UTF-8, at any depth of nesting.
//
// Reused from text to text. One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dormouse {

class JsonFields {
 public:
  struct Field {
    std::string_view raw;  // empty: not there
    bool present() const { return !raw.empty(); }
    bool is_null() const { return raw == "null"; }
    bool is_string() const { return !raw.empty() && raw.front() == '"'; }
    // Whether it is a string that says this, with escapes or without; or one that begins so.
    bool Says(std::string_view text) const;
    bool StartsWith(std::string_view text) const;

   private:
    std::string Unescaped() const;
  };

  // `names`: what to look for, dotted names of at most two parts.
  explicit JsonFields(std::vector<std::string> names);
  ~JsonFields();

  // False: it is not one JSON object, or says one of the names twice. The fields are views into `json`.
  bool Read(std::string_view json);
  // As far as it goes: what is whole in a text that ends, or stops being JSON, somewhere. A name that is said
  // twice is not there.
  void ReadHead(std::string_view json);
  const Field& field(size_t index) const { return fields_[index]; }

 private:
  class Handler;
  class Parser;

  std::vector<std::string> names_;
  std::vector<Field> fields_;
  std::unique_ptr<Parser> parser_;
};

}  // namespace dormouse
