// What backends ask of hubs' sockets, in JSON, as commands of api.proto: the same words in requests to the port for
// backends (clients/api.md) and in what webhooks are answered with (clients/webhooks.md).
//
// Whatever is wrong is a sentence that says what is right. Pure; any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json_reader.h"
#include "proto/api.pb.h"

namespace dormouse {

// A sentence about what is wrong; empty: nothing.
using Wrong = std::string;

// "There is no WHAT WORD; is it to be ...?"
std::string NoSuchWord(std::string_view what, std::string_view word, const std::vector<std::string>& names);

// The first that is wrong.
Wrong FirstOf(std::initializer_list<Wrong> wrongs);

// The fields of one command. Those that are null are not there.
class CommandFields {
 public:
  // `json`: valid.
  explicit CommandFields(JsonSlice json) : object_(json) {}

  Wrong Unknown(std::initializer_list<std::string> known) const;
  JsonSlice Find(std::string_view name) const;
  bool Has(std::string_view name) const { return !Find(name).empty(); }
  Wrong Text(std::string_view name, std::string* text) const;
  Wrong Number(std::string_view name, double least, double most, uint32_t* number) const;
  // Exactly one of the names is there; `what` they say.
  Wrong OneOf(const std::vector<std::string>& names, std::string_view what) const;

 private:
  const JsonObject object_;
};

// An object without one of its members.
std::string Without(JsonSlice json, std::string_view name);

// A command that may stand beside others: send, publish, broadcast, disconnect.
Wrong ReadCommand(std::string_view verb, const CommandFields& fields, api::Command* command);

// Whether a close frame may carry that code.
bool MayBeSent(uint32_t code);
constexpr size_t kMaxReason = 123;  // bytes behind it (RFC 6455, 5.5)

}  // namespace dormouse
