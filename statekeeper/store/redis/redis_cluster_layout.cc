#include "statekeeper/store/redis/redis_cluster_layout.h"

#include <fmt/format.h>

#include <charconv>

namespace dormouse {
namespace {

std::string TaggedKey(std::string_view prefix, std::string_view name) {
  return fmt::format("{{{}:cluster}}:{}", prefix, name);
}

// A number and the blank after it.
template <typename Number>
bool TakeNumber(std::string_view* text, Number* number) {
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *number);
  const auto size = static_cast<size_t>(end - text->data());
  if (error != std::errc() || size == text->size() || *end != ' ') return false;
  text->remove_prefix(size + 1);
  return true;
}

}  // namespace

std::string MembersKey(std::string_view prefix) { return TaggedKey(prefix, "members"); }
std::string LapsesKey(std::string_view prefix) { return TaggedKey(prefix, "lapses"); }
std::string TableKey(std::string_view prefix) { return TaggedKey(prefix, "table"); }
std::string ChangesKey(std::string_view prefix) { return TaggedKey(prefix, "changes"); }
std::string VersionKey(std::string_view prefix) { return TaggedKey(prefix, "version"); }
std::string VersionsKey(std::string_view prefix) { return TaggedKey(prefix, "versions"); }
std::string BeatKey(std::string_view prefix) { return TaggedKey(prefix, "beat"); }
std::string ValueKey(std::string_view prefix, std::string_view key) {
  return TaggedKey(prefix, fmt::format("value:{}", key));
}

std::string FormatShardEntry(const ShardEntry& entry) {
  return fmt::format("{} {} {}{}", entry.epoch, entry.owner.size(), entry.owner, entry.avoid);
}

bool ParseShardEntry(std::string_view value, ShardEntry* entry) {
  size_t owner_size = 0;
  if (!TakeNumber(&value, &entry->epoch) || !TakeNumber(&value, &owner_size) || owner_size > value.size()) {
    return false;
  }
  entry->owner = value.substr(0, owner_size);
  entry->avoid = value.substr(owner_size);
  return true;
}

}  // namespace dormouse
