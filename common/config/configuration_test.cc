#include "common/config/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ConfigurationTest : public testing::Test {
 protected:
  ~ConfigurationTest() override { std::remove(path_.c_str()); }

  void Write(const std::string& text) const { std::ofstream(path_) << text; }
  std::optional<Configuration> Read(std::vector<std::string> words = {},
                                    Process process = Process::kStatekeeper) const {
    words.insert(words.begin(), {"program", "--config", path_});
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    int status = -1;
    return Configuration::Read(static_cast<int>(argv.size()), argv.data(), process, &status);
  }
  static Configuration::Setting Find(const Configuration& configuration, const std::string& name) {
    for (const auto& setting : configuration.settings()) {
      if (setting.name == name) return setting;
    }
    ADD_FAILURE() << "no setting " << name;
    return {};
  }

  // Of this test alone: others run beside it.
  const std::string path_ = testing::TempDir() + "/configuration_test_" +
                            testing::UnitTest::GetInstance()->current_test_info()->name() + ".conf";
};

TEST_F(ConfigurationTest, SaysWhereEachValueIsFrom) {
  Write("# ours\nrate-limit = 3\nrate-burst = 9\nmax-state = \"2MiB\"\n");
  setenv("DORMOUSE_MAX_STATE", "3MiB", 1);
  const auto configuration = Read({"--set", "rate-burst=30"});
  unsetenv("DORMOUSE_MAX_STATE");
  ASSERT_TRUE(configuration.has_value());
  const auto from = [&](const std::string& name) { return Describe(Find(*configuration, name), path_); };
  EXPECT_EQ(from("rate-limit"), path_ + ":2");
  EXPECT_EQ(from("rate-burst"), "command line");
  EXPECT_EQ(from("max-state"), "DORMOUSE_MAX_STATE");
  EXPECT_EQ(from("max-output"), "default");
  EXPECT_EQ(Find(*configuration, "rate-limit").value, "3");
  EXPECT_EQ(Find(*configuration, "rate-burst").value, "30");
  EXPECT_EQ(Find(*configuration, "max-state").value, "3MiB");
  EXPECT_EQ(configuration->options().max_state, 3u << 20);
}

