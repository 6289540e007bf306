// One connection to one Redis server, from the look-up of its host to its end: commands go in, answers come
// out, in order. Over TLS where the URL asks for it. What the commands mean is its owner's business, as is
// how long to be patient.
//
// Of hiredis it uses the reader of answers: its own connections know no TLS in Debian 12.
#pragma once

#include <ev++.h>
#include <hiredis/hiredis.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/loop/host_lookup.h"
#include "statekeeper/store/redis/redis_output.h"
#include "statekeeper/store/redis/redis_reply.h"
#include "statekeeper/store/redis/redis_tls.h"
#include "statekeeper/store/redis/redis_url.h"

namespace dormouse {

class RedisStream {
 public:
  class Owner {
   public:
    // Commands may be sent from now on. Must not destroy the stream.
    virtual void OnConnected() = 0;
    // The answer to the oldest command that has none. May destroy the stream.
    virtual void OnAnswer(RedisReply reply) = 0;
    // The connection has ended, or did not come about; nothing follows. May destroy the stream.
    virtual void OnEnded(const RedisTrouble& trouble) = 0;

   protected:
    ~Owner() = default;
  };

  struct Server {
    RedisAddress address;
    std::string unix_path = {};  // not empty: in place of the address
    bool tls = false;
    size_t attempt = 0;  // of a host with several addresses, which one is tried
  };

  // `files` outlives the stream.
  RedisStream(struct ev_loop* loop, Server server, const RedisFiles& files, Owner* owner);
  ~RedisStream();
  RedisStream(const RedisStream&) = delete;
  RedisStream& operator=(const RedisStream&) = delete;

  // First of all, once. OnEnded may come before it returns.
  void Start();

  // A command in the protocol's format; when it is connected. It leaves with Flush, which calls nobody:
  // should it fail, OnEnded follows from the loop.
  void Send(std::string_view command);
  // The same for a command that stays until it is answered, or the stream is gone: a long one is not copied.
  void SendLasting(std::string_view command);
  void Flush();

  // Commands without an answer.
  bool waiting() const { return sent_ != answered_; }
  // What it waits for; part of a sentence: why somebody gave it up.
  std::string Silence() const;

 private:
  enum class State { kLookUp, kConnecting, kTlsHandshake, kConnected, kEnded };

  void ConnectTo(const std::string& host);
  void Open(const sockaddr* address, size_t size);
  void OnReadable(ev::io&, int);
  void OnWritable(ev::io&, int);
  void FinishConnecting();
  void Shake();
  void Connected();
  void Write();
  void Read();
  // How many bytes the connection took; nothing: it has ended.
  std::optional<size_t> WriteSome();
  // False: this object may be gone.
  bool TakeAnswers(std::string_view bytes);
  void End(RedisTrouble trouble);

  struct ev_loop* const loop_;
  const Server server_;
  const RedisFiles& files_;
  Owner* const owner_;
  State state_ = State::kLookUp;
  std::unique_ptr<HostLookup> lookup_;
  int socket_ = -1;
  std::unique_ptr<RedisTls> tls_;  // null: plain
  const std::unique_ptr<redisReader, decltype(&redisReaderFree)> reader_;
  RedisOutput output_;
  bool write_failed_ = false;
  uint64_t sent_ = 0;
  uint64_t answered_ = 0;
  ev::io readable_;
  ev::io writable_;  // runs while there is something to write that the socket does not take
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace dormouse
