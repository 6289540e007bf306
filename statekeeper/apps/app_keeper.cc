#include "statekeeper/apps/app_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/logging.h"
#include "statekeeper/apps/deployments.h"
#include "statekeeper/apps/host_programs.h"

namespace dormouse {
namespace {

using grpc::StatusCode;

constexpr char kRecordKey[] = "app";
constexpr Duration kLook{2'000};
constexpr Duration kTick{20};  // while a worker starts
constexpr Duration kStartPatience{10'000};
constexpr Duration kProbation{300};         // a worker that ends in this time was not up
constexpr Duration kIdlePatience{120'000};  // of a version that is up and that nobody makes the current one
constexpr Duration kFirstPause{2'000};      // before a version that failed is tried again
constexpr Duration kLongestPause{60'000};
constexpr int kTries = 20;

std::string ChunkKey(std::string_view hash, uint32_t chunk) {
  std::string key = "app/";
  for (const char byte : hash) key += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return key + fmt::format("/{}", chunk);
}

grpc::Status StoreFailed(StoreStatus status) {
  if (status == StoreStatus::kError)
    return {StatusCode::FAILED_PRECONDITION,
            "The store refuses that: its disk or memory may be full; the statekeeper's log says more."};
  return {StatusCode::ABORTED, "The store does not answer."};
}

std::optional<app::Record> Parse(const std::optional<std::string>& value) {
  app::Record record;
  if (value && !record.ParseFromString(*value)) return std::nullopt;
  return record;
}

}  // namespace

std::unique_ptr<AppKeeper> AppKeeper::New(Config config, std::string* error) {
  auto directories = VersionDirectories::Make(config.directory, config.member, error);
  if (directories == nullptr) return nullptr;
  return std::unique_ptr<AppKeeper>(new AppKeeper(std::move(config), std::move(directories)));
}

AppKeeper::AppKeeper(Config config, std::unique_ptr<VersionDirectories> directories)
    : config_(std::move(config)),
      loop_(ev_loop_new(EVBACKEND_EPOLL)),
      queue_(std::make_shared<TaskQueue>(loop_)),
      directories_(std::move(directories)) {
  tick_.data = this;
  ev_timer_init(
      &tick_, [](struct ev_loop*, ev_timer* timer, int) { static_cast<AppKeeper*>(timer->data)->OnTick(); },
      0, 0);
}

AppKeeper::~AppKeeper() {
  Stop();
  queue_->Close();
  ev_loop_destroy(loop_);
}

void AppKeeper::Start() {
  thread_ = std::thread([this] { Run(); });
}

void AppKeeper::Stop() {
  if (!thread_.joinable()) return;
  queue_->Post([this] { ev_break(loop_, EVBREAK_ALL); });
  thread_.join();
}

void AppKeeper::Run() {
  store_ = config_.new_store(loop_);
  TickIn(Duration(0));
  ev_run(loop_, 0);
  ev_timer_stop(loop_, &tick_);
  queue_->Close();
  candidate_.reset();
  store_.reset();
}

void AppKeeper::OnTick() {
  const SteadyTime now = SteadyClock::now();
  if (candidate_ && candidate_->stage == Candidate::Stage::kStarting) CheckWorker(now);
  if (candidate_ && candidate_->stage == Candidate::Stage::kUp && now - candidate_->asked > kIdlePatience) {
    SPDLOG_WARN("version {} of the app is up, and nobody has made it the current one: it is given up",
                candidate_->version.version());
    GiveUp({StatusCode::DEADLINE_EXCEEDED, "It was given up."});
  }
  const Duration gap = is_settled_ ? kLook : kLook / 4;
  if (!is_looking_ && now - looked_ >= gap) Look([](const grpc::Status&) {});
  const bool starts = candidate_ && candidate_->stage == Candidate::Stage::kStarting;
  TickIn(starts ? kTick : candidate_ || !is_settled_ ? kLook / 4 : kLook);
}

void AppKeeper::TickIn(Duration duration) {
  ev_timer_stop(loop_, &tick_);
  ev_timer_set(&tick_, Seconds(duration), 0);
  ev_timer_start(loop_, &tick_);
}

// --- The record.

void AppKeeper::Look(std::function<void(const grpc::Status& status)> then) {
  is_looking_ = true;
  looked_ = SteadyClock::now();
  store_->GetValue(kRecordKey, [this, then = std::move(then)](StoreStatus status, auto value) {
    is_looking_ = false;
    const grpc::Status said = OnRecord(status, value);
    if (said.ok()) Follow();
    then(said);
  });
}

grpc::Status AppKeeper::OnRecord(StoreStatus status, const std::optional<std::string>& value) {
  if (status != StoreStatus::kOk) return StoreFailed(status);
  std::optional<app::Record> record = Parse(value);
  if (!record) return {StatusCode::FAILED_PRECONDITION, "What the store keeps of the app cannot be read."};
  record_ = *std::move(record);
  return grpc::Status::OK;
}

void AppKeeper::Follow() {
  const app::Version* const current = FindVersion(record_, record_.current());
  if (candidate_ && candidate_->stage == Candidate::Stage::kUp &&
      candidate_->version.version() != record_.current() &&
      candidate_->version.version() != record_.under_way().version().version()) {
    SPDLOG_INFO("version {} of the app is up, and its deployment was given up",
                candidate_->version.version());
    GiveUp({StatusCode::FAILED_PRECONDITION, "Its deployment was given up."});
  }
  if (current == nullptr || current->version() == live_) return Settle();
  if (failure_ && failure_->version == current->version() && SteadyClock::now() < failure_->again) return;
  Want(*current, std::nullopt);
}

void AppKeeper::Change(RecordChange change, std::function<void(const grpc::Status& status)> done, int tries) {
  store_->GetValue(kRecordKey, [this, change = std::move(change), done = std::move(done), tries](
                                   StoreStatus status, std::optional<std::string> value) mutable {
    const grpc::Status read = OnRecord(status, value);
    if (!read.ok()) return done(read);
    app::Record changed = record_;
    std::vector<app::Version> garbage;
    const grpc::Status said = change(&changed, &garbage);
    std::string to = changed.SerializeAsString();
    if (!said.ok() || (value && *value == to)) return done(said);
    store_->ChangeValue(
        {kRecordKey, std::move(value), to},
        [this, change = std::move(change), done = std::move(done), tries, to, garbage = std::move(garbage)](
            StoreStatus written, const std::optional<std::string>& now) mutable {
          if (written != StoreStatus::kOk) return done(StoreFailed(written));
          if (now != to && tries > 0) return Change(std::move(change), std::move(done), tries - 1);
          if (now != to) return done({StatusCode::ABORTED, "Too many deployments change it."});
          Remove(garbage);
          OnRecord(StoreStatus::kOk, now);
          done(grpc::Status::OK);
        });
  });
}

void AppKeeper::Remove(const std::vector<app::Version>& garbage) {
  for (const app::Version& version : garbage) {
    SPDLOG_INFO("version {} of the app is removed from the store", version.version());
    for (uint32_t chunk = 0; chunk < BundleChunks(version.bytes()); ++chunk)
      store_->PutValue(ChunkKey(version.hash(), chunk), std::nullopt, [](StoreStatus) {});
  }
}

// --- What operators ask.

void AppKeeper::Versions(Answer<admin::AppVersionsReply> answer) {
  queue_->Post([this, answer = std::move(answer)] {
    Look([this, answer](const grpc::Status& status) {
      admin::AppVersionsReply reply;
      *reply.mutable_record() = record_;
      reply.mutable_record()->clear_token();
      reply.mutable_record()->mutable_under_way()->clear_token();
      if (!record_.has_under_way()) reply.mutable_record()->clear_under_way();
      answer(status, reply);
    });
  });
}

void AppKeeper::Begin(admin::BeginDeploymentRequest request, Answer<admin::BeginDeploymentReply> answer) {
  queue_->Post([this, request = std::move(request), answer = std::move(answer)] {
    Change(
        [this, request](app::Record* record, std::vector<app::Version>* garbage) {
          return BeginDeployment(request, WallMs(), config_.limits, record, garbage);
        },
        [this, answer](const grpc::Status& status) {
          admin::BeginDeploymentReply reply;
          reply.set_is_stored(status.ok() && record_.under_way().is_stored());
          answer(status, reply);
        },
        kTries);
  });
}

void AppKeeper::Upload(admin::UploadAppRequest request, Answer<admin::UploadAppReply> answer) {
  if (request.hash().size() != kBundleHashBytes || request.content().empty() ||
      request.content().size() > kBundleChunk || request.chunk() >= BundleChunks(config_.limits.bytes)) {
    return answer({StatusCode::INVALID_ARGUMENT, "This is no chunk of a version."}, {});
  }
  queue_->Post([this, request = std::move(request), answer = std::move(answer)] {
    store_->PutValue(ChunkKey(request.hash(), request.chunk()), request.content(),
                     [answer](StoreStatus status) {
                       answer(status == StoreStatus::kOk ? grpc::Status::OK : StoreFailed(status), {});
                     });
  });
}

void AppKeeper::End(admin::EndDeploymentRequest request, Answer<admin::EndDeploymentReply> answer) {
  queue_->Post([this, request = std::move(request), answer = std::move(answer)] {
    Change(
        [request](app::Record* record, std::vector<app::Version>* garbage) {
          return EndDeployment(request, WallMs(), record, garbage);
        },
        [this, answer](const grpc::Status& status) {
          if (status.ok()) Follow();
          answer(status, {});
        },
        kTries);
  });
}

void AppKeeper::Serve(admin::ServeAppRequest request, Answer<admin::ServeAppReply> answer) {
  admin::ServeAppReply reply;
  reply.set_member(config_.member);
  Waiter waiter{request.only_prepare(),
                [answer = std::move(answer), reply](const grpc::Status& status) { answer(status, reply); }};
  queue_->Post([this, version = request.version(), waiter = std::move(waiter)] {
    if (waiter.only_prepare) {
      if (version.version() == live_) return waiter.answer(grpc::Status::OK);
      return Want(version, waiter);
    }
    Look([this, version, waiter](const grpc::Status& status) {
      if (!status.ok()) return waiter.answer(status);
      const app::Version* const current = FindVersion(record_, record_.current());
      if (current == nullptr || current->version() != version.version()) {
        return waiter.answer({StatusCode::FAILED_PRECONDITION,
                              fmt::format("Meanwhile version {} was deployed.", record_.current())});
      }
      if (current->version() == live_) return waiter.answer(grpc::Status::OK);
      Want(*current, waiter);
    });
  });
}

void AppKeeper::Read(admin::ReadVersionRequest request, Answer<admin::ReadVersionReply> answer) {
  queue_->Post([this, request = std::move(request), answer = std::move(answer)] {
    store_->GetValue(ChunkKey(request.hash(), request.chunk()),
                     [answer](StoreStatus status, std::optional<std::string> chunk) {
                       if (status != StoreStatus::kOk) return answer(StoreFailed(status), {});
                       if (!chunk) return answer({StatusCode::NOT_FOUND, "The version is not kept."}, {});
                       admin::ReadVersionReply reply;
                       reply.set_content(*std::move(chunk));
                       answer(grpc::Status::OK, reply);
                     });
  });
}

void AppKeeper::Store(admin::StoreVersionRequest request, Answer<admin::StoreVersionReply> answer) {
  queue_->Post([this, request = std::move(request), answer = std::move(answer)] {
    Change([request](app::Record* record,
                     std::vector<app::Version>* garbage) { return StoreVersion(request, record, garbage); },
           [answer](const grpc::Status& status) { answer(status, {}); }, kTries);
  });
}

// --- A version comes up.

void AppKeeper::Want(const app::Version& version, std::optional<Waiter> waiter) {
  if (candidate_ && candidate_->version.hash() != version.hash()) {
    if (candidate_->stage == Candidate::Stage::kUsing) {
      // In a moment it is live; whoever wants another one asks again.
      if (waiter) waiter->answer({StatusCode::ABORTED, "Another version is about to be live."});
      return;
    }
    GiveUp({StatusCode::FAILED_PRECONDITION,
            fmt::format("Meanwhile version {} is being deployed.", version.version())});
  }
  const bool is_new = !candidate_;
  if (is_new) {
    candidate_.emplace();
    candidate_->version = version;
    candidate_->number = ++numbers_;
    candidate_->since = SteadyClock::now();
  }
  candidate_->asked = SteadyClock::now();
  if (waiter && waiter->only_prepare && candidate_->stage >= Candidate::Stage::kUp) {
    waiter->answer(grpc::Status::OK);
  } else if (waiter) {
    candidate_->waiters.push_back(*std::move(waiter));
  }
  if (is_new) return FetchNext();
  if (candidate_->stage == Candidate::Stage::kUp) UseIfCurrent();
}

void AppKeeper::FetchNext() {
  const app::Version& version = candidate_->version;
  if (version.hash().size() != kBundleHashBytes || version.bytes() == 0 ||
      version.bytes() > config_.limits.bytes)
    return Fail("what the store says of it cannot be");
  if (candidate_->bundle.size() >= version.bytes()) return StartWorker();
  const auto chunk = static_cast<uint32_t>(candidate_->bundle.size() / kBundleChunk);
  store_->GetValue(ChunkKey(version.hash(), chunk),
                   [this, number = candidate_->number](StoreStatus status, std::optional<std::string> got) {
                     OnFetched(number, status, std::move(got));
                   });
}

void AppKeeper::OnFetched(uint64_t number, StoreStatus status, std::optional<std::string> chunk) {
  if (!candidate_ || candidate_->number != number) return;
  if (status != StoreStatus::kOk) return Fail("the store does not answer");
  const uint64_t missing = candidate_->version.bytes() - candidate_->bundle.size();
  if (!chunk || chunk->size() != std::min<uint64_t>(missing, kBundleChunk))
    return Fail("the store does not have all of it");
  candidate_->bundle += *chunk;
  FetchNext();
}

void AppKeeper::StartWorker() {
  if (const std::string why = Unpack(); !why.empty()) return Fail(why);
  std::string error;
  std::optional<AppManifest> manifest = AppManifest::Read(candidate_->directory, &error);
  if (!manifest || !NameHostPrograms(&*manifest, &error)) return Fail(error);
  for (const AppManifest::Class& each : manifest->classes) {
    if (std::ranges::find(config_.taken, each.name) == config_.taken.end()) continue;
    return Fail(fmt::format("its class {} has the name of a class that there is already", each.name));
  }
  manifest->version = candidate_->version.version();
  candidate_->app = config_.start(*std::move(manifest), &error);
  if (candidate_->app == nullptr) return Fail(error);
  candidate_->stage = Candidate::Stage::kStarting;
  candidate_->since = SteadyClock::now();
  TickIn(kTick);
}

std::string AppKeeper::Unpack() {
  const std::string bundle = std::exchange(candidate_->bundle, {});
  if (BundleHash(bundle) != candidate_->version.hash()) return "what the store has of it is damaged";
  candidate_->directory = directories_->New(candidate_->version.version());
  std::string error;
  return UnpackBundle(bundle, candidate_->directory, config_.limits, &error) ? "" : error;
}

void AppKeeper::CheckWorker(SteadyTime now) {
  Candidate& candidate = *candidate_;
  if (candidate.app->has_failed()) return Fail("its worker " + candidate.app->WhyNotUp());
  if (candidate.connected == SteadyTime() && candidate.app->IsUp()) candidate.connected = now;
  if (candidate.connected == SteadyTime()) {
    if (now - candidate.since < kStartPatience) return;
    const std::string said = candidate.app->WhyNotUp();
    return Fail(fmt::format("its worker does not connect within {} s{}", kStartPatience.count() / 1000,
                            said.empty() ? "" : ":\n" + said));
  }
  if (now - candidate.connected < kProbation) return;
  candidate.stage = Candidate::Stage::kUp;
  SPDLOG_INFO("version {} of the app is up, and could be used", candidate.version.version());
  std::vector<Waiter> waiters = std::exchange(candidate.waiters, {});
  std::erase_if(waiters, [](const Waiter& waiter) {
    if (waiter.only_prepare) waiter.answer(grpc::Status::OK);
    return waiter.only_prepare;
  });
  candidate.waiters = std::move(waiters);
  UseIfCurrent();
}

void AppKeeper::UseIfCurrent() {
  if (candidate_->version.version() != record_.current()) return;
  if (candidate_->app->has_failed()) return Fail("its worker " + candidate_->app->WhyNotUp());
  candidate_->stage = Candidate::Stage::kUsing;
  config_.use(candidate_->app, [this, queue = queue_, number = candidate_->number](const std::string& error) {
    queue->Post([this, number, error] { OnUsed(number, error); });
  });
}

void AppKeeper::OnUsed(uint64_t number, const std::string& error) {
  if (!candidate_ || candidate_->number != number) return;
  if (!error.empty()) return Fail(error);
  Candidate used = *std::exchange(candidate_, std::nullopt);
  live_ = used.version.version();
  directories_->Keep(used.directory);
  failure_.reset();
  for (const Waiter& waiter : used.waiters) waiter.answer(grpc::Status::OK);
  Follow();
}

void AppKeeper::Fail(const std::string& why) {
  const std::string version = candidate_->version.version();
  const bool again = failure_ && failure_->version == version;
  Failure failure{version, why, {}, again ? std::min(2 * failure_->pause, kLongestPause) : kFirstPause};
  failure.again = SteadyClock::now() + failure.pause;
  const bool is_current = version == record_.current();
  SPDLOG_ERROR("version {} of the app does not come up here: {}{}", version, why,
               live_.empty() ? "" : fmt::format("; version {} goes on", live_));
  if (is_current)
    SetNotSettled(fmt::format("version {} of the app does not come up here: {}", version,
                              why.substr(0, why.find('\n'))));
  failure_ = std::move(failure);
  GiveUp({StatusCode::FAILED_PRECONDITION, why});
}

void AppKeeper::GiveUp(const grpc::Status& status) {
  Candidate given_up = *std::exchange(candidate_, std::nullopt);
  for (const Waiter& waiter : given_up.waiters) waiter.answer(status);
  given_up.app.reset();  // ends its worker, at once
  if (!given_up.directory.empty()) VersionDirectories::Remove(given_up.directory);
}

void AppKeeper::Settle() {
  if (std::exchange(is_settled_, true)) return;
  SetNotSettled("");
  config_.settled();
}

void AppKeeper::SetNotSettled(std::string why) {
  if (is_settled_ && !why.empty()) return;  // what was live before goes on
  const std::lock_guard lock(mutex_);
  not_settled_ = std::move(why);
}

std::string AppKeeper::NotSettled() const {
  const std::lock_guard lock(mutex_);
  return not_settled_;
}

}  // namespace dormouse
