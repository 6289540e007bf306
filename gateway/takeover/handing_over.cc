#include "gateway/takeover/handing_over.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "common/auth/private_directory.h"
#include "common/clock.h"
#include "common/logging.h"
#include "common/unix_address.h"
#include "common/version.h"
#include "gateway/takeover/state_version.h"

namespace dormouse::takeover {
namespace {

// From a successor's first word until it is ready to take over: it looks for statekeepers meanwhile.
constexpr double kGreetingS = 30;
// For which the loop stands still at most. Statekeepers give a silent gateway up after gateway-grace.
constexpr int64_t kHandOverMs = 2'500;
constexpr int64_t kSettleMs = 500;
constexpr double kSettleLookS = 0.005;
// Descriptors that a process needs beside those that it is given.
constexpr uint64_t kOwnDescriptors = 64;

bool SendTo(Channel* channel, const ToSuccessor& message, std::span<const int> descriptors,
            int64_t deadline_ms) {
  return channel->Send(message.SerializeAsString(), descriptors, deadline_ms);
}

std::string WhyOther(const char* option, const std::string& mine, const std::string& theirs) {
  if (mine == theirs) return "";
  return fmt::format(
      "the gateway that runs has {} {}, the new one {}: sockets stay where they are, so restart it instead",
      option, mine.empty() ? "not set" : mine, theirs.empty() ? "not set" : theirs);
}

}  // namespace

std::string SocketPath(const std::string& data, const std::string& admin) {
  const std::string port = admin.substr(admin.rfind(':') + 1);
  if (port.empty() || port == "0") return "";
  return (std::filesystem::absolute(data) / "gateways" / fmt::format("{}.sock", port)).string();
}

HandingOver::HandingOver(struct ev_loop* loop, std::string path, Hello self, Gateway gateway)
    : loop_(loop), path_(std::move(path)), self_(std::move(self)), gateway_(std::move(gateway)) {
  ev_io_init(
      &visitor_, [](struct ev_loop*, ev_io* io, int) { static_cast<HandingOver*>(io->data)->OnVisitor(); },
      -1, EV_READ);
  ev_io_init(
      &packet_, [](struct ev_loop*, ev_io* io, int) { static_cast<HandingOver*>(io->data)->OnPacket(); }, -1,
      EV_READ);
  ev_timer_init(
      &patience_,
      [](struct ev_loop*, ev_timer* timer, int) {
        auto* const greeter = static_cast<HandingOver*>(timer->data);
        greeter->Refuse(&greeter->channel_, "the new gateway was not ready in time");
      },
      kGreetingS, 0);
  ev_prepare_init(&turn_end_, [](struct ev_loop*, ev_prepare* prepare, int) {
    static_cast<HandingOver*>(prepare->data)->HandOver();
  });
  ev_timer_init(
      &settling_, [](struct ev_loop*, ev_timer*, int) {}, 0, kSettleLookS);
  ev_set_priority(&turn_end_, EV_MINPRI);  // after all else of the turn's end
  visitor_.data = packet_.data = patience_.data = turn_end_.data = this;
}

HandingOver::~HandingOver() {
  EndVisit();
  ev_io_stop(loop_, &visitor_);
  if (listening_ < 0) return;
  close(listening_);
  if (!left_) unlink(path_.c_str());
}

std::string HandingOver::Listen() {
  std::string wrong;
  if (!MakePrivateDirectory(std::filesystem::path(path_).parent_path(), &wrong)) return wrong;
  // A name of its own first: who looks for the gateway finds the one before or this one.
  const std::string fresh = path_ + ".new";
  const auto address = UnixAddress(fresh);
  if (!address.has_value())
    return fmt::format("{} is too long for a unix socket; choose a shorter --data", path_);
  unlink(fresh.c_str());
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0 ||
      listen(fd, 4) != 0 || rename(fresh.c_str(), path_.c_str()) != 0) {
    wrong = fmt::format("cannot listen at {}: {}", path_, std::strerror(errno));
    if (fd >= 0) close(fd);
    return wrong;
  }
  listening_ = fd;
  ev_io_set(&visitor_, fd, EV_READ);
  ev_io_start(loop_, &visitor_);
  return "";
}

