#include "gateway/edge/fallback/event_text.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include "common/http/http_fields.h"
#include "common/json/json_writer.h"

namespace dormouse::edge {

std::string MessageEvent(uint64_t number, bool binary, std::string_view message) {
  std::string event = fmt::format("id: {}\n", number);
  if (binary || message.find('\r') != std::string_view::npos) {
    event += binary ? "event: binary\ndata: " : "event: base64\ndata: ";
    event += absl::Base64Escape({message.data(), message.size()});
    return event += "\n\n";
  }
  event.reserve(event.size() + message.size() + 16);
  for (;;) {
    const size_t end = message.find('\n');
    event.append("data: ").append(message.substr(0, end)).append("\n");
    if (end == std::string_view::npos) break;
    message.remove_prefix(end + 1);
  }
  return event += '\n';
}

std::string CloseEvent(uint64_t number, uint16_t code, std::string_view reason) {
  return fmt::format("id: {}\nevent: close\ndata: {{\"code\":{},\"reason\":{}}}\n\n", number, code,
                     JsonQuoted(reason));
}

std::string ConfirmEvent(uint64_t number) { return fmt::format("event: confirm\ndata: {}\n\n", number); }

std::string OpenEvent(uint64_t number) { return fmt::format("event: open\ndata: {}\n\n", number); }

}  // namespace dormouse::edge
