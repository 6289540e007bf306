// What a hub class lets its gateways do by themselves (link.proto: ClassProfile): limits, and answers to
// simple frames such as heartbeats, which so do not wake the hub.
//
// An ordinary frame costs a search for a few literals; only one that has a literal in it, or escapes that
// could spell one, is parsed.
//
// Immutable but for scratch memory; one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/json/json_fields.h"
#include "gateway/edge/rules/outbound_limits.h"
#include "proto/link.pb.h"

namespace dormouse::edge {

// What templates can say besides literals and fields of the frame.
struct TemplateValues {
  std::string connection_id = {};
  int64_t now_ms = 0;  // wall clock
  uint64_t actual_size = 0;
  int64_t retry_after_ms = 0;
  double rate_limit = 0;
};

// How many messages a socket may send.
struct RateLimit {
  double rate = 0;  // a second; 0: no limit
  uint32_t burst = 0;
};

class EdgeRules {
 public:
  explicit EdgeRules(const link::ClassProfile& profile);

  uint64_t idle_timeout_ms = 0;  // 0: none
  uint64_t idle_check_ms = 0;
  uint16_t idle_close_code = 1000;
  std::string idle_close_reason;
  uint64_t admission_timeout_ms = 0;  // 0: none
  uint16_t admission_close_code = 1008;
  std::string admission_close_reason;
  uint64_t max_message_size = 0;
  OutboundWatermarks outbound;
  KeptOutputLimits kept;

  // For a socket with that role; nullptr: without any.
  const RateLimit& RateLimitOf(const std::string* role) const;
  // Whether the frame is of a type that the rate limit does not count when it is a socket's first.
  bool IsRateExempt(std::string_view frame) const;

  // The answer to a frame of text; nullopt: it is for the hub. `values` is asked for only where a rule
  // applies.
  template <typename MakeValues>
  std::optional<std::string> AutoResponse(std::string_view frame, const MakeValues& make_values) const {
    const Response* response = FindResponse(frame);
    return response == nullptr ? std::nullopt : Fill(response->reply, make_values());
  }

  // What to say to a frame that was dropped; nullopt: the class says nothing.
  // `head`: as much as was kept of it.
  std::optional<std::string> TooLargeReply(std::string_view head, const TemplateValues& values) const;
  std::optional<std::string> RateLimitedReply(std::string_view frame, const TemplateValues& values) const;
  bool binary_is_text() const { return binary_is_text_; }
  bool has_too_large_reply() const { return !too_large_reply_.empty(); }

 private:
  static constexpr int kNoField = -1;
  struct Prefix {
    int field;
    std::string prefix;
    bool negate;
  };
  struct Part {
    std::string literal;
    int field = kNoField;
    bool string_only = false;
    link::Template::Value value = link::Template::NONE;
    std::string otherwise;
    std::optional<Prefix> variant_when;
    std::string variant;
  };
  using Template = std::vector<Part>;
  struct Response {
    std::string type;
    std::string
        quoted_type;  // what a frame of the type has in it somewhere, unless it is spelled with escapes
    std::vector<int> require;
    std::vector<int> absent;
    std::vector<Prefix> prefixes;
    Template reply;
  };

  const Response* FindResponse(std::string_view frame) const;
  bool Applies(const Response& response) const;
  bool CanFill(const Template& compiled) const;
  bool Holds(const Prefix& prefix) const;
  // The text that goes in for a field; empty: there is none.
  std::string_view TextOf(const Part& part) const;
  std::optional<std::string> Fill(const Template& compiled, const TemplateValues& values) const;
  std::optional<std::string> Refusal(const Template& reply, std::string_view frame,
                                     const TemplateValues& values) const;
  static Prefix CompilePrefix(const link::StringPrefix& source, std::vector<std::string>* names);
  static Template Compile(const link::Template& source, std::vector<std::string>* names);

  bool binary_is_text_;
  RateLimit rate_limit_;
  std::vector<std::pair<std::string, RateLimit>> role_limits_;  // few
  std::vector<Response> responses_;
  std::vector<std::pair<std::string, std::string>> exempt_types_;  // plain and quoted
  Template too_large_reply_;
  Template rate_limited_reply_;
  mutable std::optional<JsonFields> fields_;  // as of the last frame parsed; field 0 is "type"
};

// A hub class as this gateway knows it. Its rules are replaced when the class's profile changes; it stays.
class HubClassEdge {
 public:
  HubClassEdge(std::string name, const link::ClassProfile& profile)
      : name_(std::move(name)), profile_(profile), rules_(std::make_unique<EdgeRules>(profile)) {}
  const std::string& name() const { return name_; }
  const EdgeRules& rules() const { return *rules_; }
  const link::ClassProfile& profile() const { return profile_; }
  void Replace(const link::ClassProfile& profile) {
    profile_ = profile;
    rules_ = std::make_unique<EdgeRules>(profile);
  }

 private:
  std::string name_;
  link::ClassProfile profile_;
  std::unique_ptr<EdgeRules> rules_;
};

}  // namespace dormouse::edge
