#include "statekeeper/runtime/hub/backend_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "common/clock.h"
#include "statekeeper/runtime/hub/hub_report.h"
#include "statekeeper/runtime/hub/kept_answers.h"

namespace dormouse {
namespace {

constexpr uint32_t kConnectionsInPage = 100;
constexpr uint32_t kMostConnectionsInPage = 1'000;
// The class hears of the ends of so many connections in one request; the rest are for the next.
constexpr size_t kMostDisconnected = 1'000;

api::Error ErrorOf(api::Error::Code code, std::string message) {
  api::Error error;
  error.set_code(code);
  error.set_message(std::move(message));
  error.set_retryable(code == api::Error::STORE_AWAY || code == api::Error::BUSY ||
                      code == api::Error::KEY_IN_USE || code == api::Error::TIMEOUT);
  return error;
}

Message FrameOf(const api::Data& data) {
  if (data.has_binary()) return Message::Binary(data.binary());
  return Message::Text(data.has_text() ? data.text() : data.json());
}

std::optional<std::vector<ConnectionId>> One(const std::string& text) {
  const auto id = ConnectionId::Parse(text);
  return id ? std::optional(std::vector{*id}) : std::nullopt;
}

std::string NotAConnection(const std::string& text) {
  return fmt::format("{} is no connection's id; `connections` lists them.", text);
}

// For what the class alone could do.
std::string NotOfClass(const HubContext& context, std::string_view what, std::string_view instead) {
  return fmt::format("Class {} has no {}; {}", context.hub_class(), what, instead);
}

// Of what is asked for, and not of how: who asks again may do so with another deadline, in another trace.
uint64_t HashOf(const api::Request& asked) {
  api::Request same = asked;
  same.clear_timeout_ms();
  same.clear_traceparent();
  return KeptAnswers::HashOf(same.SerializeAsString());
}

bool IsAlone(const api::Command& command) {
  return command.has_call() || command.has_connections() || command.has_evict();
}

}  // namespace

std::string BackendCommands::ReplyOf(api::Error::Code code, const std::string& message) {
  api::Reply reply;
  *reply.mutable_error() = ErrorOf(code, message);
  return reply.SerializeAsString();
}

std::string BackendCommands::ReplyTo(Hub::Failure failure) {
  switch (failure) {
    case Hub::Failure::kStore: {
      api::Reply reply;
      *reply.mutable_error() = ErrorOf(api::Error::STORE_AWAY, "The store is not available; try again.");
      reply.mutable_error()->set_unknown(true);
      return reply.SerializeAsString();
    }
    case Hub::Failure::kStateFull:
      return ReplyOf(api::Error::TOO_MUCH,
                     "The hub's state is full (option max-state); nothing was changed.");
    case Hub::Failure::kOverBudget:
      return ReplyOf(
          api::Error::TOO_MUCH,
          "The hub took longer for this than it may (option handler-budget); nothing was changed.");
    case Hub::Failure::kTooMuchOutput:
      return ReplyOf(
          api::Error::TOO_MUCH,
          "This would make the hub send more than one event may (option max-output); nothing was sent. "
          "Send less data, or to fewer connections.");
    case Hub::Failure::kTooManyChanges:
      return ReplyOf(
          api::Error::TOO_MUCH,
          "This would make the hub write more than one event may (option max-changes); nothing was "
          "changed.");
    case Hub::Failure::kPoison:
      return ReplyOf(api::Error::HUB_FAILED,
                     "The hub's process has ended whenever this was handled; it is given up.");
    case Hub::Failure::kHandler:
    case Hub::Failure::kOverAllowance:
      break;
  }
  return ReplyOf(api::Error::HUB_FAILED,
                 "The hub failed to handle this; nothing was changed. Its log says more.");
}

// --- Before anything is done.

api::Error BackendCommands::Check(const api::Request& request) const {
  if (request.commands().empty()) return ErrorOf(api::Error::BAD_REQUEST, "There is no command.");
  for (int i = 0; i < request.commands_size(); ++i) {
    const api::Command& command = request.commands(i);
    if (request.commands_size() > 1 && IsAlone(command)) {
      return ErrorOf(
          api::Error::BAD_REQUEST,
          fmt::format("Command {}: `call`, `connections` and `evict` are requests of their own.", i));
    }
    api::Error error = CheckCommand(command);
    if (error.code() == api::Error::NONE) continue;
    if (request.commands_size() > 1) error.set_message(fmt::format("Command {}: {}", i, error.message()));
    return error;
  }
  return {};
}

api::Error BackendCommands::CheckCommand(const api::Command& command) const {
  const auto refused = [](std::string why) { return ErrorOf(api::Error::REFUSED, std::move(why)); };
  const auto bad = [](std::string why) { return ErrorOf(api::Error::BAD_REQUEST, std::move(why)); };
  const auto has_no = [&](std::string_view what, std::string_view instead) {
    return refused(NotOfClass(*parts_.context, what, instead));
  };
  constexpr std::string_view kSendInstead = "send to a `connection` or a `tag`, or use `broadcast`.";
  switch (command.kind_case()) {
    case api::Command::kSend: {
      const api::Send& send = command.send();
      if (send.has_connection() && !ConnectionId::Parse(send.connection()))
        return bad(NotAConnection(send.connection()));
      if (send.has_actor() && own_ == nullptr) return has_no("actors", kSendInstead);
      if (!send.has_actor() && (!send.type().empty() || !send.from().empty()))
        return bad(
            "`type` and `from` are of messages to an `actor`; to a connection or a tag goes the frame as it is.");
      return {};
    }
    case api::Command::kPublish:
      return own_ == nullptr ? has_no("topics", kSendInstead) : api::Error();
    case api::Command::kBroadcast: {
      const api::Broadcast& broadcast = command.broadcast();
      if (!broadcast.except().empty() && !ConnectionId::Parse(broadcast.except()))
        return bad(NotAConnection(broadcast.except()));
      if (own_ == nullptr && (!broadcast.type().empty() || !broadcast.from().empty()))
        return has_no("types of messages", "leave out `type` and `from`: the frame goes out as it is.");
      if (own_ != nullptr && !broadcast.except().empty())
        return has_no("`except` in broadcasts", "all registered actors get it.");
      return {};
    }
    case api::Command::kDisconnect: {
      const api::Disconnect& disconnect = command.disconnect();
      if (disconnect.has_connection() && !ConnectionId::Parse(disconnect.connection()))
        return bad(NotAConnection(disconnect.connection()));
      if (disconnect.has_actor() && own_ == nullptr)
        return has_no("actors", "name a `connection` or a `tag`, or say `all`.");
      return {};
    }
    case api::Command::kConnections: {
      const std::string& after = command.connections().after();
      return after.empty() || ConnectionId::Parse(after) ? api::Error() : bad(NotAConnection(after));
    }
    case api::Command::kCall:
      return {};
    case api::Command::kEvict:
    case api::Command::KIND_NOT_SET:
      break;
  }
  return bad("This statekeeper does not know the command; is it of an older version than the gateway?");
}

void BackendCommands::Fail(api::Error error) {
  api::Reply reply;
  *reply.mutable_error() = std::move(error);
  parts_.context->Reply(reply.SerializeAsString());
}

// --- It is done.

void BackendCommands::Begin(HubRequest* request) {
  const api::Request& asked = *request->commands();
  if (request->caller().until_ms != 0 && SteadyMs() > request->caller().until_ms)
    return Fail(ErrorOf(api::Error::TIMEOUT,
                        "The hub had too much to do; nothing was done in time, and nothing is."));
  if (const std::string& key = asked.idempotency_key(); !key.empty()) {
    if (!KeptAnswers::IsValidKey(key)) {
      return Fail(ErrorOf(api::Error::BAD_REQUEST,
                          "An idempotency key has 1 to 128 printable characters of ASCII, without blanks."));
    }
    if (parts_.is_under_way(key)) {
      return Fail(
          ErrorOf(api::Error::KEY_IN_USE,
                  "The first request with this idempotency key is not answered yet; ask again later."));
    }
    if (const auto kept = KeptAnswers(parts_.state).Find(key, parts_.context->now_ms())) {
      if (kept->request() != HashOf(asked)) {
        return Fail(
            ErrorOf(api::Error::KEY_REUSED,
                    "This idempotency key was used for another request to this hub; take a new key."));
      }
      api::Reply reply;
      if (kept->answer().empty() || !reply.ParseFromString(kept->answer())) {
        return Fail(
            ErrorOf(api::Error::ANSWER_NOT_KEPT,
                    "The request with this idempotency key was carried out; its answer was too large to be "
                    "kept."));
      }
      reply.set_repeated_(true);
      return parts_.context->Reply(reply.SerializeAsString());
    }
  }
  if (api::Error error = Check(asked); error.code() != api::Error::NONE) return Fail(std::move(error));
  if (asked.commands(0).has_call()) {
    parts_.hub->OnRequest(*parts_.context, asked.commands(0).call().payload());
    if (parts_.context->deferred_as() == 0) End(*request, "");
    return;
  }
  Run(request);
}

void BackendCommands::Run(HubRequest* request) {
  const api::Request& asked = *request->commands();
  api::Reply reply;
  for (int i = 0; i < asked.commands_size(); ++i) {
    std::string refused;
    if (Do(asked.commands(i), reply.add_results(), &refused)) continue;
    if (asked.commands_size() > 1) refused = fmt::format("Command {}: {}", i, refused);
    api::Error error = ErrorOf(api::Error::REFUSED, std::move(refused));
    if (i == 0) return Fail(std::move(error));
    reply.clear_results();
    *reply.mutable_error() = std::move(error);
    request->Refuse(reply.SerializeAsString());
    throw Refused();
  }
  if (!ends_.empty()) {
    parts_.context->set_durable([end = parts_.end_connections, ends = std::move(ends_)] { end(ends); });
  }
  Answer(*request, &reply);
}

void BackendCommands::End(const HubRequest& request, const std::string& failure) {
  api::Reply reply;
  const std::optional<std::string>& said = parts_.context->reply();
  if (!failure.empty()) {
    *reply.mutable_error() = ErrorOf(api::Error::HUB_FAILED, failure);
  } else if (!said) {
    *reply.mutable_error() = ErrorOf(api::Error::HUB_FAILED, "The hub has not answered.");
  } else {
    reply.add_results()->set_payload(*said);
  }
  Answer(request, &reply);
}

void BackendCommands::Answer(const HubRequest& request, api::Reply* reply) {
  const std::string answer = reply->SerializeAsString();
  const api::Request& asked = *request.commands();
  const bool changes_nothing = asked.commands(0).has_connections();
  if (!asked.idempotency_key().empty() && !changes_nothing) {
    KeptAnswers(parts_.state).Keep(asked.idempotency_key(), HashOf(asked), answer, parts_.context->now_ms());
  }
  parts_.context->Reply(answer);
}

bool BackendCommands::Do(const api::Command& command, api::Result* result, std::string* refused) {
  const bool is_own = own_ != nullptr && (command.has_publish() || command.has_broadcast() ||
                                          (command.has_send() && command.send().has_actor()));
  if (is_own) return own_->Deliver(*parts_.context, command, result->mutable_sent(), refused);
  switch (command.kind_case()) {
    case api::Command::kSend:
      Send(command.send(), result->mutable_sent());
      return true;
    case api::Command::kBroadcast:
      Broadcast(command.broadcast(), result->mutable_sent());
      return true;
    case api::Command::kDisconnect:
      result->set_disconnected(Disconnect(command.disconnect()));
      return true;
    case api::Command::kConnections:
      List(command.connections(), result->mutable_connections());
      return true;
    default:
      return true;
  }
}

void BackendCommands::Send(const api::Send& send, api::Sent* sent) {
  const Message frame = FrameOf(send.data());
  if (send.has_tag()) {
    sent->set_sent(parts_.context->Connections(send.tag()).size());
    return parts_.context->Broadcast(frame, send.tag(), std::nullopt);
  }
  const auto id = ConnectionId::Parse(send.connection());
  if (!id || !parts_.context->FindConnection(*id)) return;
  parts_.context->Send(*id, frame);
  sent->set_sent(1);
}

void BackendCommands::Broadcast(const api::Broadcast& broadcast, api::Sent* sent) {
  const auto except = ConnectionId::Parse(broadcast.except());
  size_t count = parts_.context->connection_count();
  if (except && parts_.context->FindConnection(*except)) --count;
  parts_.context->Broadcast(FrameOf(broadcast.data()), {}, except);
  sent->set_sent(count);
}

std::vector<ConnectionId> BackendCommands::Whom(const api::Disconnect& command) {
  switch (command.whom_case()) {
    case api::Disconnect::kConnection:
      return One(command.connection()).value_or(std::vector<ConnectionId>());
    case api::Disconnect::kActor: {
      const auto id = own_->FindActor(*parts_.context, command.actor());
      return id ? std::vector{*id} : std::vector<ConnectionId>();
    }
    case api::Disconnect::kTag:
      return parts_.context->Connections(command.tag());
    case api::Disconnect::kAll:
      return parts_.state->ConnectionsOf(0, kMostDisconnected);
    case api::Disconnect::WHOM_NOT_SET:
      break;
  }
  return {};
}

uint32_t BackendCommands::Disconnect(const api::Disconnect& command) {
  std::vector<ConnectionId> ids = Whom(command);
  if (ids.size() > kMostDisconnected) ids.resize(kMostDisconnected);
  uint32_t count = 0;
  const auto code = static_cast<uint16_t>(command.code());
  for (const ConnectionId& id : ids) {
    const std::optional<Connection> connection = parts_.context->FindConnection(id);
    if (!connection) continue;
    ++count;
    if (own_ != nullptr) {
      own_->Disconnect(*parts_.context, *connection, code, command.reason());
      continue;
    }
    parts_.context->CloseUnknown(id, code, command.reason());
    ends_.emplace_back(event::FromGateway{.gateway = id.gateway,
                                          .handle = id.handle,
                                          .last_seen_ms = connection->last_seen_ms,
                                          .payload = ClosePayload(code, command.reason()),
                                          .kind = EventKind::kClose});
  }
  return count;
}

void BackendCommands::List(const api::ListConnections& command, api::ConnectionPage* page) {
  const uint32_t asked = command.limit() == 0 ? kConnectionsInPage : command.limit();
  const size_t limit = std::min(asked, kMostConnectionsInPage);
  std::vector<ConnectionReport> found = ConnectionsAfter(command.after(), limit + 1, parts_.state);
  page->set_count(parts_.state->connection_count());
  page->set_more(found.size() > limit);
  if (found.size() > limit) found.resize(limit);
  for (const ConnectionReport& each : found) {
    api::Connection* const to = page->add_connections();
    to->set_id(each.id.ToString());
    to->set_connected_ms(each.connected_ms);
    to->set_last_seen_ms(each.last_seen_ms);
    for (const std::string& tag : each.tags) to->add_tags(tag);
    if (own_ == nullptr) continue;
    if (const auto connection = parts_.context->FindConnection(each.id))
      own_->DescribeConnection(*parts_.context, *connection, to);
  }
}

}  // namespace dormouse
