#include "common/config/options.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <stdexcept>
#include <string_view>

#include "common/config/addresses.h"
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

using enum OptionTable::User;
using enum OptionTable::Change;

void DeclareProcess(OptionTable* table, Options* o) {
  table->Plain(kBoth, kAtStart, "data", &o->data, "directory",
               "Directory of this cluster's data, sockets and logs");
  table->Plain(kBoth, kAtStart, "listen", &o->listen, "address",
               "HOST:PORT to serve on (gateway: clients; statekeeper: gateways, other statekeepers and "
               "operators; empty: on its unix socket only)");
  table->Plain(kBoth, kAtStart, "admin", &o->admin, "address",
               "HOST:PORT for /healthz, /readyz and /metrics; port 0 takes a free one");
  table->Plain(kBoth, kWhileRunning, "log-level", &o->log_level, "trace|debug|info|warn|error|off",
               "trace, debug, info, warn, error or off");
  table->Plain(kBoth, kWhileRunning, "log-format", &o->log_format, "text|json",
               "text (lines for people), or json (each line is a JSON object)");
}

void DeclareTrust(OptionTable* table, Options* o) {
  table->Plain(
      kBoth, kAtStart, "otlp-endpoint", &o->otlp_endpoint, "url",
      "Collector that spans are posted to, by OTLP over HTTP: http://HOST:4318, /v1/traces is added; "
      "empty: nothing is traced");
  table->Plain(kBoth, kAtStart, "otlp-headers-file", &o->otlp_headers_file, "file",
               "File with headers for the collector, lines NAME: VALUE: what it asks for to let spans in");
  table->Plain(
      kBoth, kAtStart, "auth-algorithm", &o->auth_algorithm, "none|HS256|RS256|ES256",
      "Signature that clients' tokens (JWT) must have: none (no token is asked for), HS256, RS256 or ES256");
  table->Plain(kBoth, kAtStart, "auth-key", &o->auth_key, "file",
               "File that verifies tokens: the secret (HS256), a public key in PEM or a JWKS; read again "
               "when it changes");
  table->Plain(kBoth, kAtStart, "auth-issuer", &o->auth_issuer, "text",
               "The claim iss that tokens must have");
  table->Plain(kBoth, kAtStart, "auth-audience", &o->auth_audience, "text",
               "What the claim aud of tokens must name; empty: it is not looked at");
  table->Plain(kBoth, kAtStart, "cluster-secret", &o->cluster_secret, "file",
               "File with the secret by which the processes of a cluster know each other over TCP, at least "
               "32 bytes; read again when it changes");
  table->Plain(kBoth, kAtStart, "link-certificate", &o->link_certificate, "file",
               "File with the certificate (PEM) of this process for the links between processes; read again "
               "when it changes");
  table->Plain(kBoth, kAtStart, "link-key", &o->link_key, "file",
               "File with the private key (PEM) of link-certificate");
  table->Plain(kBoth, kAtStart, "link-ca", &o->link_ca, "file",
               "File with the certificates (PEM) of the authorities that other processes' certificates must "
               "come from; with these three links are encrypted, and cluster-secret is not used");
}

