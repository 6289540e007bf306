#include "common/config/options.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <stdexcept>
#include <string_view>

#include "common/config/option_table.h"
#include "common/config/role_limits.h"

namespace dormouse {
namespace {

struct Unit {
  const char* name;
  uint64_t factor;
};
// A connection's row has to stay small: what is read for one frame.
constexpr uint64_t kMaxAttachment = 64u << 10;

constexpr Unit kDurationUnits[] = {{"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};
constexpr Unit kSizeUnits[] = {{"GiB", 1u << 30}, {"MiB", 1u << 20}, {"KiB", 1u << 10}, {"", 1}};

// Reads DIGITS UNIT. "0" needs no unit.
template <size_t N>
uint64_t ParseWithUnit(const std::string& text, const Unit (&units)[N], const char* hint) {
  size_t digits = 0;
  while (digits < text.size() && std::isdigit(static_cast<unsigned char>(text[digits])) != 0) ++digits;
  if (digits > 0 && digits <= 15) {
    const uint64_t number = std::stoull(text.substr(0, digits));
    const std::string unit = text.substr(digits);
    if (number == 0 && unit.empty()) return 0;
    for (const Unit& known : units) {
      if (unit == known.name) return number * known.factor;
    }
  }
  throw std::invalid_argument("'" + text + "' is not " + hint);
}

template <size_t N>
std::string FormatWithUnit(uint64_t value, const Unit (&units)[N]) {
  for (const Unit& unit : units) {
    if (value >= unit.factor && value % unit.factor == 0)
      return std::to_string(value / unit.factor) + unit.name;
  }
  return "0";
}

// What may change while a process runs (SIGHUP).
constexpr std::string_view kChangeable[] = {
    // both
    "log-level", "log-format",
    // gateway
    "drain-window", "compression", "allowed-origins", "trusted-proxies", "max-connections",
    "max-connections-per-address", "handshake-timeout", "inbound-buffer", "outbound-buffer",
    "connection-window",
    // statekeeper
    "max-awake", "hibernate-after", "max-attachment", "max-state", "max-output", "max-changes",
    "handler-budget", "connection-cpu",
    // hub classes
    "idle-timeout", "idle-grace", "cleanup-interval", "heartbeat-interval", "signal-heartbeat-interval",
    "edge-heartbeats", "max-message-size", "rate-limit", "rate-burst", "echo-rate-limit", "echo-rate-burst",
    "role-limits", "outbound-pause", "outbound-resume", "outbound-limit", "outbound-pause-messages",
    "outbound-resume-messages", "auth-refresh", "auth-capabilities", "connect-timeout", "resume-window",
    "resume-messages", "resume-bytes", "max-absent", "max-actors", "actor-ttl", "max-actor-ttl",
    "broadcast-limit", "max-subscriptions", "max-topics", "topic-wildcards"};

}  // namespace

bool MayChange(std::string_view option) {
  return std::ranges::find(kChangeable, option) != std::end(kChangeable);
}

void DeclareOptions(OptionTable* table, Options* o) {
  using enum OptionTable::User;
  table->Plain(kBoth, "data", &o->data, "Directory of this cluster's data, sockets and logs");
  table->Plain(kBoth, "listen", &o->listen,
               "HOST:PORT to serve on (gateway: clients; statekeeper: gateways, other statekeepers and "
               "operators; empty: on its unix socket only)");
  table->Plain(kBoth, "admin", &o->admin,
               "HOST:PORT for /healthz, /readyz and /metrics; port 0 takes a free one");
  table->Plain(kBoth, "log-level", &o->log_level, "trace, debug, info, warn, error or off");
  table->Plain(kBoth, "log-format", &o->log_format,
               "text (lines for people), or json (each line is a JSON object)");
  table->Plain(
      kBoth, "auth-algorithm", &o->auth_algorithm,
      "Signature that clients' tokens (JWT) must have: none (no token is asked for), HS256, RS256 or ES256");
  table->Plain(kBoth, "auth-key", &o->auth_key,
               "File that verifies tokens: the secret (HS256), a public key in PEM or a JWKS; read again "
               "when it changes");
  table->Plain(kBoth, "auth-issuer", &o->auth_issuer, "The claim iss that tokens must have");
  table->Plain(kBoth, "auth-audience", &o->auth_audience,
               "What the claim aud of tokens must name; empty: it is not looked at");
  table->Plain(
      kBoth, "cluster-secret", &o->cluster_secret,
      "File with the secret by which the processes of a cluster know each other over TCP, at least 32 "
      "bytes; read again when it changes");
  table->Plain(kBoth, "link-certificate", &o->link_certificate,
               "File with the certificate (PEM) of this process for the links between processes; read again "
               "when it changes");
  table->Plain(kBoth, "link-key", &o->link_key, "File with the private key (PEM) of link-certificate");
  table->Plain(kBoth, "link-ca", &o->link_ca,
               "File with the certificates (PEM) of the authorities that other processes' certificates must "
               "come from; with these three links are encrypted, and cluster-secret is not used");

  table->Plain(
      kGateway, "statekeepers", &o->statekeepers,
      "Statekeepers to start from: HOST:PORT, unix:SOCKET or unix:DIRECTORY, one or more; empty: those "
      "with a unix socket in the directory run of --data");
  table->Plain(kGateway, "web-root", &o->web_root,
               "Directory of the page served at /, instead of the one that comes along; /dormouse/ stays as "
               "far as it has "
               "none of its own");
  table->Size(
      kGateway, "replay-buffer", &o->replay_buffer,
      "Unacknowledged events kept per statekeeper lane before sockets are read no further: half for a "
      "shard alone, less where many need it");
  table->Time(kGateway, "drain-window", &o->drain_window,
              "Time over which a stopping gateway spreads the closing of its sockets");
  table->Plain(kGateway, "hub-view", &o->hub_view,
               "Say at /hub-view/PATH how the hub at that WebSocket path lives, and let it sleep when asked "
               "to (true); the web client shows it");
  table->Plain(kGateway, "compression", &o->compression,
               "Compress messages for clients that offer it: off, or deflate (permessage-deflate, RFC 7692, "
               "without context from message to message)");
  table->Plain(kGateway, "auth-upgrade", &o->auth_upgrade,
               "Open a socket only for a valid token (true), whatever its hub class; needs auth-algorithm");
  table->Plain(
      kGateway, "allowed-origins", &o->allowed_origins,
      "Web origins whose pages may open sockets, such as https://app.example or https://*.app.example; "
      "empty: all");
  table->Plain(kGateway, "trusted-proxies", &o->trusted_proxies,
               "Addresses or networks (10.0.0.0/8) whose X-Forwarded-For says who the client is");
  table->Plain(kGateway, "proxy-protocol", &o->proxy_protocol,
               "Expect the PROXY protocol (v1 or v2) of trusted-proxies, at the beginning of each of their "
               "connections: it says who the client is (true)");
  table->Plain(kGateway, "max-connections", &o->max_connections,
               "Sockets that one gateway holds; 0: as many as its file descriptors allow");
  table->Plain(kGateway, "max-connections-per-address", &o->max_connections_per_address,
               "Sockets from one address (IPv6: one /64) at one gateway; 0: no limit");
  table->Time(kGateway, "handshake-timeout", &o->handshake_timeout,
              "Time that a client has for its whole HTTP request");
  table->Size(
      kGateway, "inbound-buffer", &o->inbound_buffer,
      "Memory for messages that have come in part; beyond it sockets whose message stands still are closed "
      "(1013)");
  table->Size(
      kGateway, "outbound-buffer", &o->outbound_buffer,
      "Memory for what waits for all sockets together; beyond it those are closed (1013) that hold most "
      "of it for longest");
  table->Plain(kGateway, "connection-window", &o->connection_window,
               "Messages of one socket that its hub has not dealt with before it is read no further");

  table->Plain(
      kStatekeeper, "store", &o->store,
      "file (in --data), file:PATH, redis://[USER@]HOST:PORT[/DB], redis+unix://PATH, "
      "redis+sentinel://HOST:PORT,.../SERVICE or redis+cluster://HOST:PORT,...; over TLS with rediss "
      "in place of redis");
  table->Plain(kStatekeeper, "store-password-file", &o->store_password_file,
               "File with the password for Redis, in one line; read for each new connection");
  table->Plain(kStatekeeper, "store-sentinel-password-file", &o->store_sentinel_password_file,
               "The same for Redis' sentinels");
  table->Plain(
      kStatekeeper, "store-ca", &o->store_ca,
      "File with the certificates (PEM) of the authorities that Redis' certificate may be from; empty: "
      "those that this host trusts; read for each new connection");
  table->Plain(kStatekeeper, "store-certificate", &o->store_certificate,
               "File with the certificate (PEM) to show to Redis, where it asks for one");
  table->Plain(kStatekeeper, "store-key", &o->store_key,
               "File with the private key (PEM) of store-certificate");
  table->Plain(kStatekeeper, "store-prefix", &o->store_prefix,
               "First part of every key in Redis; clusters that share a Redis differ in it");
  table->Plain(kStatekeeper, "shards", &o->shards,
               "Shards of the cluster, 1-65536; fixed at the first start");
  table->Plain(kStatekeeper, "lanes", &o->lanes, "Worker threads; 0: one per core");
  table->Plain(kStatekeeper, "advertise", &o->advertise,
               "HOST:PORT that gateways should use; empty: --listen");
  table->Time(kStatekeeper, "commit-timeout", &o->commit_timeout,
              "After this long without an answer of the store a change is refused with a retryable error");
  table->Time(kStatekeeper, "gateway-grace", &o->gateway_grace,
              "How long a vanished or hanging gateway's sockets count as open");
  table->Size(kStatekeeper, "gateway-buffer", &o->gateway_buffer,
              "Output kept per lane for a gateway that is slow to acknowledge it, at most 4 times as much; "
              "beyond it the gateway is given up");
  table->Time(kStatekeeper, "member-ttl", &o->member_ttl,
              "A statekeeper that could not tell the store for this long that it lives loses its shards");
  table->Time(kStatekeeper, "stop-timeout", &o->stop_timeout,
              "Longest time that a stopping statekeeper takes to hand its shards over");
  table->Plain(
      kStatekeeper, "max-handlers", &o->max_handlers,
      "Handlers of one lane that may wait for the store at once; what comes beyond that waits its turn");
  table->Plain(kStatekeeper, "max-awake", &o->max_awake,
               "Hubs that one lane keeps in memory; beyond it the idlest leave before hibernate-after");
  table->Plain(kStatekeeper, "max-attempts", &o->max_attempts,
               "Statekeepers that an event may take down before it is given up, at least 2; 0: never");
  table->Plain(kStatekeeper, "admin-key", &o->admin_key,
               "File with the secret of operators (dormousectl --key), the same for all statekeepers; empty: "
               "operators are served on the unix socket only");
  table->Time(kStatekeeper, "reap-interval", &o->reap_interval,
              "How often a sleeping hub is woken to see whether its sockets' gateways still exist");

  table->Plain(kStatekeeper, "disabled-classes", &o->disabled_classes,
               "Hub classes that are not served, such as echo");
  table->Time(kStatekeeper, "hibernate-after", &o->hibernate_after,
              "Idle time after which a hub leaves memory");
  table->Time(kStatekeeper, "idle-timeout", &o->idle_timeout,
              "A socket silent for longer, and for idle-grace, is closed (1000); 0: never");
  table->Time(kStatekeeper, "idle-grace", &o->idle_grace,
              "Silence beyond idle-timeout that is forgiven to timers that fire late or once a minute, as in "
              "hidden tabs; at most a sixth of idle-timeout counts");
  table->Time(kStatekeeper, "cleanup-interval", &o->cleanup_interval,
              "How often gateways look for sockets of class echo that have been silent for too long");
  table->Time(kStatekeeper, "heartbeat-interval", &o->heartbeat_interval,
              "Heartbeat interval that class echo asks of its clients");
  table->Time(kStatekeeper, "signal-heartbeat-interval", &o->signal_heartbeat_interval,
              "Heartbeat interval that class signal asks of its clients");
  table->Plain(kStatekeeper, "edge-heartbeats", &o->edge_heartbeats,
               "Answer heartbeats at the gateway (true), or wake the hub for each (false)");
  table->Size(kStatekeeper, "max-message-size", &o->max_message_size,
              "Largest frame that a client may send; over 4 times it closes the socket (1009)");
  table->Plain(kStatekeeper, "rate-limit", &o->rate_limit,
               "Messages per second that one signal session may sustain; 0: no limit");
  table->Plain(kStatekeeper, "rate-burst", &o->rate_burst,
               "Messages that a signal session may send at once before rate-limit holds");
  table->Plain(kStatekeeper, "echo-rate-limit", &o->echo_rate_limit,
               "Messages per second that one socket of class echo may sustain; 0: no limit");
  table->Plain(kStatekeeper, "echo-rate-burst", &o->echo_rate_burst,
               "Messages that a socket of class echo may send at once before echo-rate-limit holds");
  table->Plain(kStatekeeper, "role-limits", &o->role_limits,
               "ROLE=RATE/BURST,...: instead of rate-limit and rate-burst for sessions whose token has this "
               "claim role; 0/0: no limit");
  table->Size(kStatekeeper, "outbound-pause", &o->outbound_pause,
              "Unsent bytes of a connection at which its hub is told to pause");
  table->Size(kStatekeeper, "outbound-resume", &o->outbound_resume,
              "Unsent bytes of a connection at which its hub is told to resume");
  table->Size(kStatekeeper, "outbound-limit", &o->outbound_limit,
              "Unsent bytes of a connection at which it is closed (1013)");
  table->Plain(kStatekeeper, "outbound-pause-messages", &o->outbound_pause_messages,
               "Unsent messages of a connection at which its hub is told to pause; 0: only bytes count");
  table->Plain(kStatekeeper, "outbound-resume-messages", &o->outbound_resume_messages,
               "Unsent messages of a connection at which its hub is told to resume");
  table->Size(kStatekeeper, "max-attachment", &o->max_attachment,
              "Largest attachment that a hub may store for one connection, at most 64KiB");
  table->Size(kStatekeeper, "max-state", &o->max_state,
              "Keyed state of one hub, keys and values; 0: no limit");
  table->Size(kStatekeeper, "max-output", &o->max_output,
              "Bytes that one event may make a hub send, each recipient's copy counted; 0: no limit");
  table->Size(kStatekeeper, "max-changes", &o->max_changes,
              "Bytes of keys and values that one event may make a hub write; 0: no limit");
  table->Time(kStatekeeper, "handler-budget", &o->handler_budget,
              "Processor time that a hub may spend on one event; 0: no limit");
  table->Time(kStatekeeper, "connection-cpu", &o->connection_cpu,
              "Processor time per second that the messages of one connection may cost its hub; 0: no limit");
  table->Plain(
      kStatekeeper, "auth-signing-key", &o->auth_signing_key,
      "File with the private key in PEM that signs refreshed tokens (RS256, ES256); empty: none are issued");
  table->Plain(kStatekeeper, "auth-refresh", &o->auth_refresh,
               "Give clients a fresh token for a good one (true), or never (false)");
  table->Plain(
      kStatekeeper, "auth-capabilities", &o->auth_capabilities,
      "original: a token whose claim capabilities has only send, receive and discover may do all that these "
      "allowed in the original; strict: every claim is taken at its word");
  table->Time(
      kStatekeeper, "connect-timeout", &o->connect_timeout,
      "Time from a signal socket's opening to a successful hub:connect, where tokens are asked for; 0: any");
  table->Time(kStatekeeper, "resume-window", &o->resume_window,
              "How long a signal session without a socket can be resumed; 0: not at all");
  table->Plain(kStatekeeper, "resume-messages", &o->resume_messages,
               "Messages kept for a session that has no socket");
  table->Size(kStatekeeper, "resume-bytes", &o->resume_bytes,
              "Bytes of messages kept for a session that has no socket");
  table->Plain(
      kStatekeeper, "max-absent", &o->max_absent,
      "Sessions without a socket that one signal hub keeps; beyond, those end that have waited longest");
  table->Plain(kStatekeeper, "max-actors", &o->max_actors, "Registered actors that one signal hub accepts");
  table->Time(kStatekeeper, "actor-ttl", &o->actor_ttl, "Life of a registration that asks for none");
  table->Time(kStatekeeper, "max-actor-ttl", &o->max_actor_ttl,
              "Longest life of a registration; longer requests are cut to it");
  table->Plain(kStatekeeper, "broadcast-limit", &o->broadcast_limit,
               "Recipients of one broadcast; 0: no limit");
  table->Plain(kStatekeeper, "max-subscriptions", &o->max_subscriptions,
               "Subscriptions of one signal session");
  table->Plain(kStatekeeper, "max-topics", &o->max_topics, "Topics with subscribers in one signal hub");
  table->Plain(kStatekeeper, "topic-wildcards", &o->topic_wildcards,
               "Let subscriptions of class signal use + (one level) and # (the rest) as MQTT does");
}

std::string Inconsistency(const Options& o) {
  constexpr std::string_view kLevels[] = {"trace", "debug", "info", "warn", "error", "off"};
  if (std::ranges::find(kLevels, o.log_level) == std::end(kLevels)) {
    return "--log-level must be trace, debug, info, warn, error or off";
  }
  if (o.log_format != "text" && o.log_format != "json") return "--log-format must be text or json";
  if (o.shards < 1 || o.shards > 65'536) return "--shards must be 1-65536";
  if (o.max_handlers < 1) return "--max-handlers must be at least 1";
  if (o.max_handlers > 10'000) return "--max-handlers must be at most 10000: each is a stack of its own";
  if (o.max_awake < 1) return "--max-awake must be at least 1";
  if (o.max_attempts == 1) return "--max-attempts must be at least 2, or 0: a first crash may be anyone's";
  if (o.outbound_resume > o.outbound_pause || o.outbound_pause > o.outbound_limit) {
    return "--outbound-resume <= --outbound-pause <= --outbound-limit must hold";
  }
  if (o.outbound_resume_messages > o.outbound_pause_messages) {
    return "--outbound-resume-messages <= --outbound-pause-messages must hold";
  }
  if (o.outbound_buffer < 1u << 20) return "--outbound-buffer must be at least 1MiB";
  if (o.max_attachment > kMaxAttachment) return "--max-attachment must be at most 64KiB";
  if (!o.auth_key.empty() && o.auth_algorithm == "none") {
    return "--auth-key needs --auth-algorithm: HS256, RS256 or ES256";
  }
  if (o.auth_upgrade && o.auth_algorithm == "none") {
    return "--auth-upgrade needs --auth-algorithm and --auth-key";
  }
  if (o.compression != "off" && o.compression != "deflate") return "--compression must be off or deflate";
  if (o.auth_capabilities != "original" && o.auth_capabilities != "strict") {
    return "--auth-capabilities must be original or strict";
  }
  const bool any_link_file = !o.link_certificate.empty() || !o.link_key.empty() || !o.link_ca.empty();
  if (any_link_file && (o.link_certificate.empty() || o.link_key.empty() || o.link_ca.empty())) {
    return "--link-certificate, --link-key and --link-ca belong together: name all three, or none";
  }
  if (o.max_message_size < 64) return "--max-message-size must be at least 64 bytes";
  if (o.store_certificate.empty() != o.store_key.empty()) {
    return "--store-certificate and --store-key belong together: give both or none";
  }
  if (o.max_changes != 0 && o.max_changes < std::max<uint64_t>(4 * o.resume_bytes, 1u << 20)) {
    return "--max-changes must be at least 4 times --resume-bytes, and 1MiB; 0: no limit";
  }
  if (o.max_output != 0 && o.max_output < 4 * std::max(o.resume_bytes, o.max_message_size)) {
    return "--max-output must be at least 4 times --resume-bytes and --max-message-size; 0: no limit";
  }
  if (!(o.rate_limit >= 0)) return "--rate-limit must not be negative";
  if (!(o.echo_rate_limit >= 0)) return "--echo-rate-limit must not be negative";
  if (o.proxy_protocol && o.trusted_proxies.empty()) {
    return "--proxy-protocol needs --trusted-proxies: whose word is to count";
  }
  if (o.connection_window < 1) return "--connection-window must be at least 1";
  if (std::string wrong; !ParseRoleLimits(o.role_limits, &wrong).has_value()) return wrong;
  if (!o.role_limits.empty() && o.auth_algorithm == "none") {
    return "--role-limits needs --auth-algorithm: who has which role is said by tokens";
  }
  if (o.gateway_buffer < 1u << 20) return "--gateway-buffer must be at least 1MiB";
  if (o.member_ttl.count() < 1000) return "--member-ttl must be at least 1s";
  if (o.hibernate_after.count() < 1) return "--hibernate-after must be at least 1ms";
  if (o.cleanup_interval.count() < 1) return "--cleanup-interval must be at least 1ms";
  return "";
}

Duration ParseDuration(const std::string& text) {
  return Duration(ParseWithUnit(text, kDurationUnits, "a duration: write 500ms, 30s, 5m or 1h"));
}
std::string FormatDuration(Duration duration) {
  return FormatWithUnit(static_cast<uint64_t>(duration.count()), kDurationUnits);
}
uint64_t ParseSize(const std::string& text) {
  return ParseWithUnit(text, kSizeUnits, "a size: write 512, 64KiB, 1MiB or 1GiB");
}
std::string FormatSize(uint64_t bytes) { return FormatWithUnit(bytes, kSizeUnits); }

}  // namespace dormouse
