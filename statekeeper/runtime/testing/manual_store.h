// A Store in memory whose answers come when the test says so, in order: for tests of what happens in between.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "statekeeper/store/store.h"

namespace dormouse {

class ManualStore : public Store {
 public:
  using Rows = std::map<std::string, std::string>;

  // What is stored, by hub.
  std::map<std::string, Rows> hubs;
  std::map<std::string, int64_t> alarms;
  bool is_healthy = true;

  // Calls not answered yet.
  size_t waiting() const { return calls_.size(); }
  // Carries out and answers the oldest call.
  void Step() {
    const auto call = std::move(calls_.front());
    calls_.pop_front();
    call(StoreStatus::kOk);
  }
  // Answers the oldest call with a failure; `applied`: it was carried out all the same.
  void FailStep(StoreStatus status, bool applied = false) {
    const auto call = std::move(calls_.front());
    calls_.pop_front();
    applied_though_failed_ = applied;
    call(status);
  }
  void StepAll() {
    while (!calls_.empty()) Step();
  }
  size_t range_calls() const { return range_calls_; }
  // Keys and values of commits that are not answered yet.
  size_t bytes_waiting() const { return bytes_waiting_; }
  // Rows of the commit that had most.
  size_t largest_commit() const { return largest_commit_; }

  void Commit(ShardCommit commit, CommitCallback done) override {
    size_t rows = 0;
    size_t bytes = 0;
    for (const HubCommit& each : commit.hubs) {
      rows += each.rows.size();
      for (const RowWrite& row : each.rows) bytes += row.bytes();
    }
    largest_commit_ = std::max(largest_commit_, rows);
    bytes_waiting_ += bytes;
    calls_.push_back([this, bytes, commit = std::move(commit), done = std::move(done)](StoreStatus status) {
      bytes_waiting_ -= bytes;
      if (status == StoreStatus::kOk || applied_though_failed_) Apply(commit);
      applied_though_failed_ = false;
      done(status);
    });
  }
  void Range(const std::string& hub, const std::string& first, const std::string& last, size_t limit,
             RowsCallback done) override {
    ++range_calls_;
    calls_.push_back([=, this, done = std::move(done)](StoreStatus status) {
      RowPage page;
      page.complete = true;
      for (const auto& [key, value] : hubs[hub]) {
        if (key < first || (!last.empty() && key >= last)) continue;
        if (page.rows.size() == limit) {
          page.complete = false;
          break;
        }
        page.rows.push_back({key, value});
      }
      done(status, status == StoreStatus::kOk ? page : RowPage());
    });
  }
  void Get(const std::string& hub, std::vector<std::string> keys, ValuesCallback done) override {
    calls_.push_back([this, hub, keys = std::move(keys), done = std::move(done)](StoreStatus status) {
      std::vector<std::optional<std::string>> values;
      for (const std::string& key : keys) {
        const auto it = hubs[hub].find(key);
        values.push_back(it == hubs[hub].end() ? std::nullopt : std::optional(it->second));
      }
      done(status, values);
    });
  }
  void DueAlarms(ShardId, int64_t, size_t, AlarmsCallback) override {}
  void ListHubs(ShardId, const std::string&, size_t, NamesCallback done) override {
    calls_.push_back([this, done = std::move(done)](StoreStatus status) {
      std::vector<std::string> names;
      for (const auto& [name, rows] : hubs) names.push_back(name);
      done(status, std::move(names));
    });
  }
  bool healthy() const override { return is_healthy; }

 private:
  void Apply(const ShardCommit& commit) {
    for (const HubCommit& each : commit.hubs) {
      for (const RowWrite& write : each.rows) {
        if (write.value) {
          hubs[each.hub][write.key] = *write.value;
        } else {
          hubs[each.hub].erase(write.key);
        }
      }
      if (each.alarm_due_ms) alarms[each.hub] = *each.alarm_due_ms;
      if (each.alarm_due_ms == 0) alarms.erase(each.hub);
    }
  }

  std::deque<std::function<void(StoreStatus)>> calls_;
  size_t range_calls_ = 0;
  size_t bytes_waiting_ = 0;
  size_t largest_commit_ = 0;
  bool applied_though_failed_ = false;
};

}  // namespace dormouse
