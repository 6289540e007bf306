// The program itself, as people and scripts run it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <rapidjson/document.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "common/auth/testing/token_maker.h"
#include "deploy/ctl/table.h"
#include "proto/stored.pb.h"
#include "statekeeper/admin/testing/fake_statekeeper.h"

namespace dormouse {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const char kOne[] = "1111111111114111";
const char kTwo[] = "2222222222224222";

struct Outcome {
  int exit = -1;
  std::string out;
  std::string error;
};

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

class DormousectlTest : public testing::Test {
 protected:
  void SetUp() override {
    for (ShardId shard = 0; shard < FakeCluster::kShards; ++shard)
      cluster_.Give(shard, shard % 2 == 0 ? kOne : kTwo);
  }

  // As a shell runs it, without a variable of this process's.
  Outcome Run(const std::string& words, const std::string& environment = "") const {
    const std::string errors = files_.Path("stderr");
    const std::string line = fmt::format(
        "env -u DORMOUSE_STATEKEEPER -u DORMOUSE_ADMIN_KEY -u DORMOUSE_LINK_CERTIFICATE {} {} {} 2>{}",
        environment, DORMOUSECTL, words, errors);
    FILE* pipe = popen(line.c_str(), "r");
    Outcome outcome;
    std::array<char, 4096> buffer{};
    for (size_t size; (size = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
      outcome.out.append(buffer.data(), size);
    }
    const int status = pclose(pipe);
    outcome.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    std::ifstream in(errors);
    outcome.error.assign(std::istreambuf_iterator<char>(in), {});
    return outcome;
  }
  // At the first statekeeper's unix socket.
  Outcome Ctl(const std::string& words) const { return Run("--statekeeper " + one_.unix() + " " + words); }
  // The document, and nothing else; an object with exactly these members.
  rapidjson::Document Json(const std::string& words, const std::vector<std::string>& names) const {
    const Outcome outcome = Ctl("--json " + words);
    EXPECT_EQ(outcome.exit, 0) << outcome.error;
    rapidjson::Document document;
    document.Parse(outcome.out.c_str());
    EXPECT_FALSE(document.HasParseError()) << outcome.out;
    EXPECT_THAT(NamesOf(document), testing::ElementsAreArray(names));
    return document;
  }
  static std::vector<std::string> NamesOf(const rapidjson::Value& object) {
    std::vector<std::string> names;
    for (const auto& member : object.GetObject()) names.emplace_back(member.name.GetString());
    return names;
  }
  static std::string HubOf(int odd) {
    for (int i = 0;; ++i) {
      std::string hub = "echo/hub-" + std::to_string(i);
      if (ShardOf(hub, FakeCluster::kShards) % 2 == odd) return hub;
    }
  }
  static FakeHub Inhabited() {
    return {true,
            {{{UuidHigh(1), UuidLow(1)}, 1'700'000'000'000, 1'700'000'001'000, 2048, {"red", "\"blue\""}},
             {{UuidHigh(1), UuidLow(2)}, 1'700'000'000'000, 1'700'000'001'000, 0, {}}}};
  }

  KeyDirectory files_;
  const std::string key_ = files_.Write("key", std::string(32, 'k'));
  FakeCluster cluster_;
  const TestSecret trust_;
  FakeStatekeeper one_{&cluster_, kOne, &trust_, key_};
  FakeStatekeeper two_{&cluster_, kTwo, &trust_, key_};
};

TEST_F(DormousectlTest, ShowsTables) {
  one_.AddHub(HubOf(0), Inhabited());
  two_.AddHub(HubOf(1), {});
  cluster_.Give(7, "3333333333334333");
  const std::map<std::string, testing::Matcher<std::string>> expected = {
      {"members",
       AllOf(ContainsRegex(std::string("STATEKEEPER +ADDRESS +STATE +SHARDS +LANES +STARTED +VERSION\n") +
                           kOne + " +127.0.0.1:[0-9]+ +serving +4 +2 +[0-9]+ d .*ago +0.1.0"),
             HasSubstr("1 shard of 8 without a living owner"))},
      {"config 11",
       AllOf(ContainsRegex(std::string("statekeeper ") + kOne + ", no config file\nOPTION +VALUE +FROM\n"),
             Not(HasSubstr(kTwo)))},
      {"shards", AllOf(ContainsRegex("SHARD +EPOCH +OWNER"),
                       ContainsRegex("7 +2 +3333333333334333 +the owner is gone"))},
      {"shards --owner 11", AllOf(HasSubstr(kOne), Not(HasSubstr(kTwo)))},
      {"shards --summary", ContainsRegex(std::string(kTwo) + " +3 ")},
      {"hubs",
       AllOf(ContainsRegex("HUB +SHARD +STATE +IDLE\n"), ContainsRegex(HubOf(0) + " +[0-9] +awake +1 s\n"),
             ContainsRegex(HubOf(1) + " +[0-9] +asleep\n"), HasSubstr("2 hubs, 1 awake"))},
      {"hubs --awake", Not(HasSubstr(HubOf(1)))},
      {"hubs --class signal", HasSubstr("0 hubs")},
      {"hubs --limit 1", HasSubstr("1 hub, 1 awake; there may be more")},
      {"hub " + HubOf(0), AllOf(ContainsRegex("state +awake, idle for 1 s"), ContainsRegex("sockets +2"),
                                ContainsRegex("registrations +3"), ContainsRegex("keyed state +1.5 KiB"),
                                ContainsRegex("alarm +in [0-9]+ d"))},
      {"hub " + HubOf(1), ContainsRegex("state +asleep")},
      {"connections " + HubOf(0), AllOf(HasSubstr("2.0 KiB  red \"blue\""), HasSubstr("2 connections\n"))},
      {"connections --limit 1 " + HubOf(0), HasSubstr("1 connection; there are more\n")},
      {"top --once --interval 10ms", AllOf(ContainsRegex("STATEKEEPER +STATE .*STORE\n"), HasSubstr(kTwo))}};
  for (const auto& [words, matches] : expected) {
    const Outcome outcome = Ctl(words);
    EXPECT_EQ(outcome.exit, 0) << words << ": " << outcome.error;
    EXPECT_THAT(outcome.out, matches) << words;
    for (const std::string& line : Lines(outcome.out)) EXPECT_LE(line.size(), 100u) << line;
  }
  EXPECT_THAT(Ctl("hubs").error, HasSubstr("1 shards have no living owner"));
}

TEST_F(DormousectlTest, PrintsOneJsonDocumentWithNamesThatStay) {
  one_.AddHub(HubOf(0), Inhabited());
  two_.AddHub(HubOf(1), {});
  const auto members = Json("members", {"members", "shard_count", "ownerless_shards"});
  EXPECT_THAT(NamesOf(members["members"][0]),
              ElementsAre("id", "address", "version", "state", "suspected", "shards", "lanes", "started",
                          "started_ms", "asked"));
  EXPECT_STREQ(members["members"][0]["state"].GetString(), "serving");
  EXPECT_STREQ(members["members"][0]["started"].GetString(), "2023-11-14T22:13:20.000Z");
  EXPECT_TRUE(members["members"][0]["asked"].GetBool());
  EXPECT_FALSE(members["members"][1]["asked"].GetBool());

  const auto config = Json("config", {"processes"});
  ASSERT_EQ(config["processes"].Size(), 2u);
  EXPECT_THAT(NamesOf(config["processes"][0]),
              testing::ElementsAre("process", "id", "version", "file", "settings"));
  const auto shards = Json("shards", {"shards"});
  EXPECT_EQ(shards["shards"].Size(), 8u);
  EXPECT_THAT(NamesOf(shards["shards"][0]), ElementsAre("shard", "epoch", "owner", "owner_lives", "avoid"));
  const auto summary = Json("shards --summary", {"owners"});
  EXPECT_THAT(NamesOf(summary["owners"][0]), ElementsAre("owner", "lives", "shards", "evicted_from_others"));

  const auto hubs = Json("hubs", {"hubs", "complete"});
  ASSERT_EQ(hubs["hubs"].Size(), 2u);
  EXPECT_THAT(NamesOf(hubs["hubs"][0]), ElementsAre("hub", "shard", "awake", "idle_ms"));
  EXPECT_TRUE(hubs["complete"].GetBool());

  const auto hub = Json("hub " + HubOf(0), {"hub", "shard", "epoch", "statekeeper", "awake", "idle_ms",
                                            "sockets", "gateways", "alarm_due", "alarm_due_ms", "timers",
                                            "state_bytes", "waiting_events", "half_restored", "counts"});
  EXPECT_EQ(hub["sockets"].GetInt(), 2);
  EXPECT_EQ(hub["alarm_due_ms"].GetInt64(), 4'000'000'000'000);
  EXPECT_THAT(NamesOf(hub["timers"][0]), ElementsAre("name", "due", "due_ms"));
  EXPECT_STREQ(hub["timers"][0]["name"].GetString(), "night");
  EXPECT_EQ(hub["timers"][1]["due_ms"].GetInt64(), 1'000);
  EXPECT_STREQ(hub["counts"][0]["name"].GetString(), "registrations");

  const auto connections = Json("connections " + HubOf(0), {"hub", "connections", "complete"});
  EXPECT_THAT(NamesOf(connections["connections"][0]),
              ElementsAre("id", "gateway", "connected", "connected_ms", "last_seen", "last_seen_ms",
                          "attachment_bytes", "tags"));
  EXPECT_STREQ(connections["connections"][0]["tags"][1].GetString(), "\"blue\"");

  Json("hibernate " + HubOf(1), {"hub", "statekeeper"});
  const auto evicted = Json("evict --shard 1,2,3 --mode migrate", {"mode", "evicted"});
  ASSERT_EQ(evicted["evicted"].Size(), 2u);
  EXPECT_THAT(NamesOf(evicted["evicted"][1]), ElementsAre("statekeeper", "shards", "hubs_closed"));
  EXPECT_EQ(evicted["evicted"][1]["shards"].GetInt(), 2);
  Json("drain 22 --wait", {"statekeeper", "draining", "empty"});
  const auto top = Json("top --interval 10ms", {"at", "at_ms", "statekeepers"});
  EXPECT_THAT(NamesOf(top["statekeepers"][0]),
              ElementsAre("id", "address", "state", "shards", "answered", "hubs_awake", "gateways",
                          "events_per_second", "deliveries_per_second", "commits_per_second",
                          "commit_failures", "unacknowledged_bytes", "store_healthy"));
}

TEST_F(DormousectlTest, DoesWhatIsAsked) {
  one_.AddHub(HubOf(0), {});
  two_.AddHub(HubOf(1), {});
  EXPECT_EQ(Ctl("hibernate --hub " + HubOf(0)).exit, 0);
  EXPECT_EQ(Ctl("evict --mode close --hub " + HubOf(0)).out, std::string("Closed 1 hub of ") + kOne + ".\n");
  EXPECT_THAT(one_.asked(), ElementsAre("hibernate " + HubOf(0), "close " + HubOf(0)));
  EXPECT_EQ(Ctl("evict --statekeeper 22 --mode migrate").out,
            std::string("4 shards handed over by ") + kTwo + ".\n");
  EXPECT_EQ(Ctl("drain " + two_.tcp() + " --wait").exit, 0);
  EXPECT_EQ(Ctl("drain 22 --undo").exit, 0);
  EXPECT_THAT(two_.asked(), ElementsAre("evict 1,3,5,7", "drain", "undo drain"));
  EXPECT_EQ(Ctl("evict --mode migrate --hub " + HubOf(1)).out,
            std::string("1 shard handed over by ") + kTwo + ".\n");
  EXPECT_EQ(Ctl("evict --statekeeper 22 --mode close").out, std::string("Closed 1 hub of ") + kTwo + ".\n");
}

TEST_F(DormousectlTest, FindsAStatekeeperThatAnswers) {
  const std::string dead = "127.0.0.1:1,unix:" + files_.Path("none.sock");
  EXPECT_EQ(Run("members --statekeeper " + dead + "," + two_.unix()).exit, 0);
  EXPECT_EQ(Run("members", "DORMOUSE_STATEKEEPER=" + dead + "," + two_.unix()).exit, 0);
  EXPECT_EQ(Run("members --statekeeper unix:" + one_.directory()).exit, 0);
  EXPECT_EQ(Run("--statekeeper " + one_.unix() + " hub " + HubOf(0)).exit,
            4);  // takes one word, not the command's
  const Outcome nobody = Run("members --statekeeper " + dead);
  EXPECT_EQ(nobody.exit, 3);
  EXPECT_THAT(nobody.error, HasSubstr("No statekeeper answers at 127.0.0.1:1, unix:"));
  const Outcome far = Run("members --statekeeper 127.0.0.1:70000");
  EXPECT_EQ(far.exit, 2);
  EXPECT_THAT(far.error,
              HasSubstr("--statekeeper: '127.0.0.1:70000' is not HOST:PORT with a port from 1 to 65535"));
  const Outcome empty = Run("members --statekeeper unix:" + files_.Write("dir", ""));
  EXPECT_EQ(empty.exit, 3);
}

TEST_F(DormousectlTest, ShowsTheKeyOverTheNetworkOnly) {
  const std::string at = "--statekeeper " + two_.tcp() + " ";
  EXPECT_EQ(Run(at + "members --key " + key_).exit, 0);
  EXPECT_EQ(Run(at + "members", "DORMOUSE_ADMIN_KEY=" + key_).exit, 0);
  Outcome outcome = Run(at + "members");
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_THAT(outcome.error, HasSubstr("dormousectl --key"));
  outcome = Run(at + "members --key " + files_.Write("other", std::string(32, 'o')));
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_THAT(outcome.error, AllOf(HasSubstr("secret of admin-key"), Not(HasSubstr("ooo"))));
  outcome = Run(at + "members --key " + files_.Path("none"));
  EXPECT_EQ(outcome.exit, 2);
  EXPECT_THAT(outcome.error, HasSubstr("--key: " + files_.Path("none") + " does not exist"));
}

TEST_F(DormousectlTest, ShowsACertificateWhereStatekeepersHaveThem) {
  const TestCertificates trust;
  const FakeStatekeeper statekeeper(&cluster_, "4444444444444444", &trust, key_);
  const std::string at = "--statekeeper " + statekeeper.tcp() + " members ";
  const auto shown = [&trust](LinkRole role) {
    const LinkCertificates::Files files = trust.FilesOf(role).certificates;
    return fmt::format("--certificate {} --private-key {} --ca {}", files.certificate.path, files.key.path,
                       files.ca.path);
  };
  EXPECT_EQ(Run(at + shown(LinkRole::kOperator)).exit, 0);
  EXPECT_EQ(
      Run(at, fmt::format("DORMOUSE_LINK_CERTIFICATE={0}.pem DORMOUSE_LINK_KEY={0}.key DORMOUSE_LINK_CA={1}",
                          trust.files().Path("dormouse-operator"), trust.files().Path("ca.pem")))
          .exit,
      0);
  EXPECT_EQ(Run(at + shown(LinkRole::kStatekeeper)).exit, 0);
  const Outcome gateway = Run(at + shown(LinkRole::kGateway));
  EXPECT_EQ(gateway.exit, 2);
  EXPECT_THAT(gateway.error, HasSubstr("lacks the name dormouse-operator"));
  const Outcome key = Run(at + "--key " + key_);
  EXPECT_EQ(key.exit, 3);
  EXPECT_THAT(key.error, HasSubstr("--certificate, --private-key and --ca"));
  EXPECT_EQ(Run(at + "--ca " + trust.files().Path("ca.pem")).exit, 2);
}

TEST_F(DormousectlTest, SaysWhichWordItDoesNotKnow) {
  const Outcome command = Ctl("hibernat signal/default");
  EXPECT_EQ(command.exit, 2);
  EXPECT_THAT(command.error, HasSubstr("there is no command 'hibernat'; there are members, "));
  const Outcome hub_class = Ctl("hubs --class nosuch");
  EXPECT_EQ(hub_class.exit, 4);
  EXPECT_THAT(hub_class.error, HasSubstr("There is no hub class nosuch; these there are: echo, signal."));
}

TEST_F(DormousectlTest, FindsStatekeepersByTheDataDirectoryBeforeTheCommandAndAfter) {
  const std::filesystem::path run = one_.directory();
  const std::filesystem::path data = files_.Path("data");
  std::filesystem::create_directory(data);
  std::filesystem::create_directory_symlink(run, data / "run");
  EXPECT_EQ(Run("--data " + data.string() + " members").exit, 0);
  EXPECT_EQ(Run("members --data " + data.string()).exit, 0);
  EXPECT_EQ(Run("members --data " + data.string() + " --statekeeper " + one_.unix()).exit, 2);
}

TEST_F(DormousectlTest, ExitStatusesSayWhatHappened) {
  two_.AddHub(HubOf(1), {});
  for (const char* wrong :
       {"", "dance", "hub", "hub echo", "hubs --shard x", "evict --hub a/b", "evict --mode close",
        "evict --mode gently --hub a/b", "evict --mode close --hub a/b --shard 1", "members --timeout soon",
        "members --timeout 0", "drain 1 --undo --wait", "top --interval 5"}) {
    const Outcome outcome = Ctl(wrong);
    EXPECT_EQ(outcome.exit, 2) << wrong;
    EXPECT_THAT(outcome.error, Not(testing::IsEmpty())) << wrong;
  }
  EXPECT_EQ(Ctl("--help").exit, 0);
  EXPECT_EQ(Ctl("evict --help").exit, 0);
  EXPECT_EQ(Ctl("--version").exit, 0);
  for (const char* unknown :
       {"hub echo/nobody", "hubs --shard 8", "shards --owner 9", "drain 9", "evict --mode close --shard 1,99",
        "evict --mode migrate --statekeeper 127.0.0.1:9", "evict --mode migrate --hub echo/nobody"}) {
    const Outcome outcome = Ctl(unknown);
    EXPECT_EQ(outcome.exit, 4) << unknown << outcome.error;
    EXPECT_THAT(outcome.error, testing::StartsWith("dormousectl: ")) << unknown;
  }
  two_.FailWith("There is nobody to take them.");
  const Outcome refused = Ctl("evict --mode migrate --shard 1");
  EXPECT_EQ(refused.exit, 1);
  EXPECT_EQ(refused.error, "dormousectl: There is nobody to take them.\n");
  two_.BeSilent();
  EXPECT_EQ(Ctl("hibernate --timeout 300ms " + HubOf(1)).exit, 5);
  cluster_.Give(ShardOf(HubOf(1), FakeCluster::kShards), "3333333333334333");
  const Outcome late = Ctl("hibernate --timeout 300ms " + HubOf(1));
  EXPECT_EQ(late.exit, 5);
  EXPECT_THAT(late.error, HasSubstr("is gone. (waited 300ms"));
}

TEST_F(DormousectlTest, AsksAgainWhileAShardMoves) {
  two_.AddHub(HubOf(1), {});
  const ShardId shard = ShardOf(HubOf(1), FakeCluster::kShards);
  two_.Answer(OperatorStatus::kNotOwner);
  const std::jthread settles([&] {
    while (two_.asked().size() < 2) std::this_thread::yield();  // it was told to ask again, and did
    two_.Answer(OperatorStatus::kOk);
  });
  EXPECT_EQ(Ctl("hibernate " + HubOf(1)).exit, 0);
  EXPECT_GE(two_.asked().size(), 2u) << shard;
}

TEST_F(DormousectlTest, CopiesHubsIntoAFileAndBack) {
  FakeHub small{false, {}, {{"!meta", ""}, {"u/a", "1"}, {"u/b", std::string("\0\xff", 2)}}};
  FakeHub large = small;
  for (int i = 0; i < 20; ++i) large.rows["u/" + std::to_string(i)] = "x";
  one_.AddHub(HubOf(0), small);
  two_.AddHub(HubOf(1), large);
  two_.SetPageRows(4);
  two_.LoseEveryPage(9);  // the first reading of it comes to nothing
  const std::string file = files_.Path("backup");
  Outcome outcome = Ctl("backup " + file);
  EXPECT_EQ(outcome.exit, 0) << outcome.error;
  EXPECT_THAT(outcome.out, AllOf(ContainsRegex("holds +2 hubs, 26 rows"), HasSubstr("checksums")));
  EXPECT_THAT(two_.asked(), testing::Contains("read " + HubOf(1) + " 5").Times(1));
  EXPECT_EQ(Run("verify " + file + " --statekeeper 127.0.0.1:1").out, outcome.out);
  EXPECT_EQ(
      Json("verify " + file, {"file", "backup", "cluster", "version", "stored_format", "shards", "begun",
                              "begun_ms", "ended", "ended_ms", "hubs", "rows", "bytes", "file_bytes"})["hubs"]
          .GetInt(),
      2);

  outcome = Ctl("restore " + file);
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_THAT(outcome.error, HasSubstr("This cluster has hubs, such as " + HubOf(0)));
  one_.AddHub(HubOf(0), {false, {}, {{"u/later", "1"}}});
  two_.AddHub(HubOf(1), {false, {}, {{"u/later", "1"}}});
  EXPECT_EQ(Ctl("restore --keep " + file).out, "Restored 0 hubs; 2 exist and were left alone.\n");
  EXPECT_EQ(one_.Look(HubOf(0)).rows.count("u/later"), 1u);
  EXPECT_EQ(Ctl("restore --replace --hub " + HubOf(1) + " " + file).out, "Restored 1 hub.\n");
  EXPECT_EQ(two_.Look(HubOf(1)).rows, large.rows);
  EXPECT_EQ(one_.Look(HubOf(0)).rows.count("u/later"), 1u);
  const auto restored = Json("restore --replace " + file, {"restored", "restored_before", "kept"});
  EXPECT_EQ(restored["restored"].GetInt(), 2);
  EXPECT_EQ(one_.Look(HubOf(0)).rows, small.rows);
  EXPECT_FALSE(std::filesystem::exists(file + ".restore"));
}

TEST_F(DormousectlTest, GoesOnWithARestore) {
  one_.AddHub(HubOf(0), {false, {}, {{"u/a", "1"}}});
  two_.AddHub(HubOf(1), {false, {}, {{"u/a", "1"}}});
  const std::string file = files_.Path("backup");
  ASSERT_EQ(Ctl("backup " + file).exit, 0);
  two_.Answer(OperatorStatus::kBusy);
  Outcome outcome = Ctl("restore --replace " + file);
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_THAT(outcome.error, HasSubstr("the same command goes on"));
  EXPECT_TRUE(std::filesystem::exists(file + ".restore"));
  two_.Answer(OperatorStatus::kOk);
  outcome = Ctl("restore --replace " + file);
  EXPECT_EQ(outcome.exit, 0) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("goes on with a restore that was interrupted"));
  // One that waits for its shard's owner to settle.
  two_.Answer(OperatorStatus::kNotOwner);
  const std::jthread settles([&] {
    const size_t before = two_.asked().size();
    while (two_.asked().size() < before + 2) std::this_thread::yield();
    two_.Answer(OperatorStatus::kOk);
  });
  EXPECT_EQ(Ctl("restore --replace --hub " + HubOf(1) + " " + file).out, "Restored 1 hub.\n");
}

TEST_F(DormousectlTest, ExportsAHubAsLinesAndImportsIt) {
  two_.AddHub(HubOf(1), {false, {}, {{"c/socket", "?"}, {"u/a", "1"}, {"u/b", "\xff"}}});
  two_.SetPageRows(2);
  const Outcome out = Ctl("export " + HubOf(1));
  EXPECT_EQ(Lines(out.out).size(), 3u);
  EXPECT_THAT(out.out, HasSubstr("{\"key\":\"b\",\"value_base64\":\"/w==\"}\n"));
  const std::string file = files_.Write("hub.jsonl", out.out);
  const Outcome exists = Ctl("import " + HubOf(1) + " " + file);
  EXPECT_EQ(exists.exit, 1);
  EXPECT_THAT(exists.error, HasSubstr("exists already. --replace"));
  EXPECT_EQ(Ctl("import --replace " + HubOf(1) + " - <" + file).out, HubOf(1) + " has 2 rows.\n");
  EXPECT_EQ(two_.Look(HubOf(1)).rows.count("c/socket"), 0u);
  EXPECT_EQ(two_.Look(HubOf(1)).rows.at("u/b"), "\xff");
  EXPECT_EQ(Ctl("export echo/nobody").exit, 4);
  EXPECT_EQ(Ctl("import echo/nobody " + files_.Path("none")).exit, 1);
}

TEST_F(DormousectlTest, ExportsAHubsTimersAndImportsThem) {
  stored::HubMeta meta;
  meta.set_alarm_due_ms(4'000'000'000'000);
  for (const char* name : {"night", "round"}) {
    auto* const timer = meta.add_timers();
    timer->set_name(name);
    timer->set_due_ms(5'000'000'000'000);
    timer->set_failures(2);
  }
  two_.AddHub(HubOf(1), {false, {}, {{"!meta", meta.SerializeAsString()}}});
  const Outcome out = Ctl("export " + HubOf(1));
  EXPECT_THAT(out.out, HasSubstr("\"version\":2"));
  const std::string file = files_.Write("hub.jsonl", out.out);
  EXPECT_EQ(Ctl("import --replace " + HubOf(1) + " " + file).out,
            HubOf(1) + " has 0 rows, 2 timers, and its alarm at 2096-10-02T07:06:40.000Z.\n");
  stored::HubMeta back;
  ASSERT_TRUE(back.ParseFromString(two_.Look(HubOf(1)).rows.at("!meta")));
  ASSERT_EQ(back.timers_size(), 2);
  EXPECT_EQ(back.timers(0).name(), "night");
  EXPECT_EQ(back.timers(1).due_ms(), 5'000'000'000'000);
  EXPECT_EQ(back.timers(1).failures(), 0u);
}

TEST_F(DormousectlTest, DeploysNothingWhereTheAppIsADirectory) {
  TempDir app;
  const std::string deploy = "deploy " + app.path();
  EXPECT_EQ(Ctl(deploy).exit, 2);
  EXPECT_THAT(Ctl(deploy).error, HasSubstr("neither a project"));
  std::ofstream(app / "workers.json")
      << R"({"name": "chat", "version": "1", "command": ["true"], "classes": []})";
  for (const std::string& words : {deploy, std::string("rollback"), std::string("versions")}) {
    const Outcome outcome = Ctl(words);
    EXPECT_EQ(outcome.exit, 1) << words;
    EXPECT_THAT(outcome.error, HasSubstr("start the cluster without that option")) << words;
  }
  EXPECT_EQ(Ctl(deploy + " --env staging").exit, 2) << "it is built already";
}

TEST_F(DormousectlTest, TopCountsBetweenPictures) {
  auto& events = prometheus::BuildCounter()
                     .Name("dormouse_events_total")
                     .Register(*one_.registry())
                     .Add({{"lane", "0"}});
  std::jthread busy([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      events.Increment(100);
      std::this_thread::yield();
    }
  });
  cluster_.Change(kTwo, [](MemberView* member) {
    member->unix_path.clear();
    member->address = "127.0.0.1:1";
  });
  const auto top = Json("top --interval 50ms", {"at", "at_ms", "statekeepers"});
  EXPECT_GT(top["statekeepers"][0]["events_per_second"].GetDouble(), 0);
  EXPECT_FALSE(top["statekeepers"][1]["answered"].GetBool());
  // Live, on a pipe: no control characters.
  const Outcome live = Run("--statekeeper " + one_.unix() + " top --interval 10ms | head -n 8");
  EXPECT_THAT(live.out, AllOf(HasSubstr("no answer"), Not(HasSubstr("\033"))));
  EXPECT_EQ(Lines(live.out).size(), 8u);
}

TEST(TableTest, SaysTimesAndSizesAsPeopleDo) {
  EXPECT_EQ(HumanTime(850), "850 ms");
  EXPECT_EQ(HumanTime(12'000), "12 s");
  EXPECT_EQ(HumanTime(200'000), "3 min 20 s");
  EXPECT_EQ(HumanTime(7'500'000), "2 h 5 min");
  EXPECT_EQ(HumanTime(-5), "0 ms");
  EXPECT_EQ(HumanSize(512), "512 B");
  EXPECT_EQ(HumanSize(1536), "1.5 KiB");
  EXPECT_EQ(HumanSize(2u << 30), "2.0 GiB");
  EXPECT_EQ(HumanNumber(1'234'567), "1,234,567");
  EXPECT_EQ(HumanNumber(999), "999");
  EXPECT_EQ(HumanRate(0.44), "0.4");
  EXPECT_EQ(HumanRate(12'345.4), "12,345");
}

}  // namespace
}  // namespace dormouse
