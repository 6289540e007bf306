#include "clients/load/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>

#include "clients/load/engine/source_addresses.h"
#include "clients/load/exit_status.h"
#include "clients/load/process_stats.h"
#include "clients/load/report/numbers.h"
#include "clients/load/sockets.h"
#include "clients/load/talk/script.h"
#include "clients/load/tls_stream.h"

namespace dormouse::load {
namespace {

// Descriptors of a load process that are no connections.
constexpr size_t kOtherDescriptors = 200;
constexpr uint32_t kMostWorkers = 256;

// CLI11's own say what is wrong with numbers of three hundred digits.
CLI::Validator Number(double least, double most, bool with_least = true) {
  const auto check = [=](std::string& text) -> std::string {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (!text.empty() && *end == 0 && value <= most && (with_least ? value >= least : value > least))
      return "";
    std::string wanted = with_least ? Exact(least) + " or more" : "more than " + Exact(least);
    if (most < 1e15) wanted += ", up to " + Exact(most);
    return "'" + text + "' will not do: say a number, " + wanted;
  };
  return CLI::Validator(check, "", "");
}
const CLI::Validator kPositive = Number(0, HUGE_VAL, false);
const CLI::Validator kNotNegative = Number(0, HUGE_VAL);

// What has another form on the command line.
struct Words {
  double duration = 5;
  double warm_up = 1;
  double timeout = 15;
  double connect_timeout = 60;
  double beat_interval = 25;
  double sleep_for = 35;
  std::string verify = "heartbeat";
  std::string sources = "auto";
  std::string lost_by = "us";
  std::string script;
  std::string token;
  std::string token_file;
  std::string ca;
  bool insecure = false;
  bool per_hub = false;  // the scenario has so many hubs with so many connections each
};

std::string FileText(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) throw std::runtime_error("cannot read " + path);
  return text.str();
}

// Options by what they are about; each scenario takes some.
class Options {
 public:
  Options(CLI::App* app, Settings* settings, Words* words)
      : app_(*app), settings_(*settings), words_(*words) {}

