#include "common/http/http_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "common/http/request_target.h"

namespace dormouse {
namespace {

// Written before the request by clients that ended another one with it.
constexpr size_t kMaxEmptyLines = 4;
constexpr size_t kMaxHeaders = 100;

bool Refuse(HttpReply* refusal, int status, std::string sentence) {
  *refusal = {.status = status, .body = std::move(sentence)};
  return false;
}

// Two of these are two requests, and who reads the other one decides otherwise.
bool MayComeOnceOnly(std::string_view name) {
  constexpr std::string_view kNames[] = {"host", "content-length", "origin", "sec-websocket-key",
                                         "sec-websocket-version"};
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [&](std::string_view known) { return EqualsIgnoringCase(known, name); });
}

// Where the first line begins that is not empty.
size_t SkipEmptyLines(std::string_view bytes) {
  size_t at = 0;
  while (at < 2 * kMaxEmptyLines && bytes.substr(at).starts_with("\r\n")) at += 2;
  return at;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool ReadRequestLine(std::string_view line, HttpRequest* request, HttpReply* refusal) {
  constexpr const char* kNoRequest = "This is not an HTTP/1.1 request; send GET with a path.\n";
  request->method = TakeUntil(" ", &line);
  const std::string_view target = TakeUntil(" ", &line);
  constexpr std::string_view kHttp = "HTTP/";
  if (!IsHttpToken(request->method) || !line.starts_with(kHttp)) return Refuse(refusal, 400, kNoRequest);
  line.remove_prefix(kHttp.size());
  if (line.size() != 3 || line[1] != '.' || !IsDigit(line[0]) || !IsDigit(line[2]))
    return Refuse(refusal, 400, kNoRequest);
  if (line[0] != '1') return Refuse(refusal, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.\n");
  request->minor_version = line[2] == '0' ? 0 : 1;  // later ones are understood as 1.1 (RFC 9110, 6.2)
  if (request->method == "CONNECT") return Refuse(refusal, 501, "This is no proxy; send GET with a path.\n");
  RequestTarget read;
  if (const char* wrong = ReadTarget(request->method, target, &read)) return Refuse(refusal, 400, wrong);
  request->authority = read.authority;
  request->path = read.path;
  request->query = read.query;
  return true;
}

bool ReadField(std::string_view line, HttpRequest* request, HttpReply* refusal) {
  if (line.front() == ' ' || line.front() == '\t')
    return Refuse(refusal, 400, "A header must not go on in a further line; write it in one.\n");
  if (line.find(':') == std::string_view::npos)
    return Refuse(refusal, 400, "A header is NAME: VALUE; one line has no colon.\n");
  const std::string_view name = TakeUntil(":", &line);
  if (!IsHttpToken(name)) {
    return Refuse(refusal, 400,
                  name.ends_with(' ') || name.ends_with('\t')
                      ? "Nothing may stand between a header's name and its colon, no blank either.\n"
                      : "A header's name has a character that names must not have.\n");
  }
  if (!IsFieldContent(line))
    return Refuse(refusal, 400, "A header's value has a control character; leave it out.\n");
  if (request->headers.size() == kMaxHeaders)
    return Refuse(refusal, 431, fmt::format("Send at most {} headers.\n", kMaxHeaders));
  if (MayComeOnceOnly(name) && request->Header(name).has_value())
    return Refuse(refusal, 400, fmt::format("The header {} may be sent once only.\n", name));
  request->headers.emplace_back(name, TrimBlanks(line));
  return true;
}

// RFC 9112, 3.2: Host must be there and good even where the target says another one.
bool CheckHost(HttpRequest* request, HttpReply* refusal) {
  const std::optional<std::string_view> host = request->Header("host");
  if (!host.has_value() && request->minor_version == 0) return true;
  if (!host.has_value()) return Refuse(refusal, 400, "HTTP/1.1 requests need the header Host; send it.\n");
  if (!IsHostAndPort(*host)) return Refuse(refusal, 400, "Host must be HOST or HOST:PORT.\n");
  if (request->authority.empty()) request->authority = *host;
  return true;
}

// RFC 9112, 6.3. Bodies are of no use here, but where they end has to be beyond doubt.
bool CheckFraming(HttpRequest* request, HttpReply* refusal) {
  const std::optional<std::string_view> length = request->Header("content-length");
  if (length.has_value() && !IsContentLength(*length))
    return Refuse(refusal, 400, "Content-Length must be a number.\n");
  request->has_body = length.has_value() && length->find_first_not_of('0') != std::string_view::npos;
  if (!request->Header("transfer-encoding").has_value()) return true;
  request->has_body = true;
  if (length.has_value())
    return Refuse(refusal, 400, "Send Content-Length or Transfer-Encoding, not both.\n");
  if (request->minor_version == 0) return Refuse(refusal, 400, "HTTP/1.0 has no Transfer-Encoding.\n");
  const std::vector<std::string_view> codings = request->ListItems("transfer-encoding");
  if (codings.empty() || !EqualsIgnoringCase(codings.back(), "chunked"))
    return Refuse(refusal, 400, "Transfer-Encoding must end with chunked.\n");
  if (codings.size() > 1) return Refuse(refusal, 501, "The only Transfer-Encoding known here is chunked.\n");
  return true;
}

}  // namespace

size_t FindHeadEnd(std::string_view bytes, size_t from) {
  const size_t begin = SkipEmptyLines(bytes);
  for (size_t at = std::max(from, begin); (at = bytes.find('\n', at)) != std::string_view::npos; ++at) {
    if (at == begin || bytes[at - 1] != '\r') return at + 1;  // a line feed alone
    if (at == begin + 1 || bytes[at - 2] == '\n') return at + 1;
  }
  return 0;
}

bool ParseHttpRequest(std::string_view head, HttpRequest* request, HttpReply* refusal) {
  *request = {};
  head.remove_prefix(SkipEmptyLines(head));
  for (bool first = true; !head.empty(); first = false) {
    const std::string_view line = TakeUntil("\r\n", &head);
    if (line.empty() && !first) return CheckHost(request, refusal) && CheckFraming(request, refusal);
    if ((first ? ReadRequestLine : ReadField)(line, request, refusal)) continue;
    // No line with one of these is good; but this says more of why.
    if (line.find_first_of("\r\n") != std::string_view::npos)
      Refuse(refusal, 400, "Lines end with CR LF, and neither of the two may stand alone.\n");
    return false;
  }
  return Refuse(refusal, 400, "The request has no end.\n");
}

}  // namespace dormouse
