#include "statekeeper/classes/signal/mailbox.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "statekeeper/classes/json/json_reader.h"
#include "statekeeper/classes/signal/envelope.h"

namespace dormouse::signal {
namespace {

constexpr std::string_view kStateRows = "b/";

// Below what one row may hold (hub.h).
constexpr size_t kChunk = 100u << 10;
constexpr size_t kUuidSize = 36;
constexpr size_t kChunkSuffix = 4;  // "/000"

std::string ChunkKey(const std::string& message, size_t chunk) {
  return fmt::format("{}/{:03}", message, chunk);
}

}  // namespace

std::string MessageKey(std::string_view id, std::string_view head) {
  return fmt::format("{}.{:016x}", id, XXH3_64bits(head.data(), head.size()));
}

std::string_view MessageIdOf(std::string_view key) { return key.substr(0, kUuidSize); }

std::string MessageKeyOf(std::string_view frame) {
  const JsonObject fields(frame);
  const std::string id = JsonString(fields.Find("id")).value_or("");
  return TimeOrderedIds::IsOne(id) ? MessageKey(id, EnvelopeHead(fields.Find("to"))) : "";
}

uint64_t CountKeptMessages(Context& context) {
  uint64_t count = 0;
  context.List(kStateRows, [&count](std::string_view, std::string_view row) {
    MailboxState state;
    state.ParseFromArray(row.data(), static_cast<int>(row.size()));
    count += state.count();
    return true;
  });
  return count;
}

Mailbox::Mailbox(Context& context, const Options& options, const ConnectionId& holder)
    : context_(context),
      options_(options),
      prefix_(fmt::format("m/{}/", holder.ToString())),
      state_key_(fmt::format("{}{}", kStateRows, holder.ToString())) {
  if (const auto row = context_.Get(state_key_)) state_.ParseFromString(*row);
}

bool Mailbox::IsOver() const {
  return state_.count() > options_.resume_messages || state_.bytes() > options_.resume_bytes;
}

bool Mailbox::Put(const std::string& key, std::string_view frame) {
  const std::string message = prefix_ + key;
  if (context_.Get(ChunkKey(message, 0)).has_value()) return true;
  const bool is_newest = key > state_.newest();
  if (is_newest && (state_.dropped() > 0 || state_.count() + 1 > options_.resume_messages ||
                    state_.bytes() + frame.size() > options_.resume_bytes)) {
    Miss();
    return false;
  }
  for (size_t chunk = 0; chunk == 0 || chunk * kChunk < frame.size(); ++chunk) {
    context_.Put(ChunkKey(message, chunk), frame.substr(chunk * kChunk, kChunk));
  }
  state_.set_count(state_.count() + 1);
  state_.set_bytes(state_.bytes() + frame.size());
  if (is_newest) state_.set_newest(key);
  while (IsOver()) DropNewest();
  Save();
  return state_.newest() >= key;
}

void Mailbox::Miss() {
  state_.set_dropped(state_.dropped() + 1);
  Save();
}

void Mailbox::DropNewest() {
  std::vector<std::string> rows;
  size_t bytes = 0;
  context_.List(prefix_ + state_.newest() + "/", [&](std::string_view key, std::string_view value) {
    rows.emplace_back(key);
    bytes += value.size();
    return true;
  });
  for (const std::string& row : rows) context_.Delete(row);
  state_.set_count(state_.count() - 1);
  state_.set_bytes(state_.bytes() - bytes);
  state_.set_dropped(state_.dropped() + 1);
  state_.clear_newest();
  ForEach([&](const std::string& key, const std::string&) { state_.set_newest(key); });
}

std::string Mailbox::FindLike(std::string_view key,
                              const std::function<bool(const std::string& key)>& passed_over) {
  std::string found;
  context_.List(prefix_, [&](std::string_view row, std::string_view) {
    const std::string_view its_key = row.substr(prefix_.size(), row.size() - prefix_.size() - kChunkSuffix);
    if (TimeOrderedIds::TailOf(its_key) != TimeOrderedIds::TailOf(key)) return true;
    if (passed_over(std::string(its_key))) return true;
    found = its_key;
    return false;
  });
  return found;
}

void Mailbox::AddMissed(uint64_t count) {
  state_.set_missed_before(state_.missed_before() + count);
  Save();
}

void Mailbox::ForEach(const Visit& visit) {
  std::string key;
  std::string frame;
  context_.List(prefix_, [&](std::string_view row, std::string_view value) {
    const std::string_view its_key = row.substr(prefix_.size(), row.size() - prefix_.size() - kChunkSuffix);
    if (its_key != key) {
      if (!key.empty()) visit(key, frame);
      key = its_key;
      frame.clear();
    }
    frame.append(value);
    return true;
  });
  if (!key.empty()) visit(key, frame);
}

size_t Mailbox::RemoveSome(size_t limit) {
  std::vector<std::string> rows;
  context_.List(prefix_, [&](std::string_view row, std::string_view) {
    if (rows.size() < limit) rows.emplace_back(row);
    return rows.size() < limit;
  });
  for (const std::string& row : rows) context_.Delete(row);
  if (rows.size() < limit && state_.ByteSizeLong() > 0) {
    context_.Delete(state_key_);
    state_.Clear();
  }
  return rows.size();
}

void Mailbox::Save() { context_.Put(state_key_, state_.SerializeAsString()); }

}  // namespace dormouse::signal
