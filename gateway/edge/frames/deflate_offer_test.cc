#include "gateway/edge/frames/deflate_offer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dormouse::edge {
namespace {

constexpr char kPlainAnswer[] = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

std::optional<AcceptedDeflate> Accept(const std::vector<std::string>& values) {
  HttpRequest request;
  request.headers.emplace_back("Host", "a");
  for (const std::string& value : values) request.headers.emplace_back("Sec-WebSocket-Extensions", value);
  return AcceptDeflate(request);
}

std::string AnswerToAll(const std::vector<std::string>& values) {
  const auto accepted = Accept(values);
  return accepted.has_value() ? accepted->answer : "";
}
std::string AnswerTo(const std::string& value) { return AnswerToAll({value}); }

std::string AnswerWithWindow(int bits) {
  return std::string(kPlainAnswer) + "; server_max_window_bits=" + std::to_string(bits);
}

TEST(DeflateOffer, NothingIsAcceptedOfNothing) {
  EXPECT_FALSE(Accept({}).has_value());
  for (const char* nothing : {"", ",", " , ,", ";", "foo", "foo; bar=1, baz"})
    EXPECT_EQ(AnswerTo(nothing), "") << nothing;
}

TEST(DeflateOffer, NoContextIsTakenOverAskedOrNot) {
  for (const char* offer :
       {"permessage-deflate", "permessage-deflate;server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover", "permessage-deflate ; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=8; server_no_context_takeover"}) {
    const auto accepted = Accept({offer});
    ASSERT_TRUE(accepted.has_value()) << offer;
    EXPECT_EQ(accepted->answer, kPlainAnswer) << offer;
    EXPECT_EQ(accepted->parameters.server_window_bits, 15);
  }
}

TEST(DeflateOffer, AWindowThatIsAskedForIsKeptTo) {
  for (int bits = 9; bits <= 15; ++bits) {
    const auto accepted = Accept({"permessage-deflate; server_max_window_bits=" + std::to_string(bits)});
    ASSERT_TRUE(accepted.has_value());
    EXPECT_EQ(accepted->answer, AnswerWithWindow(bits));
    EXPECT_EQ(accepted->parameters.server_window_bits, bits);
  }
}

TEST(DeflateOffer, AWindowThatZlibHasNotIsDeclinedForTheNextOffer) {
  EXPECT_EQ(AnswerTo("permessage-deflate; server_max_window_bits=8"), "");
  EXPECT_EQ(
      AnswerTo("permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=9"),
      AnswerWithWindow(9));
}

TEST(DeflateOffer, TheFirstThatCanBeIsAccepted) {
  EXPECT_EQ(AnswerTo("foo, permessage-deflate; server_max_window_bits=10, permessage-deflate"),
            AnswerWithWindow(10));
  EXPECT_EQ(AnswerTo("permessage-deflate, permessage-deflate; server_max_window_bits=10"), kPlainAnswer);
  EXPECT_EQ(AnswerTo("x-webkit-deflate-frame; no_context_takeover,,permessage-deflate"), kPlainAnswer);
}

TEST(DeflateOffer, OffersMayComeInSeveralHeaders) {
  EXPECT_EQ(AnswerToAll(
                {"foo; a=b", "permessage-deflate; unknown", "permessage-deflate; server_max_window_bits=12"}),
            AnswerWithWindow(12));
  // A header is a whole number of offers.
  EXPECT_EQ(AnswerToAll({"permessage-deflate; server_max_window_bits=", "12"}), "");
}

TEST(DeflateOffer, ValuesMayBeQuoted) {
  EXPECT_EQ(AnswerTo("permessage-deflate; server_max_window_bits=\"10\""), AnswerWithWindow(10));
  EXPECT_EQ(AnswerTo("permessage-deflate; server_max_window_bits=\"1\\0\""), AnswerWithWindow(10));
  EXPECT_EQ(AnswerTo("permessage-deflate;\tserver_max_window_bits = \"10\" , foo"), AnswerWithWindow(10));
  for (const char* broken : {"\"10", "\"10\\", "\"10\\\"", "\" 10\"", "\"\"", "\"10\"0", "\"", "10\""})
    EXPECT_EQ(AnswerTo(std::string("permessage-deflate; server_max_window_bits=") + broken), "") << broken;
}

TEST(DeflateOffer, ACommaInQuotesEndsNothing) {
  EXPECT_EQ(AnswerTo("foo; x=\"a, permessage-deflate\""), "");
  EXPECT_EQ(AnswerTo("foo; x=\"a\\\", permessage-deflate\""), "");
  EXPECT_EQ(AnswerTo("foo; x=\"a, permessage-deflate; server_max_window_bits=9, \", permessage-deflate"),
            kPlainAnswer);
  EXPECT_EQ(AnswerTo("permessage-deflate; x=\"a, permessage-deflate\", permessage-deflate"), kPlainAnswer);
}

TEST(DeflateOffer, WhatRfc7692ForbidsIsDeclined) {
  for (const char* parameters : {"unknown",
                                 "unknown=1",
                                 "server_no_context_takeover=1",
                                 "client_no_context_takeover=true",
                                 "server_max_window_bits",
                                 "server_max_window_bits=7",
                                 "server_max_window_bits=16",
                                 "server_max_window_bits=09",
                                 "server_max_window_bits=015",
                                 "server_max_window_bits=1",
                                 "server_max_window_bits=150",
                                 "server_max_window_bits=+9",
                                 "server_max_window_bits=1a",
                                 "client_max_window_bits=7",
                                 "client_max_window_bits=16",
                                 "client_max_window_bits=x",
                                 "server_no_context_takeover; server_no_context_takeover",
                                 "client_no_context_takeover; client_no_context_takeover",
                                 "server_max_window_bits=10; server_max_window_bits=10",
                                 "client_max_window_bits; client_max_window_bits",
                                 "client_max_window_bits; client_max_window_bits=15",
                                 "Server_No_Context_Takeover"}) {
    const std::string offer = std::string("permessage-deflate; ") + parameters;
    EXPECT_EQ(AnswerTo(offer), "") << parameters;
    EXPECT_EQ(AnswerTo(offer + ", permessage-deflate; server_max_window_bits=11"), AnswerWithWindow(11))
        << parameters;
  }
}

TEST(DeflateOffer, WhatIsMalformedIsDeclinedAlone) {
  for (const char* offer :
       {"permessage-deflate;", "permessage-deflate;;server_no_context_takeover", "permessage-deflate=1",
        "permessage-deflate server_no_context_takeover", "permessage-deflate; =1",
        "permessage-deflate; server_max_window_bits=", "permessage-deflate; server_max_window_bits=10 11",
        "permessage-deflate; server_max_window_bits==10", "permessage-deflate; client_max_window_bits=",
        "\"permessage-deflate\"", "permessage-deflate; \"server_no_context_takeover\"",
        "permessage-deflate; b@d", "permessage-deflate; server_no_context_takeover\x01",
        "permessage-deflate/1", ";permessage-deflate", "=", "permessage-deflatex", "permessage\xc3\xa9"}) {
    EXPECT_EQ(AnswerTo(offer), "") << offer;
    EXPECT_EQ(AnswerTo(std::string(offer) + ",permessage-deflate"), kPlainAnswer) << offer;
  }
}

}  // namespace
}  // namespace dormouse::edge
