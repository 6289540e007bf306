// How a stream of our own begins over TCP, before its first message (framed_stream.h). A statekeeper has one port, for
// gRPC and for these:
//
//   "dormouseT"  then TLS, and within it the rest        or  "dormouseP"  then the rest, in plain text
//   a link.StreamOpening, after its length as a message is: who comes, and to which lane
//
// So the first byte says what somebody wants: 'd' for such a stream, 'P' for gRPC (HTTP/2's preface), 0x16 for gRPC over
// TLS. All of it goes at once, and nothing is awaited: TLS aside, a stream costs no more turns than a connection.
//
// Who is the first to hear of it: statekeeper/link/link_port.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proto/link.pb.h"

namespace dormouse {

enum class LinkOpening { kUnfinished, kPlain, kTls, kGrpc, kNonsense };

inline constexpr size_t kLinkMarkBytes = 9;
// A token of the cluster's secret, and what is around it.
inline constexpr size_t kMaxOpeningBytes = 4096;

std::string LinkMark(bool tls);
// What begins so. kUnfinished: more is needed to say.
LinkOpening Recognize(std::string_view bytes);

std::string PrintOpening(const link::StreamOpening& opening);
// Takes one from the front of `bytes`, and those bytes away. Nothing: with `*broken` none will come, else not all of it is
// there.
std::optional<link::StreamOpening> TakeOpening(std::string* bytes, bool* broken);

}  // namespace dormouse
