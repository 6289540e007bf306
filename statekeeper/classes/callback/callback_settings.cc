#include "statekeeper/classes/callback/callback_settings.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <stdexcept>
#include <utility>

#include "common/nearest_name.h"

namespace dormouse {
namespace {

constexpr size_t kLongestName = 64;
constexpr Duration kLongestTimeout{5 * 60'000};
constexpr uint64_t kLargestMessage = 1u << 20;

bool IsClassName(const std::string& name) {
  return !name.empty() && name.size() <= kLongestName && std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  });
}

// Throws std::invalid_argument with the rest of a sentence, as do those of each key.
uint64_t Number(const std::string& text, uint64_t least, uint64_t most) {
  const bool digits = !text.empty() && text.size() <= 9 &&
                      std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) != 0; });
  const uint64_t number = digits ? std::stoull(text) : 0;
  if (!digits || number < least || number > most)
    throw std::invalid_argument(fmt::format("'{}' is not a whole number from {} to {}", text, least, most));
  return number;
}

uint64_t Size(const std::string& text, uint64_t least, uint64_t most) {
  const uint64_t size = ParseSize(text);
  if (size < least || size > most)
    throw std::invalid_argument(fmt::format("'{}' is not between {} and {} bytes", text, least, most));
  return size;
}

Duration Time(const std::string& text, Duration least, Duration most) {
  const Duration time = ParseDuration(text);
  if (time < least || time > most)
    throw std::invalid_argument(
        fmt::format("'{}' is not between {} and {} ms", text, least.count(), most.count()));
  return time;
}

void SetEvents(const std::vector<std::string>& events, CallbackSettings* of) {
  of->connects = of->messages = of->disconnects = of->timers = false;
  for (const std::string& event : events) {
    bool* const wanted = event == "connect"      ? &of->connects
                         : event == "message"    ? &of->messages
                         : event == "disconnect" ? &of->disconnects
                         : event == "timer"      ? &of->timers
                                                 : nullptr;
    if (wanted == nullptr)
      throw std::invalid_argument(
          fmt::format("there is no event '{}'; there are connect, message, disconnect and timer", event));
    *wanted = true;
  }
}

void SetUrl(const std::string& url, CallbackSettings* of) {
  if (!url.starts_with("http://") && !url.starts_with("https://"))
    throw std::invalid_argument("it begins with https:// or http://");
  if (url.find_first_of(" \t\r\n#") != std::string::npos) throw std::invalid_argument("it is no URL");
  of->url = url;
}

using Values = std::vector<std::string>;
using Setter = std::function<void(const Values& values, CallbackSettings* of)>;

