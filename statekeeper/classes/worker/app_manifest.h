// What a statekeeper has to know of an app: a directory with code that runs in workers, and a file workers.json that
// says how (README.md beside this).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dormouse {

struct AppManifest {
  struct Class {
    std::string name;
    std::vector<std::string> routes;        // "/ws/{name}"; none: its sockets come by way of the app's HTTP
    uint64_t max_message_size = 32u << 20;  // bytes
    bool ids = false;                       // its hubs are called by ids of Durable Objects, 64 digits of hex
  };

  std::string directory;  // with symbolic links resolved: what a running worker was started in stays
  std::string name;
  std::string version;
  std::vector<std::string> command;
  std::map<std::string, std::string> environment;
  bool http = false;
  std::vector<Class> classes;

  // nullopt: `*error` is a sentence that names the file.
  static std::optional<AppManifest> Read(const std::string& directory, std::string* error);
};

}  // namespace dormouse