  void AddServers() {
    app_.add_option("--url", settings_.urls,
                    "Gateways: ws://HOST:PORT or wss://HOST:PORT, with commas between them")
        ->delimiter(',');
    app_.add_option(
        "--path", settings_.path,
        "Path of a hub; {hub} stands for the hub's number. Default: /websocket/load-SEED-{hub}, for class "
        "signal /ws/load-SEED-{hub}");
    app_.add_option("--seed", settings_.seed, "What chance begins with; names the hubs, too");
    app_.add_option("--ca", words_.ca, "wss: certificates to trust, in a PEM file; else the system's");
    app_.add_flag("--insecure", words_.insecure, "wss: whoever answers is trusted");
    app_.add_option("--token", words_.token,
                    "Token that all connections show, at the upgrade and in hub:connect");
    app_.add_option(
        "--token-file", words_.token_file,
        "File of tokens, one a line, which connections take in turn: the first line is for connection 0");
    app_.add_option("--actors", settings_.actors,
                    "Class signal: what actors are called; the connection's number is put behind it");
    app_.add_option("--watch", settings_.watch,
                    "NAME=PID of a process whose processor time and memory are shown; can be repeated");
    app_.add_option("--json", settings_.json, "File for everything that was measured");
    app_.add_option("--report", settings_.report, "File for a page with plots, HTML");
  }
  void AddClasses() {
    app_.add_option("--class", settings_.hub_class,
                    "How hubs talk: echo, signal, or raw: any server that says back each frame")
        ->check(CLI::IsMember({"echo", "signal", "raw"}));
    app_.add_option("--script", words_.script, "File with what is said and expected, in place of a class");
  }
  void AddDriver() {
    app_.add_option("--threads", settings_.threads, "Threads of a load process")
        ->check(Number(1, kMostWorkers));
    app_.add_option("--processes", settings_.processes,
                    "Load processes; 0: as many as the connections take, of which a process holds its "
                    "descriptors less "
                    "200")
        ->check(Number(0, kMostWorkers));
    app_.add_option(
        "--sources", words_.sources,
        "Source addresses of 127.1.0.0/16 that connections come from: a number, 0 for the one that the "
        "kernel chooses, or auto: one for 7,000 connections where all gateways are on loopback");
    app_.add_option("--opening", settings_.opening, "Connections that are on their way to be ready at a time")
        ->check(kPositive);
    app_.add_option("--connect-timeout", words_.connect_timeout,
                    "Seconds until all connections have to be ready, beyond 2 ms for each of them")
        ->check(kPositive);
    app_.add_option("--timeout", words_.timeout,
                    "Seconds that the last replies are waited for; then they are missing")
        ->check(kPositive);
  }
  void AddConnections(const char* what = "Connections") {
    app_.add_option("--connections", settings_.connections, what)->check(kPositive);
  }
  void AddHubs(const char* what = "Hubs that they are spread over") {
    app_.add_option("--hubs", settings_.hubs, what)->check(kPositive);
  }
  void AddPerHub(const char* what, uint32_t usual, uint32_t least) {
    settings_.per_hub = usual;
    words_.per_hub = true;
    app_.add_option("--per-hub", settings_.per_hub, what)->check(Number(least, 1'000'000));
  }
  void AddInFlight() {
    app_.add_option("--in-flight", settings_.in_flight,
                    "Requests of a connection that wait for their replies")
        ->check(Number(1, 65'536));
  }
  void AddRate(const char* what, double usual) {
    settings_.rate = usual;
    app_.add_option("--rate", settings_.rate, what)->check(kNotNegative);
  }
  void AddSize(const char* what) {
    app_.add_option("--size", settings_.size, what)->check(Number(50, 1 << 20));
  }
  void AddDuration(const char* what, double usual) {
    words_.duration = usual;
    app_.add_option("--duration", words_.duration, what)->check(kPositive);
  }
  void AddWarmUp() {
    app_.add_option("--warm-up", words_.warm_up, "Seconds of load before it is measured")
        ->check(kNotNegative);
  }
  void AddBeats() {
    app_.add_option("--heartbeat", words_.beat_interval,
                    "Seconds between two heartbeats of a connection; 0: none")
        ->check(kNotNegative);
  }
  void AddVerify() {
    app_.add_option("--verify", words_.verify,
                    "What each connection has to get an answer to in the end: heartbeat, or message, which "
                    "wakes hubs")
        ->check(CLI::IsMember({"heartbeat", "message"}));
  }
  void AddRounds(const char* what, uint32_t usual) {
    settings_.rounds = usual;
    app_.add_option("--rounds", settings_.rounds, what)->check(kPositive);
  }
  void AddMetrics(const char* what) { app_.add_option("--metrics", settings_.metrics, what)->delimiter(','); }
  void AddSleep() {
    app_.add_option("--sleep", words_.sleep_for,
                    "Seconds after which hubs are believed to sleep, where there are no --metrics: more than "
                    "hibernate-after")
        ->check(kPositive);
  }
  CLI::App* app() { return &app_; }
  Settings* settings() { return &settings_; }
  Words* words() { return &words_; }

 private:
  CLI::App& app_;
  Settings& settings_;
  Words& words_;
};

void AddEcho(Options* options) {
  options->AddConnections();
  options->AddHubs();
  options->AddClasses();
  options->AddInFlight();
  options->AddRate("Requests a second, of all connections; 0: each asks again when it has its reply", 0);
  options->AddSize("Bytes of a request; class signal: of its data");
  options->AddWarmUp();
  options->AddDuration("Seconds to measure", 5);
}

void AddIdle(Options* options) {
  options->settings()->connections = 10'000;
  options->settings()->hubs = 100;
  options->AddConnections();
  options->AddHubs();
  options->AddClasses();
  options->AddBeats();
  options->AddVerify();
  options->AddDuration("Seconds to hold them", 30);
  options->AddMetrics(
      "HOST:PORT of the statekeepers' admin ports, with commas between them: measures memory "
      "once more when all hubs sleep");
}

void AddWake(Options* options) {
  options->settings()->hubs = 200;
  options->AddHubs("Hubs that are woken, one after the other");
  options->AddPerHub("Connections of each hub", 1, 1);
  options->AddClasses();
  options->AddSize("Bytes of a request; class signal: of its data");
  options->AddRounds("Times that each hub is woken", 5);
  options->AddMetrics(
      "HOST:PORT of the statekeepers' admin ports, with commas between them, which say when all hubs "
      "sleep");
  options->AddSleep();
}

void AddFanout(Options* options) {
  options->settings()->connections = 1000;
  options->settings()->size = 60;
  options->AddConnections("Subscribers; who publishes is one more");
  options->AddRate("Publications a second; 0: the next one as soon as all have got the last", 5);
  options->AddSize("Bytes of a publication's text");
  options->AddDuration("Seconds to publish", 10);
}

void AddMesh(Options* options) {
  options->AddHubs("Hubs");
  options->AddPerHub("Actors of each hub", 8, 2);
  options->AddRate("Messages a second, of all actors; 0: each sends again when its last one is through", 0);
  options->app()
      ->add_option("--ask", options->settings()->ask_share, "Share of the messages that want a receipt")
      ->check(Number(0, 1));
  options->AddSize("Bytes of a message's text");
  options->AddWarmUp();
  options->AddDuration("Seconds to measure", 5);
}

void AddConnect(Options* options) {
  options->settings()->connections = 16;
  options->settings()->hubs = 16;
  options->AddConnections("Connections that open and close, again and again");
  options->AddHubs();
  options->AddClasses();
  options->AddWarmUp();
  options->AddDuration("Seconds to measure", 5);
}

void AddStorm(Options* options) {
  options->settings()->connections = 1000;
  options->settings()->hubs = 100;
  options->settings()->hub_class = "signal";
  options->AddConnections();
  options->AddHubs();
  options->AddClasses();
  options->AddRounds("Times that all are lost", 1);
  options->AddVerify();
  options->app()->add_flag("--resume", options->settings()->resume,
                           "Class signal: clients ask for their old sessions; else they register anew");
  options->app()
      ->add_option("--lost-by", options->words()->lost_by,
                   "Who loses the sockets: us, all at once, or server: whoever kills a gateway")
      ->check(CLI::IsMember({"us", "server"}));
  options->AddDuration("Seconds in which the loss has to come, and then again in which all have to be back",
                       60);
}

void AddDay(Options* options) {
  options->settings()->connections = 10'000;
  options->settings()->hubs = 1000;
  options->AddConnections();
  options->AddHubs();
  options->AddClasses();
  options->app()
      ->add_option("--asleep", options->settings()->asleep, "Share of the hubs that nobody talks to")
      ->check(Number(0, 1));
  options->AddRate("Requests a second to the hubs that are awake", 500);
  options->AddSize("Bytes of a request; class signal: of its data");
  options->app()
      ->add_option("--wakes", options->settings()->wakes, "Requests a second to hubs that sleep")
      ->check(kNotNegative);
  options->app()
      ->add_option("--joins", options->settings()->joins,
                   "Clients a second that leave, and come back 2 s later")
      ->check(kNotNegative);
  options->AddBeats();
  options->AddVerify();
  options->app()->add_flag("--come-back", options->settings()->come_back,
                           "Clients whose socket is lost come back, with back-off; else it is an error");
  options->AddWarmUp();
  options->AddDuration("Seconds to measure", 60);
}

struct Entry {
  const char* name;
  const char* says;
  void (*add)(Options*);
};
constexpr Entry kEntries[] = {
    {"echo", "Requests and replies: throughput, latency, processor time.", AddEcho},
    {"idle",
     "Connections that are silent but for heartbeats: memory, processor time, whether each is there in the "
     "end.",
     AddIdle},
    {"wake", "Requests to hubs that sleep: how much longer they take than to hubs that are awake.", AddWake},
    {"fanout", "One publishes to many subscribers of a signal hub: latency to each, and to the last.",
     AddFanout},
    {"mesh", "Actors of signal hubs send to each other.", AddMesh},
    {"connect", "Connections that open, are greeted and close: how many a second, and how long each takes.",
     AddConnect},
    {"storm", "All sockets are lost at once: how long until each client is back.", AddStorm},
    {"day",
     "Most hubs sleep, some talk; clients join and leave; all send heartbeats. `mark NAME` on standard input "
     "notes "
     "what somebody does meanwhile.",
     AddDay},
};

// Where nothing else is said.
constexpr uint32_t kSourcesOfConnect = 64;
constexpr uint32_t kInFlightOfDay = 64;
constexpr Nanos kConnectTimeoutOfEach = 2 * kMillisecond;

void Complete(Settings* settings, const Words& words) {
  if (settings->scenario == "fanout") {
    ++settings->connections;
    settings->hubs = 1;
  }
  if (settings->scenario == "day") settings->in_flight = kInFlightOfDay;
  if (words.per_hub) settings->connections = settings->hubs * settings->per_hub;
  settings->hubs = std::min(settings->hubs, settings->connections);
  const bool signal_only = settings->scenario == "fanout" || settings->scenario == "mesh";
  if (signal_only) settings->hub_class = "signal";
  if (settings->hub_class.empty()) settings->hub_class = "echo";
  if (!words.script.empty())
    settings->script = std::make_shared<Script>(Script::Parse(FileText(words.script)));
  if (settings->path.empty()) {
    const bool signal = settings->hub_class == "signal" && !settings->script;
    settings->path = (signal ? "/ws/load-" : "/websocket/load-") + std::to_string(settings->seed) + "-{hub}";
  }
  if (!settings->path.starts_with('/'))
    throw std::runtime_error("--path begins with a slash, as in /websocket/{hub}");

  const bool encrypted =
      std::ranges::any_of(settings->urls, [](const auto& url) { return url.starts_with("wss:"); });
  const auto tls = encrypted ? std::make_shared<TlsContext>(words.ca, words.insecure) : nullptr;
  for (const std::string& url : settings->urls) settings->gateways.push_back(ParseUrl(url, tls));

  if (!words.token.empty()) settings->tokens.push_back(words.token);
  if (!words.token_file.empty()) {
    std::istringstream lines(FileText(words.token_file));
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty()) settings->tokens.push_back(line);
    }
    if (settings->tokens.empty())
      throw std::runtime_error(words.token_file + " holds no token: write one a line");
  }

