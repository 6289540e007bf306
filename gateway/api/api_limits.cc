#include "gateway/api/api_limits.h"

#include <fmt/format.h>

#include "gateway/api/api_words.h"

namespace dormouse {

size_t ApiLimits::Of(const Counts& counts, const std::string& name) {
  const auto found = counts.find(name);
  return found == counts.end() ? 0 : found->second;
}

void ApiLimits::Take(Counts* counts, const std::string& name) {
  const auto found = counts->find(name);
  if (--found->second == 0) counts->erase(found);
}

std::optional<HttpReply> ApiLimits::Begin(const std::string& key, const std::string& hub) {
  if (calls_ >= most_.calls) {
    return ApiRefusal(503, "busy",
                      fmt::format("This gateway has {} calls under way (option api-calls); nothing was "
                                  "done. Ask again in a moment, or another gateway.",
                                  calls_));
  }
  if (Of(by_key_, key) >= most_.of_key) {
    return ApiRefusal(
        429, "too_many_calls",
        fmt::format("This key has {} calls under way (option api-calls-per-key); nothing was done. Wait "
                    "for answers before asking for more.",
                    most_.of_key));
  }
  if (Of(by_hub_, hub) >= most_.of_hub) {
    return ApiRefusal(
        429, "too_many_calls",
        fmt::format("This hub has {} calls under way (option api-calls-per-hub); nothing was done. Put "
                    "several commands into a batch, or wait for answers before asking for more.",
                    most_.of_hub));
  }
  ++calls_;
  ++by_key_[key];
  ++by_hub_[hub];
  return std::nullopt;
}

void ApiLimits::End(const std::string& key, const std::string& hub) {
  --calls_;
  Take(&by_key_, key);
  Take(&by_hub_, hub);
}

}  // namespace dormouse
