#include "gateway/edge/app/app_addresses.h"

#include <fcntl.h>
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

TEST(AppAddresses, OtherHostsTakeTheirTurnsToo) {
  const TempDir directory;
  FakeWorker here(directory / "here");
  AppAddresses addresses;
  std::vector<std::string> asked;
  int answer = -1;
  addresses.set_connector([&](const std::string& address) {
    asked.push_back(address);
    return answer;
  });
  addresses.Set({"there:7400", directory / "here"});
  EXPECT_TRUE(Connects(&addresses));
  EXPECT_TRUE(here.IsWanted()) << "the other one cannot be reached";
  answer = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_TRUE(Connects(&addresses));
  EXPECT_EQ(asked, (std::vector<std::string>{"there:7400", "there:7400"}));
}

}  // namespace
}  // namespace dormouse::edge
