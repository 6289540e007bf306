#include "gateway/edge/rules/edge_rules.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>
#include <optional>

#include "common/clock.h"
#include "common/ids.h"

namespace dormouse::edge {
namespace {

// For a class that does not say: no socket may make the gateway hold more than this.
constexpr uint64_t kDefaultMaxMessageSize = 1u << 20;
constexpr uint64_t kDefaultOutboundLimit = 8u << 20;
// A longer frame is for its hub to answer: to look through it for what an answer needs costs too much.
constexpr size_t kMaxAnswered = 64u << 10;
// Of what the edge repeats: more than any address or id has. A longer one is for the hub to judge.
constexpr size_t kMaxField = 4096;

bool Contains(std::string_view text, const std::string& literal) {
  return memmem(text.data(), text.size(), literal.data(), literal.size()) != nullptr;
}

int IndexOf(const std::string& name, std::vector<std::string>* names) {
  const auto it = std::find(names->begin(), names->end(), name);
  if (it != names->end()) return static_cast<int>(it - names->begin());
  names->push_back(name);
  return static_cast<int>(names->size() - 1);
}

std::string Quoted(const std::string& type) { return '"' + type + '"'; }

// Whether a frame may be of a type. It is looked through once for what all types have in common.
class TypeFilter {
 public:
  explicit TypeFilter(std::string_view frame) : frame_(frame) {}

  bool operator()(const std::string& quoted_type) {
    if (Contains(frame_, quoted_type)) return true;
    // A type that is not written plainly has \uXXXX in it for one of its letters, or \/.
    if (!has_looked_) has_escapes_ = Contains(frame_, "\\u00") || Contains(frame_, "\\/");
    has_looked_ = true;
    return has_escapes_;
  }

