#include "statekeeper/classes/signal/sessions/absence_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "statekeeper/classes/signal/signal_hub.h"
#include "statekeeper/classes/signal/testing/resume_stage.h"
#include "statekeeper/classes/testing/stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

ConnectionId Id(uint64_t n) { return {UuidHigh(1), UuidLow(n)}; }

class AbsenceTableTest : public testing::Test {
 protected:
  void Put(const ConnectionId& holder, const Absence& absence) {
    stage_.Run([&] { AbsenceTable(parts_).PutRow(holder, absence); });
  }
  static Absence Waiting(int64_t until_ms) {
    Absence absence;
    absence.mutable_session()->set_session_id("s");
    absence.set_expires_ms(until_ms);
    return absence;
  }
  static Absence With(Absence absence, const ConnectionId& successor) {
    absence.mutable_successor()->set_connection(successor.ToBytes());
    return absence;
  }

  Options options_;
  Stage stage_;
  FakeContext& context_ = stage_.context();
  HubMemory memory_;
  const SessionParts parts_{context_, options_, memory_};
};

TEST_F(AbsenceTableTest, EachStateIsToldFromTheRowAlone) {
  Absence absence = Waiting(1);
  EXPECT_EQ(StateOf(absence), AbsenceState::kWaiting);
  absence.add_waiting_registers();
  EXPECT_EQ(StateOf(absence), AbsenceState::kRegisterWaits);
  absence = With(absence, Id(2));
  EXPECT_EQ(StateOf(absence), AbsenceState::kResuming);
  absence.set_handed_over(true);
  EXPECT_EQ(StateOf(absence), AbsenceState::kHandedOver);
  absence.set_ended(true);
  EXPECT_EQ(StateOf(absence), AbsenceState::kEnded);
}

TEST_F(AbsenceTableTest, AHubThatWakesKnowsWhoWaitsSinceWhenAndWhatItWasWaitingFor) {
  Put(Id(1), Waiting(2000));
  Put(Id(2), Waiting(1000));
  Absence resuming = With(Waiting(3000), Id(13));
  resuming.add_other_places(Id(12).ToBytes());
  Put(Id(3), resuming);
  Absence ended;
  ended.set_ended(true);
  Put(Id(4), ended);
  Absence handed_over = With({}, Id(15));
  handed_over.set_handed_over(true);
  Put(Id(5), handed_over);

  AbsenceTable(parts_).Load();
  EXPECT_EQ(memory_.absent.CountSessions(), 3u);
  EXPECT_EQ(*memory_.absent.HolderOf(Id(12)), Id(3));
  EXPECT_TRUE(memory_.absent.HasEnded(Id(4)));
  EXPECT_FALSE(memory_.absent.Contains(Id(5)));
  EXPECT_THAT(memory_.resume.by_age, ElementsAre(Id(2), Id(1)));
  EXPECT_THAT(memory_.resume.successors, UnorderedElementsAre(Pair(Id(13), Id(3))));
  EXPECT_THAT(memory_.resume.to_ask_again, UnorderedElementsAre(Id(3), Id(5)));
  ASSERT_THAT(memory_.resume.unconfirmed, SizeIs(1));
  EXPECT_EQ(memory_.resume.unconfirmed.at(Id(15)).holder, Id(5));
  EXPECT_TRUE(memory_.resume.unconfirmed.at(Id(15)).before_wake);
  EXPECT_FALSE(AbsenceTable(parts_).Find(Id(5)).has_value()) << "it is its successor's";
  EXPECT_TRUE(AbsenceTable(parts_).Read(Id(5)).has_value());
}

TEST_F(AbsenceTableTest, WhatIsOnItsWayBackIsAskedForOnce) {
  context_.HoldRecalls();
  stage_.Run([&] {
    EXPECT_FALSE(AbsenceTable(parts_).HasAllBack(Id(1)));
    EXPECT_FALSE(AbsenceTable(parts_).HasAllBack(Id(1)));
  });
  memory_.resume.recalls[Id(1)] = ResumeMemory::Recall::kDone;
  EXPECT_TRUE(AbsenceTable(parts_).HasAllBack(Id(1)));
}

// --- The layout of rows, which processes of two versions share while a cluster is upgraded, or goes back.

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

