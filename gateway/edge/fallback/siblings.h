// The gateways of one host that share a port: the kernel gives each new socket to any of them, so a request
// may come to another than the one that has its connection. The socket is handed over then, with what was
// read from it, over an abstract unix socket that is named after the owner's tag, the beginning of all its
// connections' ids. Only processes of the same user, in the same network namespace, are believed.
//
// On the loop's thread.
#pragma once

#include <ev.h>

#include <functional>
#include <list>
#include <string>
#include <string_view>

#include "common/http/ip_address.h"

namespace dormouse::edge {

class Siblings {
 public:
  // The socket is the callee's; `bytes`: the request's head, and what came after it.
  using Arrived = std::function<void(int fd, const IpAddress& peer, std::string_view bytes)>;

  Siblings(struct ev_loop* loop, Arrived arrived);
  ~Siblings();
  Siblings(const Siblings&) = delete;
  Siblings& operator=(const Siblings&) = delete;

  static constexpr size_t kTagSize = 16;
  const std::string& tag() const { return tag_; }
  // Hands a socket over; the caller closes its own descriptor. False: there is no such gateway here, or it
  // takes no more.
  static bool HandOver(std::string_view tag, int fd, const IpAddress& peer, std::string_view head,
                       std::string_view rest);

 private:
  // Another gateway that is about to hand something over.
  struct Giver {
    Siblings* siblings;
    std::list<Giver>::iterator self;
    ev_io io;
  };
  static constexpr size_t kMaxGivers = 1'024;

  void OnReadable();
  void OnGiver(Giver* giver);
  void Receive(int from);

  struct ev_loop* const loop_;
  const Arrived arrived_;
  std::string tag_;
  ev_io io_;
  std::list<Giver> givers_;
};

}  // namespace dormouse::edge
