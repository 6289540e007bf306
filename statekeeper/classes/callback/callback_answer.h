// What a backend answers to a callback (clients/webhooks.md), read:
//
//   {"commands": [{"verb": "send", "connection": "...", "data": "hello"}, {"verb": "put", "key": "round", "value": 2}]}
//
// The verbs send, broadcast and disconnect are those of the port for backends (common/commands). Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/commands/command_words.h"
#include "common/ids.h"
#include "proto/api.pb.h"

namespace dormouse {

struct CallbackAnswer {
  struct Put {
    std::string key;
    std::string json;
  };
  struct Delete {
    std::string key;
  };
  struct Tag {
    ConnectionId connection;
    std::vector<std::string> tags;
  };
  struct Alarm {
    std::optional<int64_t> at_ms;  // wall clock; nothing: there is none
    std::optional<int64_t> in_ms;  // or from now on
  };
  using Step = std::variant<api::Command, Put, Delete, Tag, Alarm>;
  std::vector<Step> steps;
};

// An empty body has no commands.
Wrong ReadCallbackAnswer(std::string_view body, CallbackAnswer* answer);

}  // namespace dormouse
