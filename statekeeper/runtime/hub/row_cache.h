// The rows of a hub that are in memory, and what is known of those that are not.
//
// A key is either known (its value, or that it does not exist) or unknown (only the store can tell). Reads
// from the store make keys known, one by one or in ranges; writes make their key known with the new value
// before the store has it. Whatever a read brings, a value that is known already stays: it is at least as
// new.
//
// No I/O here. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "statekeeper/store/store.h"

namespace dormouse {

class RowCache {
 public:
  using Value = std::optional<std::string>;  // nothing: the row does not exist

  // nullptr: unknown.
  const Value* Find(std::string_view key) const;

  // How things were before a write.
  struct Undo {
    std::string key;
    bool known = false;
    Value value;
  };
  // Sets or (nothing) deletes a row.
  Undo Write(std::string_view key, Value value);
  // Takes writes back. Undos must be applied in the reverse order of their writes.
  void Revert(Undo undo);

  // A point read's answer.
  void Learn(const std::string& key, Value value);
  // A range read's answer: `page` holds all rows with first <= key < last (`last` empty: no end) up to the
  // last row of the page, or up to `last` if it is complete.
  void LearnRange(const std::string& first, const std::string& last, RowPage page);

  // Visits existing rows with first <= key < last, ascending, for as long as all keys are known and `visit`
  // returns true. Returns nothing when it has come to the end or was stopped, else the first unknown key.
  std::optional<std::string> Visit(
      const std::string& first, const std::string& last,
      const std::function<bool(const std::string& key, const std::string& value)>& visit) const;
  // The same after a range read whose answer is not to be kept: visits what LearnRange would have made known.
  std::optional<std::string> VisitPage(
      const std::string& first, const std::string& last, const RowPage& page,
      const std::function<bool(const std::string& key, const std::string& value)>& visit) const;

  // Of all keys and values that reads and writes have brought since Clear.
  size_t bytes() const { return bytes_; }
  void Clear();

 private:
  // The end of the known range that `key` lies in: nullopt: in none. Empty: no end.
  std::optional<std::string_view> KnownUntil(std::string_view key) const;
  void AddKnownRange(std::string first, std::string last);
  void MakeUnknown(const std::string& key);
  void Count(const std::string& key, const Value& value);

  static const Value kAbsent;
  // Known rows, and known absences outside of the known ranges.
  std::map<std::string, Value, std::less<>> rows_;
  // Disjoint ranges, first -> last, within which every row is known. Last empty: no end.
  std::map<std::string, std::string, std::less<>> known_ranges_;
  size_t bytes_ = 0;
};

}  // namespace dormouse
