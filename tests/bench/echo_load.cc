// Load on class echo: opens connections over a number of hubs, and measures
//
//   echo   throughput and latency with a message (or more) in flight per connection, processor time per
//          message; also of another message, and on another server: --message, --expect, --welcome
//   idle   what an open, silent connection costs: memory, and the processor time of opening it; with
//          --metrics also what it costs when its hub has fallen asleep
//   wake   the latency of the first message to a sleeping hub
//   burst  for each line on standard input one message on every connection at once, until all are answered;
//          what happens to the servers between is up to whoever writes the lines
//
// One figure a line: NAME VALUE UNIT. One process serves up to about 19,000 connections (its file
// descriptors).
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "clients/load/metrics_page.h"
#include "tests/bench/cpu_meter.h"
#include "tests/bench/crowd.h"
#include "tests/bench/figures.h"

namespace dormouse::bench {
namespace {

struct Config {
  std::string target = "127.0.0.1:8080";
  std::string path = "/websocket/bench-";  // the hub's number is put behind it
  std::vector<std::string> watch;          // NAME=PID
  size_t connections = 64;
  size_t hubs = 8;
  size_t size = 60;     // bytes of a message
  std::string message;  // empty: one for class echo, of that size
  std::string expect = R"({"type":"echo")";
  std::string welcome = R"({"type":"welcome")";
  size_t in_flight = 1;  // echo: messages of a connection
  double seconds = 5;    // echo
  double warm_up = 1;    // echo
  std::string metrics;   // wake: HOST:PORT of the statekeeper's admin port
  int rounds = 5;        // wake
  std::string paths;     // burst: a file, a hub's path a line, with a connection each
};

// Connections spread over hubs, and the message that each of them sends.
class EchoCrowd {
 public:
  explicit EchoCrowd(const Config& config)
      : EchoCrowd(config, config.connections,
                  [&](size_t index) { return config.path + std::to_string(index % config.hubs); }) {}

  EchoCrowd(const Config& config, size_t connections, const std::function<std::string(size_t index)>& path)
      : crowd_(config.target), message_(config.message), expect_(config.expect) {
    if (message_.empty()) {
      message_ = R"({"type":"message","message":")";
      const size_t frame = message_.size() + 2;
      message_.append(config.size > frame ? config.size - frame : 1, 'x').append("\"}");
    }
    crowd_.Open(connections, path, config.welcome);
  }

  void Send(size_t index, size_t count = 1) { crowd_.Send(index, message_, count); }

  // Waits for events and handles them; `on_echo(index)` for each reply.
  template <typename OnEcho>
  void Echoes(OnEcho on_echo) {
    crowd_.Turn([&](size_t index, std::string_view text) {
      ExpectStart(text, expect_);
      on_echo(index);
    });
  }

  size_t size() const { return crowd_.size(); }

