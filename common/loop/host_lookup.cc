#include "common/loop/host_lookup.h"

#include <arpa/inet.h>
#include <ev++.h>
#include <netdb.h>

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

namespace dormouse {

struct HostLookup::Shared {
  explicit Shared(Callback callback) : done(std::move(callback)) {}

  void OnDone(ev::async& watcher, int) {
    watcher.stop();
    std::vector<std::string> found;
    std::string why;
    {
      const std::lock_guard lock(mutex);
      found.swap(addresses);
      why.swap(error);
    }
    Callback callback = std::move(done);  // which may destroy the HostLookup
    callback(std::move(found), std::move(why));
  }

  std::mutex mutex;
  ev::async* async = nullptr;  // belongs to the loop's side; null: nobody waits any more
  std::vector<std::string> addresses;
  std::string error;
  Callback done;  // the loop's thread only
};

namespace {

void LookUp(const std::string& host, std::vector<std::string>* addresses, std::string* error) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int failure = getaddrinfo(host.c_str(), nullptr, &hints, &found); failure != 0) {
    *error = gai_strerror(failure);
    return;
  }
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof(text), nullptr, 0, NI_NUMERICHOST) == 0 &&
        std::find(addresses->begin(), addresses->end(), text) == addresses->end()) {
      addresses->push_back(text);
    }
  }
  freeaddrinfo(found);
}

}  // namespace

bool IsNumericAddress(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 || inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

HostLookup::HostLookup(struct ev_loop* loop, const std::string& host, Callback done)
    : shared_(std::make_shared<Shared>(std::move(done))) {
  shared_->async = new ev::async(loop);
  shared_->async->set<Shared, &Shared::OnDone>(shared_.get());
  shared_->async->start();
  std::thread([shared = shared_, host] {
    std::vector<std::string> addresses;
    std::string error;
    LookUp(host, &addresses, &error);
    const std::lock_guard lock(shared->mutex);
    shared->addresses = std::move(addresses);
    shared->error = std::move(error);
    if (shared->async != nullptr) shared->async->send();
  }).detach();
}

HostLookup::~HostLookup() {
  const std::lock_guard lock(shared_->mutex);
  delete std::exchange(shared_->async, nullptr);
}

}  // namespace dormouse
