// For tests: an EdgeServer with an app, whose worker is the test itself.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/temp_dir.h"
#include "gateway/edge/testing/edge_server_fixture.h"
#include "gateway/edge/testing/fake_worker.h"

namespace dormouse::edge {

class AppTest : public EdgeServerTest {
 protected:
  void StartApp(EdgeServer::Config config = {}) {
    Start("", std::move(config));
    SetAddresses({address()});
  }
  void SetAddresses(std::vector<std::string> addresses) {
    links_->Run([&] { edge_->OnAppAddresses(addresses); });
  }
  std::string address() const { return directory_ / "http"; }
  // Sends it as a client, who goes on with the result.
  TestClient Send(std::string_view bytes) const {
    TestClient client(port());
    client.SendRaw(bytes);
    return client;
  }
  TestClient Get(std::string_view path) const {
    return Send("GET " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n\r\n");
  }
  // Of what the gateway counts.
  double Failures(const std::string& reason) const { return Metric("dormouse_app_failures_total", reason); }

  TempDir directory_;
  FakeWorker worker_{address()};
};

}  // namespace dormouse::edge
