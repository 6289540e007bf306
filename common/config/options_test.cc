#include "common/config/options.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace dormouse {
namespace {

int Parse(std::vector<std::string> words, Options* options, Process process = Process::kStatekeeper) {
  std::vector<char*> argv = {const_cast<char*>("program")};
  for (std::string& word : words) argv.push_back(word.data());
  return ParseOptions(static_cast<int>(argv.size()), argv.data(), process, options);
}

TEST(OptionsTest, DurationsAndSizesReadAndPrint) {
  EXPECT_EQ(ParseDuration("500ms"), Duration(500));
  EXPECT_EQ(ParseDuration("30s"), Duration(30'000));
  EXPECT_EQ(ParseDuration("2h"), Duration(7'200'000));
  EXPECT_EQ(ParseDuration("0"), Duration(0));
  for (const char* wrong : {"", "30", "s", "-1s", "30 s", "1d", "99999999999999999s"}) {
    EXPECT_THROW(ParseDuration(wrong), std::invalid_argument) << wrong;
  }
  EXPECT_EQ(ParseSize("1MiB"), 1u << 20);
  EXPECT_EQ(ParseSize("512"), 512u);
  EXPECT_THROW(ParseSize("1MB"), std::invalid_argument);
  EXPECT_EQ(FormatDuration(Duration(90'000)), "90s");
  EXPECT_EQ(FormatSize(3u << 20), "3MiB");
}

TEST(OptionsTest, OneNameEverywhereAndFlagBeatsEnvironmentBeatsFile) {
  const std::string path = testing::TempDir() + "/options_test.conf";
  std::ofstream(path) << "hibernate-after = \"7s\"\nidle-timeout = \"8s\"\nrate-limit = 3\n";
  setenv("DORMOUSE_IDLE_TIMEOUT", "9s", 1);
  Options options;
  EXPECT_EQ(Parse({"--config", path, "--set", "rate-limit=5"}, &options), -1);
  unsetenv("DORMOUSE_IDLE_TIMEOUT");
  EXPECT_EQ(options.hibernate_after, Duration(7'000));
  EXPECT_EQ(options.idle_timeout, Duration(9'000));
  EXPECT_EQ(options.rate_limit, 5);
}

TEST(OptionsTest, BothProcessesTakeTheWholeTable) {
  Options options;
  EXPECT_EQ(Parse({"--shards", "16", "--statekeepers", "a:1,b:2"}, &options, Process::kGateway), -1);
  EXPECT_EQ(options.shards, 16u);
  EXPECT_EQ(options.statekeepers, (std::vector<std::string>{"a:1", "b:2"}));
  EXPECT_EQ(options.listen, "127.0.0.1:8080");
}

TEST(OptionsTest, RolesHaveLimits) {
  Options options;
  EXPECT_EQ(Parse({"--set", "role-limits=board=60/120,bot=0.5/5", "--auth-algorithm", "HS256"}, &options),
            -1);
  EXPECT_EQ(options.role_limits, (std::vector<std::string>{"board=60/120", "bot=0.5/5"}));
}

TEST(OptionsTest, WrongInputIsRefused) {
  Options options;
  EXPECT_GT(Parse({"--no-such-option", "1"}, &options), 0);
  EXPECT_GT(Parse({"--set", "hibernate-after=soon"}, &options), 0);
  EXPECT_GT(Parse({"--shards", "0"}, &options), 0);
  EXPECT_GT(Parse({"--outbound-limit", "1KiB"}, &options), 0);
  EXPECT_GT(Parse({"--link-certificate", "a.pem", "--link-ca", "b.pem"}, &options), 0);
  EXPECT_GT(Parse({"--connection-window", "0"}, &options), 0);
  EXPECT_GT(Parse({"--auth-capabilities", "lax"}, &options), 0);
  EXPECT_GT(Parse({"--role-limits", "board=60", "--auth-algorithm", "HS256"}, &options), 0);
  EXPECT_GT(Parse({"--proxy-protocol", "true"}, &options), 0) << "of whom?";
  EXPECT_GT(Parse({"--role-limits", "board=60/120"}, &options), 0) << "nobody has a role without a token";
  const std::string path = testing::TempDir() + "/options_test_bad.conf";
  std::ofstream(path) << "hibernate-aftr = \"7s\"\n";
  EXPECT_GT(Parse({"--config", path}, &options), 0);
}

// What was said on standard error.
std::string Refusal(const std::vector<std::string>& words) {
  Options options;
  testing::internal::CaptureStderr();
  EXPECT_GT(Parse(words, &options), 0);
  return testing::internal::GetCapturedStderr();
}

TEST(OptionsTest, AnUnknownKeyIsRefusedWithFileLineAndTheNearestName) {
  const std::string path = testing::TempDir() + "/options_test_key.conf";
  std::ofstream(path)
      << "# of a cluster\nlanes = 2\nallowed-origins = [\"a\",\n  \"b\"]\n\nhibernate_aftr = \"7s\"\n";
  EXPECT_EQ(Refusal({"--config", path}),
            path + ":6: there is no option hibernate_aftr; is it to be hibernate-after?\n");
  setenv("DORMOUSE_CONFIG", path.c_str(), 1);
  EXPECT_NE(Refusal({}), "");
  unsetenv("DORMOUSE_CONFIG");
}

TEST(OptionsTest, AnUnknownVariableIsRefusedWithTheNearestName) {
  setenv("DORMOUSE_HIBERNATE_AFTR", "7s", 1);
  EXPECT_EQ(Refusal({}),
            "The environment has DORMOUSE_HIBERNATE_AFTR, which is the variable of no option; is it to be "
            "DORMOUSE_HIBERNATE_AFTER?\n");
  unsetenv("DORMOUSE_HIBERNATE_AFTR");
}

TEST(OptionsTest, WhatIsWrongWithAVariableIsSaidWithItsName) {
  const auto refusal_with = [](const char* value) {
    setenv("DORMOUSE_RATE_LIMIT", value, 1);
    std::string said = Refusal({});
    unsetenv("DORMOUSE_RATE_LIMIT");
    return said.substr(0, said.find('\n'));
  };
  EXPECT_EQ(refusal_with(""), "DORMOUSE_RATE_LIMIT: --rate-limit: needs a value: messages/s");
  EXPECT_EQ(refusal_with("-1"), "DORMOUSE_RATE_LIMIT: --rate-limit must not be negative");
  EXPECT_EQ(refusal_with("fast"), "DORMOUSE_RATE_LIMIT: Could not convert: --rate-limit = fast");
}

TEST(OptionsTest, AnEmptyTextIsAValueWhereverItStands) {
  for (const char* word : {"--listen=", "--set=listen="}) {
    Options options;
    EXPECT_EQ(Parse({word, "--tls-cert", "cert.pem", "--tls-key=key.pem"}, &options, Process::kGateway), -1)
        << word;
    EXPECT_EQ(options.listen, "") << word;
    EXPECT_EQ(options.tls_cert, "cert.pem") << word;
  }
  Options options;
  setenv("DORMOUSE_LISTEN", "", 1);
  EXPECT_EQ(Parse({"--tls-cert", "cert.pem", "--tls-key=key.pem"}, &options, Process::kGateway), -1);
  unsetenv("DORMOUSE_LISTEN");
  EXPECT_EQ(options.listen, "");
  EXPECT_EQ(options.tls_cert, "cert.pem");
}

TEST(OptionsTest, AddressesThatCannotBeAreRefused) {
  for (const char* option :
       {"listen", "admin", "tls-listen", "api-listen", "api-grpc-listen", "advertise", "statekeepers"}) {
    for (const char* address : {"127.0.0.1:99999", "127.0.0.1:", "127.0.0.1", ":8080", "unix-like:x"}) {
      const std::string said = Refusal({"--set", std::string(option) + "=" + address, "--check-config"});
      EXPECT_TRUE(said.starts_with("--" + std::string(option) + ": '" + address + "' ")) << said;
    }
  }
  EXPECT_NE(Refusal({"--otlp-endpoint", "http://collector:70000"}).find("--otlp-endpoint must be"),
            std::string::npos);
  EXPECT_TRUE(Refusal({"--admin=", "--check-config"}).starts_with("--admin: '' is not HOST:PORT"));
  Options options;
  EXPECT_EQ(Parse({"--statekeepers", "unix:/run/dormouse,[::1]:7400,host:1", "--listen", "[::]:8080",
                   "--advertise", "host:65535", "--otlp-endpoint", "http://[::1]/v1", "--admin", "0.0.0.0:0"},
                  &options),
            -1);
}

TEST(OptionsTest, NothingIsNoNumber) {
  EXPECT_EQ(Refusal({"--rate-limit", ""}),
            "--rate-limit: needs a value: messages/s\nRun with --help for more information.\n");
  EXPECT_EQ(Refusal({"--edge-heartbeats", ""}),
            "--edge-heartbeats: needs a value: true|false\nRun with --help for more information.\n");
}

TEST(OptionsTest, AnUnknownFlagIsRefusedWithTheNearestName) {
  EXPECT_EQ(Refusal({"--hibernate-aftr=7s"}),
            "There is no option --hibernate-aftr; is it to be --hibernate-after?\n"
            "Run with --help for more information.\n");
  EXPECT_EQ(Refusal({"--hibernate-aftr", "7s"}), Refusal({"--hibernate-aftr=7s"}));
  EXPECT_EQ(Refusal({"--frobnicate"}),
            "There is no option --frobnicate.\nRun with --help for more information.\n");
}

TEST(OptionsTest, VariablesThatOthersSetAreNoMistakes) {
  const std::pair<const char*, const char*> others[] = {{"DORMOUSE_TOKEN", "x"},
                                                        {"DORMOUSE_SERVICE_HOST", "10.0.0.1"},
                                                        {"DORMOUSE_PORT", "tcp://10.0.0.1:8080"},
                                                        {"DORMOUSE_GATEWAY_PORT_8080_TCP_ADDR", "10.0.0.1"},
                                                        {"DORMOUSE_SERVICE_PORT_HTTP", "80"}};
  for (const auto& [name, value] : others) setenv(name, value, 1);
  Options options;
  EXPECT_EQ(Parse({}, &options), -1);
  for (const auto& [name, value] : others) unsetenv(name);
}

TEST(OptionsTest, WhatIsInEffectCanBePrintedAndReadAgain) {
  Options options;
  setenv("DORMOUSE_IDLE_TIMEOUT", "9s", 1);
  testing::internal::CaptureStdout();
  EXPECT_EQ(Parse({"--check-config", "--set", "lanes=3", "--store", "redis://user:hidden@host:1"}, &options),
            0);
  const std::string said = testing::internal::GetCapturedStdout();
  unsetenv("DORMOUSE_IDLE_TIMEOUT");
  for (const char* line : {"\nidle-timeout = \"9s\"\n", "\nlanes = 3\n", "\nmax-message-size = \"1MiB\"\n",
                           "\n# role-limits = []\n", "\nedge-heartbeats = true\n"}) {
    EXPECT_NE(said.find(line), std::string::npos) << line << said;
  }
  EXPECT_EQ(said.find("hidden"), std::string::npos) << said;
  const std::string path = testing::TempDir() + "/options_test_printed.conf";
  std::ofstream(path) << said;
  Options again;
  EXPECT_EQ(Parse({"--config", path}, &again), -1);
  EXPECT_EQ(again.lanes, 3u);
  EXPECT_EQ(again.idle_timeout, Duration(9'000));
}

}  // namespace
}  // namespace dormouse
