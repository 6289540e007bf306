// A gateway's stream that notes what a lane does with it.
#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/rpc/link_channel.h"
#include "common/rpc/link_stream.h"
#include "proto/link.pb.h"
#include "proto/packed.h"

namespace dormouse {

class FakeStream final : public LinkStream {
 public:
  bool Busy() override { return busy; }
  void Write(const grpc::ByteBuffer& message) override { FromBuffer(message, &written.emplace_back()); }
  void End(const grpc::Status& why) override {
    ended = why.error_code();
    details = why.error_details();
  }
  void Abort() override { aborted = true; }

  // Of the deliveries that were written, in order.
  std::vector<std::string> Payloads() const {
    std::vector<std::string> payloads;
    for (const link::ToGateway& message : written) {
      std::string_view rest = message.deliveries();
      for (DeliveryView delivery; ReadDelivery(&rest, &delivery);) payloads.emplace_back(delivery.payload);
    }
    return payloads;
  }

  bool busy = false;
  std::vector<link::ToGateway> written;
  grpc::StatusCode ended = grpc::StatusCode::OK;  // OK: it is not
  std::string details;
  bool aborted = false;

 private:
  void ReadNext() override {}
};

}  // namespace dormouse
