#include "statekeeper/ownership/members/peer_notes.h"

#include <utility>

namespace dormouse {
namespace {

constexpr Duration kGap{20};  // between two
constexpr Duration kNowAndThen{400};

}  // namespace

void PeerNotes::Tell(bool reaches_store, SteadyTime now) {
  has_news_ |= note_.reaches_store() != reaches_store;
  if (now - told_ < (has_news_ ? kGap : kNowAndThen)) return;
  if (std::exchange(has_news_, false)) note_.set_changes(note_.changes() + 1);
  note_.set_reaches_store(reaches_store);
  told_ = now;
  tell_(note_);
}

}  // namespace dormouse
