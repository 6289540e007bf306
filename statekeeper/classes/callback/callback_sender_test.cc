#include "statekeeper/classes/callback/callback_sender.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <memory>
#include <string>

#include "common/temp_dir.h"

namespace dormouse {
namespace {

// An endpoint in the test's hands: it takes one connection after the other.
class Server {
 public:
  Server() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    url_ = fmt::format("http://127.0.0.1:{}/", ntohs(address.sin_port));
  }
  ~Server() { close(listener_); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const std::string& url() const { return url_; }
  int Accept() const { return accept(listener_, nullptr, nullptr); }
  // Reads a request whose body is `body`, and answers it.
  static void Answer(int connection, const std::string& body, const std::string& answer) {
    std::string request;
    char bytes[4096];
    while (!request.ends_with("\r\n\r\n" + body)) {
      const ssize_t got = recv(connection, bytes, sizeof(bytes), 0);
      ASSERT_GT(got, 0);
      request.append(bytes, static_cast<size_t>(got));
    }
    const std::string text = fmt::format(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{}", answer.size(), answer);
    EXPECT_EQ(send(connection, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    close(connection);
  }

 private:
  const int listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string url_;
};

class CallbackSenderTest : public testing::Test {
 protected:
  CallbackSenderTest() {
    std::string wrong;
    CallbackSettings settings;
    settings.url = server_.url();
    const std::string secret = directory_ / "secret";
    std::ofstream(secret) << "the text of a secret, long enough\n";
    endpoint_ = std::make_shared<CallbackEndpoint>(settings, WebhookSecrets::Read(secret, &wrong));
    EXPECT_EQ(wrong, "");
  }
  std::future<std::string> Post(const std::string& id) {
    auto answer = std::make_shared<std::promise<std::string>>();
    sender_.Post({.endpoint = endpoint_,
                  .id = id,
                  .body = "body of " + id,
                  .done = [answer](const CallbackSender::Result& result) {
                    answer->set_value(std::string(NameOf(result.failure)) + " " + result.body);
                  }});
    return answer->get_future();
  }

  const Server server_;
  const TempDir directory_;
  std::shared_ptr<CallbackEndpoint> endpoint_;
  CallbackSender sender_;
};

TEST_F(CallbackSenderTest, WhoPostsWhatIsUnderWayGetsItsAnswerAndNothingIsAskedTwice) {
  auto first = Post("a");
  const int asked = server_.Accept();
  auto second = Post("a");
  auto other = Post("b");
  const int next = server_.Accept();
  Server::Answer(next, "body of b", "answer b");
  EXPECT_EQ(other.get(), "none answer b") << "what came second is no request of its own";
  Server::Answer(asked, "body of a", "answer a");
  EXPECT_EQ(second.get(), "none answer a");
  EXPECT_THROW(first.get(), std::future_error) << "nobody waits there any more";
  auto again = Post("a");
  Server::Answer(server_.Accept(), "body of a", "again");
  EXPECT_EQ(again.get(), "none again") << "it is under way no more";
}

}  // namespace
}  // namespace dormouse