 private:
  Crowd crowd_;
  std::string message_;
  const std::string expect_;
};

void Echo(const Config& config) {
  std::vector<Watched> watched = ParseWatched(config.watch);
  watched.push_back({"driver", getpid()});
  CpuMeter meter(watched);
  EchoCrowd crowd(config);

  std::vector<double> sent(crowd.size());
  std::vector<float> latencies;
  uint64_t replies = 0;
  const double start = Now();
  double measured_from = 0;
  double now = start;
  for (size_t i = 0; i < crowd.size(); ++i) {
    sent[i] = Now();
    crowd.Send(i, config.in_flight);
  }
  // A connection says its next messages together, when all of the last ones have been answered.
  std::vector<size_t> open(crowd.size(), config.in_flight);
  while (measured_from == 0 || now < measured_from + config.seconds) {
    crowd.Echoes([&](size_t index) {
      now = Now();
      if (measured_from != 0) {
        ++replies;
        latencies.push_back(static_cast<float>(now - sent[index]));
      }
      if (--open[index] > 0) return;
      open[index] = config.in_flight;
      sent[index] = now;
      crowd.Send(index, config.in_flight);
    });
    now = Now();
    if (measured_from == 0 && now > start + config.warm_up) {
      measured_from = now;
      meter.Start();
    }
  }
  const double elapsed = now - measured_from;
  const double millions = static_cast<double>(replies) / 1e6;
  Print("echo.rate", static_cast<double>(replies) / elapsed, "messages/s");
  PrintLatency("echo.latency", &latencies);
  meter.Print("echo.cpu", millions, "CPU-s/M messages");
}

// Until no hub is in the statekeeper's memory.
void AwaitSleep(const std::string& address) {
  const double deadline = Now() + 120;
  while (load::ReadMetric(address, "dormouse_hubs_awake") > 0) {
    if (Now() > deadline) throw std::runtime_error("the hubs do not fall asleep");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void Idle(const Config& config) {
  const std::vector<Watched> watched = ParseWatched(config.watch);
  std::vector<uint64_t> resident(watched.size());
  for (size_t i = 0; i < watched.size(); ++i) resident[i] = ResidentBytes(watched[i].pid);
  const CpuMeter meter(watched);
  const auto grown = [&](size_t i) {
    return static_cast<double>(ResidentBytes(watched[i].pid)) - static_cast<double>(resident[i]);
  };
  const double start = Now();
  EchoCrowd crowd(config);
  const auto count = static_cast<double>(crowd.size());
  Print("idle.opened", count / (Now() - start), "connections/s");
  for (size_t i = 0; i < watched.size(); ++i) {
    Print("idle.memory." + watched[i].name, grown(i) / count, "bytes/connection");
  }
  meter.Print("idle.cpu", count / 1e6, "us/connection opened");
  if (config.metrics.empty()) return;
  AwaitSleep(config.metrics);
  for (size_t i = 0; i < watched.size(); ++i) {
    Print("asleep.memory." + watched[i].name, grown(i) / count, "bytes/connection");
  }
}

void Wake(Config config) {
  config.connections = config.hubs;
  EchoCrowd crowd(config);
  std::vector<float> wakes;
  std::vector<float> awake;
  for (int round = 0; round < config.rounds; ++round) {
    AwaitSleep(config.metrics);
    // One hub at a time: first the message that wakes it, then one while it is awake.
    for (size_t i = 0; i < crowd.size(); ++i) {
      for (std::vector<float>* latencies : {&wakes, &awake}) {
        const double sent = Now();
        bool answered = false;
        crowd.Send(i);
        while (!answered) crowd.Echoes([&](size_t) { answered = true; });
        latencies->push_back(static_cast<float>(Now() - sent));
      }
    }
  }
  PrintLatency("wake.asleep", &wakes);
  PrintLatency("wake.awake", &awake);
}

// Each line is the moment, in seconds of the monotonic clock, that latencies are counted from.
void Burst(const Config& config) {
  std::vector<std::string> paths;
  std::ifstream file(config.paths);
  for (std::string path; std::getline(file, path);) paths.push_back(path);
  if (paths.empty()) throw std::runtime_error(config.paths + " names no hubs: give it a path a line");
  EchoCrowd crowd(config, paths.size(), [&](size_t index) { return paths[index]; });
  std::cout << "ready" << std::endl;
  for (double start = 0; std::cin >> start;) {
    std::vector<float> latencies;
    for (size_t i = 0; i < crowd.size(); ++i) crowd.Send(i);
    while (latencies.size() < crowd.size()) {
      crowd.Echoes([&](size_t) { latencies.push_back(static_cast<float>(Now() - start)); });
    }
    PrintLatency("burst", &latencies);
    std::cout << "done" << std::endl;
  }
}

int Main(int argc, char** argv) {
  load::RaiseDescriptorLimit();
  Config config;
  CLI::App app("Load on Dormouse's class echo.", "dormouse_echo_load");
  app.require_subcommand(1);
  app.option_defaults()->always_capture_default();
  app.add_option("--target", config.target, "HOST:PORT of a gateway");
  app.add_option("--path", config.path, "Path of a hub, to which its number is added");
  app.add_option("--watch", config.watch,
                 "NAME=PID of a server process whose cost is printed; can be repeated");
  app.add_option("--hubs", config.hubs, "Hubs that the connections are spread over")
      ->check(CLI::PositiveNumber);
  CLI::App* echo = app.add_subcommand("echo", "Throughput, latency, processor time")->fallthrough();
  CLI::App* idle = app.add_subcommand("idle", "Cost of open, silent connections")->fallthrough();
  CLI::App* wake =
      app.add_subcommand("wake", "Latency of messages to sleeping hubs; one connection a hub")->fallthrough();
  CLI::App* burst =
      app.add_subcommand("burst", "One message a connection for each line on standard input")->fallthrough();
  for (CLI::App* mode : {echo, idle}) {
    mode->add_option("--connections", config.connections, "Connections to open")->check(CLI::PositiveNumber);
  }
  burst->add_option("--paths", config.paths, "File of hubs' paths, a connection each")->required();
  for (CLI::App* mode : {echo, wake, burst}) mode->add_option("--size", config.size, "Bytes of a message");
  for (CLI::App* mode : {echo, idle}) {
    mode->add_option("--welcome", config.welcome,
                     "How the first frame of a connection begins; empty: there is none");
  }
  echo->add_option("--message", config.message, "What is said, instead of a message of that size");
  echo->add_option("--expect", config.expect, "How the answer begins");
  echo->add_option("--in-flight", config.in_flight, "Messages of a connection that wait for their answers")
      ->check(CLI::PositiveNumber);
  echo->add_option("--seconds", config.seconds, "Time to measure")->check(CLI::PositiveNumber);
  echo->add_option("--warm-up", config.warm_up, "Seconds of load before that");
  idle->add_option("--metrics", config.metrics,
                   "HOST:PORT of the statekeeper's admin port: measure asleep, too");
  wake->add_option("--metrics", config.metrics, "HOST:PORT of the statekeeper's admin port")->required();
  wake->add_option("--rounds", config.rounds, "Times that each hub is woken")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  if (*echo) Echo(config);
  if (*idle) Idle(config);
  if (*wake) Wake(config);
  if (*burst) Burst(config);
  return 0;
}

}  // namespace
}  // namespace dormouse::bench

int main(int argc, char** argv) {
  try {
    return dormouse::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dormouse_echo_load: %s\n", error.what());
    return 1;
  }
}
