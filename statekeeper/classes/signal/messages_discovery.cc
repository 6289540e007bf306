// Looking into the registry: discover, list_actors. Both read it in the order of addresses and answer a page.
#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "statekeeper/classes/json/json_writer.h"
#include "statekeeper/classes/signal/messages.h"
#include "statekeeper/classes/signal/pattern.h"
#include "statekeeper/classes/signal/registry.h"

namespace dormouse::signal {
namespace {

constexpr size_t kPage = 100;
constexpr size_t kLargePage = 1000;

// A number of the payload between 0 and `max`. False: refused.
bool ReadNumber(Call& call, const char* name, size_t fallback, size_t max, size_t* number) {
  const JsonSlice value = call.request.payload.Find(name);
  *number = fallback;
  if (IsJsonNothing(value)) return true;
  const std::optional<double> wanted = JsonNumber(value);
  if (!wanted.has_value()) {
    call.FailBadPayload(std::string("payload.") + name + " is not a number.",
                        std::string("Send payload.") + name + " as an integer, or leave it out.");
    return false;
  }
  *number = static_cast<size_t>(std::clamp(*wanted, 0.0, static_cast<double>(max)));
  return true;
}

// The actors of one answer: at most `limit` of those offered, from `offset` on, and no more than a frame's
// worth.
class Page {
 public:
  Page(size_t offset, size_t limit, size_t max_bytes)
      : offset_(offset), limit_(limit), max_bytes_(max_bytes) {}

  // Whether the actor that comes next belongs on the page.
  bool WantsNext() { return seen_++ >= offset_ && !full(); }
  void Add(const std::string& actor) {
    if (count_++ > 0) actors_.push_back(',');
    actors_.append(actor);
  }
  bool full() const { return count_ >= limit_ || actors_.size() >= max_bytes_; }
  size_t count() const { return count_; }
  size_t seen() const { return seen_; }
  bool MoreThan(size_t total) const { return offset_ + count_ < total; }
  std::string actors() const { return "[" + actors_ + "]"; }

 private:
  const size_t offset_;
  const size_t limit_;
  const size_t max_bytes_;
  size_t seen_ = 0;
  size_t count_ = 0;
  std::string actors_;
};

std::string CapabilitiesJson(const Registration& registration) {
  std::string json = "[";
  for (const std::string& capability : registration.capabilities()) {
    if (json.size() > 1) json.push_back(',');
    AppendJsonString(capability, &json);
  }
  return json + "]";
}

// What both answers say of an actor.
JsonWriter ActorJson(const Call& call, std::string_view address, const Registration& registration) {
  const std::string written = call.InClientForm(address);
  JsonWriter actor;
  actor.Raw("address", written)
      .Raw("actorAddress", written)
      .Raw("capabilities", CapabilitiesJson(registration))
      .Raw("metadata", registration.metadata())
      .Int("registeredAt", registration.registered_ms());
  return actor;
}

bool SameJson(JsonSlice a, JsonSlice b) {
  if (IsJsonString(a) && IsJsonString(b)) return JsonString(a) == JsonString(b);
  if (IsJsonNumber(a) && IsJsonNumber(b)) return JsonNumber(a) == JsonNumber(b);
  return a == b;
}

// What a discovery asks for beside the pattern.
struct Filter {
  std::vector<std::string> capabilities;  // all of them
  JsonObject metadata;                    // each member equal

