// For tests: a state that was written, kept as it would be sent, to be read again. Its descriptors are its own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gateway/takeover/channel.h"
#include "gateway/takeover/state_reader.h"
#include "gateway/takeover/state_writer.h"

namespace dormouse::takeover {

class StateCopy : public StateWriter::Sink, public StateReader::Source {
 public:
  ~StateCopy() override {
    for (const Packet& packet : packets_) {
      for (const int fd : packet.descriptors) close(fd);
    }
  }

  bool Take(const Chunk& chunk, std::span<const int> descriptors) override {
    Packet packet{.bytes = chunk.SerializeAsString(), .descriptors = {}};
    for (const int fd : descriptors) packet.descriptors.push_back(dup(fd));
    EXPECT_LE(packet.descriptors.size(), Channel::kMaxDescriptors);
    EXPECT_LT(packet.bytes.size(), Channel::kMaxPacket);
    packets_.push_back(std::move(packet));
    return true;
  }
  bool Next(Chunk* chunk, std::vector<int>* descriptors, std::string* wrong) override {
    if (packets_.empty()) {
      *wrong = "there is no more";
      return false;
    }
    Packet packet = std::move(packets_.front());
    packets_.pop_front();
    *descriptors = std::move(packet.descriptors);
    return chunk->ParseFromString(packet.bytes);
  }

  size_t packets() const { return packets_.size(); }
  void DropLast() { packets_.pop_back(); }

 private:
  struct Packet {
    std::string bytes;
    std::vector<int> descriptors;
  };
  std::deque<Packet> packets_;
};

}  // namespace dormouse::takeover
