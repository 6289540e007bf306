// What is let in, and everything that is not.
#include "common/auth/token_authority.h"

// clang-format off: it says which levels are compiled in, so it comes before spdlog's own headers
#include "common/logging.h"
// clang-format on

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <filesystem>
#include <sstream>
#include <thread>

#include "common/auth/testing/token_maker.h"
#include "common/json/strict_json.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr int64_t kNow = 1'700'000'000'000;
constexpr int64_t kHour = 3'600'000;

// One of each kind for all tests.
const TestKey& KeyFor(TokenAlgorithm algorithm) {
  static const TestKey secret = TestKey::NewFor(TokenAlgorithm::kHs256);
  static const TestKey rsa = TestKey::NewFor(TokenAlgorithm::kRs256);
  static const TestKey ec = TestKey::NewFor(TokenAlgorithm::kEs256);
  if (algorithm == TokenAlgorithm::kHs256) return secret;
  return algorithm == TokenAlgorithm::kRs256 ? rsa : ec;
}

// Everything that is logged while it lives.
class LogCapture {
 public:
  LogCapture() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
  }
  ~LogCapture() { spdlog::set_default_logger(before_); }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

// No eight characters in a row of a secret or of a token's parts.
void ExpectNothingOf(const std::string& secret, const std::string& text) {
  for (size_t i = 0; i + 8 <= secret.size(); ++i) {
    ASSERT_THAT(text, Not(HasSubstr(secret.substr(i, 8))));
  }
}

class TokenAuthorityTest : public testing::TestWithParam<TokenAlgorithm> {
 protected:
  const TestKey& key() const { return KeyFor(GetParam()); }
  std::string name() const { return std::string(NameOf(GetParam())); }
  Options With(const TestKey& verifying) const {
    Options options;
    options.auth_algorithm = name();
    options.auth_key = files_.Write(
        "key", GetParam() == TokenAlgorithm::kHs256 ? verifying.secret() : verifying.PublicPem());
    return options;
  }
  Options Signing() const {
    Options options = With(key());
    if (GetParam() != TokenAlgorithm::kHs256) {
      options.auth_signing_key = files_.Write("private", key().PrivatePem());
    }
    return options;
  }
  static std::unique_ptr<TokenAuthority> Start(const Options& options) {
    std::string wrong;
    auto authority = NewTokenAuthority(options, &wrong);
    EXPECT_NE(authority, nullptr) << wrong;
    return authority;
  }
  std::string Token(const Claims& claims, const std::string& header = "") const {
    return MakeToken(key(), GetParam(), claims, header);
  }
  void ExpectGood(const std::string& token, int64_t now_ms = kNow) const {
    const auto verdict = authority_->Verify(token, now_ms);
    EXPECT_TRUE(verdict.claims.has_value()) << verdict.problem;
    EXPECT_EQ(verdict.problem, "");
  }
  // Refused, with this in the sentence and no part of the token.
  void ExpectBad(const std::string& token, const std::string& why, int64_t now_ms = kNow) const {
    const LogCapture log;
    const auto verdict = authority_->Verify(token, now_ms);
    EXPECT_FALSE(verdict.claims.has_value()) << token;
    EXPECT_THAT(verdict.problem, HasSubstr(why));
    EXPECT_THAT(verdict.problem, testing::EndsWith("."));
    ExpectNothingOf(token, verdict.problem);
    ExpectNothingOf(key().secret(), verdict.problem);
    ExpectNothingOf(token, log.text());
    EXPECT_FALSE(authority_->Renew(token, now_ms).has_value());
  }

  KeyDirectory files_;
  std::unique_ptr<TokenAuthority> authority_ = Start(Signing());
};

INSTANTIATE_TEST_SUITE_P(All, TokenAuthorityTest,
                         testing::Values(TokenAlgorithm::kHs256, TokenAlgorithm::kRs256,
                                         TokenAlgorithm::kEs256),
                         [](const auto& algorithm) { return std::string(NameOf(algorithm.param)); });