  settings->duration = FromSeconds(words.duration);
  settings->warm_up = FromSeconds(words.warm_up);
  settings->timeout = FromSeconds(words.timeout);
  settings->connect_timeout =
      FromSeconds(words.connect_timeout) + settings->connections * kConnectTimeoutOfEach;
  settings->sleep_for = FromSeconds(words.sleep_for);
  settings->beats = words.beat_interval > 0;
  settings->beat_interval = FromSeconds(words.beat_interval);
  settings->verify_by_message = words.verify == "message";
  settings->lost_by_server = words.lost_by == "server";

  const bool loopback = std::ranges::all_of(settings->gateways, &Endpoint::is_loopback);
  if (words.sources == "auto") {
    settings->sources = !loopback ? 0
                        : settings->scenario == "connect"
                            ? kSourcesOfConnect
                            : SourcesFor(settings->connections) + (settings->scenario == "storm" ? 1 : 0);
  } else {
    char* end = nullptr;
    settings->sources = static_cast<uint32_t>(std::strtoul(words.sources.c_str(), &end, 10));
    if (*end != 0 || settings->sources > 60'000)
      throw std::runtime_error("--sources is a number up to 60000, or auto");
    if (settings->sources > 0 && !loopback) {
      throw std::runtime_error(
          "--sources is for gateways on loopback; leave it out where they are elsewhere");
    }
  }

  const size_t held = RaiseDescriptorLimit() - kOtherDescriptors;
  const auto needed = static_cast<uint32_t>((settings->connections - 1) / held + 1);
  if (settings->processes == 0) settings->processes = needed;
  if (settings->processes < needed) {
    throw std::runtime_error(std::to_string(settings->connections) + " connections need " +
                             std::to_string(needed) + " processes, for one holds " + std::to_string(held) +
                             ": leave --processes out");
  }
  const uint32_t units = words.per_hub ? settings->hubs : settings->connections;
  if (settings->threads * settings->processes > std::min(units, kMostWorkers)) {
    throw std::runtime_error("there are more threads than there is to do: at most " +
                             std::to_string(std::min(units, kMostWorkers)) + " in all --processes together");
  }
  ParseWatched(settings->watch);
}

}  // namespace

std::optional<Settings> ReadCommandLine(const Scenario& scenario, int argc, char** argv, int* status) {
  Settings settings;
  Words words;
  settings.scenario = scenario.name;
  settings.processes = 0;
  const Entry* const entry =
      std::ranges::find_if(kEntries, [&](const Entry& one) { return settings.scenario == one.name; });
  if (settings.scenario != "storm") settings.hub_class = "echo";
  CLI::App app(entry->says, std::string("dormouse-load ") + entry->name);
  app.option_defaults()->always_capture_default();
  Options options(&app, &settings, &words);
  entry->add(&options);
  options.AddServers();
  options.AddDriver();
  try {
    app.parse(argc, argv);
    Complete(&settings, words);
  } catch (const CLI::ParseError& error) {
    *status = app.exit(error) == 0 ? kKept : kUsage;
    return std::nullopt;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dormouse-load: %s\n", error.what());
    *status = kUsage;
    return std::nullopt;
  }
  return settings;
}

}  // namespace dormouse::load
