// For tests: where an app's worker would serve HTTP. Each connection is the test's to read and to answer,
// byte by byte, as TestClient does at the other end.
#pragma once

#include <string>

#include "gateway/edge/testing/test_client.h"

namespace dormouse::edge {

class FakeWorker {
 public:
  explicit FakeWorker(const std::string& path);
  ~FakeWorker();
  FakeWorker(const FakeWorker&) = delete;
  FakeWorker& operator=(const FakeWorker&) = delete;

  // The next connection. Fails the test after ten seconds.
  TestClient Accept();
  // Whether somebody waits to be accepted.
  bool IsWanted() const;

 private:
  const int fd_;
};

}  // namespace dormouse::edge
