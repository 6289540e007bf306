// How many calls of backends are under way: in all, with one key, of one hub. One thread.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "common/http/http_reply.h"

namespace dormouse {

class ApiLimits {
 public:
  struct Most {
    size_t calls = 0;
    size_t of_key = 0;
    size_t of_hub = 0;
  };
  explicit ApiLimits(const Most& most) : most_(most) {}

  // Nothing: it is under way, until End. Else why not.
  std::optional<HttpReply> Begin(const std::string& key, const std::string& hub);
  void End(const std::string& key, const std::string& hub);
  size_t calls() const { return calls_; }

 private:
  using Counts = std::map<std::string, size_t>;
  static size_t Of(const Counts& counts, const std::string& name);
  static void Take(Counts* counts, const std::string& name);

  const Most most_;
  size_t calls_ = 0;
  Counts by_key_;
  Counts by_hub_;
};

}  // namespace dormouse
