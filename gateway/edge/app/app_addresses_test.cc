#include "gateway/edge/app/app_addresses.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "common/temp_dir.h"
#include "gateway/edge/testing/fake_worker.h"

namespace dormouse::edge {
namespace {

// Whether somebody takes a connection, which is closed.
bool Connects(AppAddresses* addresses) {
  const int fd = addresses->Connect();
  if (fd >= 0) close(fd);
  return fd >= 0;
}

TEST(AppAddresses, RequestsGoToWorkersByTurns) {
  const TempDir directory;
  FakeWorker one(directory / "one");
  FakeWorker two(directory / "two");
  AppAddresses addresses;
  EXPECT_FALSE(addresses.any());
  EXPECT_FALSE(Connects(&addresses));
  addresses.Set({directory / "one", directory / "two"});
  EXPECT_TRUE(addresses.any());
  EXPECT_TRUE(Connects(&addresses));
  EXPECT_TRUE(one.IsWanted());
  EXPECT_FALSE(two.IsWanted());
  EXPECT_TRUE(Connects(&addresses));
  EXPECT_TRUE(two.IsWanted());
}

TEST(AppAddresses, WhereNobodyAnswersIsPassedOver) {
  const TempDir directory;
  { const FakeWorker gone(directory / "gone"); }  // its socket's name stays
  FakeWorker here(directory / "here");
  AppAddresses addresses;
  addresses.Set(
      {directory / "never", directory / "gone", "host:80", std::string(200, '/'), directory / "here"});
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(Connects(&addresses));
    here.Accept();
  }
  addresses.Set({directory / "never", directory / "gone"});
  EXPECT_TRUE(addresses.any()) << "there is an app, though none of its workers is there";
  EXPECT_FALSE(Connects(&addresses));
}

}  // namespace
}  // namespace dormouse::edge
