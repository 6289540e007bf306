#include "statekeeper/admin/load.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"

namespace dormouse {
namespace {

double ValueOf(const prometheus::ClientMetric& metric, prometheus::MetricType type) {
  return type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value;
}

// Over the lanes.
struct Figures {
  double sum = 0;
  double least = 0;
  double most = 0;
};

Figures Find(const std::vector<prometheus::MetricFamily>& families, const std::string& name) {
  const auto family = std::ranges::find(families, name, &prometheus::MetricFamily::name);
  if (family == families.end() || family->metric.empty()) return {};
  Figures figures{0, ValueOf(family->metric[0], family->type), 0};
  for (const auto& metric : family->metric) {
    const double value = ValueOf(metric, family->type);
    figures.sum += value;
    figures.least = std::min(figures.least, value);
    figures.most = std::max(figures.most, value);
  }
  return figures;
}

}  // namespace

admin::LoadReply ReadLoad(const prometheus::Registry& registry) {
  const std::vector<prometheus::MetricFamily> families = registry.Collect();
  const auto sum = [&](const std::string& name) {
    return static_cast<uint64_t>(std::max(0.0, Find(families, name).sum));
  };
  admin::LoadReply load;
  load.set_at_ms(SteadyMs());
  load.set_hubs_awake(sum("dormouse_hubs_awake"));
  load.set_gateways(static_cast<uint64_t>(Find(families, "dormouse_gateways_connected").most));
  load.set_events(sum("dormouse_events_total"));
  load.set_deliveries(sum("dormouse_deliveries_total"));
  load.set_commits(sum("dormouse_commits_total"));
  load.set_commit_failures(sum("dormouse_commit_failures_total"));
  load.set_unacknowledged_bytes(sum("dormouse_unacknowledged_bytes"));
  load.set_store_healthy(Find(families, "dormouse_store_healthy").least > 0);
  return load;
}

}  // namespace dormouse
