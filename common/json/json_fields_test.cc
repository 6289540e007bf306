#include "common/json/json_fields.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

class JsonFieldsTest : public testing::Test {
 protected:
  JsonFields fields{{"type", "id", "payload", "payload.timestamp", "payload.data"}};
  std::string_view raw(size_t i) const { return fields.field(i).raw; }
};

TEST_F(JsonFieldsTest, GivesFieldsAsTheyWereWritten) {
  ASSERT_TRUE(fields.Read(R"( {"x":[{"type":"no"}], "type" : "t\u0065st","id": 1.50e3 ,
      "payload": { "timestamp" :170, "deep":{"timestamp":1}, "data":[1, {"a":null}] } } )"));
  EXPECT_EQ(raw(0), R"("t\u0065st")");
  EXPECT_EQ(raw(1), "1.50e3");
  EXPECT_EQ(raw(2), R"({ "timestamp" :170, "deep":{"timestamp":1}, "data":[1, {"a":null}] })");
  EXPECT_EQ(raw(3), "170");
  EXPECT_EQ(raw(4), R"([1, {"a":null}])");
}

TEST_F(JsonFieldsTest, KnowsLiteralsAndWhatIsMissing) {
  ASSERT_TRUE(fields.Read(R"({"id":null,"type":true,"payload":[{"timestamp":1}]})"));
  EXPECT_TRUE(fields.field(1).is_null());
  EXPECT_EQ(raw(0), "true");
  EXPECT_FALSE(fields.field(3).present());  // an array's element is not a field of payload
  ASSERT_TRUE(fields.Read("{}"));
  EXPECT_FALSE(fields.field(1).present());
}

TEST_F(JsonFieldsTest, KnowsWhatAStringSaysHoweverItIsSpelled) {
  ASSERT_TRUE(fields.Read(R"({"type":"hub:heartbeat","\u0069d":"hub\u003ahe\u0061rtbeat","payload":7})"));
  for (const size_t i : {0, 1}) {
    EXPECT_TRUE(fields.field(i).Says("hub:heartbeat")) << i;
    EXPECT_FALSE(fields.field(i).Says("hub:heartbea")) << i;
    EXPECT_FALSE(fields.field(i).Says("")) << i;
    EXPECT_TRUE(fields.field(i).StartsWith("hub:hea")) << i;
    EXPECT_TRUE(fields.field(i).StartsWith("hub")) << i;
    EXPECT_TRUE(fields.field(i).StartsWith("")) << i;
    EXPECT_FALSE(fields.field(i).StartsWith("hub:x")) << i;
  }
  EXPECT_FALSE(fields.field(2).is_string());
  EXPECT_FALSE(fields.field(2).Says("7"));
  EXPECT_FALSE(fields.field(2).StartsWith(""));
}

TEST_F(JsonFieldsTest, ReadsWhatIsWholeInAHead) {
  fields.ReadHead(R"({"id":"7","payload":{"timestamp":1,"data":"begun but no)");
  EXPECT_EQ(raw(1), "\"7\"");
  EXPECT_EQ(raw(2), "");
  EXPECT_EQ(raw(3), "1");
  EXPECT_EQ(raw(4), "");
  fields.ReadHead(R"({"type":"a","id":12)");  // or 123
  EXPECT_EQ(raw(0), "\"a\"");
  EXPECT_EQ(raw(1), "");
  fields.ReadHead(R"({"id":1,"type":"a","id":2,"x":")");
  EXPECT_EQ(raw(1), "") << "which one?";
  EXPECT_EQ(raw(0), "\"a\"");
  fields.ReadHead("no JSON");
  EXPECT_EQ(raw(0), "");
  fields.ReadHead(R"({"type":"whole"})");
  EXPECT_EQ(raw(0), "\"whole\"");
}

TEST_F(JsonFieldsTest, RefusesWhatIsNotOneObject) {
  using std::literals::operator""sv;
  for (std::string_view json :
       {""sv, "[]"sv, "1"sv, "\"type\""sv, "{"sv, "{}{}"sv, "{} x"sv, "{\"type\":1,}"sv, "{\"type\":}"sv,
        "{\"a\":\"\xff\"}"sv, "{}\0"sv, "{\"type\":01}"sv, "{'a':1}"sv, "[{\"type\":1}]"sv}) {
    EXPECT_FALSE(fields.Read(json)) << json;
  }
}

TEST_F(JsonFieldsTest, RefusesANameSaidTwice) {
  EXPECT_FALSE(fields.Read(R"({"type":"a","type":"b"})"));
  EXPECT_FALSE(fields.Read(R"({"payload":{"timestamp":1,"timestamp":2}})"));
  EXPECT_TRUE(fields.Read(R"({"other":1,"other":2})"));
}

TEST_F(JsonFieldsTest, AMegabyteOfNestingIsNoDanger) {
  const std::string deep =
      R"({"x":)" + std::string(500'000, '[') + std::string(500'000, ']') + R"(,"type":"t"})";
  ASSERT_TRUE(fields.Read(deep));
  EXPECT_EQ(raw(0), "\"t\"");
}

}  // namespace
}  // namespace dormouse
