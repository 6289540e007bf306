#include "statekeeper/runtime/hub/kept_answers.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

#include "statekeeper/runtime/row_names.h"

namespace dormouse {
namespace {

// With each one that comes, so that many that have become old, or a large one, hold up nobody.
constexpr int kRemovedAtOnce = 4;

std::string AnswerRow(const std::string& key) { return std::string(kKeptAnswerRows) + key; }
std::string KeyRow(uint64_t number) { return fmt::format("{}{:016x}", kKeptKeyRows, number); }

}  // namespace

bool KeptAnswers::IsValidKey(std::string_view key) {
  return !key.empty() && key.size() <= kMaxKey &&
         std::ranges::all_of(key, [](char c) { return c > ' ' && c <= '~'; });
}

uint64_t KeptAnswers::HashOf(std::string_view request) { return XXH3_64bits(request.data(), request.size()); }

std::optional<stored::KeptAnswer> KeptAnswers::Find(const std::string& key, int64_t now_ms) {
  const std::optional<std::string> row = state_->Get(AnswerRow(key));
  stored::KeptAnswer kept;
  if (!row || !kept.ParseFromString(*row) || kept.at_ms() + kWindowMs <= now_ms) return std::nullopt;
  return kept;
}

void KeptAnswers::Keep(const std::string& key, uint64_t request, const std::string& answer, int64_t now_ms) {
  stored::KeptAnswers all;
  if (const std::optional<std::string> row = state_->Get(kKeptAnswersRow)) all.ParseFromString(*row);

  stored::KeptAnswer kept;
  kept.set_number(all.next());
  kept.set_at_ms(now_ms);
  kept.set_request(request);
  if (answer.size() <= kLargest) kept.set_answer(answer);
  std::string value = kept.SerializeAsString();

  stored::KeptKey of;
  of.set_key(key);
  of.set_at_ms(now_ms);
  of.set_bytes(2 * key.size() + value.size());
  state_->Put(KeyRow(all.next()), of.SerializeAsString());
  state_->Put(AnswerRow(key), std::move(value));
  all.set_next(all.next() + 1);
  all.set_bytes(all.bytes() + of.bytes());

  for (int i = 0; i < kRemovedAtOnce && all.next() - all.first() > 1; ++i) {
    if (all.next() - all.first() <= kMost && all.bytes() <= kMostBytes) {
      const std::optional<std::string> row = state_->Get(KeyRow(all.first()));
      stored::KeptKey oldest;
      if (row && oldest.ParseFromString(*row) && oldest.at_ms() + kWindowMs > now_ms) break;
    }
    RemoveOldest(&all);
  }
  state_->Put(kKeptAnswersRow, all.SerializeAsString());
}

void KeptAnswers::RemoveOldest(stored::KeptAnswers* all) {
  const uint64_t number = all->first();
  all->set_first(number + 1);
  const std::optional<std::string> row = state_->Get(KeyRow(number));
  if (!row) return;
  state_->Put(KeyRow(number), std::nullopt);
  stored::KeptKey oldest;
  if (!oldest.ParseFromString(*row)) return;
  all->set_bytes(all->bytes() - std::min(all->bytes(), oldest.bytes()));
  // Under an old key a new answer may have been kept since.
  stored::KeptAnswer kept;
  const std::optional<std::string> answer = state_->Get(AnswerRow(oldest.key()));
  if (answer && kept.ParseFromString(*answer) && kept.number() == number)
    state_->Put(AnswerRow(oldest.key()), std::nullopt);
}

}  // namespace dormouse