void DeclareClientPorts(OptionTable* table, Options* o) {
  table->Plain(kGateway, kAtStart, "statekeepers", &o->statekeepers, "addresses",
               "Statekeepers to start from: HOST:PORT, unix:SOCKET or unix:DIRECTORY, one or more; empty: "
               "those with a unix socket in the directory run of --data");
  table->Plain(
      kGateway, kAtStart, "tls-listen", &o->tls_listen, "address",
      "HOST:PORT where clients come by TLS (wss://, https://), port 0 for a free one; of use with tls-cert "
      "alone. An empty listen leaves this as the only port for them");
  table->Plain(
      kGateway, kAtStart, "tls-cert", &o->tls_cert, "file",
      "File with the certificate (PEM) that clients are shown at tls-listen, those of authorities on the way "
      "behind it; read again when it changes, and at SIGHUP; empty: no TLS");
  table->Plain(kGateway, kAtStart, "tls-key", &o->tls_key, "file",
               "File with the private key (PEM) of tls-cert");
  table->Plain(
      kGateway, kAtStart, "tls-client-ca", &o->tls_client_ca, "file",
      "File with the certificates (PEM) of the authorities that clients must have theirs from at tls-listen; "
      "empty: clients need none");
  table->Plain(kGateway, kAtStart, "web-root", &o->web_root, "directory",
               "Directory of the page served at /, instead of the one that comes along; /dormouse/ stays as "
               "far as it has none of its own");
  table->Size(kGateway, kAtStart, "replay-buffer", &o->replay_buffer,
              "Unacknowledged events kept per statekeeper lane before sockets are read no further: half for "
              "a shard alone, less where many need it");
  table->Time(kGateway, kWhileRunning, "drain-window", &o->drain_window,
              "Time over which a stopping gateway spreads the closing of its sockets");
  table->Flag(kGateway, kAtStart, "hub-view", &o->hub_view,
              "Say at /hub-view/PATH how the hub at that WebSocket path lives, and let it sleep when asked "
              "to (true); the web client shows it");
  table->Plain(kGateway, kWhileRunning, "compression", &o->compression, "off|deflate",
               "Compress messages for clients that offer it: off, or deflate (permessage-deflate, RFC 7692, "
               "without context from message to message)");
  table->Flag(kGateway, kAtStart, "auth-upgrade", &o->auth_upgrade,
              "Open a socket only for a valid token (true), whatever its hub class; needs auth-algorithm");
  table->Plain(kGateway, kWhileRunning, "allowed-origins", &o->allowed_origins, "origins",
               "Web origins whose pages may open sockets, such as https://app.example or "
               "https://*.app.example; empty: all");
  table->Plain(kGateway, kWhileRunning, "trusted-proxies", &o->trusted_proxies, "addresses",
               "Addresses or networks (10.0.0.0/8) whose X-Forwarded-For says who the client is");
  table->Flag(kGateway, kAtStart, "proxy-protocol", &o->proxy_protocol,
              "Expect the PROXY protocol (v1 or v2) of trusted-proxies, at the beginning of each of their "
              "connections: it says who the client is (true)");
  table->Plain(
      kBoth, kWhileRunning, "trace-sample", &o->trace_sample, "share",
      "Share of what is traced though it comes with no trace of its own, from 0 to 1: at a gateway openings of "
      "WebSockets, an app's requests and calls of backends, at a statekeeper alarms of hubs; who comes with a "
      "trace has decided");
  table->Plain(kGateway, kWhileRunning, "max-connections", &o->max_connections, "sockets",
               "Sockets that one gateway holds; 0: as many as its file descriptors allow");
  table->Plain(kGateway, kWhileRunning, "max-connections-per-address", &o->max_connections_per_address,
               "sockets", "Sockets from one address (IPv6: one /64) at one gateway; 0: no limit");
  table->Time(kGateway, kWhileRunning, "handshake-timeout", &o->handshake_timeout,
              "Time that a client has for its whole HTTP request, and TLS before it");
}

void DeclareFallback(OptionTable* table, Options* o) {
  table->Flag(kGateway, kAtStart, "fallback", &o->fallback,
              "Take clients whose network lets no WebSocket through, at PATH/@fallback of each WebSocket's "
              "path: event streams or polls down, POSTs up (true)");
  table->Time(kGateway, kWhileRunning, "fallback-window", &o->fallback_window,
              "Time that a client without a WebSocket has to come back when its requests were cut; its hub "
              "does not hear of it until then");
  table->Time(kGateway, kWhileRunning, "fallback-heartbeat", &o->fallback_heartbeat,
              "Time between comments in an event stream in which nothing is said, so that proxies keep it");
  table->Time(kGateway, kWhileRunning, "fallback-wait", &o->fallback_wait,
              "Time that a poll waits for something to say, less than what proxies allow");
  table->Size(kGateway, kWhileRunning, "fallback-buffer", &o->fallback_buffer,
              "Memory for what clients without a WebSocket have not confirmed, all together; beyond it those "
              "are lost that hold most of it");
  table->Plain(kGateway, kAtStart, "fallback-connections", &o->fallback_connections, "connections",
               "Connections of clients without a WebSocket, which take up to four descriptors each; 0: an "
               "eighth of the descriptors");
}

void DeclareClientBuffers(OptionTable* table, Options* o) {
  table->Time(
      kGateway, kWhileRunning, "app-timeout", &o->app_timeout,
      "Time for which an HTTP request to the app may stand still: no byte of it comes, and none of its "
      "answer");
  table->Size(kGateway, kWhileRunning, "inbound-buffer", &o->inbound_buffer,
              "Memory for messages that have come in part; beyond it sockets whose message stands still are "
              "closed (1013)");
  table->Size(kGateway, kWhileRunning, "outbound-buffer", &o->outbound_buffer,
              "Memory for what waits for all sockets together; beyond it those are closed (1013) that hold "
              "most of it for longest");
  table->Plain(kGateway, kWhileRunning, "connection-window", &o->connection_window, "messages",
               "Messages of one socket that its hub has not dealt with before it is read no further");
}

