#include "gateway/edge/rules/socket_answers.h"

namespace dormouse::edge {

SocketAnswers::Answer SocketAnswers::Take(std::string_view request, std::string_view reply) {
  if (request.empty()) return Answer();
  auto found = pairs_.find({request, reply});
  if (found == pairs_.end()) {
    auto pair = std::make_unique<Pair>(Pair{this, std::string(request), std::string(reply)});
    const std::pair<std::string_view, std::string_view> texts(pair->request, pair->reply);
    found = pairs_.emplace(texts, std::move(pair)).first;
  }
  ++found->second->connections;
  return Answer(found->second.get());
}

void SocketAnswers::GiveBack(Pair* pair) {
  if (--pair->connections == 0) pairs_.erase(pairs_.find({pair->request, pair->reply}));
}

}  // namespace dormouse::edge
