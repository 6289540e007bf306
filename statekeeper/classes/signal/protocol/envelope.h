// The envelope: what every frame of the protocol is. Liberal in, strict out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/json/json_reader.h"

namespace dormouse::signal {

// A frame of a client, as far as it was understood. Slices point into the frame, which must outlive it.
struct Envelope {
  std::string type;
  std::string from;               // as written; whether it is an address is asked where it is used as one
  std::optional<std::string> to;  // as written
  bool ask = false;               // pattern; of hub's own types that say none, true
  std::optional<double> timestamp_ms;
  std::optional<double> ttl_ms;

  // As written, to be passed on. What is missing is null.
  JsonSlice id = "null";
  JsonSlice from_json = "null";
  JsonSlice to_json = "null";
  JsonSlice payload_json = "null";
  JsonSlice ttl_json = "null";
  size_t metadata_size = 0;

  // Their members; none when they are not objects.
  JsonObject payload;
  JsonObject metadata;

  // "hub:...", the hub's own types.
  static bool IsHubType(std::string_view type) { return type.starts_with("hub:"); }
};

// Reads a frame. Only `type` and `from` are required; fields of a wrong type count as missing. Returns what
// is wrong with it, a sentence, empty when nothing is.
std::string_view ParseEnvelope(std::string_view frame, Envelope* envelope);

// A frame of the hub. All members but `type` are JSON.
struct Outgoing {
  std::string_view type;
  std::string_view from;
  std::string_view payload = "null";
  std::string_view correlation_id = "null";
  std::string_view metadata = "{}";
  std::string_view ttl = "null";
  std::string_view id = {};         // a string
  std::string_view timestamp = {};  // an integer
};

// An envelope comes in two pieces, so that many recipients can share the second: EnvelopeHead(to) +
// EnvelopeTail(o).
std::string EnvelopeHead(std::string_view to_json);
std::string EnvelopeTail(const Outgoing& outgoing);

// The tail with a new id, sent now; `outgoing` has neither.
std::string NewEnvelopeTail(Outgoing outgoing, int64_t now_ms);

}  // namespace dormouse::signal
