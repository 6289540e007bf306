#include "gateway/link/statekeeper_address.h"

#include <unistd.h>

#include "common/rpc/framed_stream.h"
#include "gateway/link/client_stream.h"

namespace dormouse {
namespace {

constexpr char kLinkMethod[] = "/dormouse.link.Edge/Link";

}  // namespace

std::shared_ptr<LinkStream> StatekeeperAddress::Open(uint32_t lane, const grpc::ByteBuffer& greeting,
                                                     uint32_t attempt, int64_t steady_ms,
                                                     CompletionThread* thread,
                                                     const std::shared_ptr<StreamInbox>& inbox) {
  const std::string& path = member_.unix_path();
  const bool by_path = member_.address().empty() || attempt % 2 == 0;
  if (by_path && !path.empty()) {
    const std::string lane_socket = LaneSocket(path, lane);
    if (access(lane_socket.c_str(), F_OK) == 0) return FramedStream::Connect(lane_socket, greeting, inbox);
  }
  const bool has_unix = !path.empty() && access(path.c_str(), F_OK) == 0;
  const bool by_unix = member_.address().empty() || (has_unix && by_path);
  if (!by_unix && member_.framed() && StreamDialer::CanDial(member_.address())) {
    return dialer_.Open(lane, greeting, attempt > 0, steady_ms, inbox);
  }
  LinkTarget& target = by_unix ? unix_ : address_;
  return ClientStream::Open(thread, target.Channel(attempt > 0, steady_ms), kLinkMethod, greeting, inbox);
}

}  // namespace dormouse
