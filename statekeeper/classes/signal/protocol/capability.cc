#include "statekeeper/classes/signal/protocol/capability.h"

#include <algorithm>

#include "common/json/json_writer.h"

namespace dormouse::signal {
namespace {

struct Entry {
  Capability capability;
  std::string_view name;
};
constexpr Entry kEntries[] = {
    {kMayRegister, "register"},   {kMayDiscover, "discover"},   {kMaySend, "send"},
    {kMayReceive, "receive"},     {kMayBroadcast, "broadcast"}, {kMayPublish, "publish"},
    {kMaySubscribe, "subscribe"},
};

}  // namespace

uint32_t CapabilitiesNamed(const std::vector<std::string>& names) {
  uint32_t set = 0;
  for (const Entry& entry : kEntries) {
    if (std::ranges::find(names, entry.name) != names.end()) set |= entry.capability;
  }
  return set;
}

uint32_t CapabilitiesGranted(const std::vector<std::string>& claim, bool strict) {
  if (claim.empty()) return kAllCapabilities;
  const bool original = std::ranges::all_of(claim, [](const std::string& name) {
    return name == "send" || name == "receive" || name == "discover";
  });
  return original && !strict ? kAllCapabilities : CapabilitiesNamed(claim);
}

std::string CapabilityNames(uint32_t set) {
  std::string names;
  for (const Entry& entry : kEntries) {
    if ((set & entry.capability) != 0) names.append(names.empty() ? "" : ",").append(JsonQuoted(entry.name));
  }
  return "[" + names + "]";
}

}  // namespace dormouse::signal
