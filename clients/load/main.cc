// dormouse-load: puts load on a cluster, in one of several scenarios, checks every reply, and says what it
// took. See clients/README.md.
#include <sys/utsname.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>

#include "clients/load/check/command_line.h"
#include "clients/load/command_line.h"
#include "clients/load/engine/director.h"
#include "clients/load/exit_status.h"
#include "clients/load/report/result.h"
#include "common/version.h"

namespace dormouse::load {
namespace {

constexpr char kUsageText[] =
    "usage: dormouse-load SCENARIO [OPTION...]\n"
    "\n"
    "  echo     requests and replies: throughput, latency, processor time\n"
    "  idle     silent connections: memory, processor time, whether each is there in the end\n"
    "  wake     requests to hubs that sleep\n"
    "  fanout   one publishes to many\n"
    "  mesh     actors send to each other\n"
    "  connect  connections open, are greeted and close\n"
    "  storm    all sockets are lost at once, and come back\n"
    "  day      most hubs sleep, some talk; clients join and leave\n"
    "  check    mixed traffic of signal hubs, written down and compared with what was promised\n"
    "\n"
    "dormouse-load SCENARIO --help lists the options. Without a scenario it is check.\n"
    "Exit status: 0 all as it should be, 1 not, 2 wrong usage, 3 the connections could not be opened.\n";

std::string MachineText() {
  utsname system{};
  uname(&system);
  std::ifstream file("/proc/cpuinfo");
  std::string model;
  for (std::string line; model.empty() && std::getline(file, line);) {
    if (line.starts_with("model name")) model = line.substr(line.find(':') + 2);
  }
  const double memory =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  char text[400];
  std::snprintf(text, sizeof(text), "%ld processors (%.200s), %.1f GiB, %.20s %.80s",
                sysconf(_SC_NPROCESSORS_ONLN), model.c_str(), memory / (1 << 30), system.sysname,
                system.release);
  return text;
}

std::string NowText() {
  const time_t now = time(nullptr);
  tm parts{};
  gmtime_r(&now, &parts);
  char text[40];
  std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text;
}

std::string Counted(uint32_t count, const std::string& thing) {
  return std::to_string(count) + " " + thing + (count == 1 ? "" : "s");
}

std::string AboutText(const Settings& settings) {
  return Counted(settings.connections, "connection") + ", " + Counted(settings.hubs, "hub") + ", " +
         (settings.script ? "a script" : "class " + settings.hub_class) + ", " +
         Counted(settings.threads * settings.processes, "load thread");
}

// Where people can read along. What is secret is none of their business.
std::string CommandText(int argc, char** argv) {
  std::string text = "dormouse-load";
  bool secret = false;
  for (int i = 1; i < argc; ++i) {
    const std::string word = secret ? "..." : argv[i];
    secret = word == "--token";
    text += " " + (word.starts_with("--token=") ? "--token=..." : word);
  }
  return text;
}

void WriteFile(const std::string& path, const std::string& text) {
  if (path.empty()) return;
  std::ofstream file(path);
  file << text << '\n';
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

int RunScenario(const Scenario& scenario, int argc, char** argv) {
  int status = kUsage;
  const std::optional<Settings> settings = ReadCommandLine(scenario, argc - 1, argv + 1, &status);
  if (!settings.has_value()) return status;
  // Before it takes minutes.
  WriteFile(settings->json, "");
  WriteFile(settings->report, "");
  Result result;
  result.scenario = scenario.name;
  result.command = CommandText(argc, argv);
  result.when = NowText();
  result.version = DORMOUSE_VERSION;
  result.machine = MachineText();
  result.about = AboutText(*settings);
  try {
    Crew crew(scenario, *settings);
    Director director(*settings, &crew, ParseWatched(settings->watch), &result);
    scenario.direct(&director);
  } catch (const NotConnected& error) {
    std::fprintf(stderr, "dormouse-load: %s\n", error.what());
    return kNotConnected;
  }
  WriteFile(settings->json, ToJson(result));
  WriteFile(settings->report, ToHtml(result));
  std::fputs(ToText(result).c_str(), stdout);
  return result.wrong() == 0 ? kKept : kBroken;
}

int Main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  const char* const first = argc > 1 ? argv[1] : "--help";
  if (std::strcmp(first, "--help") == 0 || std::strcmp(first, "-h") == 0 || std::strcmp(first, "help") == 0) {
    std::fputs(kUsageText, argc > 1 ? stdout : stderr);
    return argc > 1 ? kKept : kUsage;
  }
  if (std::strcmp(first, "--version") == 0) {
    std::puts(("dormouse-load " + VersionText()).c_str());
    return kKept;
  }
  if (std::strcmp(first, "check") == 0) return check::CheckMain(argc - 1, argv + 1);
  if (first[0] == '-') return check::CheckMain(argc, argv);
  const Scenario* const scenario = FindScenario(first);
  if (scenario != nullptr) return RunScenario(*scenario, argc, argv);
  std::fprintf(stderr, "dormouse-load: there is no scenario '%s'.\n\n%s", first, kUsageText);
  return kUsage;
}

}  // namespace
}  // namespace dormouse::load

int main(int argc, char** argv) {
  try {
    return dormouse::load::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dormouse-load: %s\n", error.what());
    return dormouse::load::kUsage;
  }
}
