#include "clients/load/check/run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace dormouse::load::check {
namespace {

constexpr Micros kSecond = 1'000'000;
constexpr size_t kOpening = 128;
constexpr Micros kGatherPatience = 60 * kSecond;
// Where nobody has come by then, nobody will.
constexpr Micros kFirstPatience = 5 * kSecond;
constexpr int kTurnMs = 2;
// What a busy machine kept this process from sending is not made up for beyond this.
constexpr Micros kMostOwed = kSecond / 10;
constexpr Micros kHeartbeatInterval = 20 * kSecond;
constexpr Micros kPokeInterval = 20 * kSecond;
constexpr size_t kChoresATurn = 10;

Micros Now() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}
const Micros kStart = Now();

double CpuSeconds() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

Plan PlanOf(const Settings& settings) {
  const auto sleeping = static_cast<uint32_t>(std::lround(settings.asleep * settings.hubs));
  return {.clients = settings.connections,
          .hubs = settings.hubs,
          .awake = std::max<uint32_t>(settings.hubs - sleeping, 1)};
}

}  // namespace

Run::Run(const Settings& settings)
    : settings_(settings),
      plan_(PlanOf(settings)),
      history_(settings.connections, settings.hubs),
      sockets_(settings.connections),
      stage_{.history = &history_,
             .sockets = &sockets_,
             .gateways = settings.gateways,
             .on_close = settings.rules.on_close,
             .hub_path = "/ws/load-" + std::to_string(settings.seed) + "-",
             .random = std::mt19937_64(settings.seed),
             .timers = {}},
      mix_(plan_, &stage_, &clients_),
      pokes_(settings.hubs, 0) {
  for (ClientId id = 0; id < settings.connections; ++id) {
    clients_.emplace_back(&stage_, id, plan_.OwnTopicOf(id));
  }
}

void Run::OnFrame(size_t index, std::string_view text) {
  Client& client = clients_[index];
  const std::optional<Reply> reply = ReadReply(text);
  if (!reply.has_value()) {
    // Nobody's answer, which the checker says.
    const uint32_t words = history_.Words("no frame of a hub: " + std::string(text.substr(0, 200)));
    history_.Add(stage_.now, Answered{.operation = 0, .client = client.id(), .words = words});
    return;
  }
  const std::optional<Client::Answer> answer = client.OnReply(*reply);
  if (answer.has_value() && finishing_) OnFinalAnswer(client, *answer);
}

void Run::OnEnd(size_t index, bool was_open, const WebSocket::End& end) {
  trouble_ = std::to_string(end.code) + " " + end.reason;
  clients_[index].OnEnd(was_open, end);
}

void Run::Turn() {
  commands_.Await(sockets_.fd(), kTurnMs);
  stage_.now = Now() - kStart;
  TakeCommands();
  sockets_.Turn(std::chrono::nanoseconds::zero(), this);
  while (!stage_.timers.empty() && stage_.timers.top().first <= stage_.now) {
    const ClientId due = stage_.timers.top().second;
    stage_.timers.pop();
    clients_[due].OnTime();
  }
  SendHeartbeats();
}

template <typename Done>
bool Run::Until(Micros until, Done done) {
  while (!done()) {
    if (stage_.now >= until) return false;
    Turn();
  }
  return true;
}

bool Run::Gather() {
  const auto up = [this] { return static_cast<size_t>(std::ranges::count_if(clients_, &Client::is_up)); };
  size_t begun = 0;
  size_t count = 0;
  stage_.now = Now() - kStart;
  const Micros began = stage_.now;
  const auto all_up = [&] {
    if (stop_) return true;
    count = up();
    for (; begun < clients_.size() && begun < count + kOpening; ++begun) clients_[begun].Begin();
    return count == clients_.size();
  };
  const bool anybody = Until(began + kFirstPatience, [&] { return all_up() || count > 0; });
  if (anybody) Until(began + kGatherPatience, all_up);
  if (count == clients_.size()) return true;
  trouble_ = std::to_string(count) + " of " + std::to_string(clients_.size()) + " clients are connected" +
             (stop_ ? ", and the run is to stop" : "; the last that failed: " + trouble_);
  return false;
}

