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
    // The text of a string that has no escapes in it; else an empty view.
    std::string_view PlainString() const;
  };

  // `names`: what to look for, dotted names of at most two parts.
  explicit JsonFields(std::vector<std::string> names);
  ~JsonFields();

  // False: it is not one JSON object, or says one of the names twice. The fields are views into `json`.
  bool Read(std::string_view json);
  const Field& field(size_t index) const { return fields_[index]; }

 private:
  class Handler;
  class Parser;

  std::vector<std::string> names_;
  std::vector<Field> fields_;
  std::unique_ptr<Parser> parser_;
};

}  // namespace dormouse