void DeclareBackendPorts(OptionTable* table, Options* o) {
  table->Plain(kGateway, kAtStart, "api-listen", &o->api_listen, "address",
               "HOST:PORT where backends call hubs over HTTP, port 0 for a free one; empty: nowhere");
  table->Plain(kGateway, kAtStart, "api-grpc-listen", &o->api_grpc_listen, "address",
               "HOST:PORT where backends call hubs over gRPC, port 0 for a free one; empty: nowhere");
  table->Plain(
      kGateway, kAtStart, "api-key-file", &o->api_key_file, "file",
      "File with the keys that backends show at these ports, KEY or NAME:KEY a line, each of at least 32 "
      "characters; read again when it changes");
  table->Time(kGateway, kAtStart, "api-timeout", &o->api_timeout,
              "Longest time that a backend waits for its hub, also where it asks for more");
  table->Size(kGateway, kAtStart, "api-body", &o->api_body,
              "Largest body of a backend's request, at most 16MiB");
  table->Plain(kGateway, kAtStart, "api-calls", &o->api_calls, "calls",
               "Calls of backends under way at once; more are answered with 503");
  table->Plain(kGateway, kAtStart, "api-calls-per-key", &o->api_calls_per_key, "calls",
               "Calls under way at once with one key of api-key-file; more are answered with 429");
  table->Plain(kGateway, kAtStart, "api-calls-per-hub", &o->api_calls_per_hub, "calls",
               "Calls of one hub under way at once; more are answered with 429");
}

void DeclareStore(OptionTable* table, Options* o) {
  table->Plain(kStatekeeper, kAtStart, "store", &o->store, "URL",
               "file (in --data), file:PATH, redis://[USER@]HOST:PORT[/DB], redis+unix://PATH, "
               "redis+sentinel://HOST:PORT,.../SERVICE or redis+cluster://HOST:PORT,...; over TLS with "
               "rediss in place of redis");
  table->Plain(kStatekeeper, kAtStart, "store-password-file", &o->store_password_file, "file",
               "File with the password for Redis, in one line; read for each new connection");
  table->Plain(kStatekeeper, kAtStart, "store-sentinel-password-file", &o->store_sentinel_password_file,
               "file", "The same for Redis' sentinels");
  table->Plain(kStatekeeper, kAtStart, "store-ca", &o->store_ca, "file",
               "File with the certificates (PEM) of the authorities that Redis' certificate may be from; "
               "empty: those that this host trusts; read for each new connection");
  table->Plain(kStatekeeper, kAtStart, "store-certificate", &o->store_certificate, "file",
               "File with the certificate (PEM) to show to Redis, where it asks for one");
  table->Plain(kStatekeeper, kAtStart, "store-key", &o->store_key, "file",
               "File with the private key (PEM) of store-certificate");
  table->Plain(kStatekeeper, kAtStart, "store-prefix", &o->store_prefix, "text",
               "First part of every key in Redis; clusters that share a Redis differ in it");
}

