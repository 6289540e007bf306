#include "gateway/edge/sockets/connection_table.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "common/ids.h"

namespace dormouse::edge {
namespace {

TEST(HandleScrambler, IsAPermutationThatUnscrambles) {
  std::mt19937_64 random(7);
  for (uint64_t key : {uint64_t{0}, uint64_t{1}, random()}) {
    const HandleScrambler scrambler(key);
    std::set<uint64_t> seen;
    for (int i = 0; i < 10'000; ++i) {
      const uint64_t bits = i < 5000 ? static_cast<uint64_t>(i) : random() >> 2;
      const uint64_t scrambled = scrambler.Scramble(bits);
      EXPECT_LT(scrambled, uint64_t{1} << 62);
      EXPECT_EQ(scrambler.Unscramble(scrambled), bits);
      seen.insert(scrambled);
    }
    EXPECT_EQ(seen.size(), 10'000u);
  }
}

TEST(HandleScrambler, NeighboursLookUnrelatedAndKeysDiffer) {
  const HandleScrambler a(1);
  const HandleScrambler b(2);
  int same_bits = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    EXPECT_NE(a.Scramble(i), b.Scramble(i));
    same_bits += 62 - __builtin_popcountll(a.Scramble(i) ^ a.Scramble(i + 1));
  }
  EXPECT_NEAR(same_bits / 1000.0, 31, 3);  // half of the bits change, as for random numbers
}

TEST(ConnectionTable, FindsWhatIsOpen) {
  ConnectionTable table(99);
  std::vector<Connection*> all;
  all.reserve(1000);
  for (int i = 0; i < 1000; ++i) all.push_back(table.Allocate());
  for (Connection* connection : all) EXPECT_EQ(table.Find(connection->handle), connection);
  EXPECT_EQ(table.size(), 1000u);
  size_t visited = 0;
  table.ForEach([&](Connection*) { ++visited; });
  EXPECT_EQ(visited, 1000u);
}

TEST(ConnectionTable, HandlesAreUuidLowHalves) {
  ConnectionTable table(99);
  for (int i = 0; i < 100; ++i) {
    const uint64_t handle = table.Allocate()->handle;
    EXPECT_EQ(handle, UuidLow(UuidLowBits(handle)));
  }
}

TEST(ConnectionTable, AStaleHandleFindsNothingAfterTheSlotIsUsedAgain) {
  ConnectionTable table(5);
  Connection* first = table.Allocate();
  const uint64_t stale = first->handle;
  table.Free(first);
  EXPECT_EQ(table.Find(stale), nullptr);
  Connection* second = table.Allocate();
  EXPECT_EQ(second, first);  // the slot
  EXPECT_NE(second->handle, stale);
  EXPECT_EQ(table.Find(stale), nullptr);
  EXPECT_EQ(table.Find(second->handle), second);
}

TEST(ConnectionTable, ForgedHandlesFindNothing) {
  ConnectionTable table(5);
  table.Allocate();
  std::mt19937_64 random(3);
  for (int i = 0; i < 10'000; ++i) EXPECT_EQ(table.Find(UuidLow(random())), nullptr);
  EXPECT_EQ(table.Find(0), nullptr);
}

TEST(ConnectionTable, AFreedRecordTakesItsBelongingsAlong) {
  ConnectionTable table(5);
  Connection* connection = table.Allocate();
  PartialBudget budget(100);
  connection->partial = std::make_unique<PartialMessage>(&budget, connection->handle, 0);
  connection->partial->Append("half a message", 0);
  AddressLimit limit(1);
  connection->seat = limit.Take(IpAddress()).value();
  connection->hub = "echo/room";
  table.Free(connection);
  connection = table.Allocate();
  EXPECT_EQ(connection->partial, nullptr);
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_EQ(limit.visitors(), 0u);
  EXPECT_EQ(connection->hub, "");
  EXPECT_EQ(table.size(), 1u);
}

}  // namespace
}  // namespace dormouse::edge
