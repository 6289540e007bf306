#include "proto/packed.h"

#include <bit>
#include <cstring>

namespace dormouse {
namespace {

// Flags of LostPayload.
constexpr uint8_t kLostOlder = 1;
constexpr uint8_t kLostUnconfirmed = 2;

static_assert(std::endian::native == std::endian::little);

template <typename T>
void Put(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
void Store(T value, char** to) {
  std::memcpy(*to, &value, sizeof(value));
  *to += sizeof(value);
}

void StoreBytes(std::string_view bytes, char** to) { *to += bytes.copy(*to, bytes.size()); }

template <typename T>
T Load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

// Takes `size` bytes off the front of `*rest`, or returns nullptr.
const char* Take(size_t size, std::string_view* rest) {
  if (rest->size() < size) return nullptr;
  const char* front = rest->data();
  rest->remove_prefix(size);
  return front;
}

// size 4, kind 1, flags 1, shard 2, epoch 4, sequence 8, connection 8, last_seen 8, hub size 2, payload
// size 4
constexpr size_t kEventHeader = 42;
constexpr size_t kEventFlags = 5;
constexpr size_t kEventEpoch = 8;
constexpr uint8_t kRepeatedFlag = 1;

// size 4, kind 1, flags 1, shard 2, epoch 4, cause gateway 8, cause shard 2, cause sequence 8, index 4,
// recipients 4, heads size 4, payload size 4, hub size 2
constexpr size_t kDeliveryHeader = 48;
constexpr uint8_t kFinalFlag = 1;
constexpr uint8_t kHeadsFlag = 2;

size_t HeadsBytes(const DeliveryToAppend& delivery) {
  size_t bytes = 0;
  if (delivery.has_heads) {
    for (const Recipient& recipient : delivery.recipients) bytes += recipient.head.size();
  }
  return bytes;
}

}  // namespace

size_t EventBytes(const EventView& event) { return kEventHeader + event.hub.size() + event.payload.size(); }

void AppendEvent(const EventView& event, std::string* batch, size_t more) {
  const size_t payload = event.payload.size() + more;
  Put(static_cast<uint32_t>(EventBytes(event) + more), batch);
  Put(static_cast<uint8_t>(event.kind), batch);
  Put(event.repeated ? kRepeatedFlag : uint8_t{0}, batch);
  Put(event.shard, batch);
  Put(event.epoch, batch);
  Put(event.sequence, batch);
  Put(event.connection, batch);
  Put(event.last_seen_ms, batch);
  Put(static_cast<uint16_t>(event.hub.size()), batch);
  Put(static_cast<uint32_t>(payload), batch);
  batch->append(event.hub);
  batch->append(event.payload);
}

bool ReadEvent(std::string_view* batch, EventView* event) {
  if (batch->size() < kEventHeader) return false;
  const char* at = batch->data();
  const auto size = Load<uint32_t>(at);
  const auto hub_size = Load<uint16_t>(at + 36);
  const auto payload_size = Load<uint32_t>(at + 38);
  if (size > batch->size() || uint64_t{size} != kEventHeader + uint64_t{hub_size} + payload_size)
    return false;
  event->kind = static_cast<EventKind>(Load<uint8_t>(at + 4));
  event->repeated = (Load<uint8_t>(at + kEventFlags) & kRepeatedFlag) != 0;
  event->shard = Load<uint16_t>(at + 6);
  event->epoch = Load<uint32_t>(at + kEventEpoch);
  event->sequence = Load<uint64_t>(at + 12);
  event->connection = Load<uint64_t>(at + 20);
  event->last_seen_ms = Load<int64_t>(at + 28);
  event->hub = {at + kEventHeader, hub_size};
  event->payload = {at + kEventHeader + hub_size, payload_size};
  batch->remove_prefix(size);
  return true;
}

void SetEventEpoch(uint32_t epoch, char* record) { std::memcpy(record + kEventEpoch, &epoch, sizeof(epoch)); }

void SetEventRepeated(char* record) {
  record[kEventFlags] = static_cast<char>(static_cast<uint8_t>(record[kEventFlags]) | kRepeatedFlag);
}

std::string ClosePayload(uint16_t code, std::string_view reason, bool by_client) {
  std::string out;
  Put(code, &out);
  Put(static_cast<uint8_t>(by_client ? 1 : 0), &out);
  out.append(reason);
  return out;
}

bool ReadClosePayload(std::string_view payload, CloseView* close) {
  constexpr size_t kHeader = 3;
  if (payload.size() < kHeader) return false;
  close->code = Load<uint16_t>(payload.data());
  close->by_client = payload[2] != 0;
  close->reason = payload.substr(kHeader);
  return true;
}

std::string BacklogPayload(const Backlog& backlog) {
  std::string out;
  Put(backlog.messages, &out);
  Put(backlog.bytes, &out);
  return out;
}

std::string QuestionNumber(uint64_t number) {
  std::string out;
  Put(number, &out);
  return out;
}

std::optional<uint64_t> ReadQuestionNumber(std::string_view payload) {
  if (payload.size() != sizeof(uint64_t)) return std::nullopt;
  return Load<uint64_t>(payload.data());
}

std::string LostPayload(const Lost& lost) {
  std::string out;
  Put(lost.count, &out);
  Put(static_cast<uint8_t>((lost.older ? kLostOlder : 0) | (lost.unconfirmed ? kLostUnconfirmed : 0)), &out);
  return out;
}

bool ReadLostPayload(std::string_view payload, Lost* lost) {
  if (payload.size() != sizeof(lost->count) + 1) return false;
  lost->count = Load<uint64_t>(payload.data());
  const auto flags = static_cast<uint8_t>(payload.back());
  lost->older = (flags & kLostOlder) != 0;
  lost->unconfirmed = (flags & kLostUnconfirmed) != 0;
  return true;
}

bool ReadBacklogPayload(std::string_view payload, Backlog* backlog) {
  if (payload.size() != sizeof(backlog->messages) + sizeof(backlog->bytes)) return false;
  backlog->messages = Load<uint32_t>(payload.data());
  backlog->bytes = Load<uint64_t>(payload.data() + sizeof(backlog->messages));
  return true;
}

std::string AutoResponsePayload(const AutoResponseView& response) {
  std::string out;
  Put(static_cast<uint32_t>(response.request.size()), &out);
  out.append(response.request);
  out.append(response.reply);
  return out;
}

bool ReadAutoResponsePayload(std::string_view payload, AutoResponseView* response) {
  const char* const size = Take(sizeof(uint32_t), &payload);
  if (size == nullptr || Load<uint32_t>(size) > payload.size()) return false;
  response->request = payload.substr(0, Load<uint32_t>(size));
  response->reply = payload.substr(response->request.size());
  return true;
}

uint64_t DeliveryView::recipient(uint32_t i) const { return Load<uint64_t>(recipients + size_t{8} * i); }

uint32_t DeliveryView::head_size(uint32_t i) const {
  return head_sizes == nullptr ? 0 : Load<uint32_t>(head_sizes + size_t{4} * i);
}

size_t DeliveryBytes(const DeliveryToAppend& delivery) {
  const size_t per_recipient = delivery.has_heads ? 12 : 8;
  return kDeliveryHeader + delivery.return_to.size() + per_recipient * delivery.recipients.size() +
         HeadsBytes(delivery) + delivery.payload.size();
}

void WriteDelivery(const DeliveryToAppend& delivery, char* to) {
  Store(static_cast<uint32_t>(DeliveryBytes(delivery)), &to);
  Store(static_cast<uint8_t>(delivery.kind), &to);
  Store(static_cast<uint8_t>((delivery.final ? kFinalFlag : 0) | (delivery.has_heads ? kHeadsFlag : 0)), &to);
  Store(delivery.shard, &to);
  Store(delivery.epoch, &to);
  Store(delivery.cause.gateway, &to);
  Store(delivery.cause.shard, &to);
  Store(delivery.cause.sequence, &to);
  Store(delivery.index, &to);
  Store(static_cast<uint32_t>(delivery.recipients.size()), &to);
  Store(static_cast<uint32_t>(HeadsBytes(delivery)), &to);
  Store(static_cast<uint32_t>(delivery.payload.size()), &to);
  Store(static_cast<uint16_t>(delivery.return_to.size()), &to);
  StoreBytes(delivery.return_to, &to);
  for (const Recipient& recipient : delivery.recipients) Store(recipient.connection, &to);
  if (delivery.has_heads) {
    for (const Recipient& recipient : delivery.recipients)
      Store(static_cast<uint32_t>(recipient.head.size()), &to);
    for (const Recipient& recipient : delivery.recipients) StoreBytes(recipient.head, &to);
  }
  StoreBytes(delivery.payload, &to);
}

void AppendDelivery(const DeliveryToAppend& delivery, std::string* batch) {
  const size_t at = batch->size();
  batch->resize(at + DeliveryBytes(delivery));
  WriteDelivery(delivery, batch->data() + at);
}

bool ReadDelivery(std::string_view* batch, DeliveryView* delivery) {
  std::string_view rest = *batch;
  if (rest.size() < kDeliveryHeader) return false;
  const char* at = rest.data();
  const auto size = Load<uint32_t>(at);
  if (size < kDeliveryHeader || size > rest.size()) return false;
  rest = rest.substr(kDeliveryHeader, size - kDeliveryHeader);

  const auto flags = Load<uint8_t>(at + 5);
  delivery->kind = static_cast<DeliveryKind>(Load<uint8_t>(at + 4));
  delivery->final = (flags & kFinalFlag) != 0;
  delivery->shard = Load<uint16_t>(at + 6);
  delivery->epoch = Load<uint32_t>(at + 8);
  delivery->cause.gateway = Load<uint64_t>(at + 12);
  delivery->cause.shard = Load<uint16_t>(at + 20);
  delivery->cause.sequence = Load<uint64_t>(at + 22);
  delivery->index = Load<uint32_t>(at + 30);
  delivery->recipient_count = Load<uint32_t>(at + 34);
  const auto heads_size = Load<uint32_t>(at + 38);
  const auto payload_size = Load<uint32_t>(at + 42);
  const auto return_to_size = Load<uint16_t>(at + 46);
  const char* return_to = Take(return_to_size, &rest);
  if (return_to == nullptr) return false;
  delivery->return_to = {return_to, return_to_size};

  const size_t count = delivery->recipient_count;
  delivery->recipients = Take(8 * count, &rest);
  if (delivery->recipients == nullptr) return false;
  delivery->head_sizes = nullptr;
  if ((flags & kHeadsFlag) != 0) {
    delivery->head_sizes = Take(4 * count, &rest);
    if (delivery->head_sizes == nullptr) return false;
  }
  uint64_t heads_total = 0;
  for (uint32_t i = 0; i < delivery->recipient_count; ++i) heads_total += delivery->head_size(i);
  const char* heads = Take(heads_size, &rest);
  if (heads == nullptr || heads_total != heads_size) return false;
  delivery->heads = {heads, heads_size};
  if (rest.size() != payload_size) return false;
  delivery->payload = rest;
  batch->remove_prefix(size);
  return true;
}

}  // namespace dormouse
