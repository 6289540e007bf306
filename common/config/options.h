// Every option of the product, in one table. An option has one name everywhere:
//
//   flag             --hibernate-after 30s
//   short for it     --set hibernate-after=30s
//   environment      DORMOUSE_HIBERNATE_AFTER=30s
//   config file      hibernate-after = "30s"     (--config FILE)
//
// the first that is given wins, in this order. Both processes accept the whole table, so that one config file
// and one command line serve a whole cluster; each uses what concerns it. Durations are written 500ms, 30s,
// 5m, 1h; sizes 512, 64KiB, 1MiB.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace dormouse {

using Duration = std::chrono::milliseconds;

struct Options {
  // Where things are.
  std::string data = "./dormouse-data";
  std::string listen;  // default differs between the processes
  std::string admin;
  std::string log_level = "info";
  std::string log_format = "text";
  std::string otlp_endpoint;
  std::string otlp_headers_file;

  // Who may come in. The same for both processes.
  std::string auth_algorithm = "none";
  std::string auth_key;
  std::string auth_issuer = "signal-hub";
  std::string auth_audience;

  // How the processes of a cluster trust each other.
  std::string cluster_secret;
  std::string link_certificate;
  std::string link_key;
  std::string link_ca;

  // gateway
  std::vector<std::string> statekeepers;
  std::string tls_listen;
  std::string tls_cert;
  std::string tls_key;
  std::string tls_client_ca;
  std::string web_root;
  uint64_t replay_buffer = 64u << 20;
  Duration drain_window{10'000};
  bool auth_upgrade = false;
  std::vector<std::string> allowed_origins;
  std::vector<std::string> trusted_proxies;
  uint32_t max_connections = 0;
  uint32_t max_connections_per_address = 0;
  Duration handshake_timeout{5'000};
  Duration fallback_window{15'000};
  Duration fallback_heartbeat{15'000};
  Duration fallback_wait{25'000};
  uint64_t fallback_buffer = 64u << 20;
  uint32_t fallback_connections = 0;
  Duration app_timeout{100'000};
  uint64_t inbound_buffer = 256u << 20;
  uint64_t outbound_buffer = 256u << 20;
  uint32_t connection_window = 64;
  double trace_sample = 0;
  std::string api_listen;
  std::string api_grpc_listen;
  std::string api_key_file;
  Duration api_timeout{10'000};
  uint64_t api_body = 1u << 20;
  uint32_t api_calls = 10'000;
  uint32_t api_calls_per_key = 10'000;
  uint32_t api_calls_per_hub = 1'000;

  // statekeeper
  std::string store = "file";
  std::string store_password_file;
  std::string store_sentinel_password_file;
  std::string store_ca;
  std::string store_certificate;
  std::string store_key;
  std::string store_prefix = "dormouse";
  uint32_t shards = 1024;
  uint32_t lanes = 0;
  std::string advertise;
  Duration commit_timeout{5'000};
  Duration gateway_grace{10'000};
  uint64_t gateway_buffer = 64u << 20;
  Duration reap_interval{3'600'000};
  Duration member_ttl{3'000};
  Duration stop_timeout{20'000};
  uint32_t max_handlers = 250;
  uint32_t max_awake = 20'000;
  uint32_t max_attempts = 3;
  std::string admin_key;

  // hub classes
  std::vector<std::string> disabled_classes;
  std::string app;
  Duration worker_timeout{5'000};
  uint64_t worker_memory = 1u << 30;
  Duration call_timeout{30'000};
  std::string callbacks;
  Duration hibernate_after{30'000};
  Duration idle_timeout{60'000};
  Duration idle_grace{10'000};
  Duration cleanup_interval{60'000};
  Duration heartbeat_interval{20'000};
  Duration signal_heartbeat_interval{30'000};
  bool edge_heartbeats = true;
  uint64_t max_message_size = 1u << 20;
  double rate_limit = 10;
  uint32_t rate_burst = 20;
  double echo_rate_limit = 0;
  uint32_t echo_rate_burst = 20;
  std::vector<std::string> role_limits;  // role_limits.h
  uint64_t outbound_pause = 1u << 20;
  uint64_t outbound_resume = 512u << 10;
  uint64_t outbound_limit = 8u << 20;
  uint32_t outbound_pause_messages = 1'000;
  uint32_t outbound_resume_messages = 500;
  uint64_t max_attachment = 16u << 10;
  uint64_t max_state = 1u << 30;
  uint64_t max_output = 256u << 20;
  uint64_t max_changes = 16u << 20;
  uint32_t hub_history = 0;
  uint64_t hub_history_bytes = 1u << 20;
  Duration handler_budget{1'000};
  Duration connection_cpu{50};
  std::string auth_signing_key;
  bool auth_refresh = true;
  std::string auth_capabilities = "original";
  Duration connect_timeout{5'000};
  Duration resume_window{120'000};
  uint32_t resume_messages = 1'000;
  uint64_t resume_bytes = 1u << 20;
  uint32_t max_absent = 50'000;
  uint32_t max_actors = 50'000;
  Duration actor_ttl{300'000};
  Duration max_actor_ttl{3'600'000};
  uint32_t broadcast_limit = 0;
  uint32_t max_subscriptions = 1'000;
  uint32_t max_topics = 100'000;
  bool topic_wildcards = false;

  // The silence that ends a socket: idle_timeout, and grace for timers that fire just after it. 0: none does.
  Duration SilenceLimit() const { return idle_timeout + std::min(idle_grace, idle_timeout / 6); }

  // No option: a password stood on the command line. ParseOptions has hidden it; it could be seen until then.
  bool password_was_visible = false;

  bool take_over = false;  // no option: a flag of the gateway's command line

  bool fallback = true;             // gateway
  bool hub_view = false;            // gateway
  std::string compression = "off";  // gateway
  bool proxy_protocol = false;      // gateway
};

enum class Process { kGateway, kStatekeeper };

// Reads the command line, the environment and the config file into `*options`. Returns -1 when the process
// should go on, else the status it should exit with: everything has been said to the user already (--help,
// --version, an error that names the option, what was wrong with it and what would be right). Passwords in
// URLs are taken out of `argv`, and are in nothing that is said.
int ParseOptions(int argc, char** argv, Process process, Options* options);

// "500ms" | "30s" | "5m" | "1h" | "0" -> milliseconds; throws std::invalid_argument with a sentence
// otherwise.
Duration ParseDuration(const std::string& text);
// The shortest exact form of a duration: 30000 ms -> "30s".
std::string FormatDuration(Duration duration);

// "512" | "64KiB" | "1MiB" | "2GiB" -> bytes; throws std::invalid_argument with a sentence otherwise.
uint64_t ParseSize(const std::string& text);
std::string FormatSize(uint64_t bytes);

}  // namespace dormouse
