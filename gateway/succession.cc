#include "gateway/succession.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

// For the statekeepers to say what there is, before the other is asked.
constexpr double kStatekeepersS = 10;
constexpr double kLookS = 0.005;
// For who is being answered at the admin port of one that has left.
constexpr int64_t kAdminMs = 200;
// For what backends have sent on connections that ask nothing, when this process leaves; and then a moment more.
constexpr int64_t kIdleMs = 300;
constexpr double kIdleS = 0.5;
constexpr char kFlag[] = "--take-over";

// Turns the loop until `is_there`, so long at most. False: it is not.
bool TurnUntil(struct ev_loop* loop, double seconds, const std::function<bool()>& is_there) {
  ev_timer look;
  ev_timer_init(
      &look, [](struct ev_loop*, ev_timer*, int) {}, 0, kLookS);
  ev_timer_again(loop, &look);
  const int64_t deadline_ms = SteadyMs() + static_cast<int64_t>(seconds * 1000);
  while (!is_there() && SteadyMs() < deadline_ms) ev_run(loop, EVRUN_ONCE);
  ev_timer_stop(loop, &look);
  return is_there();
}

// All items up to the end. False: something is wrong, as the reader says.
bool RestoreAll(takeover::StateReader* reader, edge::EdgeServer* edge, StatekeeperLinks* links) {
  while (const takeover::Item* item = reader->Next()) {
    if (item->has_end()) {
      edge->FinishRestoring();
      const takeover::End& end = item->end();
      if (reader->has_descriptors()) reader->Fail("there are descriptors of which the state says nothing");
      if (end.connections() != edge->connections() || end.visitors() != edge->restored_visitors() ||
          end.events() != links->unsettled()) {
        reader->Fail(fmt::format("of {} sockets, {} visitors and {} events {}, {} and {} are here",
                                 end.connections(), end.visitors(), end.events(), edge->connections(),
                                 edge->restored_visitors(), links->unsettled()));
      }
      return reader->wrong().empty();
    }
    if (!links->Restore(*item, reader) && !edge->Restore(*item, reader))
      reader->Fail("the state has something that this version does not know");
  }
  return false;
}

}  // namespace

takeover::Hello IntroductionOf(const Options& options, const std::string& cluster) {
  takeover::Hello hello;
  hello.set_cluster(cluster);
  hello.set_listen(options.listen);
  hello.set_admin(options.admin);
  hello.set_api_listen(options.api_listen);
  if (!options.tls_cert.empty()) hello.set_tls_listen(options.tls_listen);
  hello.set_api_grpc_listen(options.api_grpc_listen);
  return hello;
}

bool TakeOver(takeover::TakingOver* other, struct ev_loop* loop, edge::EdgeServer* edge,
              StatekeeperLinks* links, edge::GatewayMetrics* metrics, TakenOver* taken, std::string* wrong) {
  if (!TurnUntil(loop, kStatekeepersS, [&] { return links->shards() > 0 && edge->has_profiles(); })) {
    *wrong = "no statekeeper has said what there is: " + links->not_ready_reason();
    other->Refuse(*wrong);
    return false;
  }
  taken->begun_ms = SteadyMs();
  takeover::StateReader* const reader = other->Ask(links->shards(), wrong);
  if (reader == nullptr) return false;
  edge->RestoreTableKey(other->ports().table_key());
  if (!RestoreAll(reader, edge, links)) {
    *wrong = reader->wrong();
    other->Refuse(*wrong);
    return false;
  }
  if (!other->Take(edge->connections(), wrong)) return false;
  links->Begin();
  const takeover::Ports& ports = other->ports();
  size_t place = 0;
  const int plain = ports.plain() ? other->TakePort(place++) : -1;
  const int tls = ports.tls() ? other->TakePort(place++) : -1;
  edge->Listen({.plain = plain, .tls = tls});
  taken->admin = other->TakePort(place++);
  if (ports.api()) taken->api = other->TakePort(place);
  const int64_t pause_ms = SteadyMs() - taken->begun_ms;
  metrics->takeovers_done->Increment();
  metrics->takeover_sockets->Set(static_cast<double>(edge->connections()));
  metrics->takeover_pause_seconds->Set(static_cast<double>(pause_ms) / 1000);
  SPDLOG_INFO("taken over: {} sockets, {} visitors, {} events that are not settled; nobody served for {}ms",
              edge->connections(), edge->restored_visitors(), links->unsettled(), pause_ms);
  return true;
}

