#include "gateway/edge/frames/deflate_offer.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace dormouse::edge {
namespace {

struct Offer {
  bool server_no_context_takeover = false;
  bool client_no_context_takeover = false;
  std::optional<uint8_t> server_max_window_bits;
  bool client_max_window_bits = false;
};

// What is left of a header's value.
class ExtensionList {
 public:
  explicit ExtensionList(std::string_view text) : text_(text) {}

  bool empty() const { return text_.empty(); }

  // Whether a `separator` comes next, after any blanks; takes it.
  bool Take(char separator) {
    SkipBlanks();
    if (text_.empty() || text_.front() != separator) return false;
    text_.remove_prefix(1);
    return true;
  }

  // Up to a separator; empty where something else is there.
  std::string_view TakeToken() {
    SkipBlanks();
    const std::string_view token = text_.substr(0, text_.find_first_of(" \t,;=\""));
    if (!IsHttpToken(token)) return {};
    text_.remove_prefix(token.size());
    return token;
  }

  // A token, or what is between quotes; whether that is one, too, as RFC 6455 wants it, is for who knows the
  // values. nullopt: the quotes do not end.
  std::optional<std::string> TakeValue() {
    if (!Take('"')) return std::string(TakeToken());
    std::string value;
    if (!TakeQuoted(&value)) return std::nullopt;
    return value;
  }

  // To the end of this offer and its comma, whatever is between.
  void SkipOffer() {
    while (!text_.empty() && !Take(',')) {
      if (Take('"')) {
        std::string quoted;
        TakeQuoted(&quoted);
      } else if (!text_.empty()) {
        text_.remove_prefix(1);
      }
    }
  }

 private:
  void SkipBlanks() {
    while (!text_.empty() && (text_.front() == ' ' || text_.front() == '\t')) text_.remove_prefix(1);
  }

  // What is left of a quoted string (RFC 9110, 5.6.4), its end included. False: it has none, and all was
  // taken.
  bool TakeQuoted(std::string* value) {
    while (!text_.empty()) {
      char next = text_.front();
      text_.remove_prefix(1);
      if (next == '"') return true;
      if (next == '\\' && !text_.empty()) {
        next = text_.front();
        text_.remove_prefix(1);
      }
      value->push_back(next);
    }
    return false;
  }

  std::string_view text_;
};

// "8" to "15", without leading zeros (RFC 7692, 7.1.2).
std::optional<uint8_t> ReadWindowBits(std::string_view value) {
  if (value == "8") return 8;
  if (value == "9") return 9;
  if (value.size() == 2 && value[0] == '1' && value[1] >= '0' && value[1] <= '5')
    return static_cast<uint8_t>(10 + (value[1] - '0'));
  return std::nullopt;
}

// False: RFC 7692 has no such parameter in an offer, or not twice, or not of this value.
bool AddParameter(std::string_view name, const std::optional<std::string>& value, Offer* offer) {
  if (name == "server_no_context_takeover")
    return !value.has_value() && !std::exchange(offer->server_no_context_takeover, true);
  if (name == "client_no_context_takeover")
    return !value.has_value() && !std::exchange(offer->client_no_context_takeover, true);
  if (name == "server_max_window_bits") {
    if (!value.has_value() || offer->server_max_window_bits.has_value()) return false;
    offer->server_max_window_bits = ReadWindowBits(*value);
    return offer->server_max_window_bits.has_value();
  }
  if (name == "client_max_window_bits") {
    if (value.has_value() && !ReadWindowBits(*value).has_value()) return false;
    return !std::exchange(offer->client_max_window_bits, true);
  }
  return false;
}

// One offer of the list and its comma, taken as far as it is read. nullopt: another extension, or none that
// may be accepted.
std::optional<Offer> ReadOffer(ExtensionList* list) {
  if (list->TakeToken() != "permessage-deflate") return std::nullopt;
  Offer offer;
  while (list->Take(';')) {
    const std::string_view name = list->TakeToken();
    std::optional<std::string> value;
    if (list->Take('=')) {
      value = list->TakeValue();
      if (!value.has_value()) return std::nullopt;
    }
    if (!AddParameter(name, value, &offer)) return std::nullopt;
  }
  if (!list->Take(',') && !list->empty()) return std::nullopt;
  return offer;
}

std::optional<AcceptedDeflate> Accept(const Offer& offer) {
  const uint8_t bits = offer.server_max_window_bits.value_or(kMaxWindowBits);
  if (bits < kMinWindowBits) return std::nullopt;
  AcceptedDeflate accepted = {
      .parameters = {.server_window_bits = bits},
      .answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"};
  // Accepted is what is named in the answer, also where it is no limit.
  if (offer.server_max_window_bits.has_value())
    accepted.answer += fmt::format("; server_max_window_bits={}", bits);
  return accepted;
}

}  // namespace

std::optional<AcceptedDeflate> AcceptDeflate(const HttpRequest& request) {
  for (const auto& [name, value] : request.headers) {
    if (!EqualsIgnoringCase(name, "sec-websocket-extensions")) continue;
    for (ExtensionList list(value); !list.empty();) {
      if (const std::optional<Offer> offer = ReadOffer(&list); !offer.has_value()) {
        list.SkipOffer();
      } else if (std::optional<AcceptedDeflate> accepted = Accept(*offer); accepted.has_value()) {
        return accepted;
      }
    }
  }
  return std::nullopt;
}

}  // namespace dormouse::edge
