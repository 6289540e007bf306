// Looking into the registry: discover, list_actors. Both read it in the order of addresses and answer a page.
#include <algorithm>
#include <bitset>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/messages/handlers.h"
#include "statekeeper/classes/signal/protocol/pattern.h"
#include "statekeeper/classes/signal/registry/registry.h"

namespace dormouse::signal {
namespace {

constexpr size_t kPage = 100;
constexpr size_t kLargePage = 1000;
// What a discovery may take: the hub's other messages wait meanwhile. All of the 50,000 actors of a full hub
// need some 20 ms, with a usual regex 50.
constexpr std::chrono::milliseconds kDiscoveryTime{100};
// The same while more than so many messages wait.
constexpr std::chrono::milliseconds kBusyDiscoveryTime{25};
constexpr size_t kBusy = 8;

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
JsonWriter ActorJson(const Call& call, std::string_view address, const Registration& registration,
                     bool online) {
  const std::string written = call.InClientForm(address);
  JsonWriter actor;
  actor.Raw("address", written)
      .Raw("actorAddress", written)
      .Raw("capabilities", CapabilitiesJson(registration))
      .Raw("metadata", registration.metadata())
      .Int("registeredAt", registration.registered_ms())
      .Bool("online", online);
  return actor;
}

// Equal to a value that is looked for in many places.
class SoughtValue {
 public:
  explicit SoughtValue(JsonSlice written)
      : written_(written), text_(JsonString(written)), number_(JsonNumber(written)) {}

  bool Is(JsonSlice value) const {
    if (text_.has_value() && IsJsonString(value)) return JsonString(value) == text_;
    if (number_.has_value() && IsJsonNumber(value)) return JsonNumber(value) == number_;
    return value == written_;
  }

 private:
  JsonSlice written_;
  std::optional<std::string> text_;
  std::optional<double> number_;
};

// What a discovery asks for beside the pattern: all of some capabilities, and members of the metadata that
// are equal. A registration is read once, however much is asked for.
class Filter {
 public:
  static constexpr size_t kMost = 100;  // capabilities, and members

  void AddCapability(std::string name) { capabilities_.try_emplace(std::move(name), capabilities_.size()); }
  void AddMember(std::string key, JsonSlice value) {
    metadata_.insert_or_assign(std::move(key), SoughtValue(value));
  }

  void set_online(bool online) { online_ = online; }

  bool Matches(const Registration& registration, bool online) const {
    return (!online_.has_value() || online_ == online) && HasCapabilities(registration) &&
           HasMetadata(registration);
  }

 private:
  bool HasCapabilities(const Registration& registration) const {
    std::bitset<kMost> found;
    for (const std::string& has : registration.capabilities()) {
      if (found.count() == capabilities_.size()) break;
      if (const auto sought = capabilities_.find(has); sought != capabilities_.end())
        found.set(sought->second);
    }
    return found.count() == capabilities_.size();
  }

  bool HasMetadata(const Registration& registration) const {
    if (metadata_.empty()) return true;
    const JsonObject described(registration.metadata());
    std::set<std::string_view> found;  // keys; of equal ones the last counts
    for (auto member = described.members().rbegin(); member != described.members().rend(); ++member) {
      const auto sought = metadata_.find(
          member->escaped ? member->key() : member->quoted_key.substr(1, member->quoted_key.size() - 2));
      if (sought == metadata_.end() || !found.insert(sought->first).second) continue;
      if (!sought->second.Is(member->value)) return false;
    }
    return found.size() == metadata_.size();
  }

