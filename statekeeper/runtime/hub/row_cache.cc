#include "statekeeper/runtime/hub/row_cache.h"

#include <utility>

namespace dormouse {
namespace {

// Whether a range that ends at `end` (empty: no end) ends at or after `key`.
bool ReachesTo(std::string_view end, std::string_view key) { return end.empty() || end >= key; }

// The end that lies further.
std::string FurtherEnd(std::string a, std::string b) {
  if (a.empty() || b.empty()) return "";
  return std::move(a < b ? b : a);
}

// The smallest key above `key`.
std::string Successor(const std::string& key) { return key + '\0'; }

}  // namespace

const RowCache::Value RowCache::kAbsent;

void RowCache::Count(const std::string& key, const Value& value) {
  bytes_ += key.size() + (value ? value->size() : 0);
}

const RowCache::Value* RowCache::Find(std::string_view key) const {
  const auto it = rows_.find(key);
  if (it != rows_.end()) return &it->second;
  return KnownUntil(key) ? &kAbsent : nullptr;
}

std::optional<std::string_view> RowCache::KnownUntil(std::string_view key) const {
  auto it = known_ranges_.upper_bound(key);
  if (it == known_ranges_.begin()) return std::nullopt;
  --it;
  if (!it->second.empty() && it->second <= key) return std::nullopt;
  return it->second;
}

RowCache::Undo RowCache::Write(std::string_view key, Value value) {
  Undo undo;
  undo.key = key;
  Count(undo.key, value);
  auto it = rows_.find(key);
  if (it != rows_.end()) {
    undo.known = true;
    undo.value = std::move(it->second);
    it->second = std::move(value);
  } else {
    undo.known = KnownUntil(key).has_value();
    rows_.emplace(undo.key, std::move(value));
  }
  return undo;
}

void RowCache::Revert(Undo undo) {
  if (undo.known) {
    rows_.insert_or_assign(std::move(undo.key), std::move(undo.value));
  } else {
    MakeUnknown(undo.key);
  }
}

void RowCache::MakeUnknown(const std::string& key) {
  rows_.erase(key);
  if (!KnownUntil(key)) return;  // else a range read has covered the key since
  auto range = std::prev(known_ranges_.upper_bound(key));
  const std::string last = std::move(range->second);
  if (range->first == key) {
    known_ranges_.erase(range);
  } else {
    range->second = key;
  }
  const std::string next = Successor(key);
  if (last.empty() || next < last) known_ranges_.emplace(next, last);
}

void RowCache::Learn(const std::string& key, Value value) {
  if (Find(key) != nullptr) return;
  Count(key, value);
  rows_.emplace(key, std::move(value));
}

void RowCache::LearnRange(const std::string& first, const std::string& last, RowPage page) {
  std::string end = last;
  if (!page.complete) {
    if (page.rows.empty()) return;
    end = Successor(page.rows.back().key);
  }
  for (Row& row : page.rows) {
    Learn(row.key, std::move(row.value));
  }
  AddKnownRange(first, std::move(end));
}

void RowCache::AddKnownRange(std::string first, std::string last) {
  auto it = known_ranges_.upper_bound(first);
  if (it != known_ranges_.begin() && ReachesTo(std::prev(it)->second, first)) {
    --it;
    first = it->first;
    last = FurtherEnd(std::move(last), it->second);
    it = known_ranges_.erase(it);
  }
  while (it != known_ranges_.end() && ReachesTo(last, it->first)) {
    last = FurtherEnd(std::move(last), it->second);
    it = known_ranges_.erase(it);
  }
  known_ranges_.emplace(std::move(first), std::move(last));
}

std::optional<std::string> RowCache::Visit(
    const std::string& first, const std::string& last,
    const std::function<bool(const std::string&, const std::string&)>& visit) const {
  std::string at = first;
  const auto known_until = KnownUntil(at);
  if (!known_until) return at;
  const std::string end(*known_until);
  const bool to_the_end = end.empty() || (!last.empty() && end >= last);
  const std::string& stop = to_the_end ? last : end;
  for (auto it = rows_.lower_bound(first); it != rows_.end() && (stop.empty() || it->first < stop); ++it) {
    if (it->second && !visit(it->first, *it->second)) return std::nullopt;
  }
  if (to_the_end) return std::nullopt;
  return end;
}

std::optional<std::string> RowCache::VisitPage(
    const std::string& first, const std::string& last, const RowPage& page,
    const std::function<bool(const std::string&, const std::string&)>& visit) const {
  if (!page.complete && page.rows.empty()) return first;
  const std::string end = page.complete ? last : Successor(page.rows.back().key);
  auto known = rows_.lower_bound(first);
  auto read = page.rows.begin();
  for (;;) {
    const bool knows = known != rows_.end() && (end.empty() || known->first < end);
    const bool has_read = read != page.rows.end();
    if (!knows && !has_read) break;
    if (knows && (!has_read || known->first <= read->key)) {
      if (has_read && known->first == read->key) ++read;
      if (known->second && !visit(known->first, *known->second)) return std::nullopt;
      ++known;
    } else {
      if (!KnownUntil(read->key) && !visit(read->key, read->value)) return std::nullopt;
      ++read;
    }
  }
  if (page.complete) return std::nullopt;
  return end;
}

void RowCache::Clear() {
  bytes_ = 0;
  rows_.clear();
  known_ranges_.clear();
}

}  // namespace dormouse
