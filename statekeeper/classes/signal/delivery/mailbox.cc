#include "statekeeper/classes/signal/delivery/mailbox.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "common/json/json_reader.h"
#include "statekeeper/classes/signal/protocol/envelope.h"

namespace dormouse::signal {
namespace {

constexpr std::string_view kStateRows = "b/";

// Below what one row may hold (hub.h).
constexpr size_t kChunk = 100u << 10;
constexpr size_t kUuidSize = 36;
constexpr std::string_view kFirstChunk = "/000";
constexpr char kUnconfirmed = 1;

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

bool Mailbox::HasRoom(size_t bytes) const {
  return state_.count() + 1 <= options_.resume_messages && state_.bytes() + bytes <= options_.resume_bytes;
}

bool Mailbox::IsOver() const {
  return state_.count() > options_.resume_messages || state_.bytes() > options_.resume_bytes;
}

bool Mailbox::Put(const std::string& key, std::string_view text, bool unconfirmed) {
  const std::string message = prefix_ + key;
  std::string marked;
  if (unconfirmed) marked.append(1, kUnconfirmed).append(text);
  const std::string_view frame = unconfirmed ? std::string_view(marked) : text;
  if (context_.Get(ChunkKey(message, 0)).has_value()) return true;
  while (!HasRoom(frame.size()) && state_.unconfirmed() > 0) DropUnconfirmed();
  if (unconfirmed && !HasRoom(frame.size())) {
    AddLost({.count = 1, .older = true, .unconfirmed = true});
    return false;
  }
  const bool is_newest = key > state_.newest();
  if (is_newest && (state_.dropped() > 0 || !HasRoom(frame.size()))) {
    Miss();
    return false;
  }
  for (size_t chunk = 0; chunk == 0 || chunk * kChunk < frame.size(); ++chunk) {
    context_.Put(ChunkKey(message, chunk), frame.substr(chunk * kChunk, kChunk));
  }
  state_.set_count(state_.count() + 1);
  state_.set_bytes(state_.bytes() + frame.size());
  if (unconfirmed) state_.set_unconfirmed(state_.unconfirmed() + 1);
  if (is_newest) state_.set_newest(key);
  while (IsOver()) DropNewest();
  Save();
  return state_.newest() >= key;
}

void Mailbox::Miss() { AddLost({.count = 1}); }

void Mailbox::AddLost(const Lost& lost) {
  if (!lost.older) {
    state_.set_dropped(state_.dropped() + lost.count);
  } else if (lost.unconfirmed) {
    state_.set_unconfirmed_before(state_.unconfirmed_before() + lost.count);
  } else {
    state_.set_lost_before(state_.lost_before() + lost.count);
  }
  Save();
}

void Mailbox::Remove(const std::string& key) {
  std::vector<std::string> rows;
  size_t bytes = 0;
  context_.List(prefix_ + key + "/", [&](std::string_view row, std::string_view value) {
    rows.emplace_back(row);
    bytes += value.size();
    return true;
  });
  for (const std::string& row : rows) context_.Delete(row);
  state_.set_count(state_.count() - 1);
  state_.set_bytes(state_.bytes() - bytes);
}

void Mailbox::DropNewest() {
  Remove(state_.newest());
  state_.set_dropped(state_.dropped() + 1);
  state_.clear_newest();
  ForEach([&](const Kept& message) { state_.set_newest(message.key); });
}

void Mailbox::DropUnconfirmed() {
  std::string oldest;
  context_.List(prefix_, [&](std::string_view row, std::string_view value) {
    if (value.starts_with(kUnconfirmed) && row.ends_with(kFirstChunk)) {
      oldest = KeyOf(row);
    }
    return oldest.empty();
  });
  if (oldest.empty()) return state_.clear_unconfirmed();
  Remove(oldest);
  if (oldest == state_.newest()) state_.clear_newest();
  state_.set_unconfirmed(state_.unconfirmed() - 1);
  AddLost({.count = 1, .older = true, .unconfirmed = true});
}

std::string Mailbox::FindLike(std::string_view key,
                              const std::function<bool(const std::string& key)>& passed_over) {
  std::string found;
  context_.List(prefix_, [&](std::string_view row, std::string_view) {
    const std::string_view its_key = KeyOf(row);
    if (TimeOrderedIds::TailOf(its_key) != TimeOrderedIds::TailOf(key)) return true;
    if (passed_over(std::string(its_key))) return true;
    found = its_key;
    return false;
  });
  return found;
}

uint64_t Mailbox::MissedBy(const Got& got, const Elsewhere& elsewhere) {
  uint64_t missed = state_.dropped() + state_.missed_before();
  if (!got.has_value()) return missed + state_.lost_before();
  const uint64_t before = state_.lost_before() + state_.unconfirmed_before();
  if (before == 0) return missed;
  std::string first;
  context_.List(prefix_, [&](std::string_view row, std::string_view) {
    first = MessageIdOf(row.substr(prefix_.size()));
    return false;
  });
  if (!first.empty() && first <= *got) return missed;
  return missed + before - std::min(before, elsewhere(first));
}

std::vector<Mailbox::Kept> Mailbox::MessagesFor(const Got& got) {
  std::vector<Kept> messages;
  ForEach([&](const Kept& message) {
    const bool is_new = got.has_value() ? MessageIdOf(message.key) > *got : !message.unconfirmed;
    if (is_new) messages.push_back(message);
  });
  return messages;
}

void Mailbox::AddMissed(uint64_t count) {
  state_.set_missed_before(state_.missed_before() + count);
  Save();
}

void Mailbox::ForEach(const Visit& visit) {
  Kept message;
  context_.List(prefix_, [&](std::string_view row, std::string_view value) {
    const std::string_view its_key = KeyOf(row);
    if (its_key != message.key) {
      if (!message.key.empty()) visit(message);
      message = {.key = std::string(its_key), .frame = {}};
      message.unconfirmed = value.starts_with(kUnconfirmed);
      if (message.unconfirmed) value.remove_prefix(1);
    }
    message.frame.append(value);
    return true;
  });
  if (!message.key.empty()) visit(message);
}

std::string_view Mailbox::KeyOf(std::string_view row) const {
  return row.substr(prefix_.size(), row.size() - prefix_.size() - kFirstChunk.size());
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
