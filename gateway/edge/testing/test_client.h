// For tests: a WebSocket client on a raw, blocking socket that says exactly what it is told to, right or
// wrong. Reads wait at most ten seconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dormouse::edge {

class TestClient {
 public:
  enum Opcode : uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };
  struct Frame {
    Opcode opcode = kText;
    bool final = true;
    std::string payload;
    uint16_t close_code() const;  // of a close frame; 0: it has none
    std::string close_reason() const;
  };

  // `receive_buffer`: SO_RCVBUF, 0 for the system's default. `from`: an address of 127.0.0.0/8.
  explicit TestClient(int port, int receive_buffer = 0, const char* from = "127.0.0.1");
  // Takes a socket that is connected already, whoever is at its other end.
  static TestClient Of(int fd) { return TestClient(fd, Connected{}); }
  ~TestClient();
  TestClient(TestClient&& other) noexcept : fd_(other.fd_), unread_(std::move(other.unread_)) {
    other.fd_ = -1;
  }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  static std::string UpgradeRequest(std::string_view path, std::string_view more_headers = "");
  // Opens a WebSocket; the response's head ("" when the server closed).
  std::string Upgrade(std::string_view path, std::string_view more_headers = "");
  std::string ReadHead();
  // So many bytes; fewer where the other end closes.
  std::string Read(size_t size);
  // All that comes until the server ends the connection.
  std::string ReadRest();
  // Sends a GET; the whole response, up to the server's closing.
  std::string Get(std::string_view path, std::string_view more_headers = "");

  void SendRaw(std::string_view bytes);
  static std::string FrameBytes(Opcode opcode, std::string_view payload, bool final = true,
                                bool masked = true, uint8_t reserved_bits = 0);
  void Send(Opcode opcode, std::string_view payload, bool final = true);
  void SendText(std::string_view text) { Send(kText, text); }
  void SendClose(uint16_t code, std::string_view reason);

  // nullopt: the server closed the socket (or ten seconds went by).
  std::optional<Frame> ReadFrame();
  // The next text or binary message, put together; "<closed>" where there is none.
  std::string ReadMessage();
  // Reads on to the server's close frame (answering it) or to the end of the stream (code 1006).
  Frame ReadClose();
  bool ReadsEnd();               // whether the next thing is the end of the stream, within the ten seconds
  bool HasNothing(int wait_ms);  // whether nothing comes for so long
  void EndOutput();              // sends FIN, and could read on
  void Abort();                  // resets the connection

 private:
  struct Connected {};
  TestClient(int fd, Connected) : fd_(fd) {}
  bool Fill();
  int fd_;
  std::string unread_;
};

}  // namespace dormouse::edge
