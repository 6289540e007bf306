// What the clients' port answers to requests that open no WebSocket: the web client's files, /health, and
// sentences about what there is. On the loop's thread.
#pragma once

#include <string>

#include "common/http/http_reply.h"
#include "common/http/http_request.h"
#include "gateway/edge/door/router.h"
#include "gateway/edge/door/static_files.h"

namespace dormouse::edge {

class HttpPages {
 public:
  // Directories as StaticFiles has them; `router` outlives this.
  HttpPages(std::string web_root, std::string shipped_web_root, const Router* router)
      : files_(std::move(web_root), std::move(shipped_web_root)), router_(router) {}

  // Whether a request with these is to open a WebSocket; else it is for Answer.
  static bool WantsWebSocket(const HttpRequest& request);
  HttpReply Answer(const HttpRequest& request);
  // Whether it is answered here even where there is an app: /health, the client library, and what routes of
  // hub classes say to requests that open no WebSocket. The rest, the page at / included, is the app's then.
  bool IsNotForApp(const HttpRequest& request) const;

 private:
  HttpReply Options(const HttpRequest& request);
  HttpReply Get(const HttpRequest& request);

  StaticFiles files_;
  const Router* const router_;
};

}  // namespace dormouse::edge
