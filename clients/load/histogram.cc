#include "clients/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace dormouse::load {
namespace {

constexpr int64_t kHalf = int64_t{1} << Buckets::kHalfBits;

// The doubling that an index is of, from 0 for all below 2,048.
int ShiftOf(size_t index) {
  return index < 2 * size_t{kHalf} ? 0 : static_cast<int>(index >> Buckets::kHalfBits) - 1;
}

// As the only writer: nobody else's addition can be lost.
template <typename Number>
void AddTo(std::atomic<Number>* sum, Number value) {
  sum->store(sum->load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

}  // namespace

size_t Buckets::IndexOf(int64_t value) {
  const auto kept = static_cast<uint64_t>(std::clamp<int64_t>(value, 0, kLongest));
  const int shift = std::max(static_cast<int>(std::bit_width(kept)) - (kHalfBits + 1), 0);
  return (static_cast<size_t>(shift) << kHalfBits) + static_cast<size_t>(kept >> shift);
}

int64_t Buckets::LowestOf(size_t index) {
  const int shift = ShiftOf(index);
  return static_cast<int64_t>(index - (static_cast<size_t>(shift) << kHalfBits)) << shift;
}

int64_t Buckets::HighestOf(size_t index) { return LowestOf(index) + (int64_t{1} << ShiftOf(index)) - 1; }

void SharedHistogram::Record(int64_t value) {
  AddTo(&counts[Buckets::IndexOf(value)], uint64_t{1});
  AddTo(&sum, value);
  if (value > longest.load(std::memory_order_relaxed)) longest.store(value, std::memory_order_relaxed);
}

void Histogram::Record(int64_t value) {
  ++counts_[Buckets::IndexOf(value)];
  ++count_;
  sum_ += value;
  longest_ = std::max(longest_, value);
}

void Histogram::Add(const SharedHistogram& other) {
  for (size_t i = 0; i < counts_.size(); ++i) {
    const uint64_t more = other.counts[i].load(std::memory_order_relaxed);
    counts_[i] += more;
    count_ += more;
  }
  sum_ += other.sum.load(std::memory_order_relaxed);
  longest_ = std::max(longest_, other.longest.load(std::memory_order_relaxed));
}

Histogram Histogram::Since(const Histogram& earlier) const {
  Histogram since;
  for (size_t i = 0; i < counts_.size(); ++i) {
    since.counts_[i] = counts_[i] - earlier.counts_[i];
    since.count_ += since.counts_[i];
    if (since.counts_[i] > 0) since.longest_ = Buckets::HighestOf(i);
  }
  since.longest_ = std::min(since.longest_, longest_);
  since.sum_ = sum_ - earlier.sum_;
  return since;
}

int64_t Histogram::ValueAt(double share) const {
  if (count_ == 0) return 0;
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= std::max<uint64_t>(wanted, 1)) return std::min(Buckets::HighestOf(i), longest_);
  }
  return longest_;
}

}  // namespace dormouse::load
