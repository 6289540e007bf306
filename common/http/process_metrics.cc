#include "common/http/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

#include "common/logging.h"
#include "common/version.h"

namespace dormouse {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily Family(std::string name, std::string help, MetricType type) {
  MetricFamily family;
  family.name = std::move(name);
  family.help = std::move(help);
  family.type = type;
  return family;
}

void Add(MetricFamily* family, double value, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric& metric = family->metric.emplace_back();
  metric.label = std::move(labels);
  (family->type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
}

MetricFamily Single(std::string name, std::string help, MetricType type, double value) {
  MetricFamily family = Family(std::move(name), std::move(help), type);
  Add(&family, value);
  return family;
}

// Fields of /proc/self/stat behind the name of the program, which may have spaces: see proc(5), whose numbers
// are three more.
std::vector<double> ReadStat() {
  std::ifstream file("/proc/self/stat");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string state;
  fields >> state;
  return {std::istream_iterator<double>(fields), std::istream_iterator<double>()};
}

// Seconds since 1970 at which the machine started.
double BootTime() {
  std::ifstream file("/proc/stat");
  std::string word;
  while (file >> word) {
    if (word != "btime") continue;
    double seconds = 0;
    file >> seconds;
    return seconds;
  }
  return 0;
}

double OpenDescriptors() {
  std::error_code error;
  const auto open = std::filesystem::directory_iterator("/proc/self/fd", error);
  // One of them is for looking.
  return error ? 0 : static_cast<double>(std::distance(begin(open), end(open))) - 1;
}

}  // namespace

void AddProcessMetrics(std::vector<MetricFamily>* families) {
  constexpr size_t kUserTime = 10;
  constexpr size_t kSystemTime = 11;
  constexpr size_t kThreads = 16;
  constexpr size_t kStartTime = 18;
  constexpr size_t kVirtualBytes = 19;
  constexpr size_t kResidentPages = 20;
  static const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  static const double boot_time = BootTime();
  if (const std::vector<double> stat = ReadStat(); stat.size() > kResidentPages) {
    families->push_back(Single("process_cpu_seconds_total", "Processor time that the process has used",
                               MetricType::Counter, (stat[kUserTime] + stat[kSystemTime]) / ticks));
    families->push_back(Single("process_resident_memory_bytes", "Memory that the process has in RAM",
                               MetricType::Gauge, stat[kResidentPages] * static_cast<double>(getpagesize())));
    families->push_back(Single("process_virtual_memory_bytes", "Address space of the process",
                               MetricType::Gauge, stat[kVirtualBytes]));
    families->push_back(Single("process_start_time_seconds",
                               "When the process started, in seconds since 1970", MetricType::Gauge,
                               boot_time + stat[kStartTime] / ticks));
    families->push_back(
        Single("process_threads", "Threads of the process", MetricType::Gauge, stat[kThreads]));
  }
  rlimit descriptors{};
  getrlimit(RLIMIT_NOFILE, &descriptors);
  families->push_back(Single("process_open_fds", "Open file descriptors: one for each socket",
                             MetricType::Gauge, OpenDescriptors()));
  families->push_back(Single("process_max_fds", "File descriptors that there may be", MetricType::Gauge,
                             static_cast<double>(descriptors.rlim_cur)));

  MetricFamily build =
      Family("dormouse_build_info", "1; the labels say which build it is", MetricType::Gauge);
  Add(&build, 1,
      {{"version", DORMOUSE_VERSION}, {"commit", CommitText().empty() ? "unknown" : CommitText()}});
  families->push_back(std::move(build));

  const LogCounts lines = CountLogLines();
  MetricFamily written = Family("dormouse_log_lines_total", "Lines written to the log", MetricType::Counter);
  for (const auto level : {spdlog::level::info, spdlog::level::warn, spdlog::level::err}) {
    const auto& name = spdlog::level::to_string_view(level);
    Add(&written, static_cast<double>(lines.written[level]),
        {{"level", std::string(name.data(), name.size())}});
  }
  families->push_back(std::move(written));
  families->push_back(Single("dormouse_log_lines_left_out_total",
                             "Lines not written, for there were too many like them", MetricType::Counter,
                             static_cast<double>(lines.left_out)));
}

}  // namespace dormouse
