#include "statekeeper/runtime/hub/row_cache.h"

#include <gtest/gtest.h>

#include <random>

namespace dormouse {
namespace {

RowPage Page(std::vector<Row> rows, bool complete) { return {std::move(rows), complete}; }

std::string Collect(const RowCache& cache, const std::string& first, const std::string& last,
                    std::string* unknown) {
  std::string out;
  const auto at = cache.Visit(first, last, [&](const std::string& key, const std::string& value) {
    out += key + "=" + value + " ";
    return true;
  });
  *unknown = at.value_or("-");
  return out;
}

TEST(RowCacheTest, NothingIsKnownAtFirst) {
  RowCache cache;
  std::string unknown;
  EXPECT_EQ(cache.Find("a"), nullptr);
  EXPECT_EQ(Collect(cache, "a", "z", &unknown), "");
  EXPECT_EQ(unknown, "a");
}

TEST(RowCacheTest, ACompletePageMakesAbsenceKnown) {
  RowCache cache;
  cache.LearnRange("", "", Page({{"b", "1"}, {"d", "2"}}, true));
  std::string unknown;
  ASSERT_NE(cache.Find("c"), nullptr);
  EXPECT_FALSE(cache.Find("c")->has_value());
  EXPECT_EQ(Collect(cache, "", "", &unknown), "b=1 d=2 ");
  EXPECT_EQ(unknown, "-");
}

TEST(RowCacheTest, PagesJoin) {
  RowCache cache;
  std::string unknown;
  cache.LearnRange("a", "z", Page({{"b", "1"}, {"d", "2"}}, false));
  EXPECT_EQ(Collect(cache, "a", "z", &unknown), "b=1 d=2 ");
  cache.LearnRange(unknown, "z", Page({{"m", "3"}}, true));
  EXPECT_EQ(Collect(cache, "a", "z", &unknown), "b=1 d=2 m=3 ");
  EXPECT_EQ(unknown, "-");
  EXPECT_EQ(Collect(cache, "c", "zz", &unknown), "d=2 m=3 ");
  EXPECT_EQ(unknown, "z");
}

TEST(RowCacheTest, ReadsDoNotOverwriteWrites) {
  RowCache cache;
  cache.Write("b", "new");
  cache.Write("c", std::nullopt);
  cache.LearnRange("", "", Page({{"a", "0"}, {"b", "old"}, {"c", "old"}}, true));
  cache.Learn("b", "old");
  std::string unknown;
  EXPECT_EQ(Collect(cache, "", "", &unknown), "a=0 b=new ");
}

TEST(RowCacheTest, RevertRestoresValuesAbsenceAndIgnorance) {
  RowCache cache;
  cache.LearnRange("a", "c", Page({{"a", "0"}}, true));
  std::vector<RowCache::Undo> undo;
  undo.push_back(cache.Write("a", "1"));
  undo.push_back(cache.Write("a", std::nullopt));
  undo.push_back(cache.Write("b", "1"));
  undo.push_back(cache.Write("x", "1"));
  cache.LearnRange("c", "", Page({{"x", "stored"}}, true));  // read while the write of x is pending
  while (!undo.empty()) {
    cache.Revert(std::move(undo.back()));
    undo.pop_back();
  }
  EXPECT_EQ(*cache.Find("a"), "0");
  ASSERT_NE(cache.Find("b"), nullptr);
  EXPECT_FALSE(cache.Find("b")->has_value());
  EXPECT_EQ(cache.Find("x"), nullptr) << "what the store has under x was never learnt";
  ASSERT_NE(cache.Find("w"), nullptr);
  ASSERT_NE(cache.Find("y"), nullptr);
}

// Against a model: whatever is known is right, and asking the store for what is unknown ends with everything.
TEST(RowCacheTest, RandomReadsWritesAndRevertsAgreeWithAModel) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::map<std::string, std::string> stored;
    for (int i = 0; i < 30; ++i)
      stored[std::string(1, static_cast<char>('a' + random() % 26))] = std::to_string(i);
    std::map<std::string, std::string> model = stored;
    RowCache cache;
    std::vector<std::pair<RowCache::Undo, std::map<std::string, std::string>>> undo;
    const auto page_of = [&](const std::string& first, const std::string& last, size_t limit) {
      RowPage page;
      page.complete = true;
      for (const auto& [key, value] : stored) {
        if (key < first || (!last.empty() && key >= last)) continue;
        if (page.rows.size() == limit) {
          page.complete = false;
          break;
        }
        page.rows.push_back({key, value});
      }
      return page;
    };
    const auto read = [&](const std::string& first, const std::string& last, size_t limit) {
      cache.LearnRange(first, last, page_of(first, last, limit));
    };
    for (int step = 0; step < 40; ++step) {
      const std::string key(1, static_cast<char>('a' + random() % 26));
      switch (random() % 4) {
        case 0:
          read(key, random() % 2 == 0 ? "" : key + "z", 1 + random() % 5);
          break;
        case 1: {
          std::map<std::string, std::string> before = model;
          RowCache::Value value;
          if (random() % 3 != 0) value = "w" + std::to_string(step);
          undo.emplace_back(cache.Write(key, value), std::move(before));
          if (value) {
            model[key] = *value;
          } else {
            model.erase(key);
          }
          break;
        }
        case 2:
          if (undo.empty()) break;
          cache.Revert(std::move(undo.back().first));
          model = std::move(undo.back().second);
          undo.pop_back();
          break;
        default:
          if (const RowCache::Value* value = cache.Find(key)) {
            const auto it = model.find(key);
            ASSERT_EQ(value->has_value(), it != model.end()) << key;
            if (*value) {
              ASSERT_EQ(**value, it->second);
            }
          }
      }
    }
    const size_t bytes = cache.bytes();
    std::map<std::string, std::string> visited;  // without keeping what is read
    const auto visit = [&](const std::string& key, const std::string& value) {
      return visited.emplace(key, value).second;
    };
    for (std::optional<std::string> at = ""; at;) {
      at = cache.Visit(*at, "", visit);
      if (at) at = cache.VisitPage(*at, "", page_of(*at, "", 3), visit);
    }
    ASSERT_EQ(visited, model);
    EXPECT_EQ(cache.bytes(), bytes);
    std::string first;
    for (int reads = 0; reads < 100; ++reads) {
      const auto unknown =
          cache.Visit(first, "", [](const std::string&, const std::string&) { return true; });
      if (!unknown) break;
      read(*unknown, "", 3);
      first = *unknown;
    }
    std::map<std::string, std::string> seen;
    for (std::optional<std::string> at = ""; at;) {
      at = cache.Visit(*at, "", [&](const std::string& key, const std::string& value) {
        seen[key] = value;
        return true;
      });
      if (at) read(*at, "", 100);
    }
    ASSERT_EQ(seen, model);
  }
}

}  // namespace
}  // namespace dormouse