  bool Matches(const Registration& registration) const {
    const auto& has = registration.capabilities();
    for (const std::string& wanted : capabilities) {
      if (std::ranges::find(has, wanted) == has.end()) return false;
    }
    if (metadata.members().empty()) return true;
    const JsonObject described(registration.metadata());
    return std::ranges::all_of(metadata.members(), [&](const JsonMember& wanted) {
      return SameJson(wanted.value, described.Find(wanted.key));
    });
  }
};

// False: refused.
bool ReadFilter(Call& call, Filter* filter) {
  const JsonObject& payload = call.request.payload;
  const JsonSlice one = payload.Find("capability");
  const JsonSlice many = payload.Find("capabilities");
  const JsonSlice metadata = payload.Find("metadata");
  std::vector<JsonSlice> wanted;
  if (!IsJsonNothing(many)) {
    const auto elements = JsonElements(many);
    wanted = elements.value_or(std::vector<JsonSlice>{many});
  }
  if (!IsJsonNothing(one)) wanted.push_back(one);
  for (const JsonSlice capability : wanted) {
    const std::optional<std::string> name = JsonString(capability);
    if (!name.has_value()) {
      call.FailBadPayload(
          "A capability is not a string.",
          "Send payload.capability as a string or payload.capabilities as an array of strings.");
      return false;
    }
    filter->capabilities.push_back(*name);
  }
  if (!IsJsonNothing(metadata) && !IsJsonObject(metadata)) {
    call.FailBadPayload("payload.metadata is not an object.",
                        "Send payload.metadata as an object of what must be equal, or leave it out.");
    return false;
  }
  filter->metadata = JsonObject(metadata);
  return true;
}

// The pattern, "*" where there is none. Nothing: refused.
std::optional<AddressPattern> ReadPattern(Call& call) {
  const JsonSlice value = call.request.payload.Find("pattern");
  const std::optional<std::string> text = IsJsonNothing(value) ? "*" : JsonString(value);
  std::string wrong = "it is not a string";
  std::optional<AddressPattern> pattern;
  if (text.has_value()) pattern = AddressPattern::Parse(*text, call.session.dialect(), &wrong);
  if (!pattern.has_value()) {
    call.FailBadPayload(
        "payload.pattern cannot be used: " + wrong + ".",
        R"(Send payload.pattern as a glob such as "browser/*"; in protocol 1.0 also as an RE2 regex.)");
  }
  return pattern;
}

// A pattern under a clock: what somebody's regex costs, other hubs must not pay for, nor this one for long.
class TimedPattern {
 public:
  TimedPattern(Context& context, const AddressPattern& pattern) : context_(context), pattern_(pattern) {}

  bool Matches(std::string_view address) {
    if (!pattern_.is_regex()) return pattern_.Matches(address);
    const auto start = Clock::now();
    const bool matches = pattern_.Matches(address);
    const Clock::duration took = Clock::now() - start;
    left_ -= took;
    turn_left_ -= took;
    if (turn_left_ <= Clock::duration::zero()) {
      context_.Yield();
      turn_left_ = kTurn;
    }
    return matches;
  }
  bool out_of_time() const { return left_ <= Clock::duration::zero(); }

 private:
  using Clock = std::chrono::steady_clock;
  // A usual regex needs some 30 ms for the 50,000 actors of a full hub.
  static constexpr std::chrono::milliseconds kTime{250};
  static constexpr std::chrono::microseconds kTurn{200};

  Context& context_;
  const AddressPattern& pattern_;
  Clock::duration left_ = kTime;
  Clock::duration turn_left_ = kTurn;
};

}  // namespace

void OnHubDiscover(Call& call) {
  const std::optional<AddressPattern> pattern = ReadPattern(call);
  if (!pattern.has_value()) return;
  Filter filter;
  size_t limit = 0;
  size_t offset = 0;
  if (!ReadFilter(call, &filter) ||
      !ReadNumber(call, "limit", kPage, call.legacy() ? kPage : kLargePage, &limit) ||
      !ReadNumber(call, "offset", 0, SIZE_MAX >> 12, &offset)) {
    return;
  }
  Page page(offset, limit, call.options.max_message_size);
  TimedPattern timed(call.context, *pattern);
  Registry(call.context, call.memory)
      .ForEach(pattern->literal_prefix(), [&](std::string_view address, const Registration& registration) {
        if (filter.Matches(registration) && timed.Matches(address) && page.WantsNext()) {
          page.Add(ActorJson(call, address, registration).Finish());
        }
        return !timed.out_of_time();
      });
  if (timed.out_of_time()) {
    call.Fail({ErrorCode::kTimeout, "payload.pattern takes too long for the actors of this hub.",
               "Use a simpler regex, with fewer repetitions, or a glob such as \"browser/*\"."});
    return;
  }
  const size_t total = page.seen();
  call.Reply(call.legacy() ? "hub:discovered" : "hub:discovery_result",
             JsonWriter()
                 .Raw("actors", page.actors())
                 .Int("count", static_cast<int64_t>(page.count()))
                 .Bool("hasMore", page.MoreThan(total))
                 .Int("totalMatches", static_cast<int64_t>(total))
                 .Finish());
}

void OnHubListActors(Call& call) {
  size_t limit = 0;
  size_t offset = 0;
  if (!ReadNumber(call, "limit", kPage, kPage, &limit) ||
      !ReadNumber(call, "offset", 0, SIZE_MAX >> 12, &offset)) {
    return;
  }
  Registry registry(call.context, call.memory);
  const size_t total = registry.Count();
  Page page(offset, limit, call.options.max_message_size);
  if (limit > 0 && offset < total) {
    registry.ForEach("", [&](std::string_view address, const Registration& registration) {
      if (page.WantsNext()) {
        page.Add(ActorJson(call, address, registration)
                     .Int("expiresAt", registration.expires_ms())
                     .Int("version", registration.version())
                     .String("connectionId", ConnectionOf(registration).ToString())
                     .Finish());
      }
      return !page.full();
    });
  }
  call.Reply("hub:actor_list", JsonWriter()
                                   .Raw("actors", page.actors())
                                   .Int("total", static_cast<int64_t>(total))
                                   .Int("offset", static_cast<int64_t>(offset))
                                   .Int("limit", static_cast<int64_t>(limit))
                                   .Bool("hasMore", page.MoreThan(total))
                                   .Finish());
}

}  // namespace dormouse::signal
