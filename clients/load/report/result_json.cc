#include "clients/load/report/numbers.h"
#include "clients/load/report/result.h"
#include "common/json/json_writer.h"

namespace dormouse::load {
namespace {

template <typename Items, typename ToItem>
std::string Array(const Items& items, ToItem to_item) {
  std::string json = "[";
  for (const auto& item : items) {
    if (json.size() > 1) json.push_back(',');
    json += to_item(item);
  }
  return json + "]";
}

std::string DistributionJson(const Distribution& distribution) {
  const Histogram& histogram = distribution.histogram;
  JsonWriter json;
  json.String("says", distribution.says).Int("count", static_cast<int64_t>(histogram.count()));
  for (const auto& [name, share] : kPercentiles) {
    json.Raw(std::string(name) + "_ms", Exact(static_cast<double>(histogram.ValueAt(share)) / 1e6));
  }
  json.Raw("mean_ms", Exact(histogram.mean() / 1e6));
  // Buckets that hold something: the highest value of each in nanoseconds, and how many.
  std::string buckets = "[";
  for (size_t i = 0; i < histogram.counts().size(); ++i) {
    if (histogram.counts()[i] == 0) continue;
    if (buckets.size() > 1) buckets.push_back(',');
    buckets +=
        "[" + std::to_string(Buckets::HighestOf(i)) + "," + std::to_string(histogram.counts()[i]) + "]";
  }
  return json.Raw("buckets", buckets + "]").Finish();
}

std::string SampleJson(const Result& result, const Sample& sample) {
  JsonWriter json;
  json.Raw("at", Exact(sample.at))
      .Int("ready", static_cast<int64_t>(sample.ready))
      .Raw("rate", Exact(sample.rate))
      .Raw("p50_ms", Exact(sample.p50_ms))
      .Raw("p99_ms", Exact(sample.p99_ms))
      .Raw("max_ms", Exact(sample.longest_ms));
  JsonWriter processes;
  for (size_t i = 0; i < result.processes.size(); ++i) {
    processes.Raw(result.processes[i], JsonWriter()
                                           .Raw("cores", Exact(sample.cores[i]))
                                           .Raw("mebibytes", Exact(sample.mebibytes[i]))
                                           .Finish());
  }
  return json.Raw("processes", processes.Finish()).Finish();
}

}  // namespace

std::string ToJson(const Result& result) {
  JsonWriter figures;
  for (const Figure& figure : result.figures) {
    figures.Raw(figure.name,
                JsonWriter().Raw("value", Exact(figure.value)).String("unit", figure.unit).Finish());
  }
  JsonWriter distributions;
  for (const Distribution& distribution : result.distributions) {
    distributions.Raw(distribution.name, DistributionJson(distribution));
  }
  JsonWriter faults;
  for (const auto& [name, count] : result.faults) faults.Int(name, static_cast<int64_t>(count));
  return JsonWriter()
      .Bool("kept", result.wrong() == 0)
      .String("scenario", result.scenario)
      .String("about", result.about)
      .String("command", result.command)
      .String("when", result.when)
      .String("version", result.version)
      .String("machine", result.machine)
      .Raw("measured", "[" + Exact(result.measured_from) + "," + Exact(result.measured_to) + "]")
      .Raw("figures", figures.Finish())
      .Raw("distributions", distributions.Finish())
      .Raw("faults", faults.Finish())
      .Raw("words", Array(result.words, [](const std::string& words) { return JsonQuoted(words); }))
      .Raw("marks",
           Array(result.marks,
                 [](const auto& mark) {
                   return JsonWriter().Raw("at", Exact(mark.first)).String("name", mark.second).Finish();
                 }))
      .Raw("samples", Array(result.samples, [&](const Sample& sample) { return SampleJson(result, sample); }))
      .Finish();
}

}  // namespace dormouse::load