 private:
  const std::string_view frame_;
  bool has_looked_ = false;
  bool has_escapes_ = false;
};

}  // namespace

EdgeRules::EdgeRules(const link::ClassProfile& profile)
    : idle_timeout_ms(profile.idle_timeout_ms()),
      idle_check_ms(profile.idle_check_ms()),
      idle_close_code(
          static_cast<uint16_t>(profile.idle_close_code() == 0 ? 1000 : profile.idle_close_code())),
      idle_close_reason(profile.idle_close_reason()),
      admission_timeout_ms(profile.admission_timeout_ms()),
      admission_close_code(
          static_cast<uint16_t>(profile.admission_close_code() == 0 ? 1008 : profile.admission_close_code())),
      admission_close_reason(profile.admission_close_reason()),
      max_message_size(profile.max_message_size() == 0 ? kDefaultMaxMessageSize : profile.max_message_size()),
      outbound{.pause = profile.outbound_pause(),
               .resume = profile.outbound_resume(),
               .limit = profile.outbound_limit() == 0 ? kDefaultOutboundLimit : profile.outbound_limit(),
               .pause_messages = profile.outbound_pause_messages(),
               .resume_messages = profile.outbound_resume_messages()},
      kept{.messages = profile.kept_messages(), .bytes = profile.kept_bytes()},
      binary_is_text_(profile.binary_is_text()),
      rate_limit_{.rate = profile.rate_limit(), .burst = profile.rate_burst()} {
  std::vector<std::string> names = {"type"};
  for (const std::string& type : profile.rate_exempt_types()) exempt_types_.emplace_back(type, Quoted(type));
  for (const link::RoleLimit& limit : profile.role_limits()) {
    role_limits_.emplace_back(limit.role(), RateLimit{.rate = limit.rate(), .burst = limit.burst()});
  }
  for (const link::AutoResponse& source : profile.auto_responses()) {
    Response response;
    response.type = source.type();
    response.quoted_type = Quoted(source.type());
    for (const std::string& name : source.require()) response.require.push_back(IndexOf(name, &names));
    for (const std::string& name : source.absent()) response.absent.push_back(IndexOf(name, &names));
    for (const link::StringPrefix& prefix : source.prefixes()) {
      response.prefixes.push_back(CompilePrefix(prefix, &names));
    }
    response.reply = Compile(source.reply(), &names);
    responses_.push_back(std::move(response));
  }
  too_large_reply_ = Compile(profile.too_large_reply(), &names);
  rate_limited_reply_ = Compile(profile.rate_limited_reply(), &names);
  fields_.emplace(std::move(names));
}

EdgeRules::Prefix EdgeRules::CompilePrefix(const link::StringPrefix& source,
                                           std::vector<std::string>* names) {
  return {IndexOf(source.field(), names), source.prefix(), source.negate()};
}

EdgeRules::Template EdgeRules::Compile(const link::Template& source, std::vector<std::string>* names) {
  Template out;
  for (const link::Template::Part& from : source.parts()) {
    Part part;
    part.otherwise = from.otherwise();
    part.string_only = from.string_only();
    if (from.has_variant()) {
      part.variant_when = CompilePrefix(from.variant().when(), names);
      part.variant = from.variant().otherwise();
    }
    if (from.has_literal()) part.literal = from.literal();
    if (from.has_field()) part.field = IndexOf(from.field(), names);
    if (from.has_value()) part.value = from.value();
    out.push_back(std::move(part));
  }
  return out;
}

const RateLimit& EdgeRules::RateLimitOf(const std::string* role) const {
  if (role != nullptr) {
    for (const auto& [name, limit] : role_limits_) {
      if (name == *role) return limit;
    }
  }
  return rate_limit_;
}

bool EdgeRules::IsRateExempt(std::string_view frame) const {
  TypeFilter filter(frame);
  return std::ranges::any_of(exempt_types_, [&](const auto& type) {
    return filter(type.second) && fields_->Read(frame) && fields_->field(0).Says(type.first);
  });
}

const EdgeRules::Response* EdgeRules::FindResponse(std::string_view frame) const {
  if (frame.size() > kMaxAnswered) return nullptr;
  bool parsed = false;
  TypeFilter filter(frame);
  for (const Response& response : responses_) {
    if (!filter(response.quoted_type)) continue;
    if (!parsed && !fields_->Read(frame)) return nullptr;
    parsed = true;
    if (Applies(response)) return &response;
  }
  return nullptr;
}

bool EdgeRules::Applies(const Response& response) const {
  const auto field = [&](int index) -> const JsonFields::Field& {
    return fields_->field(static_cast<size_t>(index));
  };
  if (!field(0).Says(response.type)) return false;
  for (const int index : response.require) {
    if (!field(index).present()) return false;
  }
  for (const int index : response.absent) {
    if (field(index).present() && !field(index).is_null()) return false;
  }
  // What is too long is left to the hub.
  const bool repeatable = std::ranges::all_of(response.reply, [&](const Part& part) {
    return part.field == kNoField || field(part.field).raw.size() <= kMaxField;
  });
  return repeatable && CanFill(response.reply) &&
         std::ranges::all_of(response.prefixes, [&](const Prefix& prefix) { return Holds(prefix); });
}

bool EdgeRules::Holds(const Prefix& prefix) const {
  const JsonFields::Field& field = fields_->field(static_cast<size_t>(prefix.field));
  return field.is_string() && field.StartsWith(prefix.prefix) != prefix.negate;
}

std::string_view EdgeRules::TextOf(const Part& part) const {
  const JsonFields::Field& field = fields_->field(static_cast<size_t>(part.field));
  const bool counts = !part.string_only || field.is_string();
  if (field.present() && counts && field.raw.size() <= kMaxField) return field.raw;
  return part.variant_when.has_value() && Holds(*part.variant_when) ? part.variant : part.otherwise;
}

bool EdgeRules::CanFill(const Template& compiled) const {
  return std::ranges::all_of(
      compiled, [&](const Part& part) { return part.field == kNoField || !TextOf(part).empty(); });
}

std::optional<std::string> EdgeRules::Fill(const Template& compiled, const TemplateValues& values) const {
  if (compiled.empty() || !CanFill(compiled)) return std::nullopt;
  std::string out;
  for (const Part& part : compiled) {
    if (part.field != kNoField) {
      out.append(TextOf(part));
      continue;
    }
    switch (part.value) {
      case link::Template::NOW_MS:
        out.append(std::to_string(values.now_ms));
        break;
      case link::Template::NOW_ISO:
        out.append(Iso8601(values.now_ms));
        break;
      case link::Template::NEW_UUID:
        out.append(NewUuid());
        break;
      case link::Template::CONNECTION_ID:
        out.append(values.connection_id);
        break;
      case link::Template::ACTUAL_SIZE:
        out.append(std::to_string(values.actual_size));
        break;
      case link::Template::MAX_SIZE:
        out.append(std::to_string(max_message_size));
        break;
      case link::Template::RETRY_AFTER_S:
        out.append(std::to_string((values.retry_after_ms + 999) / 1000));
        break;
      case link::Template::RETRY_AFTER_MS:
        out.append(std::to_string(values.retry_after_ms));
        break;
      case link::Template::RATE_LIMIT:
        out.append(fmt::format("{}", values.rate_limit));
        break;
      default:
        out.append(part.literal);
    }
  }
  return out;
}

std::optional<std::string> EdgeRules::TooLargeReply(std::string_view head,
                                                    const TemplateValues& values) const {
  return Refusal(too_large_reply_, head, values);
}

std::optional<std::string> EdgeRules::RateLimitedReply(std::string_view frame,
                                                       const TemplateValues& values) const {
  return Refusal(rate_limited_reply_, frame, values);
}

// Also to what is no message at all: its sender is told as much as can be.
std::optional<std::string> EdgeRules::Refusal(const Template& reply, std::string_view frame,
                                              const TemplateValues& values) const {
  if (std::ranges::any_of(reply, [](const Part& part) { return part.field != kNoField; }))
    fields_->ReadHead(frame);
  return Fill(reply, values);
}

}  // namespace dormouse::edge