Succession::Succession(Parts parts, const Options& options, const std::string& cluster, std::string identity,
                       std::vector<std::string> words)
    : parts_(std::move(parts)),
      words_(std::move(words)),
      path_(takeover::SocketPath(options.data, options.admin)) {
  ev_signal_init(
      &signal_,
      [](struct ev_loop*, ev_signal* signal, int) {
        static_cast<Succession*>(signal->data)->StartSuccessor();
      },
      SIGUSR2);
  ev_timer_init(
      &api_idle_,
      [](struct ev_loop*, ev_timer* timer, int) { static_cast<Succession*>(timer->data)->parts_.done(); }, 0,
      0);
  signal_.data = api_idle_.data = this;
  ev_signal_start(parts_.loop, &signal_);
  if (path_.empty()) return;
  handing_over_ = std::make_unique<takeover::HandingOver>(
      parts_.loop, path_, IntroductionOf(options, cluster),
      takeover::HandingOver::Gateway{
          .identity = std::move(identity),
          .why_not = [this] { return WhyNot(); },
          .shards = [this] { return parts_.links->shards(); },
          .descriptors = [this] { return parts_.edge->descriptors(); },
          .ports =
              [this] {
                const auto [plain, tls] = parts_.edge->listening_sockets();
                const int api = parts_.api == nullptr ? -1 : parts_.api->listening();
                std::vector<int> ports = {plain, tls, parts_.admin()->listening(), api};
                std::erase(ports, -1);
                return ports;
              },
          .is_settled = [this] { return parts_.edge->Settle(); },
          .save =
              [this](const std::vector<int>& ports, takeover::StateWriter* writer) {
                takeover::Item item;
                const auto [plain, tls] = parts_.edge->listening_sockets();
                item.mutable_ports()->set_plain(plain >= 0);
                item.mutable_ports()->set_tls(tls >= 0);
                item.mutable_ports()->set_api(parts_.api != nullptr && parts_.api->listening() >= 0);
                item.mutable_ports()->set_table_key(parts_.edge->table_key());
                writer->Add(std::move(item), ports);
                // What is written now may bring events: first what may be written, then what is kept.
                parts_.edge->Save(writer);
                parts_.links->Save(writer);
                takeover::Item end;
                end.mutable_end()->set_connections(parts_.edge->movable_connections());
                end.mutable_end()->set_visitors(parts_.edge->waiting_visitors());
                end.mutable_end()->set_events(parts_.links->unsettled());
                writer->Add(std::move(end));
              },
          .leave = [this] { Leave(); },
          .report = [this](const auto& report) { Report(report); }});
  if (const std::string wrong = handing_over_->Listen(); !wrong.empty()) {
    SPDLOG_INFO("an upgrade closes this gateway's sockets: {}", wrong);
    handing_over_.reset();
  }
}

std::string Succession::WhyNot() const {
  if (getpid() == 1) {
    return "the gateway that runs is the first process of its container, which ends with it: replace the container "
           "instead";
  }
  if (parts_.admin() == nullptr) return "the gateway that runs has only just begun";
  return parts_.edge->WhyNotHandedOver();
}

void Succession::Leave() {
  parts_.links->Leave();
  if (parts_.api != nullptr) parts_.api->StopListening(kIdleMs);
  parts_.admin()->Leave(kAdminMs);
  parts_.edge->Leave(parts_.drain_window_ms(), [this] {
    if (parts_.api == nullptr) return parts_.done();
    ev_timer_set(&api_idle_, kIdleS, 0);
    ev_timer_start(parts_.loop, &api_idle_);
  });
}

void Succession::Report(const takeover::HandingOver::Report& report) {
  using Outcome = takeover::HandingOver::Outcome;
  if (report.outcome == Outcome::kDone) {
    NotifyServiceManager(fmt::format("MAINPID={}", report.successor));
  } else if (report.outcome == Outcome::kRefused) {
    parts_.metrics->takeovers_refused->Increment();
  } else {
    parts_.metrics->takeovers_failed->Increment();
    parts_.metrics->takeover_pause_seconds->Set(static_cast<double>(report.pause_ms) / 1000);
  }
}

void Succession::StartSuccessor() {
  if (const std::string why = WhyNot(); !why.empty()) {
    SPDLOG_WARN("no successor is started: {}", why);
    return;
  }
  if (handing_over_ == nullptr) {
    SPDLOG_WARN(
        "no successor is started: it could not find this gateway; give --admin a port, and --data a directory "
        "that this user may write to");
    return;
  }
  std::vector<std::string> words = words_;
  if (std::ranges::find(words, kFlag) == words.end()) words.emplace_back(kFlag);
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  // The file that has this process's name now: a newer version, perhaps.
  const int error = posix_spawnp(&pid, arguments[0], &files, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) {
    SPDLOG_ERROR("a successor cannot be started: {}: {}", words[0], std::strerror(error));
  } else {
    SPDLOG_INFO("started a successor, pid {}", pid);
  }
}

void NotifyServiceManager(const std::string& what) {
  const char* const name = std::getenv("NOTIFY_SOCKET");
  if (name == nullptr || (name[0] != '/' && name[0] != '@')) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t size = std::strlen(name);
  if (size >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, name, size);
  if (name[0] == '@') address.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  sendto(fd, what.data(), what.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
         static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size));
  close(fd);
}

}  // namespace dormouse