  std::optional<bool> online_;
  std::unordered_map<std::string, size_t> capabilities_;  // each has a number
  std::map<std::string, SoughtValue, std::less<>> metadata_;
};

void FailTooMany(const Call& call, const std::string& field) {
  call.FailBadPayload(field + " asks for more than " + std::to_string(Filter::kMost) + " things at once.",
                      "Ask for what tells the actors apart, and look at the rest of the answer yourself.");
}

// False: refused.
bool ReadFilter(Call& call, Filter* filter) {
  const JsonObject& payload = call.request.payload;
  const JsonSlice one = payload.Find("capability");
  const JsonSlice many = payload.Find("capabilities");
  const JsonSlice metadata = payload.Find("metadata");
  std::vector<JsonSlice> wanted;
  if (!IsJsonNothing(many)) {
    wanted = JsonElements(many, Filter::kMost + 1).value_or(std::vector<JsonSlice>{many});
  }
  if (!IsJsonNothing(one)) wanted.push_back(one);
  if (wanted.size() > Filter::kMost) {
    FailTooMany(call, "payload.capabilities");
    return false;
  }
  for (const JsonSlice capability : wanted) {
    std::optional<std::string> name = JsonString(capability);
    if (!name.has_value()) {
      call.FailBadPayload(
          "A capability is not a string.",
          "Send payload.capability as a string or payload.capabilities as an array of strings.");
      return false;
    }
    filter->AddCapability(std::move(*name));
  }
  if (!IsJsonNothing(metadata) && !IsJsonObject(metadata)) {
    call.FailBadPayload("payload.metadata is not an object.",
                        "Send payload.metadata as an object of what must be equal, or leave it out.");
    return false;
  }
  const JsonObject members(metadata);
  if (members.members().size() > Filter::kMost) {
    FailTooMany(call, "payload.metadata");
    return false;
  }
  const JsonSlice online = payload.Find("online");
  if (!IsJsonNothing(online) && online != "true" && online != "false") {
    call.FailBadPayload(
        "payload.online is not a boolean.",
        "Send payload.online as true for actors whose client has a socket now, or leave it out.");
    return false;
  }
  if (!IsJsonNothing(online)) filter->set_online(online == "true");
  for (const JsonMember& member : members.members()) filter->AddMember(member.key(), member.value);
  return true;
}

// The pattern, "*" where there is none. Nothing: refused.
std::optional<AddressPattern> ReadPattern(Call& call) {
  const JsonSlice value = call.request.payload.Find("pattern");
  const std::optional<std::string> text = IsJsonNothing(value) ? "*" : JsonString(value);
  std::string wrong = "it is not a string";
  std::optional<AddressPattern> pattern;
  if (text.has_value()) {
    const auto syntax = call.legacy() ? AddressPattern::Syntax::kGlob : AddressPattern::Syntax::kGlobOrRegex;
    pattern = AddressPattern::Parse(*text, syntax, &wrong);
  }
  if (!pattern.has_value()) {
    call.FailBadPayload(
        "payload.pattern cannot be used: " + wrong + ".",
        R"(Send payload.pattern as a glob such as "browser/*"; in protocol 1.0 also as an RE2 regex.)");
  }
  return pattern;
}

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
  bool in_time = true;
  Registry registry(call.context, call.memory);
  registry.ForEach(
      pattern->literal_prefix(), [&](std::string_view address, const Registration& registration) {
        const bool online = registry.IsOnline(registration);
        if (filter.Matches(registration, online) && pattern->Matches(address) && page.WantsNext()) {
          page.Add(ActorJson(call, address, registration, online).Finish());
        }
        const bool busy = call.context.waiting_events() > kBusy;
        in_time = call.context.time_used() < (busy ? kBusyDiscoveryTime : kDiscoveryTime);
        return in_time;
      });
  if (!in_time) {
    call.Fail(
        {ErrorCode::kTimeout, "This takes too long for the actors of this hub.",
         "Use a simpler regex, with fewer repetitions, or a glob that begins as the addresses do, such as "
         "\"browser/*\"."});
    return;
  }
  const size_t total = page.seen();
  call.Answer(JsonWriter()
                  .Raw("actors", page.actors())
                  .Int("count", static_cast<int64_t>(page.count()))
                  .Bool("hasMore", page.MoreThan(total))
                  .Int("totalMatches", static_cast<int64_t>(total))
                  .Finish());
}

void OnHubListActors(Call& call) {
  size_t limit = 0;
  size_t offset = 0;
  if (!ReadNumber(call, "limit", kPage, call.legacy() ? kPage : kLargePage, &limit) ||
      !ReadNumber(call, "offset", 0, SIZE_MAX >> 12, &offset)) {
    return;
  }
  Registry registry(call.context, call.memory);
  const size_t total = registry.Count();
  Page page(offset, limit, call.options.max_message_size);
  if (limit > 0 && offset < total) {
    registry.ForEach("", [&](std::string_view address, const Registration& registration) {
      if (page.WantsNext()) {
        page.Add(ActorJson(call, address, registration, registry.IsOnline(registration))
                     .Int("expiresAt", registry.ExpiresAt(registration))
                     .Int("version", registration.version())
                     .String("connectionId", ConnectionOf(registration).ToString())
                     .Finish());
      }
      return !page.full();
    });
  }
  call.Answer(JsonWriter()
                  .Raw("actors", page.actors())
                  .Int("total", static_cast<int64_t>(total))
                  .Int("offset", static_cast<int64_t>(offset))
                  .Int("limit", static_cast<int64_t>(limit))
                  .Bool("hasMore", page.MoreThan(total))
                  .Finish());
}

}  // namespace dormouse::signal
