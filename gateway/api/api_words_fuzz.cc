// Fuzz target: what a backend says. The input is a verb, a line end, and a body; whatever it is, it is understood as
// something that can be sent on and read again, or refused with a sentence.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json_reader.h"
#include "gateway/api/api_words.h"
#include "tests/fuzz/fuzz_target.h"

namespace dormouse {

std::vector<std::string> FuzzSeeds() {
  return {
      "call\n{\"method\": \"add\", \"args\": [1, 2]}",
      "send\n{\"connection\": \"0b9fcb0a-6c1e-4d5b-8a3f-8f1a2b3c4d5e\", \"data\": \"te\\u0078t\"}",
      "send\n{\"actor\": \"browser/a\", \"type\": \"t\", \"from\": \"b/c\", \"data\": {\"a\": [null]}}",
      "publish\n{\"topic\": \"a/b\", \"type\": \"t\", \"data\": 1, \"idempotencyKey\": \"k\"}",
      "broadcast\n{\"base64\": \"AAEC\", \"except\": \"x\"}",
      "connections\n{\"after\": \"x\", \"limit\": 1000}",
      "disconnect\n{\"all\": true, \"code\": 4001, \"reason\": \"out\"}",
      "evict\n{\"mode\": \"close\"}",
      "batch\n{\"commands\": [{\"verb\": \"send\", \"tag\": \"t\", \"data\": 1}, {\"verb\": \"disconnect\", \"actor\": \"a\"}]}",
  };
}

}  // namespace dormouse

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using dormouse::Demand;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\n'), size);
  dormouse::ApiTarget target;
  target.hub = "echo/a";
  target.verb = std::string(input.substr(0, end));
  target.timeout_ms = 1;
  dormouse::HttpReply refusal;
  const auto request = dormouse::ReadApiRequest(target, input.substr(std::min(end + 1, size)), &refusal);
  if (!request) {
    Demand(refusal.status == 400, "it is the request's fault");
    Demand(dormouse::IsValidJson(refusal.body), "a refusal is JSON, whatever it repeats");
    return 0;
  }
  Demand(request->commands_size() >= 1 && request->commands_size() <= 1'000,
         "there are commands, and not too many");
  dormouse::api::Request again;
  Demand(again.ParseFromString(request->SerializeAsString()), "it can be sent on");
  for (const dormouse::api::Command& command : request->commands()) {
    Demand(command.kind_case() != dormouse::api::Command::KIND_NOT_SET, "each is one");
    if (command.has_call()) Demand(dormouse::IsValidJson(command.call().payload()), "a payload is JSON");
    if (command.has_disconnect()) Demand(command.disconnect().reason().size() <= 123, "a reason fits");
  }
  // What a hub could reply with that: it is JSON in any case.
  dormouse::api::Reply reply;
  reply.add_results()->set_payload(std::string(input));
  Demand(dormouse::IsValidJson(dormouse::ApiReplyOf("call", reply).body), "an answer is JSON");
  return 0;
}
