// What a run has found, for programs and for people.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "clients/load/histogram.h"

namespace dormouse::load {

struct Figure {
  std::string name;
  double value = 0;
  std::string unit;
};

struct Distribution {
  std::string name;
  std::string says;  // what it is how long of
  Histogram histogram;
};

// How things stood at a moment; rates and latencies since the moment before.
struct Sample {
  double at = 0;  // seconds from the beginning of the run
  uint64_t ready = 0;
  double rate = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double longest_ms = 0;
  // Of each watched process; no number: it is not there.
  std::vector<double> cores;
  std::vector<double> mebibytes;
};

struct Result {
  std::string scenario;
  std::string command;  // the words of the command line
  std::string when;     // UTC
  std::string version;
  std::string machine;
  std::string about;  // what was done, in a line
  std::vector<Figure> figures;
  std::vector<Distribution> distributions;  // the first is the one that samples are of
  std::vector<std::string> processes;       // whose samples there are
  std::vector<Sample> samples;
  std::vector<std::pair<double, std::string>> marks;     // seconds, names
  std::vector<std::pair<std::string, uint64_t>> faults;  // by kind
  std::vector<std::string> words;                        // the first of them
  double measured_from = 0;                              // seconds
  double measured_to = 0;

  uint64_t wrong() const {
    uint64_t sum = 0;
    for (const auto& fault : faults) sum += fault.second;
    return sum;
  }
};

// The percentiles that are shown, as shares.
constexpr std::pair<const char*, double> kPercentiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}, {"max", 1}};

std::string ToText(const Result& result);
std::string ToJson(const Result& result);
std::string ToHtml(const Result& result);

}  // namespace dormouse::load