TEST_P(TokenAuthorityTest, ReadsAGoodToken) {
  Claims claims = GoodClaims(kNow, "browser/alice");
  claims["actors"] = R"(["browser/*","worker/?"])";
  claims["capabilities"] = R"(["send","receive"])";
  const auto verdict = authority_->Verify(Token(claims), kNow);
  ASSERT_TRUE(verdict.claims.has_value()) << verdict.problem;
  EXPECT_EQ(verdict.claims->actor, "browser/alice");
  EXPECT_THAT(verdict.claims->actors, ElementsAre("browser/*", "worker/?"));
  EXPECT_THAT(verdict.claims->capabilities, ElementsAre("send", "receive"));
  EXPECT_EQ(verdict.claims->expires_ms, kNow + kHour);
  EXPECT_EQ(verdict.claims->role, "");
}

TEST_P(TokenAuthorityTest, TakesARoleWhereItIsAName) {
  Claims claims = GoodClaims(kNow);
  for (const auto& [written, read] : std::vector<std::pair<std::string, std::string>>{
           {R"("board")", "board"}, {R"("")", ""}, {R"(["board"])", ""}, {"7", ""}, {R"("a\nb")", ""}}) {
    claims["role"] = written;
    const auto verdict = authority_->Verify(Token(claims), kNow);
    ASSERT_TRUE(verdict.claims.has_value()) << verdict.problem;
    EXPECT_EQ(verdict.claims->role, read);
  }
}

TEST_P(TokenAuthorityTest, TakesManySignatures) {  // numbers in ES256 signatures may begin with zero bytes
  for (int i = 0; i < 300; ++i) {
    Claims claims = GoodClaims(kNow);
    claims["jti"] = std::to_string(i);
    ExpectGood(Token(claims));
  }
}

TEST_P(TokenAuthorityTest, RefusesAlgorithmsOfTheTokensChoice) {
  const std::string payload = ToJson(GoodClaims(kNow));
  for (const char* none : {"none", "None", "NONE", "nOnE", ""}) {
    const std::string header = std::string(R"({"alg":")") + none + R"(","typ":"JWT"})";
    ExpectBad(Base64Url(header) + "." + Base64Url(payload) + ".", "alg");
    ExpectBad(MakeRawToken(key(), header, payload), "alg");
  }
  for (const TokenAlgorithm other :
       {TokenAlgorithm::kHs256, TokenAlgorithm::kRs256, TokenAlgorithm::kEs256}) {
    if (other != GetParam()) ExpectBad(MakeToken(KeyFor(other), other, GoodClaims(kNow)), "alg \"" + name());
  }
  std::string lower = name();
  for (char& c : lower) c = static_cast<char>(std::tolower(c));
  ExpectBad(MakeRawToken(key(), R"({"alg":")" + lower + "\"}", payload), "alg");
  ExpectBad(MakeRawToken(key(), R"({"alg":["HS256"]})", payload), "alg");
  ExpectBad(MakeRawToken(key(), R"({"typ":"JWT"})", payload), "alg");
  ExpectBad(MakeRawToken(key(), R"({"alg":"HS512"})", payload), "alg");
}

TEST_P(TokenAuthorityTest, RefusesTheWrongKey) {
  const TestKey other = GetParam() == TokenAlgorithm::kHs256 ? TestKey::Secret(std::string(40, 'x'))
                                                             : TestKey::NewFor(GetParam());
  ExpectBad(MakeToken(other, GetParam(), GoodClaims(kNow)), "signature");
  // Numbers that fit every key, if they are not looked at (CVE-2022-21449).
  const std::string token = Token(GoodClaims(kNow));
  const std::string unsigned_part = token.substr(0, token.rfind('.') + 1);
  for (const size_t size : {1u, 32u, 63u, 64u, 65u, 256u}) {
    ExpectBad(unsigned_part + Base64Url(std::string(size, '\0')), "signature");
  }
}

TEST_P(TokenAuthorityTest, RefusesThePublicKeyAsASecret) {
  if (GetParam() == TokenAlgorithm::kHs256) return;
  const TestKey confusion = TestKey::Secret(key().PublicPem());
  ExpectBad(MakeToken(confusion, TokenAlgorithm::kHs256, GoodClaims(kNow)), "alg");
  ExpectBad(MakeToken(confusion, GetParam(), GoodClaims(kNow)), "signature");
}

TEST_P(TokenAuthorityTest, KnowsTheTime) {
  Claims claims = GoodClaims(kNow);
  ExpectGood(Token(claims), kNow + kHour - 1);
  ExpectBad(Token(claims), "expired", kNow + kHour);

  claims["iat"] = std::to_string(kNow / 1000 + 30);
  ExpectGood(Token(claims));
  claims["iat"] = std::to_string(kNow / 1000 + 31);
  ExpectBad(Token(claims), "future");

  claims = GoodClaims(kNow - 24 * kHour);
  claims["exp"] = std::to_string(kNow / 1000 + 3600);
  ExpectGood(Token(claims), kNow - 1);
  EXPECT_EQ(authority_->Verify(Token(claims), kNow - 1).claims->expires_ms,
            kNow);  // no longer than it is young
  ExpectBad(Token(claims), "24 hours");

  claims = GoodClaims(kNow);
  claims["nbf"] = std::to_string(kNow / 1000 + 30);
  ExpectGood(Token(claims));
  claims["nbf"] = std::to_string(kNow / 1000 + 31);
  ExpectBad(Token(claims), "not valid yet");
  claims["nbf"] = "\"soon\"";
  ExpectBad(Token(claims), "nbf");
  claims["nbf"] = "1.5e0";
  ExpectGood(Token(claims));
}

TEST_P(TokenAuthorityTest, DemandsEveryClaim) {
  for (const char* claim : {"iss", "sub", "actorId", "iat", "exp"}) {
    Claims claims = GoodClaims(kNow);
    claims.erase(claim);
    ExpectBad(Token(claims), claim);
    for (const char* value : {"null", "[]", "{}", "true", "\"\""}) {
      claims[claim] = value;
      ExpectBad(Token(claims), claim);
    }
  }
  for (const char* claim : {"iss", "sub", "actorId"}) {
    Claims claims = GoodClaims(kNow);
    claims[claim] = "1";
    ExpectBad(Token(claims), claim);
  }
  for (const char* claim : {"iat", "exp"}) {
    for (const char* value : {"\"1700000000\"", "-1", "1700003600000", "1e300"}) {
      Claims claims = GoodClaims(kNow);
      claims[claim] = value;
      ExpectBad(Token(claims), claim);
    }
  }
}

TEST_P(TokenAuthorityTest, RefusesClaimsOfWrongKinds) {
  for (const char* claim : {"actors", "capabilities"}) {
    for (const char* value : {"\"send\"", "{}", "null", "1", "[1]", R"(["a",null])", R"([""])"}) {
      Claims claims = GoodClaims(kNow);
      claims[claim] = value;
      ExpectBad(Token(claims), claim);
    }
  }
  Claims claims = GoodClaims(kNow);
  claims["capabilities"] = "[]";
  ExpectBad(Token(claims), "capabilities");
  claims.erase("capabilities");
  claims["actors"] = "[]";
  ExpectGood(Token(claims));
  claims["actorId"] = R"("browser/\u0007bell")";
  ExpectBad(Token(claims), "actorId");
  claims["actorId"] = "\"" + std::string(513, 'a') + "\"";
  ExpectBad(Token(claims), "actorId");
}

TEST_P(TokenAuthorityTest, RefusesAnotherIssuer) {
  Claims claims = GoodClaims(kNow);
  claims["iss"] = "\"signal-hub-2\"";
  ExpectBad(Token(claims), "issuer");
  claims["iss"] = R"(["signal-hub"])";
  ExpectBad(Token(claims), "issuer");

  Options options = With(key());
  options.auth_issuer = "signal-hub-2";
  authority_ = Start(options);
  ExpectBad(Token(GoodClaims(kNow)), "issuer");
  claims["iss"] = "\"signal-hub-2\"";
  ExpectGood(Token(claims));
}

TEST_P(TokenAuthorityTest, RefusesAnotherAudienceWhereOneIsConfigured) {
  Claims claims = GoodClaims(kNow);
  claims["aud"] = "\"another service\"";
  ExpectGood(Token(claims));

  Options options = With(key());
  options.auth_audience = "hub";
  authority_ = Start(options);
  ExpectBad(Token(claims), "audience");
  ExpectBad(Token(GoodClaims(kNow)), "audience");
  claims["aud"] = R"(["another service","hub"])";
  ExpectGood(Token(claims));
  claims["aud"] = "\"hub\"";
  ExpectGood(Token(claims));
  claims["aud"] = "7";
  ExpectBad(Token(claims), "audience");
}

TEST_P(TokenAuthorityTest, RefusesWhatWasTamperedWith) {
  const std::string token = Token(GoodClaims(kNow));
  ExpectGood(token);
  const size_t first = token.find('.');
  const size_t second = token.rfind('.');
  const std::string signature = token.substr(second);
  ExpectBad(token.substr(0, first) + "." + Base64Url(ToJson(GoodClaims(kNow, "browser/mallory"))) + signature,
            "signature");
  // Any single character.
  for (const size_t at : {first + 1, first + 9, second - 1, second + 1, second + 20, token.size() - 3}) {
    std::string changed = token;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(authority_->Verify(changed, kNow).claims.has_value()) << at;
  }
  ExpectBad(token.substr(0, second) + ".", "JSON Web Token");
  ExpectBad(token.substr(0, second + 9), "signature");
  ExpectBad(token.substr(0, second), "JSON Web Token");
}

TEST_P(TokenAuthorityTest, RefusesWhatIsNoToken) {
  const std::string token = Token(GoodClaims(kNow));
  const size_t first = token.find('.');
  const std::string none = "JSON Web Token";
  for (const std::string& text : {std::string(),
                                  std::string("."),
                                  std::string(".."),
                                  std::string("..."),
                                  std::string("garbage"),
                                  std::string("a.b.c"),
                                  token + ".",
                                  "." + token,
                                  token + ".x",
                                  token + "..",
                                  token.substr(0, first) + "." + token.substr(first),
                                  token + "=",
                                  token + " ",
                                  " " + token,
                                  token + "\n",
                                  token + std::string(1, '\0'),
                                  "Bearer " + token,
                                  std::string(token).replace(first + 2, 1, "+"),
                                  std::string(token).replace(first + 2, 1, "/"),
                                  std::string(token).replace(first + 2, 1, "\xff"),
                                  std::string(3000, '.'),
                                  std::string(8000, 'A')}) {
    ExpectBad(text, none);
  }
  ExpectBad(std::string(8193, 'A'), "8 KiB");
  Claims huge = GoodClaims(kNow);
  huge["x"] = "\"" + std::string(7000, 'x') + "\"";
  ExpectBad(Token(huge), "8 KiB");

  // The last character of a part has bits that mean nothing; they must be zero.
  std::string loose = Token(GoodClaims(kNow));
  if (GetParam() == TokenAlgorithm::kHs256) {
    loose.back() = static_cast<char>(loose.back() + 1);
    ExpectBad(loose, none);
  }
}

TEST_P(TokenAuthorityTest, RefusesAmbiguousJson) {
  const std::string header = R"({"alg":")" + name() + "\"}";
  const std::string good = ToJson(GoodClaims(kNow));
  const std::string members = good.substr(1, good.size() - 2);
  ExpectGood(MakeRawToken(key(), header, good));
  const std::string none = "JSON Web Token";
  ExpectBad(MakeRawToken(key(), R"({"alg":"none","alg":")" + name() + "\"}", good), none);
  ExpectBad(MakeRawToken(key(), R"({"alg":")" + name() + R"(","alg":"none"})", good), none);
  ExpectBad(MakeRawToken(key(), R"({"alg":")" + name() + R"(","\u0061lg":"none"})", good), none);
  ExpectBad(MakeRawToken(key(), header, R"({"actorId":"browser/mallory",)" + members + "}"), none);
  ExpectBad(MakeRawToken(key(), header, "{" + members + R"(,"exp":9999999999})"), none);
  for (const std::string& payload :
       {std::string("[]"), std::string("null"), std::string("\"x\""), std::string("{"), good + "x",
        good + good, "{" + members + ",}", "{" + members + ",\"x\":\"\xff\"}", good + std::string(1, '\0')}) {
    ExpectBad(MakeRawToken(key(), header, payload), none);
  }
  const std::string nested = std::string(2000, '[') + std::string(2000, ']');  // costs nothing but a refusal
  ExpectBad(MakeRawToken(key(), header, nested), none);
}

TEST_P(TokenAuthorityTest, RefusesHeadersThatWantMore) {
  const Claims claims = GoodClaims(kNow);
  ExpectBad(Token(claims, R"(,"crit":["b64"],"b64":false)"), "crit");
  ExpectBad(Token(claims, R"(,"crit":[])"), "crit");
  ExpectBad(Token(claims, R"(,"kid":1)"), "kid");
  const std::string alg = R"({"alg":")" + name() + "\"";
  ExpectBad(MakeRawToken(key(), alg + R"(,"typ":"at+jwt"})", ToJson(claims)), "typ");
  ExpectGood(MakeRawToken(key(), alg + R"(,"typ":"jwt"})", ToJson(claims)));
  // Keys that a token brings along count for nothing.
  if (GetParam() == TokenAlgorithm::kHs256) return;
  const TestKey other = TestKey::NewFor(GetParam());
  ExpectBad(MakeToken(other, GetParam(), claims, R"(,"jwk":)" + other.Jwk("")), "signature");
}

TEST_P(TokenAuthorityTest, RenewsAToken) {
  Claims claims = GoodClaims(kNow - kHour / 2);
  claims["nbf"] = claims["iat"];
  claims["actors"] = R"(["a/*"])";
  claims["capabilities"] = R"(["send"])";
  claims["custom"] = R"({"deep":[1,2.5,"\u00e9",null]})";
  const auto issued = authority_->Renew(Token(claims), kNow);
  ASSERT_TRUE(issued.has_value());
  EXPECT_EQ(issued->expires_ms, kNow + kHour);
  const auto verdict = authority_->Verify(issued->token, kNow + kHour - 1);
  ASSERT_TRUE(verdict.claims.has_value()) << verdict.problem;
  EXPECT_EQ(verdict.claims->actor, "browser/alice");
  EXPECT_THAT(verdict.claims->actors, ElementsAre("a/*"));
  EXPECT_THAT(verdict.claims->capabilities, ElementsAre("send"));
  EXPECT_EQ(verdict.claims->expires_ms, issued->expires_ms);
  EXPECT_FALSE(authority_->Verify(issued->token, kNow + kHour).claims.has_value());

  const size_t first = issued->token.find('.');
  const auto payload =
      DecodeBase64Url(issued->token.substr(first + 1, issued->token.rfind('.') - first - 1)).value_or("");
  EXPECT_THAT(payload, HasSubstr("\"sub\":\"user-1\""));
  EXPECT_THAT(payload, HasSubstr(R"({"deep":[1,2.5,"é",null]})"));
  EXPECT_THAT(payload, HasSubstr("\"iat\":1700000000"));
  EXPECT_THAT(payload, Not(HasSubstr("nbf")));
}

TEST_P(TokenAuthorityTest, RenewsNothingWithoutAKey) {
  if (GetParam() == TokenAlgorithm::kHs256) return;
  authority_ = Start(With(key()));
  ExpectGood(Token(GoodClaims(kNow)));
  EXPECT_FALSE(authority_->Renew(Token(GoodClaims(kNow)), kNow).has_value());
}

TEST_P(TokenAuthorityTest, ReadsKeysAgainWhenTheyChange) {
  const TestKey next = GetParam() == TokenAlgorithm::kHs256
                           ? TestKey::Secret("0f1e2d3c4b5a69788796a5b4c3d2e1f0")
                           : TestKey::NewFor(GetParam());
  const std::string old_token = Token(GoodClaims(kNow));
  const std::string new_token = MakeToken(next, GetParam(), GoodClaims(kNow));
  ExpectGood(old_token, kNow);
  ExpectBad(new_token, "signature", kNow);

  LogCapture log;
  With(next);                                                                 // writes the file
  EXPECT_TRUE(authority_->Verify(old_token, kNow + 999).claims.has_value());  // not looked at again yet
  EXPECT_FALSE(authority_->Verify(old_token, kNow + 1000).claims.has_value());
  EXPECT_TRUE(authority_->Verify(new_token, kNow + 1000).claims.has_value());
  if (GetParam() != TokenAlgorithm::kHs256) {  // the signing key is still the old one's
    EXPECT_FALSE(authority_->Renew(new_token, kNow + 1000).has_value());
    files_.Write("private", next.PrivatePem());
  }
  EXPECT_TRUE(authority_->Renew(new_token, kNow + 2000).has_value());

  // A file that is of no use changes nothing.
  files_.Write("key", "confidential");
  EXPECT_TRUE(authority_->Verify(new_token, kNow + 3000).claims.has_value());
  std::filesystem::remove(files_.Path("key"));
  EXPECT_TRUE(authority_->Verify(new_token, kNow + 4000).claims.has_value());
  EXPECT_THAT(log.text(), HasSubstr("does not exist; the keys that were read before stay in force"));
  EXPECT_THAT(log.text(), Not(HasSubstr("confidential")));
  With(key());
  EXPECT_TRUE(authority_->Verify(old_token, kNow + 5000).claims.has_value());
  // A clock that goes back does not stop the looking.
  With(next);
  EXPECT_TRUE(authority_->Verify(new_token, kNow + 100).claims.has_value());
  ExpectNothingOf(next.secret(), log.text());
  ExpectNothingOf(new_token, log.text());
}

TEST_P(TokenAuthorityTest, FollowsSwitchedLinks) {  // as Kubernetes changes a Secret
  const TestKey next = GetParam() == TokenAlgorithm::kHs256
                           ? TestKey::Secret("ffeeddccbbaa99887766554433221100")
                           : TestKey::NewFor(GetParam());
  const auto text = [&](const TestKey& of) {
    return GetParam() == TokenAlgorithm::kHs256 ? of.secret() : of.PublicPem();
  };
  std::filesystem::create_directory(files_.Path("1"));
  std::filesystem::create_directory(files_.Path("2"));
  files_.Write("1/key", text(key()));
  files_.Write("2/key", text(next));
  std::filesystem::create_symlink("1", files_.Path("..data"));
  std::filesystem::create_symlink("..data/key", files_.Path("link"));
  Options options = With(key());
  options.auth_key = files_.Path("link");
  authority_ = Start(options);
  ExpectGood(Token(GoodClaims(kNow)), kNow);
  std::filesystem::create_symlink("2", files_.Path("..data_tmp"));
  std::filesystem::rename(files_.Path("..data_tmp"), files_.Path("..data"));
  EXPECT_TRUE(
      authority_->Verify(MakeToken(next, GetParam(), GoodClaims(kNow)), kNow + 1000).claims.has_value());
}

TEST_P(TokenAuthorityTest, ServesManyThreads) {
  const std::string token = Token(GoodClaims(kNow));
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int64_t k = 0; k < 50; ++k) {
        if (i == 0)
          files_.Write("key", GetParam() == TokenAlgorithm::kHs256 ? key().secret() : key().PublicPem());
        EXPECT_TRUE(authority_->Verify(token, kNow + k * 1000).claims.has_value());
        EXPECT_TRUE(authority_->Renew(token, kNow + k * 1000).has_value());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// --- Key sets.

class KeySetTest : public TokenAuthorityTest {
 protected:
  Options Set(const std::string& keys) const {
    Options options;
    options.auth_algorithm = name();
    options.auth_key = files_.Write("set", R"({"keys":[)" + keys + "]}");
    return options;
  }
};

INSTANTIATE_TEST_SUITE_P(All, KeySetTest, testing::Values(TokenAlgorithm::kRs256, TokenAlgorithm::kEs256),
                         [](const auto& algorithm) { return std::string(NameOf(algorithm.param)); });

TEST_P(KeySetTest, ChoosesByNameAndTriesAllWithout) {
  const TestKey next = TestKey::NewFor(GetParam());
  const Claims claims = GoodClaims(kNow);
  authority_ =
      Start(Set(key().Jwk("old", R"("use":"sig")") + "," + next.Jwk("new", R"("key_ops":["verify"])")));
  ExpectGood(Token(claims, R"(,"kid":"old")"));
  ExpectGood(MakeToken(next, GetParam(), claims, R"(,"kid":"new")"));
  ExpectGood(Token(claims));
  ExpectGood(MakeToken(next, GetParam(), claims));
  ExpectBad(Token(claims, R"(,"kid":"new")"), "signature");
  ExpectBad(Token(claims, R"(,"kid":"unknown")"), "signature");
  authority_ = Start(Set(key().Jwk("")));
  ExpectGood(Token(claims, R"(,"kid":"any")"));
}

TEST_P(KeySetTest, IgnoresKeysForOtherThings) {
  const Claims claims = GoodClaims(kNow);
  const TokenAlgorithm other =
      GetParam() == TokenAlgorithm::kRs256 ? TokenAlgorithm::kEs256 : TokenAlgorithm::kRs256;
  const std::string rest = KeyFor(other).Jwk("other") + R"(,{"kty":"oct","k":"c2VjcmV0"},7,{})";
  authority_ = Start(Set(rest + "," + key().Jwk("k", R"("alg":")" + name() + "\"")));
  ExpectGood(Token(claims));
  for (const char* member : {R"("use":"enc")", R"("alg":"RS512")", R"("key_ops":["sign"])", R"("use":7)"}) {
    std::string wrong;
    EXPECT_EQ(NewTokenAuthority(Set(key().Jwk("k", member)), &wrong), nullptr) << member;
    EXPECT_THAT(wrong, HasSubstr("has no key that verifies " + name()));
  }
}

TEST_P(KeySetTest, LeavesOutBrokenKeysAndSaysSo) {
  const TestKey weak = GetParam() == TokenAlgorithm::kRs256 ? TestKey::Rsa(1024) : TestKey::Ec();
  std::string broken = weak.Jwk("weak");
  if (GetParam() == TokenAlgorithm::kEs256) {  // a point that is not on the curve
    broken = R"({"kty":"EC","crv":"P-256","x":")" + Base64Url(std::string(32, 1)) + R"(","y":")" +
             Base64Url(std::string(32, 1)) + "\"}";
  }
  std::string padded = key().Jwk("padded");
  padded.replace(padded.find("\",\""), 1, "=\"");
  const LogCapture log;
  authority_ = Start(Set(broken + "," + key().Jwk("good")));
  EXPECT_THAT(log.text(), HasSubstr("key number 1 of the key set is left out"));
  EXPECT_TRUE(authority_->Verify(Token(GoodClaims(kNow)), kNow).claims.has_value());
  for (const std::string& keys :
       {std::string(), broken, R"({"kty":")" + std::string("RSA") + R"(","n":"","e":""})"}) {
    std::string wrong;
    EXPECT_EQ(NewTokenAuthority(Set(keys), &wrong), nullptr) << keys;
    EXPECT_THAT(wrong, HasSubstr("--auth-key: "));
  }
}

TEST_P(KeySetTest, Rotates) {
  const TestKey next = TestKey::NewFor(GetParam());
  const std::string old_token = Token(GoodClaims(kNow), R"(,"kid":"1")");
  const std::string new_token = MakeToken(next, GetParam(), GoodClaims(kNow), R"(,"kid":"2")");
  Options options = Set(key().Jwk("1"));
  options.auth_signing_key = files_.Write("private", key().PrivatePem());
  authority_ = Start(options);
  ExpectGood(old_token, kNow);
  ExpectBad(new_token, "signature", kNow);
  Set(key().Jwk("1") + "," + next.Jwk("2"));
  ExpectGood(old_token, kNow + 1000);
  ExpectGood(new_token, kNow + 1000);
  files_.Write("private", next.PrivatePem());
  const auto issued = authority_->Renew(old_token, kNow + 2000);
  ASSERT_TRUE(issued.has_value());
  const auto header = DecodeBase64Url(issued->token.substr(0, issued->token.find('.')));
  EXPECT_THAT(header.value_or(""), HasSubstr(R"("kid":"2")"));
  Set(next.Jwk("2"));
  ExpectBad(old_token, "signature", kNow + 3000);
  ExpectGood(issued->token, kNow + 3000);
}

// --- Starting.

class TokenAuthorityStartTest : public testing::Test {
 protected:
  // What is said of options that cannot be used.
  std::string Refused(const std::string& algorithm, const std::string& key, const std::string& signing = "") {
    Options options;
    options.auth_algorithm = algorithm;
    options.auth_key = key;
    options.auth_signing_key = signing;
    std::string wrong;
    EXPECT_EQ(NewTokenAuthority(options, &wrong), nullptr);
    return wrong;
  }
  std::string File(std::string_view text) { return files_.Write("f" + std::to_string(++count_), text); }

  KeyDirectory files_;
  int count_ = 0;
};

TEST_F(TokenAuthorityStartTest, RefusesUnknownAlgorithms) {
  for (const char* algorithm : {"hs256", "HS512", "None", "", "ES384"}) {
    EXPECT_THAT(Refused(algorithm, ""), HasSubstr("--auth-algorithm must be"));
  }
}

TEST_F(TokenAuthorityStartTest, RefusesUselessFiles) {
  for (const char* algorithm : {"HS256", "RS256", "ES256"}) {
    EXPECT_THAT(Refused(algorithm, ""), HasSubstr("--auth-key is missing"));
    EXPECT_THAT(Refused(algorithm, "/nonexistent/key"), HasSubstr("/nonexistent/key does not exist"));
    EXPECT_THAT(Refused(algorithm, "/"), HasSubstr("is no file"));
    EXPECT_THAT(Refused(algorithm, File(std::string((1 << 20) + 1, 'x'))), HasSubstr("larger than 1 MiB"));
    EXPECT_THAT(Refused(algorithm, File("")), HasSubstr("--auth-key: "));
  }
  EXPECT_THAT(Refused("HS256", File(std::string(15, 'q') + "\n")), HasSubstr("less than 16 bytes"));
  EXPECT_THAT(Refused("HS256", File(KeyFor(TokenAlgorithm::kRs256).PublicPem())), HasSubstr("in PEM"));
  for (const char* algorithm : {"RS256", "ES256"}) {
    EXPECT_THAT(Refused(algorithm, File("neither nor")), HasSubstr("holds no public key in PEM"));
    EXPECT_THAT(Refused(algorithm, File("{}")), HasSubstr("is no JSON Web Key Set"));
    EXPECT_THAT(Refused(algorithm, File(R"({"keys":[],"keys":[]})")), HasSubstr("is no JSON Web Key Set"));
  }
  EXPECT_THAT(Refused("RS256", File(TestKey::Rsa(1024).PublicPem())), HasSubstr("2,048"));
  EXPECT_THAT(Refused("RS256", File(TestKey::Ec().PublicPem())), HasSubstr("RSA"));
  EXPECT_THAT(Refused("ES256", File(TestKey::Ec("P-384").PublicPem())), HasSubstr("P-256"));
  EXPECT_THAT(Refused("ES256", File(KeyFor(TokenAlgorithm::kRs256).PublicPem())), HasSubstr("P-256"));
  EXPECT_THAT(Refused("RS256", File(KeyFor(TokenAlgorithm::kRs256).PrivatePem())),
              HasSubstr("no public key"));
}

TEST_F(TokenAuthorityStartTest, RefusesSigningKeysThatDoNotFit) {
  const TestKey& rsa = KeyFor(TokenAlgorithm::kRs256);
  const std::string key = File(rsa.PublicPem());
  EXPECT_THAT(Refused("RS256", key, "/nonexistent/key"), HasSubstr("--auth-signing-key: /nonexistent/key"));
  EXPECT_THAT(Refused("RS256", key, File("nothing")), HasSubstr("holds no private key"));
  EXPECT_THAT(Refused("RS256", key, File(rsa.PublicPem())), HasSubstr("holds no private key"));
  EXPECT_THAT(Refused("RS256", key, File(rsa.PrivatePem("hush"))), HasSubstr("without a passphrase"));
  EXPECT_THAT(Refused("RS256", key, File(TestKey::Ec().PrivatePem())), HasSubstr("RS256 needs"));
  EXPECT_THAT(Refused("RS256", key, File(TestKey::Rsa().PrivatePem())), HasSubstr("does not belong"));
  EXPECT_THAT(Refused("HS256", File(std::string(32, 'k')), File(rsa.PrivatePem())),
              HasSubstr("--auth-signing-key is for RS256 and ES256"));
}

TEST_F(TokenAuthorityStartTest, ASecretsNewlineIsNotPartOfIt) {
  const std::string secret(32, 'k');
  for (const char* end : {"", "\n", "\r\n"}) {
    Options options;
    options.auth_algorithm = "HS256";
    options.auth_key = File(secret + end);
    std::string wrong;
    const auto authority = NewTokenAuthority(options, &wrong);
    ASSERT_NE(authority, nullptr) << wrong;
    const std::string token = MakeToken(TestKey::Secret(secret), TokenAlgorithm::kHs256, GoodClaims(kNow));
    EXPECT_TRUE(authority->Verify(token, kNow).claims.has_value());
  }
}

TEST_F(TokenAuthorityStartTest, AShortSecretIsTakenWithAWarning) {
  for (const size_t size : {16u, 31u, 32u}) {
    const LogCapture log;
    const std::string secret(size, 'k');
    Options options;
    options.auth_algorithm = "HS256";
    options.auth_key = File(secret);
    std::string wrong;
    const auto authority = NewTokenAuthority(options, &wrong);
    ASSERT_NE(authority, nullptr) << wrong;
    const std::string token = MakeToken(TestKey::Secret(secret), TokenAlgorithm::kHs256, GoodClaims(kNow));
    EXPECT_TRUE(authority->Verify(token, kNow).claims.has_value());
    EXPECT_EQ(log.text().find("less than 32 bytes") != std::string::npos, size < 32) << log.text();
  }
}

TEST_F(TokenAuthorityStartTest, TakesSecretsOfAnyBytes) {
  const std::string secret = std::string("\0\n\xff", 3) + std::string(40, '\0') + "end";
  Options options;
  options.auth_algorithm = "HS256";
  options.auth_key = File(secret);
  std::string wrong;
  const auto authority = NewTokenAuthority(options, &wrong);
  ASSERT_NE(authority, nullptr) << wrong;
  const auto verify = [&](const std::string& with) {
    const std::string token = MakeToken(TestKey::Secret(with), TokenAlgorithm::kHs256, GoodClaims(kNow));
    return authority->Verify(token, kNow).claims.has_value();
  };
  EXPECT_TRUE(verify(secret));
  EXPECT_FALSE(verify(secret.substr(0, 10)));
}

TEST_F(TokenAuthorityStartTest, TakesSeveralPublicKeysInPem) {
  const TestKey first = TestKey::Ec();
  const TestKey second = TestKey::Ec();
  Options options;
  options.auth_algorithm = "ES256";
  options.auth_key = File(first.PublicPem() + second.PublicPem());
  std::string wrong;
  const auto authority = NewTokenAuthority(options, &wrong);
  ASSERT_NE(authority, nullptr) << wrong;
  for (const TestKey& key : {first, second}) {
    EXPECT_TRUE(
        authority->Verify(MakeToken(key, TokenAlgorithm::kEs256, GoodClaims(kNow)), kNow).claims.has_value());
  }
}

}  // namespace
}  // namespace dormouse