void DeclareCluster(OptionTable* table, Options* o) {
  table->Plain(kStatekeeper, kAtStart, "shards", &o->shards, "number",
               "Shards of the cluster, 1-65536; fixed at the first start");
  table->Plain(kStatekeeper, kAtStart, "lanes", &o->lanes, "number", "Worker threads; 0: one per core");
  table->Plain(kStatekeeper, kAtStart, "advertise", &o->advertise, "address",
               "HOST:PORT that gateways should use; empty: --listen");
  table->Time(kStatekeeper, kAtStart, "commit-timeout", &o->commit_timeout,
              "After this long without an answer of the store a change is refused with a retryable error");
  table->Time(kStatekeeper, kAtStart, "gateway-grace", &o->gateway_grace,
              "How long a vanished or hanging gateway's sockets count as open");
  table->Size(kStatekeeper, kAtStart, "gateway-buffer", &o->gateway_buffer,
              "Output kept per lane for a gateway that is slow to acknowledge it, at most 4 times as much; "
              "beyond it the gateway is given up");
  table->Time(kStatekeeper, kAtStart, "member-ttl", &o->member_ttl,
              "A statekeeper that could not tell the store for this long that it lives loses its shards");
  table->Time(
      kStatekeeper, kAtStart, "stop-timeout", &o->stop_timeout,
      "Longest time that a stopping statekeeper takes to hand its shards over; before that it lets requests to an "
      "app end that are under way, for half of it at most");
  table->Plain(
      kStatekeeper, kAtStart, "max-handlers", &o->max_handlers, "handlers",
      "Handlers of one lane that may wait for the store at once; what comes beyond that waits its turn");
  table->Plain(kStatekeeper, kWhileRunning, "max-awake", &o->max_awake, "hubs",
               "Hubs that one lane keeps in memory; beyond it the idlest leave before hibernate-after");
  table->Plain(kStatekeeper, kAtStart, "max-attempts", &o->max_attempts, "statekeepers",
               "Statekeepers that an event may take down before it is given up, at least 2; 0: never");
  table->Plain(kStatekeeper, kAtStart, "admin-key", &o->admin_key, "file",
               "File with the secret of operators (dormousectl --key), the same for all statekeepers; empty: "
               "operators are served on the unix socket only");
  table->Time(kStatekeeper, kAtStart, "reap-interval", &o->reap_interval,
              "How often a sleeping hub is woken to see whether its sockets' gateways still exist");
}

void DeclareHubClasses(OptionTable* table, Options* o) {
  table->Plain(kStatekeeper, kAtStart, "disabled-classes", &o->disabled_classes, "words",
               "Hub classes that are not served, such as echo");
  table->Plain(
      kStatekeeper, kAtStart, "app", &o->app, "directory",
      "Directory with an app, whose hub classes run in a worker process; looked at again on SIGHUP; empty: none");
  table->Time(
      kStatekeeper, kAtStart, "worker-timeout", &o->worker_timeout,
      "A worker process that answers nothing for this long is ended, and its hubs go on in another one; 0: never");
  table->Size(
      kStatekeeper, kAtStart, "worker-memory", &o->worker_memory,
      "Memory of a worker process beyond which it is ended, and its hubs go on in another one; 0: no limit");
  table->Plain(kStatekeeper, kAtStart, "callbacks", &o->callbacks, "file",
               "File of hub classes without code, whose events are posted to an HTTP endpoint of yours "
               "(clients/webhooks.md)");
  table->Time(kStatekeeper, kAtStart, "call-timeout", &o->call_timeout,
              "How long a call of a hub may take, where the caller does not say");
}

void DeclareConnectionRules(OptionTable* table, Options* o) {
  table->Time(kStatekeeper, kWhileRunning, "hibernate-after", &o->hibernate_after,
              "Idle time after which a hub leaves memory");
  table->Time(kStatekeeper, kWhileRunning, "idle-timeout", &o->idle_timeout,
              "A socket silent for longer, and for idle-grace, is closed (1000); 0: never");
  table->Time(kStatekeeper, kWhileRunning, "idle-grace", &o->idle_grace,
              "Silence beyond idle-timeout that is forgiven to timers that fire late or once a minute, as in "
              "hidden tabs; at most a sixth of idle-timeout counts");
  table->Time(kStatekeeper, kWhileRunning, "cleanup-interval", &o->cleanup_interval,
              "How often gateways look for sockets of class echo that have been silent for too long");
  table->Time(kStatekeeper, kWhileRunning, "heartbeat-interval", &o->heartbeat_interval,
              "Heartbeat interval that class echo asks of its clients");
  table->Time(kStatekeeper, kWhileRunning, "signal-heartbeat-interval", &o->signal_heartbeat_interval,
              "Heartbeat interval that class signal asks of its clients");
  table->Flag(kStatekeeper, kWhileRunning, "edge-heartbeats", &o->edge_heartbeats,
              "Answer heartbeats at the gateway (true), or wake the hub for each (false)");
  table->Size(kStatekeeper, kWhileRunning, "max-message-size", &o->max_message_size,
              "Largest frame that a client may send; over 4 times it closes the socket (1009)");
  table->Plain(kStatekeeper, kWhileRunning, "rate-limit", &o->rate_limit, "messages/s",
               "Messages per second that one signal session may sustain; 0: no limit");
  table->Plain(kStatekeeper, kWhileRunning, "rate-burst", &o->rate_burst, "messages",
               "Messages that a signal session may send at once before rate-limit holds");
  table->Plain(kStatekeeper, kWhileRunning, "echo-rate-limit", &o->echo_rate_limit, "messages/s",
               "Messages per second that one socket of class echo may sustain; 0: no limit");
  table->Plain(kStatekeeper, kWhileRunning, "echo-rate-burst", &o->echo_rate_burst, "messages",
               "Messages that a socket of class echo may send at once before echo-rate-limit holds");
  table->Plain(kStatekeeper, kWhileRunning, "role-limits", &o->role_limits, "limits",
               "ROLE=RATE/BURST,...: instead of rate-limit and rate-burst for sessions whose token has this "
               "claim role; 0/0: no limit");
  table->Size(kStatekeeper, kWhileRunning, "outbound-pause", &o->outbound_pause,
              "Unsent bytes of a connection at which its hub is told to pause");
  table->Size(kStatekeeper, kWhileRunning, "outbound-resume", &o->outbound_resume,
              "Unsent bytes of a connection at which its hub is told to resume");
  table->Size(kStatekeeper, kWhileRunning, "outbound-limit", &o->outbound_limit,
              "Unsent bytes of a connection at which it is closed (1013)");
  table->Plain(kStatekeeper, kWhileRunning, "outbound-pause-messages", &o->outbound_pause_messages,
               "messages",
               "Unsent messages of a connection at which its hub is told to pause; 0: only bytes count");
  table->Plain(kStatekeeper, kWhileRunning, "outbound-resume-messages", &o->outbound_resume_messages,
               "messages", "Unsent messages of a connection at which its hub is told to resume");
}

