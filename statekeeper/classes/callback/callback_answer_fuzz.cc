// Fuzz target: what a backend answers to a callback. Whatever it is, it is commands that the hub can carry out, or it is
// refused with a sentence.
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json_reader.h"
#include "statekeeper/classes/callback/callback_answer.h"
#include "tests/fuzz/fuzz_target.h"

namespace dormouse {

std::vector<std::string> FuzzSeeds() {
  const std::string id = "0b9fcb0a-6c1e-4d5b-8a3f-8f1a2b3c4d5e";
  return {
      "",
      "{\"commands\": []}",
      "{\"commands\": [{\"verb\": \"send\", \"connection\": \"" + id + "\", \"data\": \"te\\u0078t\"}]}",
      "{\"commands\": [{\"verb\": \"broadcast\", \"base64\": \"AAEC\", \"except\": \"" + id + "\"}]}",
      "{\"commands\": [{\"verb\": \"disconnect\", \"all\": true, \"code\": 4001, \"reason\": \"out\"}]}",
      "{\"commands\": [{\"verb\": \"put\", \"key\": \"k\", \"value\": [1, {}]}, {\"verb\": \"delete\", \"key\": \"k\"}]}",
      "{\"commands\": [{\"verb\": \"tag\", \"connection\": \"" + id + "\", \"tags\": [\"a\"]}]}",
      "{\"commands\": [{\"verb\": \"alarm\", \"in\": 5e3}, {\"verb\": \"alarm\", \"at\": 1e12}, {\"verb\": \"alarm\"}]}",
  };
}

}  // namespace dormouse

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dormouse;
  CallbackAnswer answer;
  const std::string wrong = ReadCallbackAnswer({reinterpret_cast<const char*>(data), size}, &answer);
  if (!wrong.empty()) return 0;
  Demand(answer.steps.size() <= 1'000, "there are not too many commands");
  for (const CallbackAnswer::Step& step : answer.steps) {
    if (const auto* const put = std::get_if<CallbackAnswer::Put>(&step)) {
      Demand(IsValidJson(put->json), "what is kept is JSON");
      Demand(!put->key.empty() && put->key.size() <= 128, "a key fits");
    } else if (const auto* const tag = std::get_if<CallbackAnswer::Tag>(&step)) {
      Demand(tag->tags.size() <= 10, "there are not too many tags");
    } else if (const auto* const alarm = std::get_if<CallbackAnswer::Alarm>(&step)) {
      Demand(!alarm->at_ms || *alarm->at_ms > 0, "an alarm is due after 1970");
      Demand(!alarm->in_ms || *alarm->in_ms > 0, "an alarm is due later");
    } else if (const auto* const command = std::get_if<api::Command>(&step)) {
      Demand(command->kind_case() != api::Command::KIND_NOT_SET, "each is one");
      if (command->has_disconnect()) Demand(command->disconnect().reason().size() <= 123, "a reason fits");
      if (command->has_send() && command->send().has_connection())
        Demand(ConnectionId::Parse(command->send().connection()).has_value(), "it goes to a connection");
    }
  }
  return 0;
}
