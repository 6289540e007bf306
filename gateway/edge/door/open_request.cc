#include "gateway/edge/door/open_request.h"

#include <algorithm>

#include "common/trace_context.h"
#include "gateway/edge/frames/utf8.h"
#include "proto/link.pb.h"

namespace dormouse::edge {
namespace {

// Protobuf strings are UTF-8; what clients write into a request need not be.
std::string AsUtf8(std::string_view text) {
  std::string out(text);
  if (!IsValidUtf8(out)) {
    std::replace_if(
        out.begin(), out.end(), [](char c) { return (c & 0x80) != 0; }, '?');
  }
  return out;
}

void SetIdentity(const TokenClaims& claims, link::Identity* identity) {
  identity->set_actor(AsUtf8(claims.actor));
  for (const std::string& glob : claims.actors) identity->add_actors(AsUtf8(glob));
  for (const std::string& capability : claims.capabilities) identity->add_capabilities(AsUtf8(capability));
  identity->set_expires_ms(claims.expires_ms);
  identity->set_role(AsUtf8(claims.role));
}

}  // namespace

std::string MakeOpenRequest(const HttpRequest& request, const IpAddress& client, std::string_view subprotocol,
                            const TokenClaims* claims, std::string_view reservation) {
  link::OpenRequest open;
  open.set_path(AsUtf8(request.path));
  open.set_query(AsUtf8(request.query));
  open.set_remote_address(client.ToString());
  open.set_subprotocol(std::string(subprotocol));
  open.set_reservation(AsUtf8(reservation));
  // Not what proxies add, or clients pretend that they do (X-Forwarded-For and its like): `client` is what
  // can be believed of that.
  for (const char* name : {"origin", "user-agent"}) {
    const auto value = request.Header(name);
    if (!value.has_value()) continue;
    link::OpenRequest::Header* header = open.add_headers();
    header->set_name(name);
    header->set_value(AsUtf8(*value));
  }
  // A trace that is none is not passed on (W3C Trace Context, 4.3).
  if (const auto trace = request.Header(kTraceParent); trace && TraceContext::Parse(*trace)) {
    link::OpenRequest::Header* header = open.add_headers();
    header->set_name(std::string(kTraceParent));
    header->set_value(std::string(*trace));
  }
  if (claims != nullptr) SetIdentity(*claims, open.mutable_identity());
  return open.SerializeAsString();
}

}  // namespace dormouse::edge