void DeclareHubLimits(OptionTable* table, Options* o) {
  table->Size(kStatekeeper, kWhileRunning, "max-attachment", &o->max_attachment,
              "Largest attachment that a hub may store for one connection, at most 64KiB");
  table->Plain(
      kStatekeeper, kWhileRunning, "hub-history", &o->hub_history, "changes",
      "Changes of each hub that can be taken back (dormousectl rewind), at most 1000; 0: none is kept");
  table->Size(kStatekeeper, kWhileRunning, "hub-history-bytes", &o->hub_history_bytes,
              "Bytes that a hub keeps for that; the oldest changes go");
  table->Size(kStatekeeper, kWhileRunning, "max-state", &o->max_state,
              "Keyed state of one hub, keys and values; 0: no limit");
  table->Size(kStatekeeper, kWhileRunning, "max-output", &o->max_output,
              "Bytes that one event may make a hub send, each recipient's copy counted; 0: no limit");
  table->Size(kStatekeeper, kWhileRunning, "max-changes", &o->max_changes,
              "Bytes of keys and values that one event may make a hub write; 0: no limit");
  table->Time(kStatekeeper, kWhileRunning, "handler-budget", &o->handler_budget,
              "Processor time that a hub may spend on one event; 0: no limit");
  table->Time(kStatekeeper, kWhileRunning, "connection-cpu", &o->connection_cpu,
              "Processor time per second that the messages of one connection may cost its hub; 0: no limit");
}

