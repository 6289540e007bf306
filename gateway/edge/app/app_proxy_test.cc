// What clients get of an app, and it of them: through an EdgeServer, with a worker that says what it is told
// to.
#include "gateway/edge/app/app_proxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gateway/edge/testing/app_fixture.h"

// What was freed would count as used, for AddressSanitizer keeps it for a while.
extern "C" const char* __asan_default_options() { return "quarantine_size_mb=1"; }

namespace dormouse::edge {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using AppProxyTest = AppTest;

constexpr char kOk[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST_F(AppProxyTest, PassesARequestOnAndItsAnswerBack) {
  StartApp();
  TestClient client = Send(
      "POST /a/b?c HTTP/1.1\r\nHost: app.example\r\nX-Forwarded-For: 1.1.1.1\r\nDormouse-Hub: x\r\n"
      "Connection: keep-alive\r\nContent-Length: 5\r\n\r\nhello");
  TestClient at_worker = worker_.Accept();
  EXPECT_EQ(
      at_worker.ReadHead(),
      "POST /a/b?c HTTP/1.1\r\nhost: app.example\r\nx-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\n"
      "cf-connecting-ip: 127.0.0.1\r\ncontent-length: 5\r\nconnection: close\r\n\r\n");
  EXPECT_EQ(at_worker.Read(5), "hello");
  at_worker.SendRaw(
      "HTTP/1.1 201 Created\r\nX-A: 1\r\nDormouse-X: 1\r\nConnection: keep-alive\r\n"
      "Content-Length: 4\r\n\r\nbody");
  EXPECT_EQ(client.ReadRest(),
            "HTTP/1.1 201 Created\r\nX-A: 1\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody");
  EXPECT_TRUE(at_worker.ReadsEnd()) << "one connection, one request";
  EXPECT_EQ(Metric("dormouse_http_responses_total", "201"), 1);
  WaitForGauge(metrics_->app_requests, 0);
}

TEST_F(AppProxyTest, WhatIsNotTheGatewaysOwnIsTheApps) {
  Start();
  EXPECT_THAT(Get("/").ReadRest(), EndsWith("<title>Dormouse</title>")) << "there is no app yet";
  SetAddresses({address()});
  for (const char* line : {"GET / ", "GET /app.js ", "GET /nowhere ", "DELETE /x ", "PATCH / ", "OPTIONS /x ",
                           "GET /roomy ", "GET /roo/m ", "POST /healthy ", "QUERY /dormouse "}) {
    TestClient client = Send(line + std::string("HTTP/1.1\r\nHost: a\r\n\r\n"));
    TestClient at_worker = worker_.Accept();
    EXPECT_THAT(at_worker.ReadHead(), StartsWith(line));
    at_worker.SendRaw(kOk);
    EXPECT_THAT(client.ReadRest(), EndsWith("\r\n\r\nok")) << line;
  }
  for (const auto& [line, status] :
       {std::pair("GET /health ", "200"), std::pair("POST /health ", "200"), std::pair("OPTIONS * ", "200"),
        std::pair("GET /room ", "426"), std::pair("GET /plain/a ", "426"),
        std::pair("GET /plain/a%20 ", "404"), std::pair("GET /dormouse/none.js ", "404")}) {
    EXPECT_THAT(Send(line + std::string("HTTP/1.1\r\nHost: a\r\n\r\n")).ReadRest(),
                StartsWith(std::string("HTTP/1.1 ") + status))
        << line;
  }
  EXPECT_FALSE(worker_.IsWanted());
  SetAddresses({});
  EXPECT_THAT(Get("/").ReadRest(), EndsWith("<title>Dormouse</title>")) << "it is gone";
}

TEST_F(AppProxyTest, WhoTheClientIsIsTheTrustedProxysWordAlone) {
  EdgeServer::Config config;
  std::string wrong;
  config.http.proxies = *TrustedProxies::Parse({"127.0.0.1"}, &wrong);
  StartApp(config);
  constexpr char kClaims[] =
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n";
  TestClient client = Send(kClaims);
  EXPECT_THAT(worker_.Accept().ReadHead(),
              HasSubstr("x-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: https\r\n"
                        "cf-connecting-ip: 192.0.2.7\r\n"));
  TestClient stranger(port(), 0, "127.0.0.2");
  stranger.SendRaw(kClaims);
  EXPECT_THAT(worker_.Accept().ReadHead(),
              HasSubstr("x-forwarded-for: 127.0.0.2\r\nx-forwarded-proto: http\r\n"));
}

// --- Bodies.

TEST_F(AppProxyTest, ChunksAreFramedAnewAndWhatFollowsThemIsNotPassedOn) {
  StartApp();
  TestClient client = Send(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n05;x=y\r\nhello\r\n0\r\nX: 1\r\n\r\n"
      "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n");
  TestClient at_worker = worker_.Accept();
  EXPECT_THAT(at_worker.ReadHead(), EndsWith("\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"));
  constexpr std::string_view kFramed = "5\r\nhello\r\n0\r\n\r\n";
  EXPECT_EQ(at_worker.Read(kFramed.size()), kFramed);
  at_worker.SendRaw(kOk);
  EXPECT_EQ(at_worker.ReadRest(), "");
  EXPECT_THAT(client.ReadRest(), EndsWith("\r\n\r\nok"));
  EXPECT_FALSE(worker_.IsWanted());
}

TEST_F(AppProxyTest, ABodyThatComesByteByByteIsPassedOnAsItComes) {
  StartApp();
  TestClient client = Send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  TestClient at_worker = worker_.Accept();
  at_worker.ReadHead();
  for (const char c : std::string_view("3\r\nabc\r\n2\r\nde\r\n")) client.SendRaw({&c, 1});
  EXPECT_EQ(at_worker.Read(15), "3\r\nabc\r\n2\r\nde\r\n") << "while the request is not whole yet";
  client.SendRaw("0\r\n\r\n");
  EXPECT_EQ(at_worker.Read(5), "0\r\n\r\n");
  at_worker.SendRaw(kOk);
  EXPECT_THAT(client.ReadRest(), EndsWith("ok"));
}

// The same in both directions: 100 MB, of which the gateway holds no more than a read's worth.
std::string Megabyte(int i) { return std::string(1 << 20, static_cast<char>('a' + i % 26)); }
constexpr int kMegabytes = 100;

int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t pages = 0;
  statm >> pages >> pages;
  return pages * 4096;
}

TEST_F(AppProxyTest, ALargeUploadPassesInBoundedMemory) {
  StartApp();
  TestClient client = Send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n");
  TestClient at_worker = worker_.Accept();
  EXPECT_THAT(at_worker.ReadHead(), HasSubstr("content-length: 104857600\r\n"));
  std::atomic<int> sent = 0;
  std::thread sending([&] {
    for (; sent < kMegabytes; ++sent) client.SendRaw(Megabyte(sent));
  });
  // Nothing is read by the worker: the client is stopped by what kernels hold.
  int before = -1;
  while (before != sent) {
    before = sent;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_LT(sent, 30) << "the worker's backpressure reaches the client";
  const int64_t resident = ResidentBytes();
  int64_t most = 0;
  for (int i = 0; i < kMegabytes; ++i) {
    ASSERT_EQ(at_worker.Read(1 << 20), Megabyte(i)) << i;
    most = std::max(most, ResidentBytes());
  }
  sending.join();
  EXPECT_LT(most - resident, 20 << 20);
  at_worker.SendRaw(kOk);
  EXPECT_THAT(client.ReadRest(), EndsWith("ok"));
}

TEST_F(AppProxyTest, ALargeAnswerPassesInBoundedMemory) {
  StartApp();
  TestClient client = Get("/");
  TestClient at_worker = worker_.Accept();
  at_worker.ReadHead();
  std::atomic<int> sent = 0;
  std::thread sending([&] {
    at_worker.SendRaw("HTTP/1.1 200 OK\r\n\r\n");
    for (; sent < kMegabytes; ++sent) at_worker.SendRaw(Megabyte(sent));
    at_worker.EndOutput();
  });
  int before = -1;
  while (before != sent) {
    before = sent;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_LT(sent, 30) << "the client's backpressure reaches the worker";
  client.ReadHead();
  for (int i = 0; i < kMegabytes; ++i) ASSERT_EQ(client.Read(1 << 20), Megabyte(i)) << i;
  sending.join();
  EXPECT_TRUE(client.ReadsEnd());
}

TEST_F(AppProxyTest, AContinuationIsToldToTheClientThatWaitsForIt) {
  StartApp();
  TestClient client = Send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  TestClient at_worker = worker_.Accept();
  EXPECT_THAT(at_worker.ReadHead(), HasSubstr("\r\nExpect: 100-continue\r\n"));
  at_worker.SendRaw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  EXPECT_EQ(client.ReadHead(), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.ReadHead(), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  client.SendRaw("hi");
  EXPECT_EQ(at_worker.Read(2), "hi");
  at_worker.SendRaw(kOk);
  EXPECT_THAT(client.ReadRest(), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(AppProxyTest, AnAnswerMayComeBeforeTheRequestIsWhole) {
  StartApp();
  TestClient client = Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
  {
    TestClient at_worker = worker_.Accept();
    at_worker.ReadHead();
    client.SendRaw(std::string(100'000, 'x'));
    at_worker.SendRaw("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno\n");
  }  // which closes with something unread: a reset
  EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 413 Too Large\r\n"));
  client.SendRaw(std::string(1'000'000, 'x'));
  EXPECT_EQ(client.ReadRest(), "no\n");
}

TEST_F(AppProxyTest, AnAnswerEndsWhereItSays) {
  StartApp();
  const auto body = [&](const std::string& method, const std::string& answer) {
    TestClient client = Send(method + " / HTTP/1.1\r\nHost: a\r\n\r\n");
    TestClient at_worker = worker_.Accept();
    at_worker.ReadHead();
    at_worker.SendRaw(answer);  // and stays open
    client.ReadHead();
    return client.ReadRest();
  };
  EXPECT_EQ(body("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n"), "ok");
  EXPECT_EQ(
      body("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\nA: b\r\n\r\nmore"),
      "2\r\nok\r\n0\r\n\r\n");
  EXPECT_EQ(body("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"), "");
  EXPECT_EQ(body("GET", "HTTP/1.1 204 No Content\r\n\r\n"), "");
  EXPECT_EQ(body("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n"), "");
  EXPECT_EQ(Metric("dormouse_http_responses_total", "200"), 3);
}

// --- Attacks.

TEST_F(AppProxyTest, ARequestThatCanBeReadInTwoWaysReachesNoWorker) {
  StartApp();
  constexpr const char* kAttacks[] = {
      "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
      "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
      "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
      "Content-Length: 5, 5\r\n\r\nhello",
      "Content-Length: +5\r\n\r\nhello",
      "Content-Length: 0x5\r\n\r\nhello",
      "Content-Length: 5 5\r\n\r\nhello",
      "Content-Length:\r\n\r\nhello",
      "Content-Length: -1\r\n\r\nhello",
      "Content-Length: 99999999999999999999\r\n\r\nhello",
      "Content-Length : 5\r\n\r\nhello",
      "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
      "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
      "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
      "Transfer-Encoding: \x0b"
      "chunked\r\n\r\n0\r\n\r\n",
      "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
      "Transfer-Encoding:\r\n\r\n0\r\n\r\n",
      "X: a\r\n Content-Length: 5\r\n\r\nhello",
      "X: a\nContent-Length: 5\r\n\r\nhello",
      "X: a\rContent-Length: 5\r\n\r\nhello",
      "X: a\r\nHost: b\r\n\r\n",
  };
  for (const std::string attack : kAttacks) {
    EXPECT_THAT(Send("POST / HTTP/1.1\r\nHost: a\r\n" + attack).ReadRest(), StartsWith("HTTP/1.1 400 "))
        << attack;
  }
  EXPECT_THAT(
      Send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n").ReadRest(),
      StartsWith("HTTP/1.1 501 "));
  EXPECT_THAT(Send("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").ReadRest(),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Send("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n").ReadRest(), StartsWith("HTTP/1.1 501 "));
  EXPECT_THAT(Send("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n").ReadRest(),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_FALSE(worker_.IsWanted());
}

TEST_F(AppProxyTest, AChunkThatCanBeReadInTwoWaysEndsTheRequest) {
  StartApp();
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* chunk :
       {"1\na\r\n0\r\n\r\n", "1;\n\r\na\r\n0\r\n\r\n", "0x1\r\na\r\n0\r\n\r\n", "1 \r\na\r\n",
        "2\r\nabc\r\n0\r\n\r\n", "-1\r\n", "fffffffffffffffff\r\n", "0\r\nA: b\n\r\n"}) {
    EXPECT_THAT(Send(head + chunk).ReadRest(), StartsWith("HTTP/1.1 400 ")) << "with the head: " << chunk;
    EXPECT_FALSE(worker_.IsWanted()) << chunk;
  }
  TestClient client = Send(head + "1\r\na\r\n");
  TestClient at_worker = worker_.Accept();
  at_worker.ReadHead();
  EXPECT_EQ(at_worker.Read(6), "1\r\na\r\n");
  client.SendRaw("1\r\nbc\r\n");
  EXPECT_THAT(client.ReadRest(), StartsWith("HTTP/1.1 400 "));
  at_worker.ReadRest();
  EXPECT_EQ(Failures("bad_request"), 9);
}

TEST_F(AppProxyTest, AnAnswerThatCannotBePassedOnIsNone) {
  StartApp();
  for (const std::string& answer :
       {std::string("nonsense\r\n\r\n"), std::string("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nA: b\nSet-Cookie: c\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx"),
        "HTTP/1.1 200 OK\r\nA: " + std::string(40'000, 'x')}) {
    TestClient client = Get("/");
    TestClient at_worker = worker_.Accept();
    at_worker.ReadHead();
    at_worker.SendRaw(answer);
    EXPECT_THAT(client.ReadRest(), StartsWith("HTTP/1.1 502 Bad Gateway\r\n")) << answer.substr(0, 99);
    EXPECT_EQ(at_worker.ReadRest(), "") << "it is let go";
  }
  EXPECT_EQ(Failures("bad_answer"), 7);
}

TEST_F(AppProxyTest, AnAnswerThatBreaksIsNotTakenForAWholeOne) {
  StartApp();
  for (const std::string answer : {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
                                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"}) {
    TestClient client = Get("/");
    {
      TestClient at_worker = worker_.Accept();
      at_worker.ReadHead();
      at_worker.SendRaw(answer);
      EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 200 OK\r\n"));
    }
    EXPECT_THAT(client.ReadRest(), Not(EndsWith("0\r\n\r\n")));
  }
  WaitForGauge(metrics_->app_requests, 0);
  EXPECT_EQ(Failures("worker_gone"), 2);
}

// --- Who goes.

TEST_F(AppProxyTest, AWorkerThatEndsBeforeItAnswersIsSaid) {
  StartApp();
  TestClient client = Send("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n");
  {
    TestClient at_worker = worker_.Accept();
    at_worker.ReadHead();
  }
  EXPECT_THAT(client.ReadRest(), testing::AllOf(StartsWith("HTTP/1.1 502 Bad Gateway\r\n"),
                                                HasSubstr("ended before it answered")));
  TestClient head = Send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  for (int i = 0; i < 2; ++i) worker_.Accept();  // without reading
  EXPECT_THAT(head.ReadRest(), testing::AllOf(StartsWith("HTTP/1.1 502 "), EndsWith("\r\n\r\n")));
  EXPECT_EQ(Failures("worker_gone"), 2);
}

TEST_F(AppProxyTest, AnotherWorkerIsTriedBeforeNoneIsSaid) {
  EdgeServer::Config config;
  config.http.app.connect_ms = 0;
  StartApp(config);
  SetAddresses({directory_ / "nobody", address(), directory_ / "nobody-either"});
  for (int i = 0; i < 3; ++i) {
    TestClient client = Get("/");
    TestClient at_worker = worker_.Accept();
    at_worker.SendRaw(kOk);
    EXPECT_THAT(client.ReadRest(), StartsWith("HTTP/1.1 200 OK\r\n"));
  }
  SetAddresses({directory_ / "nobody"});
  EXPECT_THAT(Get("/").ReadRest(), testing::AllOf(StartsWith("HTTP/1.1 503 Service Unavailable\r\n"),
                                                  HasSubstr("\r\nRetry-After: 1\r\n"), EndsWith(".\n")));
  EXPECT_EQ(Failures("no_worker"), 1);
}

TEST_F(AppProxyTest, ARequestWaitsForAWorkerThatComes) {
  StartApp();
  SetAddresses({directory_ / "not-yet"});
  TestClient client = Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
  TestClient gone = Get("/gone");
  WaitForGauge(metrics_->app_requests, 2);
  gone.Abort();
  WaitForGauge(metrics_->app_requests, 1);
  client.SendRaw(" more");
  FakeWorker late(directory_ / "not-yet");
  TestClient at_worker = late.Accept();
  EXPECT_THAT(at_worker.ReadHead(), StartsWith("POST / "));
  EXPECT_EQ(at_worker.Read(9), "half more");
  at_worker.SendRaw(kOk);
  EXPECT_THAT(client.ReadRest(), EndsWith("ok"));
  EXPECT_EQ(Failures("no_worker"), 0);
}

TEST_F(AppProxyTest, WhatDoesNoHarmTwiceIsAskedOnceMoreOfTheNextWorker) {
  StartApp();
  TestClient client = Get("/");
  worker_.Accept().ReadHead();  // and is gone
  TestClient next = worker_.Accept();
  EXPECT_THAT(next.ReadHead(), StartsWith("GET / "));
  next.SendRaw(kOk);
  EXPECT_THAT(client.ReadRest(), EndsWith("ok"));

  TestClient twice = Get("/");
  worker_.Accept().ReadHead();
  worker_.Accept().ReadHead();
  EXPECT_THAT(twice.ReadRest(), StartsWith("HTTP/1.1 502 ")) << "it may be what ends them";

  TestClient change = Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  worker_.Accept().ReadHead();
  EXPECT_THAT(change.ReadRest(), StartsWith("HTTP/1.1 502 "));

  TestClient begun = Get("/");
  {
    TestClient at_worker = worker_.Accept();
    at_worker.ReadHead();
    at_worker.SendRaw("HTTP/1.1 2");
  }
  EXPECT_THAT(begun.ReadRest(), StartsWith("HTTP/1.1 502 "));
  EXPECT_FALSE(worker_.IsWanted());
  EXPECT_EQ(Failures("worker_gone"), 3);
}

TEST_F(AppProxyTest, AStoppingGatewayDoesNotWaitForAWorker) {
  EdgeServer::Config config;
  config.drain_window_ms = 100;
  StartApp(config);
  SetAddresses({directory_ / "nobody"});
  TestClient client = Get("/");
  WaitForGauge(metrics_->app_requests, 1);
  links_->Run([&] { edge_->Drain([] {}); });
  EXPECT_THAT(client.ReadRest(), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(Failures("stopping"), 1);
}

TEST_F(AppProxyTest, AClientThatGoesTakesItsRequestWithIt) {
  StartApp();
  {
    TestClient client = Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    TestClient at_worker = worker_.Accept();
    at_worker.ReadHead();
    client.EndOutput();
    EXPECT_EQ(at_worker.ReadRest(), "half") << "what it announced does not come any more";
  }
  TestClient client = Get("/");
  TestClient at_worker = worker_.Accept();
  at_worker.ReadHead();
  client.Abort();
  EXPECT_TRUE(at_worker.ReadsEnd());
  WaitForGauge(metrics_->app_requests, 0);
  EXPECT_EQ(Failures("client_gone"), 2);
}

TEST_F(AppProxyTest, AClientThatGoesInTheMidstOfAnAnswerIsNoticed) {
  StartApp();
  TestClient at_worker = [&] {
    TestClient client = Get("/events");
    TestClient accepted = worker_.Accept();
    accepted.ReadHead();
    accepted.SendRaw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
    EXPECT_THAT(client.ReadHead(), HasSubstr("Content-Type: text/event-stream\r\n"));
    EXPECT_EQ(client.Read(9), "data: 1\n\n") << "at once";
    return accepted;
  }();  // it leaves in order
  while (at_worker.HasNothing(20)) at_worker.SendRaw("data: 2\n\n");
  EXPECT_TRUE(at_worker.ReadsEnd());
}

TEST_F(AppProxyTest, AClientMayEndItsHalfAndStillGetItsAnswer) {
  StartApp();
  TestClient client = Get("/");
  client.EndOutput();
  TestClient at_worker = worker_.Accept();
  at_worker.ReadHead();
  EXPECT_TRUE(at_worker.HasNothing(50)) << "servers take an end for the client's going";
  at_worker.SendRaw(kOk);
  EXPECT_THAT(client.ReadRest(), EndsWith("ok"));
}

TEST_F(AppProxyTest, AClientThatHasEndedItsHalfIsNotWaitedForLong) {
  EdgeServer::Config config;
  config.http.app.half_closed_ms = 200;
  StartApp(config);
  TestClient client = Get("/");
  TestClient at_worker = worker_.Accept();
  at_worker.ReadHead();
  client.EndOutput();
  EXPECT_TRUE(at_worker.ReadsEnd());
}

// --- Time, and how many.

TEST_F(AppProxyTest, AWorkerThatSaysNothingIsGivenUp) {
  EdgeServer::Config config;
  config.http.app.timeout_ms = 200;
  StartApp(config);
  TestClient client = Get("/");
  TestClient at_worker = worker_.Accept();
  EXPECT_THAT(client.ReadRest(),
              testing::AllOf(StartsWith("HTTP/1.1 504 Gateway Timeout\r\n"), HasSubstr("--app-timeout")));
  at_worker.ReadHead();
  EXPECT_TRUE(at_worker.ReadsEnd());
  EXPECT_EQ(Failures("worker_slow"), 1);
}

TEST_F(AppProxyTest, WhoSaysSomethingNowAndThenIsNotGivenUp) {
  EdgeServer::Config config;
  config.http.app.timeout_ms = 400;
  StartApp(config);
  TestClient client = Get("/");
  TestClient at_worker = worker_.Accept();
  at_worker.ReadHead();
  at_worker.SendRaw("HTTP/1.1 200 OK\r\n\r\n");
  client.ReadHead();
  const int64_t began = SteadyMs();
  std::string said;
  while (SteadyMs() - began < 1'000) {
    at_worker.SendRaw("x");
    said += client.Read(1);
    at_worker.HasNothing(50);
  }
  at_worker.EndOutput();
  EXPECT_EQ(client.ReadRest(), "");
  EXPECT_THAT(said, testing::Each('x'));
  EXPECT_EQ(Failures("worker_slow"), 0);
}

TEST_F(AppProxyTest, AClientThatDoesNotSendWhatItAnnouncedIsGivenUp) {
  EdgeServer::Config config;
  config.http.app.timeout_ms = 200;
  StartApp(config);
  TestClient client = Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
  TestClient at_worker = worker_.Accept();
  EXPECT_THAT(client.ReadRest(), StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
  at_worker.ReadHead();
  EXPECT_EQ(at_worker.ReadRest(), "half");
  EXPECT_EQ(Failures("client_slow"), 1);
}

TEST_F(AppProxyTest, TwoHundredAtOnceAreAllAnswered) {
  StartApp();
  constexpr int kMany = 200;
  std::vector<TestClient> clients;
  std::vector<std::pair<TestClient, std::string>> at_worker;
  for (int i = 0; i < kMany; ++i) clients.push_back(Get("/" + std::to_string(i)));
  for (int i = 0; i < kMany; ++i) {
    TestClient accepted = worker_.Accept();
    std::string head = accepted.ReadHead();
    at_worker.emplace_back(std::move(accepted), std::move(head));
  }
  WaitForGauge(metrics_->app_requests, kMany);
  for (int i = kMany; i-- > 0;) {
    auto& [connection, head] = at_worker[static_cast<size_t>(i)];
    const std::string path = head.substr(4, head.find(' ', 4) - 4);
    connection.SendRaw("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(path.size()) + "\r\n\r\n" +
                       path);
  }
  for (int i = 0; i < kMany; ++i) {
    TestClient& client = clients[static_cast<size_t>(i)];
    client.ReadHead();
    EXPECT_EQ(client.ReadRest(), "/" + std::to_string(i));
  }
  WaitForGauge(metrics_->app_requests, 0);
}

TEST_F(AppProxyTest, RequestsCountAsConnectionsDo) {
  EdgeServer::Config config;
  config.http.max_connections = 2;
  StartApp(config);
  TestClient socket = Open();
  TestClient client = Get("/");
  TestClient at_worker = worker_.Accept();
  EXPECT_THAT(Get("/").ReadRest(), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(TestClient(port()).Upgrade("/room"), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(Metric("dormouse_refusals_total", "full"), 2);
  at_worker.SendRaw(kOk);
  EXPECT_THAT(client.ReadRest(), EndsWith("ok"));
  WaitForGauge(metrics_->app_requests, 0);
  TestClient next = Get("/");
  EXPECT_THAT(worker_.Accept().ReadHead(), StartsWith("GET / "));
}

TEST_F(AppProxyTest, ARequestHoldsItsAddressesSeat) {
  EdgeServer::Config config;
  config.http.max_connections_per_address = 1;
  StartApp(config);
  {
    TestClient client = Get("/");
    TestClient at_worker = worker_.Accept();
    EXPECT_THAT(Get("/").ReadRest(), StartsWith("HTTP/1.1 429 "));
    at_worker.SendRaw(kOk);
    EXPECT_THAT(client.ReadRest(), EndsWith("ok"));
  }
  WaitForGauge(metrics_->half_open, 0);
  TestClient client = Get("/");
  EXPECT_THAT(worker_.Accept().ReadHead(), StartsWith("GET / "));
}

// --- The end.

TEST_F(AppProxyTest, AStoppingGatewayLetsAnswersComeToTheirEnd) {
  StartApp();
  TestClient client = Get("/");
  TestClient at_worker = worker_.Accept();
  bool done = false;
  links_->Run([&] { edge_->Drain([&] { done = true; }); });
  links_->Run([&] { EXPECT_FALSE(done); });
  at_worker.SendRaw(kOk);
  EXPECT_THAT(client.ReadRest(), EndsWith("ok"));
  WaitForGauge(metrics_->app_requests, 0);
  links_->Run([] {});
  links_->Run([&] { EXPECT_TRUE(done); });
}

TEST_F(AppProxyTest, AStoppingGatewayDoesNotWaitForEver) {
  EdgeServer::Config config;
  config.drain_window_ms = 100;
  StartApp(config);
  TestClient client = Get("/");
  TestClient streaming = Get("/events");
  TestClient at_worker = worker_.Accept();
  TestClient streaming_worker = worker_.Accept();
  streaming_worker.SendRaw("HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_THAT(streaming.ReadHead(), StartsWith("HTTP/1.1 200 OK\r\n"));
  links_->Run([&] { edge_->Drain([] {}); });
  EXPECT_THAT(client.ReadRest(), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(streaming.ReadRest(), "");
  EXPECT_EQ(Failures("stopping"), 2);
}

}  // namespace
}  // namespace dormouse::edge
