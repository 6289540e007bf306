// The length that goes before each message of a stream of our own: 4 bytes, little-endian. And how such a stream ends.
#pragma once

#include <grpcpp/support/status.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/link.pb.h"

namespace dormouse {

inline constexpr size_t kFrameHeadBytes = 4;
// In the place of a length: what follows is a link.StreamEnd, as a message is by its own length, and that by nothing.
inline constexpr uint32_t kEndMark = 0xffffffff;

inline void WriteFrameHead(uint32_t length, char* out) {
  for (size_t i = 0; i < kFrameHeadBytes; ++i) out[i] = static_cast<char>(length >> (8 * i));
}

inline uint32_t ReadFrameHead(std::string_view bytes) {
  uint32_t length = 0;
  for (size_t i = 0; i < kFrameHeadBytes; ++i)
    length |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return length;
}

inline std::string PrintStreamEnd(const grpc::Status& why) {
  link::StreamEnd end;
  end.set_code(static_cast<uint32_t>(why.error_code()));
  end.set_message(why.error_message());
  end.set_details(why.error_details());
  std::string bytes(2 * kFrameHeadBytes, '\0');
  WriteFrameHead(kEndMark, bytes.data());
  WriteFrameHead(static_cast<uint32_t>(end.ByteSizeLong()), bytes.data() + kFrameHeadBytes);
  end.AppendToString(&bytes);
  return bytes;
}

}  // namespace dormouse
