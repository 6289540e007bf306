// The callback classes that an operator has described (option callbacks): a file with a table for each.
//
//   [orders]
//   url = "https://shop.example/dormouse"
//   secret-file = "orders-secret"
//
// What each key means, and its default: clients/webhooks.md. Pure but for reading files; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/config/options.h"

namespace dormouse {

struct CallbackSettings {
  std::string name;  // of the hub class
  std::string url;
  std::string secret_file;
  std::string ca_file;              // empty: the system's authorities
  std::vector<std::string> routes;  // empty: /NAME/{name}
  bool connects = true;             // which events are posted
  bool messages = true;
  bool disconnects = true;
  bool timers = true;
  Duration timeout{10'000};         // of one request
  Duration give_up_after{120'000};  // from a batch's first request on; 0: never
  uint32_t concurrency = 16;        // requests at once, of this statekeeper
  size_t batch_events = 100;
  uint64_t batch_bytes = 256u << 10;
  size_t queue_events = 1'000;  // of one hub
  uint64_t queue_bytes = 4u << 20;
  uint64_t max_message_size = 64u << 10;
};

// Nothing: `*wrong` is a sentence that names the file, and the class and the key where there are.
std::optional<std::vector<CallbackSettings>> ReadCallbacks(const std::string& path, std::string* wrong);

}  // namespace dormouse
