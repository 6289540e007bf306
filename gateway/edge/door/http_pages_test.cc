#include "gateway/edge/door/http_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "common/temp_dir.h"

namespace dormouse::edge {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class HttpPagesTest : public testing::Test {
 protected:
  HttpPagesTest() {
    std::ofstream(web_root_ / "index.html") << "<title>Dormouse</title>";
    link::ClassProfile profile;
    profile.set_name("room");
    profile.add_routes()->set_path("/room/{name}");
    router_.SetProfiles({profile});
  }
  HttpReply Ask(const std::string& line, bool* wants_web_socket = nullptr, const std::string& headers = "") {
    const std::string head = line + " HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n";
    HttpRequest request;
    HttpReply refusal;
    EXPECT_TRUE(ParseHttpRequest(head, &request, &refusal)) << refusal.body;
    if (wants_web_socket != nullptr) *wants_web_socket = HttpPages::WantsWebSocket(request);
    return pages_.Answer(request);
  }

  TempDir web_root_;
  Router router_;
  HttpPages pages_{web_root_.path(), "", &router_};
};

TEST_F(HttpPagesTest, HasFilesAndHealth) {
  EXPECT_EQ(Ask("GET /").body, "<title>Dormouse</title>");
  EXPECT_THAT(Ask("GET /health").body, HasSubstr(R"("status":"ok")"));
  EXPECT_EQ(Ask("POST /health").status, 200);
  EXPECT_EQ(Ask("DELETE /health").status, 405);
}

TEST_F(HttpPagesTest, SaysWhatThereIsWhereThereIsNothing) {
  EXPECT_EQ(Ask("GET /nowhere").status, 404);
  EXPECT_THAT(Ask("GET /nowhere").body, HasSubstr("WebSockets open at /room/NAME (class room)"));
  EXPECT_EQ(Ask("GET /room/a").status, 426);
  EXPECT_EQ(Ask("GET /room/a%20b").status, 404);
  EXPECT_EQ(Ask("POST /room/a").status, 405);
  EXPECT_EQ(Ask("OPTIONS /nowhere").status, 404);
  EXPECT_EQ(Ask("OPTIONS *").status, 200);
}

TEST_F(HttpPagesTest, NamesTheWebClientOnlyWhereThereIsOne) {
  EXPECT_THAT(Ask("GET /nowhere").body, EndsWith("; the web client is at /.\n"));
  std::filesystem::remove(web_root_ / "index.html");
  for (const char* line : {"GET /", "GET /nowhere"})
    EXPECT_THAT(Ask(line).body, Not(HasSubstr("web client"))) << line;
}

TEST_F(HttpPagesTest, KnowsWhatIsToOpenAWebSocket) {
  const std::string upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  bool wants = false;
  for (const char* line : {"GET /room/a", "GET /nowhere", "HEAD /"}) {
    Ask(line, &wants, upgrade);
    EXPECT_TRUE(wants) << line;
    Ask(line, &wants);
    EXPECT_FALSE(wants) << line;
  }
  for (const char* line : {"POST /room/a", "GET /health"}) {
    Ask(line, &wants, upgrade);
    EXPECT_FALSE(wants) << line;
  }
}

}  // namespace
}  // namespace dormouse::edge
