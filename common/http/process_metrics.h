// What a process says of itself as a process, for Prometheus: under the names that all clients of Prometheus
// use (process_resident_memory_bytes, ...), which version it is, and what it has logged. Read when somebody
// asks. Any thread.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

namespace dormouse {

void AddProcessMetrics(std::vector<prometheus::MetricFamily>* families);

}  // namespace dormouse