// As version 0.1.0 wrote them, when the socket of a session was lost and one message was sent to it.
TEST_F(AbsenceTableTest, ASessionThatTheVersionBeforeKeptIsResumed) {
  const std::string holder = Id(7).ToString();
  const std::string mail_key = "018bcfe5-6800-7000-8000-000000000001.0123456789abcdef";
  const std::string mail =
      R"({"id":"018bcfe5-6800-7000-8000-000000000001","to":"browser/me","type":"n","payload":1})";
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"n", "1"},
      {"a/browser/me", FromHex("0a10000000000000400180000000000000071a046368617422027b7d2898c895ffbc3130c0eaa"
                               "1ffbc3138e0a7124001")},
      {"s/" + holder + "/a/browser/me", "1700000200000"},
      {"d/" + holder,
       FromHex("0a480a0973657373696f6e2d311a0a62726f777365722f6d652a0a62726f777365722f6d653001a20120c3"
               "d6321e14ea16ee6871bb23ef9365e45c8aeec7f6614cb23e4295a5245a12c410c0f99cffbc31")},
      {"b/" + holder,
       FromHex("080110532a3530313862636665352d363830302d373030302d383030302d3030303030303030303030312e30"
               "313233343536373839616263646566")},
      {"m/" + holder + "/" + mail_key + "/000", mail},
      {"x/001700000120000/\x01" + holder, "1"},
  };
  stage_.Run([&] {
    for (const auto& [key, value] : rows) context_.Put(key, value);
  });
  const ConnectionId client = context_.ClientConnects();
  const std::string connect = ResumeHub::ConnectFrame(holder + ".0123456789abcdef0123456789abcdef");
  SignalHub hub(options_, nullptr, nullptr);
  stage_.Run([&] {
    hub.OnWake(context_);
    hub.OnMessage(context_, *context_.FindConnection(client), Message::Text(connect));
  });
  stage_.Run([&] { hub.OnRecalled(context_, Id(7)); });
  std::vector<std::string> frames = context_.TakeFrames(client);
  ASSERT_THAT(frames, SizeIs(2));
  EXPECT_EQ(Frame{frames[0]}.String("payload.sessionId"), "session-1");
  EXPECT_EQ(Frame{frames[0]}["payload.resumed"], "true");
  EXPECT_EQ(frames[1], mail);
  stage_.Run([&] { hub.OnConfirmed(context_, client); });
  EXPECT_THAT(context_.KeysWithPrefix("s/"), ElementsAre("s/" + client.ToString() + "/a/browser/me"));
  for (const char* prefix : {"d/", "m/", "b/", "x/001700000120000"}) {
    EXPECT_THAT(context_.KeysWithPrefix(prefix), IsEmpty()) << prefix;
  }
}

// What it looks for, under these names.
class StoredLayoutTest : public ResumeStage {};

TEST_F(StoredLayoutTest, RowsAreNamedAsTheVersionBeforeLooksForThem) {
  const Welcome me = Me();
  Sender();
  hub().ConnectionBreaks(me.client);
  Send(1);
  const std::string holder = me.client.ToString();
  std::vector<std::string> keys;
  for (const auto& [key, value] : hub().rows())
    keys.push_back(key.substr(0, key.starts_with("m/") ? 38 : key.npos));
  EXPECT_THAT(keys, UnorderedElementsAre(
                        "n", "tn", "t/news", "t/news " + holder + " browser/me", "c/" + holder,
                        "a/browser/me", "s/" + holder + "/a/browser/me", "s/" + holder + "/t/news browser/me",
                        "d/" + holder, "m/" + holder, "b/" + holder,
                        "x/00" + std::to_string(hub().now_ms() + kWindow) + "/\x01" + holder));
  const Welcome back = Arrive(me.token());
  EXPECT_THAT(hub().KeysWithPrefix("s/"), SizeIs(2));
  EXPECT_THAT(hub().KeysWithPrefix("s/" + back.client.ToString()), SizeIs(2)) << "rows are the connection's";
  EXPECT_EQ(back.token().substr(0, 36), back.client.ToString());
}

// Numbers of fields as version 0.1.0 has them; new ones may come.
TEST(StoredFieldsTest, KeepTheirNumbers) {
  const auto numbers = [](const google::protobuf::Descriptor* type) {
    std::vector<std::string> fields;
    for (int i = 0; i < type->field_count(); ++i) {
      const auto* field = type->field(i);
      fields.push_back(std::to_string(field->number()) + " " + field->cpp_type_name() +
                       (field->is_repeated() ? "s" : ""));
    }
    return fields;
  };
  EXPECT_THAT(numbers(Absence::descriptor()), IsSupersetOf({"1 message", "2 int64", "3 bool", "4 strings",
                                                            "5 message", "6 bool", "8 messages", "9 bool"}));
  EXPECT_THAT(numbers(Session::descriptor()),
              IsSupersetOf({"1 string", "2 enum", "3 string", "4 bool", "5 string", "6 bool", "20 string",
                            "21 strings", "22 string", "23 string", "24 bool", "25 uint64", "26 message"}));
  EXPECT_THAT(numbers(ConnectRequest::descriptor()),
              IsSupersetOf({"1 string", "2 message", "3 string", "4 string", "5 string", "6 string",
                            "7 string", "8 string", "9 string", "10 string", "11 bool"}));
  EXPECT_THAT(numbers(WaitingRegister::descriptor()), IsSupersetOf({"1 string", "2 string", "3 int64"}));
  EXPECT_THAT(numbers(MailboxState::descriptor()),
              IsSupersetOf({"1 uint64", "2 uint64", "3 uint64", "4 uint64", "5 string", "6 uint64",
                            "7 uint64", "8 uint64"}));
  EXPECT_THAT(
      numbers(Registration::descriptor()),
      IsSupersetOf({"1 string", "2 bool", "3 strings", "4 string", "5 int64", "6 int64", "7 int64",
                    "8 uint32", "10 int64", "11 string", "13 strings", "14 string", "20 bool", "21 bool"}));
}

}  // namespace
}  // namespace dormouse::signal