void Run::Work() {
  working_ = true;
  generated_at_ = stage_.now;
  for (Micros& poke : pokes_) poke = kForever;
  Until(stage_.now + settings_.quiet, [this] {
    Generate();
    return stop_;
  });
  ready_at_ = stage_.now;
  cpu_at_ready_ = CpuSeconds();
  history_.Add(stage_.now, Marked{history_.Words(kReady)});
  std::puts("ready");
  std::fflush(stdout);
  for (Micros& poke : pokes_) poke = ready_at_ + static_cast<Micros>(stage_.Random(kPokeInterval));
  const Micros end = settings_.duration == 0 ? kForever : ready_at_ + settings_.duration;
  Until(end, [this] {
    Generate();
    PokeSleepers();
    return stop_ || (settings_.duration == 0 && commands_.ended());
  });
  working_ = false;
}

void Run::Generate() {
  const Micros passed = std::min(stage_.now - generated_at_, kMostOwed);
  generated_at_ = stage_.now;
  owed_ += static_cast<double>(passed) * settings_.rate / 1e6;
  // Who is not up has no turn: the rate goes down with those who are there.
  for (; owed_ >= 1; owed_ -= 1) mix_.Next();
}

void Run::PokeSleepers() {
  for (uint32_t hub = plan_.awake; hub < plan_.hubs; ++hub) {
    if (pokes_[hub] > stage_.now) continue;
    mix_.Poke(hub);
    pokes_[hub] = stage_.now + kPokeInterval + static_cast<Micros>(stage_.Random(kPokeInterval));
  }
}

// Each hub that sleeps is woken in the second after a mark: it must find its way, too.
void Run::PokeSoon() {
  for (Micros& poke : pokes_) poke = stage_.now + static_cast<Micros>(stage_.Random(kSecond));
}

// Evenly over the interval, client after client; nobody else would hear of those that sleep.
void Run::SendHeartbeats() {
  const auto share = static_cast<double>(stage_.now - heartbeats_from_) / kHeartbeatInterval;
  const auto due = static_cast<size_t>(share * static_cast<double>(clients_.size()));
  for (; next_heartbeat_ < std::min(due, clients_.size()); ++next_heartbeat_) {
    Client& client = clients_[next_heartbeat_];
    if (client.is_up()) client.Heartbeat();
  }
  if (next_heartbeat_ < clients_.size()) return;
  next_heartbeat_ = 0;
  heartbeats_from_ = stage_.now;
}

void Run::TakeCommands() {
  for (const std::string& line : commands_.TakeLines()) {
    if (line == "stop") {
      stop_ = true;
    } else if (line.starts_with("mark ")) {
      history_.Add(stage_.now, Marked{history_.Words(line.substr(5))});
      if (working_) PokeSoon();
    } else if (!line.empty()) {
      std::fprintf(stderr, "dormouse-load: '%s' is no command; those are: mark NAME, stop\n", line.c_str());
    }
  }
  stop_ = stop_ || commands_.signalled();
}

bool Run::IsSettled() const {
  return std::ranges::all_of(clients_, [](const Client& client) {
    return client.is_gone() || (client.is_up() && !client.waits_for_answers());
  });
}

void Run::Finish() {
  const Micros patience = settings_.rules.timeout;
  Until(stage_.now + patience, [this] { return IsSettled(); });
  finishing_ = true;
  AddChores();
  Until(stage_.now + patience, [this] {
    for (size_t i = 0; i < kChoresATurn && !chores_.empty(); ++i) {
      const Chore chore = std::move(chores_.front());
      chores_.pop_front();
      chore();
    }
    return chores_.empty() && IsSettled();
  });
  finishing_ = false;
  // What was acknowledged may still be on its way.
  const Micros end = stage_.now + patience;
  for (Micros pause = kSecond / 10; Judge().verdict.incomplete() && stage_.now < end; pause *= 2) {
    Until(std::min(stage_.now + pause, end), [] { return false; });
  }
  for (ClientId id = 0; id < clients_.size(); ++id) sockets_.Close(id, 1000);
}

