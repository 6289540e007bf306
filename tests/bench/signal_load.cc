// Load on class signal: clients of one hub, bench/0, bench/1 and so on, each with its token where tokens are
// asked for.
//
//   send      each registers and sends to its neighbour, one hub:send in flight each: throughput, and the
//             processor time of one, which is a frame in and two out (the acknowledgement, the delivery)
//   connect   the processor time of one hub:connect, on sockets that are open already
//
// One figure a line: NAME VALUE UNIT.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/cpu_meter.h"
#include "tests/bench/crowd.h"
#include "tests/bench/figures.h"

namespace dormouse::bench {
namespace {

struct Config {
  std::string target = "127.0.0.1:8080";
  std::string path = "/ws/bench";
  std::vector<std::string> watch;  // NAME=PID
  std::string tokens;              // a file, a line for each connection
  size_t connections = 64;
  size_t size = 60;    // bytes of data
  double seconds = 5;  // send
  double warm_up = 1;  // send
};

std::string Actor(size_t index) { return "bench/" + std::to_string(index); }

std::string Quoted(const std::string& text) { return '"' + text + '"'; }

class SignalCrowd {
 public:
  explicit SignalCrowd(const Config& config) : crowd_(config.target), tokens_(config.connections) {
    if (!config.tokens.empty()) {
      std::ifstream file(config.tokens);
      for (std::string& token : tokens_) {
        if (!std::getline(file, token)) throw std::runtime_error(config.tokens + " holds too few tokens");
      }
    }
    crowd_.Open(config.connections, [&](size_t) { return config.path; });
  }

  void Ask(size_t index, const char* type, const std::string& payload) {
    crowd_.Send(index, R"({"id":"m)" + std::to_string(++asked_) + R"(","from":")" + Actor(index) +
                           R"(","to":"cloudflare/signal-hub","type":")" + type +
                           R"(","pattern":"ask","payload":)" + payload + "}");
  }

  void ConnectAll() {
    AskAll("hub:connect", "hub:connected", [&](size_t index) {
      return R"({"version":"1.0")" + (tokens_[index].empty() ? "" : R"(,"jwt":)" + Quoted(tokens_[index])) +
             "}";
    });
  }
  void RegisterAll() {
    AskAll("hub:register", "hub:registered", [](size_t index) {
      return R"({"actorAddress":)" + Quoted(Actor(index)) + R"(,"capabilities":["bench"]})";
    });
  }

  // Waits for frames; `on_answer(index)` for each of type `answer`. Nothing else may come than that and
  // messages of type bench.
  template <typename OnAnswer>
  void Answers(const std::string& answer, OnAnswer on_answer) {
    const std::string wanted = R"("type":)" + Quoted(answer);
    crowd_.Turn([&](size_t index, std::string_view text) {
      if (text.find(wanted) != std::string_view::npos) {
        on_answer(index);
      } else if (text.find(R"("type":"bench")") == std::string_view::npos) {
        throw std::runtime_error("unexpected frame: " + std::string(text.substr(0, 400)));
      }
    });
  }

  size_t size() const { return crowd_.size(); }

 private:
  // A request by each, a bounded number at a time, and its answer.
  template <typename Payload>
  void AskAll(const char* type, const char* answer, Payload payload) {
    constexpr size_t kInFlight = 64;
    size_t asked = 0;
    size_t answered = 0;
    while (answered < crowd_.size()) {
      for (; asked < crowd_.size() && asked < answered + kInFlight; ++asked) Ask(asked, type, payload(asked));
      Answers(answer, [&](size_t) { ++answered; });
    }
  }

  Crowd crowd_;
  std::vector<std::string> tokens_;
  uint64_t asked_ = 0;
};

void Send(const Config& config) {
  SignalCrowd crowd(config);
  crowd.ConnectAll();
  crowd.RegisterAll();

  const std::string data(config.size, 'x');
  const auto send = [&](size_t index) {
    crowd.Ask(index, "hub:send",
              R"({"to":)" + Quoted(Actor((index + 1) % crowd.size())) + R"(,"type":"bench","data":)" +
                  Quoted(data) + "}");
  };
  CpuMeter meter(ParseWatched(config.watch));
  uint64_t sent = 0;
  double from = Now();
  double now = from;
  for (size_t i = 0; i < crowd.size(); ++i) send(i);
  for (const double seconds : {config.warm_up, config.seconds}) {
    meter.Start();
    sent = 0;
    from = now;
    while (now < from + seconds) {
      crowd.Answers("hub:delivery_ack", [&](size_t index) {
        ++sent;
        send(index);
      });
      now = Now();
    }
  }
  const auto count = static_cast<double>(sent);
  meter.Print("send.cpu", count / 1e6, "CPU-s/M messages");
  Print("send.rate", count / (now - from), "messages/s");
}

void Connect(const Config& config) {
  SignalCrowd crowd(config);
  const CpuMeter meter(ParseWatched(config.watch));
  crowd.ConnectAll();
  meter.Print("connect.cpu", static_cast<double>(crowd.size()) / 1e6, "us/hub:connect");
}

int Main(int argc, char** argv) {
  load::RaiseDescriptorLimit();
  Config config;
  CLI::App app("Load on Dormouse's class signal.", "dormouse_signal_load");
  app.require_subcommand(1);
  app.option_defaults()->always_capture_default();
  app.add_option("--target", config.target, "HOST:PORT of a gateway");
  app.add_option("--path", config.path, "Path of the hub");
  app.add_option("--tokens", config.tokens,
                 "File of tokens: the first line for bench/0, the next for bench/1, ...");
  app.add_option("--watch", config.watch,
                 "NAME=PID of a server process whose cost is printed; can be repeated");
  app.add_option("--connections", config.connections, "Connections to open")->check(CLI::PositiveNumber);
  CLI::App* send = app.add_subcommand("send", "Throughput and processor time of hub:send")->fallthrough();
  send->add_option("--size", config.size, "Bytes of data in a message");
  send->add_option("--seconds", config.seconds, "Time to measure")->check(CLI::PositiveNumber);
  send->add_option("--warm-up", config.warm_up, "Seconds of load before that");
  const CLI::App* connect = app.add_subcommand("connect", "Processor time of hub:connect")->fallthrough();
  CLI11_PARSE(app, argc, argv);
  if (*send) Send(config);
  if (*connect) Connect(config);
  return 0;
}

}  // namespace
}  // namespace dormouse::bench

int main(int argc, char** argv) {
  try {
    return dormouse::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dormouse_signal_load: %s\n", error.what());
    return 1;
  }
}
