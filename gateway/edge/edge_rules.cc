#include "gateway/edge/edge_rules.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>

#include "common/clock.h"
#include "common/ids.h"

namespace dormouse {
namespace {

// For a class that does not say: no socket may make the gateway hold more than this.
constexpr uint64_t kDefaultMaxMessageSize = 1u << 20;
constexpr uint64_t kDefaultOutboundLimit = 8u << 20;

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
      rate_limit_{.rate = profile.rate_limit(), .burst = profile.rate_burst()},
      exempt_types_(profile.rate_exempt_types().begin(), profile.rate_exempt_types().end()) {
  std::vector<std::string> names = {"type"};
  for (const std::string& type : exempt_types_) quoted_exempt_types_.push_back(Quoted(type));
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
      response.prefixes.push_back({IndexOf(prefix.field(), &names), prefix.prefix(), prefix.negate()});
    }
    response.reply = Compile(source.reply(), &names);
    responses_.push_back(std::move(response));
  }
  too_large_reply_ = Compile(profile.too_large_reply(), &names);
  rate_limited_reply_ = Compile(profile.rate_limited_reply(), &names);
  fields_.emplace(std::move(names));
}

EdgeRules::Template EdgeRules::Compile(const link::Template& source, std::vector<std::string>* names) {
  Template out;
  for (const link::Template::Part& from : source.parts()) {
    Part part;
    part.otherwise = from.otherwise();
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
  for (size_t i = 0; i < exempt_types_.size(); ++i) {
    if (Contains(frame, quoted_exempt_types_[i]) && fields_->Read(frame) &&
        fields_->field(0).PlainString() == exempt_types_[i]) {
      return true;
    }
  }
  return false;
}

const EdgeRules::Response* EdgeRules::FindResponse(std::string_view frame) const {
  bool parsed = false;
  for (const Response& response : responses_) {
    if (!Contains(frame, response.quoted_type)) continue;
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
  if (field(0).PlainString() != response.type) return false;
  for (const int index : response.require) {
    if (!field(index).present()) return false;
  }
  for (const int index : response.absent) {
    if (field(index).present() && !field(index).is_null()) return false;
  }
  for (const Prefix& prefix : response.prefixes) {
    const std::string_view raw = field(prefix.field).raw;
    // What is not a plain string is left to the hub.
    if (raw.size() < 2 || raw.front() != '"' || raw.find('\\') != std::string_view::npos) return false;
    if (field(prefix.field).PlainString().starts_with(prefix.prefix) == prefix.negate) return false;
  }
  return CanFill(response.reply);
}

bool EdgeRules::CanFill(const Template& compiled) const {
  return std::all_of(compiled.begin(), compiled.end(), [&](const Part& part) {
    return part.field == kNoField || !part.otherwise.empty() ||
           fields_->field(static_cast<size_t>(part.field)).present();
  });
}

std::optional<std::string> EdgeRules::Fill(const Template& compiled, const TemplateValues& values) const {
  if (compiled.empty() || !CanFill(compiled)) return std::nullopt;
  std::string out;
  for (const Part& part : compiled) {
    if (part.field != kNoField) {
      const JsonFields::Field& field = fields_->field(static_cast<size_t>(part.field));
      out.append(field.present() ? field.raw : std::string_view{part.otherwise});
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
        out.append(std::to_string(values.retry_after_s));
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

std::optional<std::string> EdgeRules::TooLargeReply(const TemplateValues& values) const {
  fields_->Read("{}");  // the frame is gone: it has no fields
  return Fill(too_large_reply_, values);
}

std::optional<std::string> EdgeRules::RateLimitedReply(std::string_view frame,
                                                       const TemplateValues& values) const {
  const bool uses_fields = std::any_of(rate_limited_reply_.begin(), rate_limited_reply_.end(),
                                       [](const Part& part) { return part.field != kNoField; });
  if (uses_fields && !fields_->Read(frame)) fields_->Read("{}");
  return Fill(rate_limited_reply_, values);
}

}  // namespace dormouse
