// What the command line says, whichever scenario it is for. Immutable while a run goes on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "clients/load/clock.h"
#include "clients/load/endpoint.h"

namespace dormouse::load {

class Script;

struct Settings {
  std::string scenario;
  // Where to, and as whom.
  std::vector<std::string> urls = {"ws://127.0.0.1:8080"};
  std::vector<Endpoint> gateways;
  std::string hub_class;           // echo, signal, raw
  std::string path;                // with {hub} for the hub's number
  std::shared_ptr<Script> script;  // in place of a class
  std::vector<std::string> tokens;
  std::string actors = "load/";
  // Who.
  uint32_t connections = 64;
  uint32_t hubs = 8;
  uint32_t per_hub = 0;  // connections of one hub, one after the other; 0: they take turns over all hubs
  uint32_t opening = 128;
  uint32_t sources = 0;  // source addresses; 0: the kernel chooses
  uint32_t threads = 1;
  uint32_t processes = 1;
  // What.
  uint32_t in_flight = 1;
  double rate = 0;  // a second, of all; 0: as fast as replies come
  uint32_t size = 60;
  double ask_share = 0.5;
  bool beats = true;
  Nanos beat_interval = 25 * kSecond;
  bool verify_by_message = false;
  uint32_t rounds = 1;
  Nanos sleep_for = 0;
  std::vector<std::string> metrics;  // of statekeepers, HOST:PORT
  bool resume = false;
  bool lost_by_server = false;
  double asleep = 0.9;
  double joins = 1;
  double wakes = 1;
  bool come_back = false;
  // How long.
  Nanos duration = 5 * kSecond;
  Nanos warm_up = kSecond;
  Nanos timeout = 15 * kSecond;
  Nanos connect_timeout = 60 * kSecond;
  uint64_t seed = 1;
  // What it says.
  std::vector<std::string> watch;  // NAME=PID
  std::string json;
  std::string report;
};

// Which connection is of which hub and gateway, and which worker has it.
struct Plan {
  uint32_t connections = 0;
  uint32_t hubs = 1;
  uint32_t per_hub = 0;
  uint32_t gateways = 1;
  uint32_t workers = 1;

  explicit Plan(const Settings& settings)
      : connections(settings.connections),
        hubs(settings.hubs),
        per_hub(settings.per_hub),
        gateways(static_cast<uint32_t>(settings.gateways.size())),
        workers(settings.threads * settings.processes) {}

  uint32_t HubOf(uint32_t connection) const {
    return per_hub == 0 ? connection % hubs : connection / per_hub;
  }
  // The connections of a hub are spread over all gateways, and so are hubs with one connection.
  uint32_t GatewayOf(uint32_t connection) const {
    const uint32_t member = per_hub == 0 ? connection / hubs : connection % per_hub;
    return (HubOf(connection) + member) % gateways;
  }
  // Whole hubs, where each has its connections in a row.
  uint32_t FirstOf(uint32_t worker) const {
    const uint64_t units = per_hub == 0 ? connections : hubs;
    return static_cast<uint32_t>(units * worker / workers) * (per_hub == 0 ? 1 : per_hub);
  }
};

}  // namespace dormouse::load