void HandingOver::OnVisitor() {
  Channel visitor(accept4(listening_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!visitor.is_open()) return;
  if (!visitor.IsSameUser()) return Refuse(&visitor, "the new gateway runs as another user");
  if (channel_.is_open()) return Refuse(&visitor, "another take-over is under way");
  channel_ = std::move(visitor);
  ev_io_set(&packet_, channel_.fd(), EV_READ);
  ev_io_start(loop_, &packet_);
  ev_timer_set(&patience_, kGreetingS, 0);
  ev_timer_start(loop_, &patience_);
}

void HandingOver::OnPacket() {
  std::vector<int> descriptors;
  FromSuccessor message;
  const auto received = channel_.Receive(&packet_bytes_, &descriptors, 0);
  for (const int fd : descriptors) close(fd);
  if (received == Channel::Received::kLate) return;
  if (received != Channel::Received::kPacket || !message.ParseFromString(packet_bytes_)) {
    Tell(Outcome::kRefused, "the new gateway has gone");
    return EndVisit();
  }
  if (message.has_hello() && !greeted_) return OnHello(message.hello());
  if (message.has_ask() && greeted_) return OnAsk(message.ask());
  Tell(Outcome::kRefused, message.has_refusal() ? message.refusal().why() : "the new gateway makes no sense");
  EndVisit();
}

void HandingOver::OnHello(const Hello& hello) {
  std::string why = gateway_.why_not();
  if (why.empty() && (hello.newest_version() < kStateVersion || hello.oldest_version() > kStateVersion)) {
    why = fmt::format(
        "the gateway that runs ({}) hands its state over in version {}, and {} reads {} to {}: restart it instead",
        VersionText(), kStateVersion, hello.build(), hello.oldest_version(), hello.newest_version());
  }
  if (why.empty() && hello.cluster() != self_.cluster()) {
    why =
        "the new gateway is of another cluster: its data directory, its credentials or its statekeepers are others";
  }
  if (why.empty()) why = WhyOther("--listen", self_.listen(), hello.listen());
  if (why.empty()) why = WhyOther("--admin", self_.admin(), hello.admin());
  if (why.empty()) why = WhyOther("--api-listen", self_.api_listen(), hello.api_listen());
  if (why.empty()) why = WhyOther("--tls-listen", self_.tls_listen(), hello.tls_listen());
  if (why.empty()) why = WhyOther("--api-grpc-listen", self_.api_grpc_listen(), hello.api_grpc_listen());
  if (!why.empty()) return Refuse(&channel_, std::move(why));
  greeted_ = true;
  ToSuccessor answer;
  Welcome* const welcome = answer.mutable_welcome();
  welcome->set_version(kStateVersion);
  welcome->set_identity(gateway_.identity);
  welcome->set_descriptors(gateway_.descriptors());
  welcome->set_build(VersionText());
  SendTo(&channel_, answer, {}, SteadyMs());
}

void HandingOver::OnAsk(const Ask& ask) {
  std::string why = gateway_.why_not();
  const uint64_t needed = gateway_.descriptors() + kOwnDescriptors;
  if (why.empty() && gateway_.shards() == 0) why = "the gateway that runs knows no statekeeper yet";
  if (why.empty() && ask.shards() != gateway_.shards()) {
    why = fmt::format("the new gateway's statekeepers have {} shards, those of the gateway that runs {}",
                      ask.shards(), gateway_.shards());
  }
  if (why.empty() && ask.descriptors() < needed) {
    why =
        fmt::format("the new gateway may have {} open descriptors and needs {}; raise its limit (ulimit -n)",
                    ask.descriptors(), needed);
  }
  if (!why.empty()) return Refuse(&channel_, std::move(why));
  ev_timer_stop(loop_, &patience_);
  ev_io_stop(loop_, &packet_);
  settle_by_ms_ = SteadyMs() + kSettleMs;
  ev_timer_again(loop_, &settling_);
  ev_prepare_start(loop_, &turn_end_);
}

void HandingOver::Refuse(Channel* channel, std::string why) {
  ToSuccessor answer;
  answer.mutable_refusal()->set_why(why);
  SendTo(channel, answer, {}, SteadyMs());
  Tell(Outcome::kRefused, std::move(why));
  if (channel == &channel_) EndVisit();
}

void HandingOver::Tell(Outcome outcome, std::string why, int64_t begun_ms) {
  const int64_t pause_ms = begun_ms == 0 ? 0 : SteadyMs() - begun_ms;
  if (outcome == Outcome::kRefused) {
    SPDLOG_WARN("not taken over: {}; going on", why);
  } else if (outcome == Outcome::kFailed) {
    SPDLOG_WARN("not taken over: {}; going on after {}ms", why, pause_ms);
  }
  gateway_.report(
      {.outcome = outcome, .why = std::move(why), .pause_ms = pause_ms, .successor = channel_.other_pid()});
}

void HandingOver::EndVisit() {
  ev_io_stop(loop_, &packet_);
  ev_timer_stop(loop_, &patience_);
  ev_timer_stop(loop_, &settling_);
  ev_prepare_stop(loop_, &turn_end_);
  channel_.Close();
  greeted_ = false;
}

void HandingOver::HandOver() {
  if (!gateway_.is_settled() && SteadyMs() < settle_by_ms_) return;
  ev_timer_stop(loop_, &settling_);
  ev_prepare_stop(loop_, &turn_end_);
  const std::unique_ptr<Decision> decision = Decision::Make();
  const int64_t begun_ms = SteadyMs();
  deadline_ms_ = begun_ms + kHandOverMs;
  std::string why = "there is no memory for it";
  bool taken = false;
  if (decision != nullptr) {
    StateWriter writer(this);
    std::vector<int> ports = gateway_.ports();
    ports.insert(ports.begin(), decision->fd());
    gateway_.save(ports, &writer);
    writer.Finish();
    // Also where not all was sent: the other may say why.
    taken = IsTaken(decision.get(), &why);
    if (taken) SPDLOG_INFO("handed over: {} bytes of state, {}ms", writer.bytes(), SteadyMs() - begun_ms);
  }
  left_ = taken;
  Tell(taken ? Outcome::kDone : Outcome::kFailed, taken ? "" : why, begun_ms);
  EndVisit();
  if (!taken) return;
  ev_io_stop(loop_, &visitor_);
  gateway_.leave();
}

bool HandingOver::IsTaken(Decision* decision, std::string* why) {
  std::vector<int> descriptors;
  FromSuccessor message;
  const auto received = channel_.Receive(&packet_bytes_, &descriptors, deadline_ms_);
  for (const int fd : descriptors) close(fd);
  *why = received == Channel::Received::kLate ? "the new gateway does not say that it has everything"
                                              : "the new gateway has gone";
  if (received == Channel::Received::kPacket && message.ParseFromString(packet_bytes_) &&
      message.has_refusal())
    *why = message.refusal().why();
  return !decision->Withdraw();
}

bool HandingOver::Take(const Chunk& chunk, std::span<const int> descriptors) {
  ToSuccessor message;
  *message.mutable_chunk() = chunk;
  return SendTo(&channel_, message, descriptors, deadline_ms_);
}

}  // namespace dormouse::takeover
