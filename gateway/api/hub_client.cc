#include "gateway/api/hub_client.h"

#include <fmt/format.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>

#include <algorithm>
#include <chrono>

#include "common/clock.h"
#include "common/rpc/statekeeper_sockets.h"
#include "common/rpc/unary_question.h"
#include "proto/api_repeats.h"

namespace dormouse {
namespace {

constexpr double kTickS = 0.02;
constexpr int64_t kLookMs = 1'000;  // for statekeepers that have come
// gRPC's own, by which it gives a call up, is a little later than what the hub is told.
constexpr int64_t kLongerMs = 100;

}  // namespace

HubClient::HubClient(std::vector<std::string> statekeepers,
                     std::shared_ptr<const LinkCredentials> credentials, struct ev_loop* loop)
    : statekeepers_(std::move(statekeepers)),
      credentials_(std::move(credentials)),
      loop_(loop),
      answers_(loop),
      thread_(std::make_unique<grpc::CompletionQueue>()) {
  ev_timer_init(
      &tick_, [](struct ev_loop*, ev_timer* timer, int) { static_cast<HubClient*>(timer->data)->OnTick(); },
      0, kTickS);
  tick_.data = this;
  NextChannel();  // connects
}

HubClient::~HubClient() {
  answers_.Close();
  {
    const std::lock_guard lock(calls_mutex_);
    for (grpc::ClientContext* const call : calls_) call->TryCancel();
  }
  ev_timer_stop(loop_, &tick_);
}

void HubClient::Ask(api::Request request, Done done) {
  const int64_t timeout_ms = request.timeout_ms();
  Question question{std::make_shared<const api::Request>(std::move(request)), SteadyMs() + timeout_ms,
                    std::move(done)};
  if (Send(question)) return;
  waiting_.push_back(std::move(question));
  if (!ev_is_active(&tick_)) ev_timer_again(loop_, &tick_);
}

void HubClient::FindTargets() {
  const int64_t now_ms = SteadyMs();
  if (looked_ms_ != 0 && now_ms < looked_ms_ + kLookMs) return;
  looked_ms_ = now_ms;
  trouble_ = "there is none";
  const std::vector<std::string> names = FindStatekeepers(statekeepers_, &trouble_);
  std::erase_if(targets_,
                [&](const auto& each) { return std::ranges::find(names, each.first) == names.end(); });
  for (const std::string& name : names) targets_.try_emplace(name, name, credentials_);
}

const LinkChannel* HubClient::NextChannel() {
  FindTargets();
  const LinkChannel* found = nullptr;
  std::string name;
  const int64_t now_ms = SteadyMs();
  // The first behind the last one, or the first of all.
  for (auto& [each, target] : targets_) {
    const LinkChannel* channel = &target.Channel(false, now_ms);
    grpc_connectivity_state state = channel->grpc()->GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE) {
      channel = &target.Channel(true, now_ms);
      state = channel->grpc()->GetState(/*try_to_connect=*/true);
    }
    if (state != GRPC_CHANNEL_READY) continue;
    const bool is_better = found == nullptr || (name <= last_ && each > last_);
    if (!is_better) continue;
    found = channel;
    name = each;
  }
  if (found != nullptr) last_ = name;
  return found;
}

bool HubClient::Send(const Question& question) {
  const LinkChannel* const channel = NextChannel();
  if (channel == nullptr) return false;
  const int64_t left_ms = std::max<int64_t>(question.until_ms - SteadyMs(), 1);
  auto context = std::make_unique<grpc::ClientContext>();
  channel->Authorize(context.get());
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(left_ms + kLongerMs));
  grpc::ClientContext* const call = context.get();
  {
    const std::lock_guard lock(calls_mutex_);
    calls_.insert(call);
  }
  const auto stub = api::Hubs::NewStub(channel->grpc());
  UnaryQuestion<api::Reply>::Ask(
      &thread_, std::move(context),
      [&](grpc::ClientContext* with, grpc::CompletionQueue* queue) {
        return stub->AsyncAsk(with, *question.request, queue);
      },
      [this, question, call](const grpc::Status& status, api::Reply* reply) {
        {
          const std::lock_guard lock(calls_mutex_);
          calls_.erase(call);
        }
        answers_.Post(
            [this, question, status, said = std::move(*reply)] { OnAnswer(question, status, said); });
      });
  return true;
}

void HubClient::OnAnswer(Question question, const grpc::Status& status, const api::Reply& reply) {
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      return question.done(reply);
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Fail(question, api::Error::TIMEOUT,
                  fmt::format("The hub has not answered within {}.",
                              FormatDuration(Duration(question.request->timeout_ms()))),
                  true);
    case grpc::StatusCode::UNIMPLEMENTED:
      return Fail(question, api::Error::BUSY,
                  "The statekeeper is of a version that knows no backends; nothing was done.", false);
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED:
      return Fail(question, api::Error::BUSY,
                  fmt::format("The statekeeper refuses this gateway: {}", status.error_message()), false);
    default:
      break;
  }
  if (!MayBeRepeated(*question.request)) {
    return Fail(question, api::Error::LOST,
                "The statekeeper that was asked has ended before it had answered.", true);
  }
  waiting_.push_back(std::move(question));
  if (!ev_is_active(&tick_)) ev_timer_again(loop_, &tick_);
}

void HubClient::OnTick() {
  const int64_t now_ms = SteadyMs();
  bool has_way = true;
  for (size_t left = waiting_.size(); left > 0; --left) {
    Question question = std::move(waiting_.front());
    waiting_.pop_front();
    if (now_ms >= question.until_ms) {
      Fail(question, api::Error::BUSY, fmt::format("No statekeeper can be reached: {}.", trouble_),
           MayBeRepeated(*question.request));
    } else if (!has_way || !Send(question)) {
      has_way = false;
      waiting_.push_back(std::move(question));
    }
  }
  if (waiting_.empty()) ev_timer_stop(loop_, &tick_);
}

void HubClient::Fail(const Question& question, api::Error::Code code, const std::string& message,
                     bool unknown) {
  api::Reply reply;
  reply.mutable_error()->set_code(code);
  reply.mutable_error()->set_message(message);
  reply.mutable_error()->set_retryable(true);
  reply.mutable_error()->set_unknown(unknown);
  question.done(reply);
}

}  // namespace dormouse
