#include "statekeeper/classes/worker/worker_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>

#include "common/clock.h"
#include "common/temp_dir.h"

namespace dormouse {
namespace {

class WorkerProcessTest : public testing::Test {
 protected:
  WorkerProcessTest() { mkfifo((directory_ + "/said").c_str(), 0600); }
  // A shell, which says things by way of the pipe "said".
  void Start(const std::string& script, uint64_t max_memory = 0) {
    WorkerProcess::Config config;
    config.name = "test";
    config.directory = directory_;
    config.command = {"sh", "-c", script};
    config.environment = {{"MINE", "yes"}};
    config.max_memory = max_memory;
    process_ = std::make_unique<WorkerProcess>(std::move(config));
    process_->Start();
  }
  // The next thing that it says.
  std::string Said() const {
    std::string line;
    while (line.empty()) {  // who has said the last thing may not have closed it when it is opened anew
      std::ifstream pipe(directory_ + "/said");
      std::getline(pipe, line);
    }
    return line;
  }
  template <typename Done>
  static bool Await(const Done& done) {
    const int64_t until_ms = SteadyMs() + 20'000;
    while (!done() && SteadyMs() < until_ms) usleep(1000);
    return done();
  }

  const TempDir made_;
  const std::string directory_ = std::filesystem::canonical(made_.path());
  std::unique_ptr<WorkerProcess> process_;
};

TEST_F(WorkerProcessTest, RunsInItsDirectoryWithoutTheStatekeepersOwnEnvironment) {
  setenv("DORMOUSE_SECRET", "hidden", 1);
  setenv("OTHERS", "too", 1);
  Start("echo $PWD $MINE $OTHERS $DORMOUSE_SECRET > said; exec sleep 1000");
  EXPECT_EQ(Said(), directory_ + " yes too");
}

TEST_F(WorkerProcessTest, OneThatEndsIsStartedAgain) {
  Start("echo $$ > said");
  const std::string first = Said();
  const std::string second = Said();
  EXPECT_NE(first, second);
  EXPECT_TRUE(process_->has_failed());
}

TEST_F(WorkerProcessTest, OneThatIsKilledIsReplaced) {
  Start("echo $$ > said; exec sleep 1000");
  const pid_t first = std::stoi(Said());
  EXPECT_FALSE(process_->has_failed());
  process_->Kill(1, "of one that comes later");
  process_->Kill(0, "as asked");
  process_->Kill(0, "which it is already");
  const pid_t second = std::stoi(Said());
  EXPECT_NE(first, second);
  EXPECT_NE(kill(first, 0), 0);
  EXPECT_EQ(process_->ends(), 1u);
}

TEST_F(WorkerProcessTest, OneThatIsStoppedMayEndByItselfAndNoneFollows) {
  Start("trap 'echo bye > said; exit 0' TERM; echo ready > said; while :; do sleep 0.01; done");
  EXPECT_EQ(Said(), "ready");
  process_->Stop();
  EXPECT_EQ(Said(), "bye");
  EXPECT_TRUE(Await([&] { return process_->ends() == 1; }));
}

TEST_F(WorkerProcessTest, OneThatDoesNotWantToEndIsEnded) {
  Start("trap '' TERM; echo $$ > said; while :; do sleep 0.01; done");
  const pid_t pid = std::stoi(Said());
  process_->Stop();
  EXPECT_TRUE(Await([&] { return process_->ends() == 1; }));
  EXPECT_NE(kill(pid, 0), 0);
}

TEST_F(WorkerProcessTest, NoneIsLeft) {
  Start("trap '' TERM; echo $$ > said; exec sleep 1000");
  const pid_t pid = std::stoi(Said());
  process_.reset();
  EXPECT_NE(kill(pid, 0), 0);
}

TEST_F(WorkerProcessTest, OneThatUsesTooMuchMemoryIsReplaced) {
  Start("echo $$ > said; exec sleep 1000", 1);
  const std::string first = Said();
  EXPECT_NE(Said(), first);
}

TEST_F(WorkerProcessTest, ACommandThatThereIsNotFails) {
  WorkerProcess::Config config;
  config.name = "test";
  config.directory = directory_;
  config.command = {"/nowhere/no-such-program"};
  process_ = std::make_unique<WorkerProcess>(std::move(config));
  process_->Start();
  EXPECT_TRUE(Await([&] { return process_->has_failed(); }));
}

}  // namespace
}  // namespace dormouse
