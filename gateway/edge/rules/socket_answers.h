// What hubs have their gateway answer on single connections (DeliveryKind::kAutoResponse): a frame that is
// exactly the request is answered with the reply.
//
// Equal pairs are kept once, however many connections have them: a pointer each. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace dormouse::edge {

class SocketAnswers {
 private:
  struct Pair {
    SocketAnswers* table;
    std::string request;
    std::string reply;
    uint64_t connections = 0;
  };

 public:
  SocketAnswers() = default;
  SocketAnswers(const SocketAnswers&) = delete;
  SocketAnswers& operator=(const SocketAnswers&) = delete;

  // A connection's pair, given back when it goes. The table outlives it.
  class Answer {
   public:
    Answer() = default;  // none
    Answer(Answer&& other) noexcept : pair_(std::exchange(other.pair_, nullptr)) {}
    Answer& operator=(Answer&& other) noexcept {
      std::swap(pair_, other.pair_);
      return *this;
    }
    ~Answer() {
      if (pair_ != nullptr) pair_->table->GiveBack(pair_);
    }

    // nullptr: the frame is for the hub.
    const std::string* ReplyTo(std::string_view frame) const {
      return pair_ != nullptr && pair_->request == frame ? &pair_->reply : nullptr;
    }
    // Empty: none.
    std::string_view request() const { return pair_ == nullptr ? std::string_view() : pair_->request; }
    std::string_view reply() const { return pair_ == nullptr ? std::string_view() : pair_->reply; }

   private:
    friend class SocketAnswers;
    explicit Answer(Pair* pair) : pair_(pair) {}
    Pair* pair_ = nullptr;
  };

  // An empty request: none.
  Answer Take(std::string_view request, std::string_view reply);
  size_t size() const { return pairs_.size(); }  // pairs that differ

 private:
  void GiveBack(Pair* pair);

  // By their texts, which are the pair's own.
  std::map<std::pair<std::string_view, std::string_view>, std::unique_ptr<Pair>> pairs_;
};

}  // namespace dormouse::edge