void DeclareSignal(OptionTable* table, Options* o) {
  table->Plain(
      kStatekeeper, kAtStart, "auth-signing-key", &o->auth_signing_key, "file",
      "File with the private key in PEM that signs refreshed tokens (RS256, ES256); empty: none are issued");
  table->Flag(kStatekeeper, kWhileRunning, "auth-refresh", &o->auth_refresh,
              "Give clients a fresh token for a good one (true), or never (false)");
  table->Plain(kStatekeeper, kWhileRunning, "auth-capabilities", &o->auth_capabilities, "original|strict",
               "original: a token whose claim capabilities has only send, receive and discover may do all "
               "that these allowed in the original; strict: every claim is taken at its word");
  table->Time(
      kStatekeeper, kWhileRunning, "connect-timeout", &o->connect_timeout,
      "Time from a signal socket's opening to a successful hub:connect, where tokens are asked for; 0: any");
  table->Time(kStatekeeper, kWhileRunning, "resume-window", &o->resume_window,
              "How long a signal session without a socket can be resumed; 0: not at all");
  table->Plain(kStatekeeper, kWhileRunning, "resume-messages", &o->resume_messages, "messages",
               "Messages kept for a session that has no socket");
  table->Size(kStatekeeper, kWhileRunning, "resume-bytes", &o->resume_bytes,
              "Bytes of messages kept for a session that has no socket");
  table->Plain(
      kStatekeeper, kWhileRunning, "max-absent", &o->max_absent, "sessions",
      "Sessions without a socket that one signal hub keeps; beyond, those end that have waited longest");
  table->Plain(kStatekeeper, kWhileRunning, "max-actors", &o->max_actors, "actors",
               "Registered actors that one signal hub accepts");
  table->Time(kStatekeeper, kWhileRunning, "actor-ttl", &o->actor_ttl,
              "Life of a registration that asks for none");
  table->Time(kStatekeeper, kWhileRunning, "max-actor-ttl", &o->max_actor_ttl,
              "Longest life of a registration; longer requests are cut to it");
  table->Plain(kStatekeeper, kWhileRunning, "broadcast-limit", &o->broadcast_limit, "recipients",
               "Recipients of one broadcast; 0: no limit");
  table->Plain(kStatekeeper, kWhileRunning, "max-subscriptions", &o->max_subscriptions, "subscriptions",
               "Subscriptions of one signal session");
  table->Plain(kStatekeeper, kWhileRunning, "max-topics", &o->max_topics, "topics",
               "Topics with subscribers in one signal hub");
  table->Flag(kStatekeeper, kWhileRunning, "topic-wildcards", &o->topic_wildcards,
              "Let subscriptions of class signal use + (one level) and # (the rest) as MQTT does");
}

}  // namespace

// In the order of deploy/configure.md.
void DeclareOptions(OptionTable* table, Options* o) {
  DeclareProcess(table, o);
  DeclareTrust(table, o);
  DeclareClientPorts(table, o);
  DeclareFallback(table, o);
  DeclareClientBuffers(table, o);
  DeclareBackendPorts(table, o);
  DeclareStore(table, o);
  DeclareCluster(table, o);
  DeclareHubClasses(table, o);
  DeclareConnectionRules(table, o);
  DeclareHubLimits(table, o);
  DeclareSignal(table, o);
}

std::string Inconsistency(const Options& o) {
  constexpr std::string_view kLevels[] = {"trace", "debug", "info", "warn", "error", "off"};
  if (std::ranges::find(kLevels, o.log_level) == std::end(kLevels)) {
    return "--log-level must be trace, debug, info, warn, error or off";
  }
  if (o.log_format != "text" && o.log_format != "json") return "--log-format must be text or json";
  if (std::string wrong = WrongAddress(o); !wrong.empty()) return wrong;
  if (o.otlp_endpoint.empty() && !o.otlp_headers_file.empty())
    return "--otlp-headers-file needs --otlp-endpoint: the collector that the headers are for";
  if (!(o.trace_sample >= 0 && o.trace_sample <= 1)) return "--trace-sample must be from 0 to 1";
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
  if (o.fallback_buffer < 1u << 20) return "--fallback-buffer must be at least 1MiB";
  if (std::min({o.fallback_window, o.fallback_heartbeat, o.fallback_wait}) < Duration{100})
    return "--fallback-window, --fallback-heartbeat and --fallback-wait must be at least 100ms";
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
  if (o.tls_cert.empty() != o.tls_key.empty()) {
    return "--tls-cert and --tls-key belong together: name both files, or none";
  }
  if (!o.tls_client_ca.empty() && o.tls_cert.empty()) return "--tls-client-ca needs --tls-cert and --tls-key";
  if (!o.tls_cert.empty() && o.tls_listen.empty())
    return "--tls-cert needs --tls-listen: HOST:PORT for clients";
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
  if (!(o.api_listen.empty() && o.api_grpc_listen.empty()) && o.api_key_file.empty()) {
    return "--api-listen, and --api-grpc-listen, needs --api-key-file, or everybody who reaches it could call hubs: make a key "
           "(openssl rand -hex 32 > FILE; chmod 600 FILE) and name the file";
  }
  if (o.api_body > 16u << 20) return "--api-body must be at most 16MiB";
  if (o.api_timeout.count() < 100 || o.api_timeout.count() > 600'000)
    return "--api-timeout must be 100ms to 10m";
  if (o.api_calls < 1 || o.api_calls_per_key < 1 || o.api_calls_per_hub < 1)
    return "--api-calls, --api-calls-per-key and --api-calls-per-hub must be at least 1";
  if (o.hub_history > 1'000) return "--hub-history must be at most 1000";
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