// Each registration is renewed, each client is sent to, each topic is published to, each hub lists who is
// there.
void Run::AddChores() {
  for (Client& client : clients_) {
    if (client.is_gone()) continue;
    chores_.emplace_back([&client] {
      if (client.is_up()) client.Renew();
    });
    chores_.emplace_back([this, &client] {
      Client* const sender = mix_.AnyOf(client.hub());
      if (sender != nullptr) sender->Send(client.id());
    });
  }
  for (uint32_t hub = 0; hub < std::min(plan_.hubs, plan_.clients); ++hub) {
    for (uint32_t topic = 0; topic < plan_.Topics(); ++topic) {
      chores_.emplace_back([this, hub, topic] {
        Client* const sender = mix_.AnyOf(hub);
        if (sender != nullptr) sender->Publish(topic);
      });
    }
  }
  listed_.assign(plan_.hubs, {});
  for (uint32_t hub = 0; hub < std::min(plan_.hubs, plan_.clients); ++hub) {
    chores_.emplace_back([this, hub] { ListFrom(hub, 0); });
  }
}

void Run::ListFrom(uint32_t hub, size_t offset) {
  Client* const client = mix_.AnyOf(hub);
  if (offset == 0) listed_[hub].assign(plan_.SizeOf(hub), 0);
  if (client != nullptr) client->List(offset);
}

void Run::OnFinalAnswer(const Client& client, const Client::Answer& answer) {
  const uint32_t hub = client.hub();
  const bool again = answer.reply.outcome == Outcome::kRetryable;
  switch (answer.to.kind) {
    case Kind::kList:
      if (again) {
        chores_.emplace_back([this, hub] { ListFrom(hub, 0); });
      } else {
        OnListed(hub, answer.reply.payload);
      }
      break;
    case Kind::kRenew:
    case Kind::kRegister:
      if (again) chores_.emplace_back([this, id = client.id()] { clients_[id].Renew(); });
      break;
    case Kind::kPublish:
      if (again) {
        chores_.emplace_back([this, hub, topic = answer.to.topic] {
          Client* const sender = mix_.AnyOf(hub);
          if (sender != nullptr) sender->Publish(topic);
        });
      }
      break;
    default:
      break;
  }
}

void Run::OnListed(uint32_t hub, const JsonObject& page) {
  std::vector<uint32_t>& versions = listed_[hub];
  const std::vector<JsonSlice> actors = JsonElements(page.Find("actors")).value_or(std::vector<JsonSlice>());
  for (const JsonSlice text : actors) {
    const JsonObject actor(text);
    const ClientId client = ClientAt(JsonString(actor.Find("actorAddress")).value_or(""));
    if (client == kNobody || client >= clients_.size() || history_.HubOf(client) != hub) continue;
    versions[client / plan_.hubs] = static_cast<uint32_t>(JsonNumber(actor.Find("version")).value_or(0));
  }
  if (page.Find("hasMore") == "true" && !actors.empty()) {
    const double offset = JsonNumber(page.Find("offset")).value_or(0);
    const size_t next = static_cast<size_t>(offset) + actors.size();
    chores_.emplace_back([this, hub, next] { ListFrom(hub, next); });
    return;
  }
  for (uint32_t i = 0; i < versions.size(); ++i) {
    history_.Add(stage_.now, Found{.client = hub + i * plan_.hubs, .version = versions[i]});
  }
}

Report Run::Judge() const {
  const Ledger ledger(history_);
  Report report;
  report.verdict = Check(ledger, settings_.rules);
  report.pauses = Pauses(ledger);
  report.latency = Latency(ledger, false);
  report.heartbeat_latency = Latency(ledger, true);
  report.connections = settings_.connections;
  report.hubs = settings_.hubs;
  report.seconds = static_cast<double>(stage_.now - ready_at_) / 1e6;
  report.cpu_seconds = CpuSeconds() - cpu_at_ready_;
  return report;
}

}  // namespace dormouse::load::check
