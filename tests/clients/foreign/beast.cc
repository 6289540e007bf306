// Boost.Beast against a mirror: dormouse-beast-client HOST PORT. Prints what it has heard (see
// tests/clients/test_foreign_clients.py). For tests; no part of the product.
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <iostream>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

class Client {
 public:
  Client(const char* host, const char* port, const std::string& path) : socket_(context_) {
    asio::ip::tcp::resolver resolver(context_);
    asio::connect(socket_.next_layer(), resolver.resolve(host, port));
    socket_.read_message_max(8 << 20);
    socket_.control_callback([this](websocket::frame_type type, beast::string_view payload) {
      if (type == websocket::frame_type::pong) pongs_.emplace_back(payload);
    });
    socket_.handshake(host, path);
  }

  void Send(const std::string& said, bool binary) {
    socket_.binary(binary);
    socket_.write(asio::buffer(said));
  }
  std::string Answer(const std::string& said, bool binary) {
    Send(said, binary);
    beast::flat_buffer heard;
    socket_.read(heard);
    return socket_.got_binary() == binary ? beast::buffers_to_string(heard.data()) : "of the other kind";
  }
  void Ping(const std::string& payload) { socket_.ping({payload.data(), payload.size()}); }
  const std::vector<std::string>& pongs() const { return pongs_; }

  void Close(uint16_t code) { socket_.close({static_cast<websocket::close_code>(code), "bye"}); }
  // As JSON: [code, reason].
  std::string Closed() {
    beast::flat_buffer heard;
    beast::error_code error;
    while (!error) socket_.read(heard, error);
    return "[" + std::to_string(error == websocket::error::closed ? socket_.reason().code : 1006) + ",\"" +
           std::string(socket_.reason().reason.c_str()) + "\"]";
  }

 private:
  asio::io_context context_;
  websocket::stream<asio::ip::tcp::socket> socket_;
  std::vector<std::string> pongs_;
};

constexpr size_t kMebibyte = 1u << 20;
constexpr int kPings = 20;

std::string Dialogue(const char* host, const char* port) {
  Client client(host, port, "/mirror/beast");
  std::string heard = R"({"text":")" + client.Answer("hello \u00e9\u20ac", false) + '"';
  heard += client.Answer(std::string("\0\xff\x80", 3), true) == std::string("\0\xff\x80", 3)
               ? R"(,"binary":[0,255,128])"
               : R"(,"binary":[])";
  const bool same = client.Answer(std::string(kMebibyte, 'x'), false) == std::string(kMebibyte, 'x') &&
                    client.Answer(std::string(kMebibyte, '\xff'), true) == std::string(kMebibyte, '\xff');
  heard += std::string(R"(,"mebibyte":)") + (same ? "true" : "false");
  for (int number = 0; number < kPings; ++number) client.Ping(std::to_string(number));
  client.Answer("after them", false);
  heard += R"(,"pongs":[)";
  for (const std::string& pong : client.pongs()) heard += (heard.back() == '[' ? "" : ",") + pong;
  client.Send(std::string(kMebibyte + 1, '\0'), true);
  heard += R"(],"tooLarge":)" + client.Closed();
  heard += R"(,"closes":[)";
  for (const uint16_t code : {1000, 3000, 4999}) {
    Client closing(host, port, "/mirror/beast");
    closing.Close(code);  // throws unless it is answered
    heard += (heard.back() == '[' ? "[" : ",[") + std::to_string(code) + ",\"bye\"]";
  }
  Client closer(host, port, "/crier/beast");
  heard += R"(],"closedByHub":[)";
  for (const uint16_t code : {1001, 1012, 4000}) {
    Client closed(host, port, "/crier/beast");
    closer.Send("close " + std::to_string(code) + " enough", false);
    heard += (heard.back() == '[' ? "" : ",") + closed.Closed();
  }
  return heard + "]}";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    std::cout << Dialogue(argv[1], argv[2]) << '\n';
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
