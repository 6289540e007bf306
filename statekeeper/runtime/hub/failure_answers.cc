#include "statekeeper/runtime/hub/failure_answers.h"

#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include "common/logging.h"
#include "statekeeper/runtime/hub/close_codes.h"

namespace dormouse {
namespace {

// Of an event that goes beyond what one may do. The option that says so; nullptr: it is no such failure.
const char* OptionOf(Hub::Failure why) {
  switch (why) {
    case Hub::Failure::kStateFull:
      return "max-state";
    case Hub::Failure::kOverBudget:
      return "handler-budget";
    case Hub::Failure::kTooMuchOutput:
      return "max-output";
    case Hub::Failure::kTooManyChanges:
      return "max-changes";
    case Hub::Failure::kOverAllowance:
      return "connection-cpu";
    default:
      return nullptr;
  }
}

std::string_view WhyClosed(Hub::Failure why) {
  switch (why) {
    case Hub::Failure::kStore:
      return "The store is not available; try again";
    case Hub::Failure::kStateFull:
      return "The hub's state is full";
    case Hub::Failure::kTooMuchOutput:
    case Hub::Failure::kTooManyChanges:
      return "The message makes the hub do too much";
    case Hub::Failure::kOverAllowance:
      return "Messages of this connection take too much time; try again later";
    default:
      return "The hub has failed";
  }
}

std::string_view WhyNotOpened(Hub::Failure why) {
  switch (why) {
    case Hub::Failure::kStore:
      return "The store is not available; try again";
    case Hub::Failure::kPoison:
      return "This hub has failed";
    case Hub::Failure::kStateFull:
      return "The hub's state is full";
    default:
      return "The hub failed to accept the connection";
  }
}

}  // namespace

void FailureAnswers::Note(Hub::Failure why) {
  const char* const option = OptionOf(why);
  const auto bit = static_cast<size_t>(why);
  if (option == nullptr || noted_.test(bit)) return;
  noted_.set(bit);
  const LogAbout about({.shard = hub_.shard.shard, .hub = hub_.name});
  SPDLOG_WARN("an event goes beyond {} and is refused; others like it will not be noted", option);
}

void FailureAnswers::Refuse(HubRequest* request, Hub::Failure why) {
  if (request->commands() != nullptr) {
    const std::string& refusal = request->refusal();
    return request->Finish(HubRequest::Outcome::kAnswered,
                           refusal.empty() ? BackendCommands::ReplyTo(why) : refusal);
  }
  const bool store = why == Hub::Failure::kStore;
  request->Finish(store ? HubRequest::Outcome::kStore : HubRequest::Outcome::kFailed,
                  store ? "The store is not available" : "The hub has failed");
}

void FailureAnswers::Refuse(const event::FromGateway& open, Hub::Failure why, HubContext* context) {
  const uint16_t code = why == Hub::Failure::kStore ? kTryAgainLater : kInternalError;
  context->CloseUnknown(open.connection(), code, WhyNotOpened(why));
}

void FailureAnswers::Tell(const event::FromGateway& message, Hub::Failure why, const HubClass& hub_class,
                          HubContext* context) const {
  HubState* const state = hub_.state;
  const bool may_wait = state->may_wait();
  state->set_may_wait(false);
  try {
    const auto connection = state->loaded() ? state->FindConnection(message.connection()) : nullptr;
    const Connection unknown{message.connection(), 0, message.last_seen_ms, "", {}};
    // Not woken, which would take the state that may be out of reach.
    hub_class.NewHub()->OnFailure(*context, connection == nullptr ? unknown : *connection, MessageOf(message),
                                  why);
  } catch (const std::exception& error) {
    const LogAbout about({.shard = hub_.shard.shard, .hub = hub_.name, .connection = message.connection()});
    SPDLOG_WARN("could not tell a client of a failed message: {}", error.what());
  }
  state->set_may_wait(may_wait);
}

void FailureAnswers::Close(const event::FromGateway& message, Hub::Failure why, bool in_doubt,
                           HubContext* context) const {
  const bool worth_another_try = why == Hub::Failure::kStore || why == Hub::Failure::kOverAllowance;
  context->CloseUnknown(message.connection(), worth_another_try ? kTryAgainLater : kInternalError,
                        WhyClosed(why));
  try {
    if (!in_doubt) hub_.state->RemoveConnection(message.connection());
  } catch (const StoreAway&) {
    hub_.state->RevertOpenChange();
  }  // where it could not be removed, its gateway tells of its end
}

}  // namespace dormouse
