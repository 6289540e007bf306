#include "clients/load/check/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "clients/load/check/run.h"
#include "clients/load/exit_status.h"

namespace dormouse::load::check {
namespace {

struct Arguments {
  std::vector<std::string> urls;
  std::string report;
  std::string history;
  double duration = 0;
  double quiet = 2;
  double timeout = 15;
  std::string ca;
  bool insecure = false;
  Settings settings;
};

void WriteFile(const std::string& path, const std::function<void(std::ostream&)>& write) {
  std::ofstream file(path);
  write(file);
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

ExitStatus Execute(const Arguments& arguments) {
  RaiseDescriptorLimit();
  Run run(arguments.settings);
  if (!run.Gather()) {
    std::fprintf(stderr, "dormouse-load: %s\n", run.trouble().c_str());
    return kNotConnected;
  }
  run.Work();
  run.Finish();
  const Report report = run.Judge();
  WriteFile(arguments.report, [&](std::ostream& out) { out << ToJson(report) << '\n'; });
  if (!arguments.history.empty()) {
    WriteFile(arguments.history, [&](std::ostream& out) { run.history().Write(out); });
  }
  std::fputs(ToText(report).c_str(), stdout);
  return report.verdict.kept() ? kKept : kBroken;
}

}  // namespace

int CheckMain(int argc, char** argv) {
  Arguments arguments;
  Settings& settings = arguments.settings;
  CLI::App app(
      "Clients that check what they are promised. Lines on standard input: mark NAME, stop; its end stops, "
      "too.",
      "dormouse-load check");
  app.option_defaults()->always_capture_default();
  app.add_option("--url", arguments.urls,
                 "Gateways: ws://HOST:PORT or wss://HOST:PORT, with commas between them")
      ->required()
      ->delimiter(',');
  app.add_option("--ca", arguments.ca, "wss: certificates to trust, in a PEM file; else the system's");
  app.add_flag("--insecure", arguments.insecure, "wss: whoever answers is trusted");
  app.add_option("--connections", settings.connections, "WebSockets")->required()->check(CLI::PositiveNumber);
  app.add_option("--hubs", settings.hubs, "Hubs that they are spread over")->check(CLI::PositiveNumber);
  app.add_option("--asleep", settings.asleep, "Share of the hubs that is left asleep, but for a rare message")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--rate", settings.rate, "Operations a second, of all clients together")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--seed", settings.seed, "What chance begins with; names the hubs, too");
  app.add_option("--report", arguments.report, "File for the report, as JSON")->required();
  app.add_option("--history", arguments.history, "File for all that happened, a JSON object a line");
  const std::map<std::string, OnClose> ways = {
      {"none", OnClose::kNone}, {"resume", OnClose::kResume}, {"register", OnClose::kRegister}};
  app.add_option("--on-close", settings.rules.on_close,
                 "What a client does whose socket is lost: none (that breaks a promise), resume, register")
      ->transform(CLI::CheckedTransformer(ways));
  app.add_option("--duration", arguments.duration,
                 "Seconds to go on for after `ready`; the end of standard input does not stop then")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--quiet", arguments.quiet, "Seconds that sleeping hubs are left silent before `ready`")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--timeout", arguments.timeout, "Seconds in which everything is to be answered")
      ->check(CLI::PositiveNumber);
  app.add_flag("--strict-duplicates", settings.rules.strict_duplicates,
               "What comes twice breaks a promise, too");
  try {
    app.parse(argc, argv);
    std::shared_ptr<const TlsContext> tls;
    if (std::ranges::any_of(arguments.urls, [](const std::string& url) { return url.starts_with("wss:"); })) {
      tls = std::make_shared<TlsContext>(arguments.ca, arguments.insecure);
    }
    for (const std::string& url : arguments.urls) settings.gateways.push_back(ParseUrl(url, tls));
    if (settings.connections < settings.hubs) {
      throw std::runtime_error("--connections must be at least --hubs: each hub has one or more");
    }
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kKept : kUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dormouse-load: %s\n", error.what());
    return kUsage;
  }
  const auto micros = [](double seconds) { return static_cast<Micros>(seconds * 1e6); };
  settings.duration = micros(arguments.duration);
  settings.quiet = micros(arguments.quiet);
  settings.rules.timeout = micros(arguments.timeout);
  return Execute(arguments);
}

}  // namespace dormouse::load::check
