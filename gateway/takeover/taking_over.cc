#include "gateway/takeover/taking_over.h"

#include <sys/resource.h>
#include <unistd.h>

#include <utility>

#include "common/clock.h"
#include "common/version.h"
#include "gateway/takeover/state_version.h"

namespace dormouse::takeover {
namespace {

constexpr int64_t kAnswerMs = 5'000;
// Longer than the other stands still.
constexpr int64_t kStateMs = 4'000;

constexpr char kGone[] = "the gateway that runs has ended the take-over; its log says why";

uint64_t MaxDescriptors() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

}  // namespace

std::unique_ptr<TakingOver> TakingOver::Begin(const std::string& path, Hello self, std::string* wrong) {
  if (path.empty()) {
    *wrong =
        "--take-over finds the gateway that runs by its admin port: give --admin HOST:PORT, with its port";
    return nullptr;
  }
  Channel channel = Channel::Connect(path);
  if (!channel.is_open()) {
    *wrong = "there is no gateway of this user to take over from at " + path +
             "; start without --take-over, or name its --data and --admin";
    return nullptr;
  }
  std::unique_ptr<TakingOver> other(new TakingOver(std::move(channel)));
  FromSuccessor greeting;
  self.set_oldest_version(kOldestStateVersion);
  self.set_newest_version(kStateVersion);
  self.set_build(VersionText());
  *greeting.mutable_hello() = std::move(self);
  other->Send(greeting);
  ToSuccessor answer;
  std::vector<int> descriptors;
  if (!other->Receive(&answer, &descriptors, SteadyMs() + kAnswerMs, wrong)) return nullptr;
  for (const int fd : descriptors) close(fd);
  if (!answer.has_welcome()) {
    *wrong = kGone;
    return nullptr;
  }
  other->welcome_ = std::move(*answer.mutable_welcome());
  const uint32_t version = other->welcome_.version();
  if (version >= kOldestStateVersion && version <= kStateVersion) return other;
  *wrong = "the gateway that runs (" + other->welcome_.build() +
           ") hands over a state that this version cannot read: restart it instead";
  other->Refuse(*wrong);
  return nullptr;
}

TakingOver::~TakingOver() {
  for (const int fd : port_descriptors_) {
    if (fd >= 0) close(fd);
  }
}

StateReader* TakingOver::Ask(uint32_t shards, std::string* wrong) {
  FromSuccessor ask;
  ask.mutable_ask()->set_shards(shards);
  ask.mutable_ask()->set_descriptors(MaxDescriptors());
  deadline_ms_ = SteadyMs() + kStateMs;
  Send(ask);
  const Item* const first = reader_.Next();
  if (first == nullptr || !first->has_ports()) {
    reader_.Fail("the state does not begin as it should");
    *wrong = reader_.wrong();
    return nullptr;
  }
  ports_ = first->ports();
  decision_ = Decision::Of(reader_.TakeDescriptor());
  const int count = (ports_.plain() ? 1 : 0) + (ports_.tls() ? 1 : 0) + 1 + (ports_.api() ? 1 : 0);
  for (int i = 0; i < count; ++i) port_descriptors_.push_back(reader_.TakeDescriptor());
  if (decision_ == nullptr) reader_.Fail("what decides is missing");
  *wrong = reader_.wrong();
  return wrong->empty() ? &reader_ : nullptr;
}

int TakingOver::TakePort(size_t place) {
  return place < port_descriptors_.size() ? std::exchange(port_descriptors_[place], -1) : -1;
}

bool TakingOver::Take(uint64_t sockets, std::string* wrong) {
  if (!decision_->Take()) {
    *wrong = "the gateway that runs has not waited any longer, and goes on";
    return false;
  }
  FromSuccessor taken;
  taken.mutable_taken()->set_sockets(sockets);
  Send(taken);
  channel_.Close();
  return true;
}

void TakingOver::Refuse(const std::string& why) {
  FromSuccessor refusal;
  refusal.mutable_refusal()->set_why(why);
  Send(refusal);
  channel_.Close();
}

bool TakingOver::Next(Chunk* chunk, std::vector<int>* descriptors, std::string* wrong) {
  ToSuccessor message;
  if (!Receive(&message, descriptors, deadline_ms_, wrong)) return false;
  chunk->Swap(message.mutable_chunk());
  return true;
}

bool TakingOver::Receive(ToSuccessor* message, std::vector<int>* descriptors, int64_t deadline_ms,
                         std::string* wrong) {
  switch (channel_.Receive(&bytes_, descriptors, deadline_ms)) {
    case Channel::Received::kPacket:
      break;
    case Channel::Received::kLate:
      *wrong = "the gateway that runs does not answer";
      return false;
    case Channel::Received::kGone:
      *wrong = kGone;
      return false;
    case Channel::Received::kCut:
      *wrong = "this process may not have as many descriptors as there are; raise its limit (ulimit -n)";
      return false;
  }
  if (message->ParseFromString(bytes_) && !message->has_refusal()) return true;
  *wrong = message->has_refusal() ? message->refusal().why() : "the gateway that runs makes no sense";
  return false;
}

void TakingOver::Send(const FromSuccessor& message) {
  channel_.Send(message.SerializeAsString(), {}, SteadyMs() + kAnswerMs);
}

}  // namespace dormouse::takeover