const std::map<std::string, Setter>& Setters() {
  static const std::map<std::string, Setter> setters = {
      {"url", [](const Values& v, CallbackSettings* of) { SetUrl(v[0], of); }},
      {"secret-file", [](const Values& v, CallbackSettings* of) { of->secret_file = v[0]; }},
      {"ca-file", [](const Values& v, CallbackSettings* of) { of->ca_file = v[0]; }},
      {"routes", [](const Values& v, CallbackSettings* of) { of->routes = v; }},
      {"events", [](const Values& v, CallbackSettings* of) { SetEvents(v, of); }},
      {"timeout", [](const Values& v,
                     CallbackSettings* of) { of->timeout = Time(v[0], Duration(100), kLongestTimeout); }},
      {"give-up-after",
       [](const Values& v, CallbackSettings* of) {
         of->give_up_after = Time(v[0], Duration(0), Duration(24 * 3'600'000));
       }},
      {"concurrency",
       [](const Values& v, CallbackSettings* of) {
         of->concurrency = static_cast<uint32_t>(Number(v[0], 1, 1'000));
       }},
      {"batch-events",
       [](const Values& v, CallbackSettings* of) { of->batch_events = Number(v[0], 1, 1'000); }},
      {"batch-bytes",
       [](const Values& v, CallbackSettings* of) { of->batch_bytes = Size(v[0], 1u << 10, 8u << 20); }},
      {"queue-events",
       [](const Values& v, CallbackSettings* of) { of->queue_events = Number(v[0], 1, 10'000); }},
      {"queue-bytes",
       [](const Values& v, CallbackSettings* of) { of->queue_bytes = Size(v[0], 1u << 10, 64u << 20); }},
      {"max-message-size",
       [](const Values& v, CallbackSettings* of) { of->max_message_size = Size(v[0], 1, kLargestMessage); }},
  };
  return setters;
}

std::string WithHint(const std::string& what, const std::string& word,
                     const std::vector<std::string>& names) {
  const std::string nearest = NearestName(word, names);
  return fmt::format("there is no {} '{}'; {}", what, word,
                     nearest.empty() ? fmt::format("there are {}", fmt::join(names, ", "))
                                     : fmt::format("is it to be {}?", nearest));
}

// A file that is named relative to where that one is.
void Resolve(const std::filesystem::path& beside, std::string* file) {
  if (!file->empty()) *file = (beside.parent_path() / *file).string();
}

}  // namespace

std::optional<std::vector<CallbackSettings>> ReadCallbacks(const std::string& path, std::string* wrong) {
  const auto refuse = [&](const std::string& why) {
    *wrong = fmt::format("--callbacks: {}: {}", path, why);
    return std::nullopt;
  };
  std::ifstream file(path);
  if (!file) return refuse("it cannot be read");
  std::vector<CLI::ConfigItem> items;
  try {
    items = CLI::ConfigTOML().from_config(file);
  } catch (const CLI::Error& error) {
    return refuse(error.what());
  }
  std::vector<CallbackSettings> all;
  for (const CLI::ConfigItem& item : items) {
    if (item.name == "--") continue;  // the end of a table
    if (item.parents.size() != 1 || !IsClassName(item.parents[0])) {
      return refuse(
          fmt::format("'{}' is in no table of a class; tables are [NAME], of letters, digits, '-' and '_'",
                      item.fullname()));
    }
    const std::string& name = item.parents[0];
    auto of = std::ranges::find(all, name, &CallbackSettings::name);
    if (of == all.end()) {
      all.emplace_back().name = name;
      of = all.end() - 1;
    }
    if (item.name == "++") continue;  // its beginning
    const auto setter = Setters().find(item.name);
    if (setter == Setters().end()) {
      std::vector<std::string> names;
      for (const auto& [key, each] : Setters()) names.push_back(key);
      return refuse(fmt::format("[{}]: {}", name, WithHint("key", item.name, names)));
    }
    const bool is_list = item.name == "routes" || item.name == "events";
    if (item.inputs.empty() || (!is_list && item.inputs.size() != 1))
      return refuse(fmt::format("[{}]: {} has one value", name, item.name));
    try {
      setter->second(item.inputs, &*of);
    } catch (const std::invalid_argument& error) {
      return refuse(fmt::format("[{}]: {}: {}", name, item.name, error.what()));
    }
  }
  if (all.empty()) return refuse("it has no table [NAME], so no class");
  for (CallbackSettings& each : all) {
    if (each.url.empty()) return refuse(fmt::format("[{}] has no url", each.name));
    if (each.secret_file.empty()) {
      return refuse(
          fmt::format("[{}] has no secret-file, without which nobody could tell whose requests these are; "
                      "`echo whsec_$(openssl rand -base64 32)` makes one",
                      each.name));
    }
    if (each.routes.empty()) each.routes = {fmt::format("/{}/{{name}}", each.name)};
    for (const std::string& route : each.routes) {
      if (!route.starts_with('/'))
        return refuse(fmt::format("[{}]: routes: '{}' does not begin with /", each.name, route));
    }
    Resolve(path, &each.secret_file);
    Resolve(path, &each.ca_file);
  }
  return all;
}

}  // namespace dormouse