TEST_F(ConfigurationTest, TakesOverWhatMayChange) {
  Write("rate-limit = 3\nlanes = 2\n");
  const auto before = Read({"--set", "rate-burst=30"});
  ASSERT_TRUE(before.has_value());
  Write("rate-limit = 4\nrate-burst = 5\nlanes = 3\nhibernate-after = \"7s\"\n");
  std::string wrong;
  const auto after = before->ReadAgain(&wrong);
  ASSERT_TRUE(after.has_value()) << wrong;
  EXPECT_EQ(after->options().rate_limit, 4);
  EXPECT_EQ(after->options().rate_burst, 30u) << "the command line wins";
  EXPECT_EQ(after->options().hibernate_after, Duration(7'000));
  EXPECT_EQ(after->options().lanes, 2u);
  EXPECT_THAT(after->Pending(), ElementsAre("lanes"));
  EXPECT_EQ(Find(*after, "lanes").value, "2");
  EXPECT_EQ(Find(*after, "lanes").pending, "3");
  std::vector<std::string> changed;
  for (const auto& change : after->ChangesSince(*before))
    changed.push_back(change.option + " " + change.was + " " + change.is);
  EXPECT_THAT(changed, ElementsAre("hibernate-after 30s 7s", "rate-limit 3 4"));
  // As it was: nothing waits any more, and what is not said has its default.
  Write("lanes = 2\n");
  const auto again = after->ReadAgain(&wrong);
  ASSERT_TRUE(again.has_value()) << wrong;
  EXPECT_THAT(again->Pending(), IsEmpty());
  EXPECT_EQ(again->options().rate_limit, 10);
}

TEST_F(ConfigurationTest, RefusesABadFileWithFileLineAndReason) {
  Write("rate-limit = 3\n");
  const auto before = Read();
  ASSERT_TRUE(before.has_value());
  const auto refusal = [&](const std::string& text) {
    Write(text);
    std::string wrong;
    EXPECT_FALSE(before->ReadAgain(&wrong).has_value()) << text;
    return wrong;
  };
  EXPECT_EQ(refusal("rate-limit = 3\nrate-limt = 4\n"),
            path_ + ":2: there is no option rate-limt; is it to be rate-limit?");
  EXPECT_EQ(refusal("rate-limit = 3\n\nhibernate-after = \"soon\"\n"),
            path_ + ":3: --hibernate-after: 'soon' is not a duration: write 500ms, 30s, 5m or 1h");
  EXPECT_THAT(refusal("lanes = 1\nrate-limit = fast\n"), testing::StartsWith(path_ + ":2: "));
  EXPECT_EQ(refusal("outbound-limit = \"1KiB\"\n"),
            path_ + ":1: --outbound-resume <= --outbound-pause <= --outbound-limit must hold");
  EXPECT_EQ(refusal("log-level = \"loud\"\n"),
            path_ + ":1: --log-level must be trace, debug, info, warn, error or off");
  EXPECT_THAT(refusal("auth-algorithm = \"HS256\"\nauth-key = \"k\"\nrole-limits = [\"a=1/2\"]\n"),
              HasSubstr(":3: --role-limits needs --auth-algorithm"))
      << "that it has only after a restart";
  EXPECT_EQ(
      refusal("rate-limit = 3\n[statekeeper]\nlanes = 2\n"),
      path_ +
          ":2: [statekeeper] begins a section, and there are none: one list of options serves all processes. Take "
          "this line away.");
  EXPECT_THAT(refusal("[[x]]  # mine\nlanes = 2\n"),
              testing::StartsWith(path_ + ":1: [[x]] begins a section"));
  EXPECT_EQ(refusal("signal.rate_limit = 3\n"),
            path_ + ":1: there is no option signal.rate_limit; is it to be rate-limit?");
  EXPECT_EQ(refusal("rate-limit = 3\nlanes = 1\n\nrate-limit = 4\n"),
            path_ + ":4: rate-limit is in line 1 already; keep one of the two.");
  EXPECT_EQ(
      refusal("lanes = 1\nrate-limit = 3 4\n"),
      path_ +
          ":2: --rate-limit: 2 values are given, and it takes one; a text with blanks or commas needs \"quotes\"");
  for (const char* empty : {"rate-limit =", "rate-limit = \"\"", "rate-limit =  # later"}) {
    EXPECT_EQ(refusal(empty + std::string("\n")), path_ + ":1: --rate-limit: needs a value: messages/s")
        << empty;
  }
  EXPECT_EQ(refusal("edge-heartbeats =\n"), path_ + ":1: --edge-heartbeats: needs a value: true|false");
  ASSERT_EQ(std::remove(path_.c_str()), 0);
  std::string wrong;
  EXPECT_FALSE(before->ReadAgain(&wrong).has_value());
  EXPECT_THAT(wrong, HasSubstr(path_));
}

TEST_F(ConfigurationTest, AnEmptyTextAndAListAreValues) {
  Write("listen =\nstore-prefix = \"my cluster, mine\"\ndisabled-classes = [\"echo\",\n  \"signal\"]\n");
  const auto read = Read();
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->options().listen, "");
  EXPECT_EQ(read->options().store_prefix, "my cluster, mine");
  EXPECT_THAT(read->options().disabled_classes, ElementsAre("echo", "signal"));
}

TEST_F(ConfigurationTest, ReloadAppliesAllOrNothing) {
  Write("rate-limit = 3\n");
  ConfigurationInEffect in_effect(*Read());
  int applied = 0;
  std::string answer;
  const ApplyChanges apply = [&](const Configuration& next,
                                 const std::vector<Configuration::Change>& changes) {
    ++applied;
    EXPECT_EQ(changes.size(), 1u);
    EXPECT_EQ(next.options().rate_limit, 4);
    return answer;
  };
  Reload(&in_effect, apply);
  EXPECT_EQ(applied, 0) << "nothing has changed";
  Write("rate-limit = 4\n");
  answer = "--rate-limit does not please";
  Reload(&in_effect, apply);
  EXPECT_EQ(in_effect.Get()->options().rate_limit, 3);
  answer = "";
  Reload(&in_effect, apply);
  EXPECT_EQ(in_effect.Get()->options().rate_limit, 4);
  Write("rate-limit = x\n");
  Reload(&in_effect, apply);
  EXPECT_EQ(applied, 2);
  EXPECT_EQ(in_effect.Get()->options().rate_limit, 4);
}

TEST_F(ConfigurationTest, PasswordsAreInNothingThatIsShown) {
  Write("store = \"redis://user:hidden1@host:1\"\n");
  const auto before = Read();
  ASSERT_TRUE(before.has_value());
  EXPECT_EQ(before->options().store, "redis://user:hidden1@host:1");
  Write("store = \"redis://user:hidden2@host:1\"\n");
  std::string wrong;
  const auto after = before->ReadAgain(&wrong);
  ASSERT_TRUE(after.has_value());
  EXPECT_THAT(after->Pending(), ElementsAre("store"));
  EXPECT_THAT(AsJson(*after), Not(HasSubstr("hidden")));
  EXPECT_THAT(AsJson(*after), HasSubstr("\"value\":\"redis://user:***@host:1\""));
}

}  // namespace
}  // namespace dormouse
