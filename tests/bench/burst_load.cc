// Clients of class echo that all send at once: for each line on standard input, which says from when
// latencies are counted (seconds of the steady clock), one message on every connection, until all are
// answered; what happens to the servers between is up to whoever writes the lines. One figure a line: NAME
// VALUE UNIT.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/crowd.h"
#include "tests/bench/figures.h"

namespace dormouse::bench {
namespace {

constexpr char kMessage[] = R"({"type":"message","message":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxx"})";

std::vector<std::string> ReadPaths(const std::string& name) {
  std::vector<std::string> paths;
  std::ifstream file(name);
  for (std::string path; std::getline(file, path);) paths.push_back(path);
  if (paths.empty()) throw std::runtime_error(name + " names no hubs: give it a path a line");
  return paths;
}

void Burst(const std::string& target, const std::vector<std::string>& paths) {
  Crowd crowd(target);
  crowd.Open(
      paths.size(), [&](size_t index) { return paths[index]; }, R"({"type":"welcome")");
  std::cout << "ready" << std::endl;
  for (double start = 0; std::cin >> start;) {
    std::vector<float> latencies;
    for (size_t i = 0; i < crowd.size(); ++i) crowd.Send(i, kMessage);
    while (latencies.size() < crowd.size()) {
      crowd.Turn([&](size_t, std::string_view text) {
        ExpectStart(text, R"({"type":"echo")");
        latencies.push_back(static_cast<float>(Now() - start));
      });
    }
    PrintLatency("burst", &latencies);
    std::cout << "done" << std::endl;
  }
}

int Main(int argc, char** argv) {
  load::RaiseDescriptorLimit();
  std::string target = "127.0.0.1:8080";
  std::string paths;
  CLI::App app("One message a connection for each line on standard input.", "dormouse_burst_load");
  app.option_defaults()->always_capture_default();
  app.add_option("--target", target, "HOST:PORT of a gateway");
  app.add_option("--paths", paths, "File of hubs' paths, a connection each")->required();
  CLI11_PARSE(app, argc, argv);
  Burst(target, ReadPaths(paths));
  return 0;
}

}  // namespace
}  // namespace dormouse::bench

int main(int argc, char** argv) {
  try {
    return dormouse::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dormouse_burst_load: %s\n", error.what());
    return 1;
  }
}
