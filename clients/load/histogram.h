// How often which value occurred, in buckets as HdrHistogram has them with three significant digits: values
// below 2,048 have a bucket each, and every doubling beyond has 1,024, so that a value is known to a
// thousandth of itself. Values are nanoseconds, from 0 to 73 minutes; what is longer counts as that.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace dormouse::load {

// Which bucket holds which values. Pure functions.
struct Buckets {
  static constexpr int kHalfBits = 10;  // buckets of one doubling
  static constexpr int kDoublings = 32;
  static constexpr size_t kCount = size_t{kDoublings + 1} << kHalfBits;
  static constexpr int64_t kLongest = (int64_t{1} << (kHalfBits + kDoublings)) - 1;

  static size_t IndexOf(int64_t value);
  static int64_t LowestOf(size_t index);
  static int64_t HighestOf(size_t index);
};

// Counts that one thread makes and others may look at meanwhile. It is used where it lies, in memory that
// processes share; all zeros is an empty one.
struct SharedHistogram {
  std::atomic<uint64_t> counts[Buckets::kCount];
  std::atomic<int64_t> longest;  // exact
  std::atomic<int64_t> sum;

  void Record(int64_t value);
};

// Counts of one thread, to be added up and asked.
class Histogram {
 public:
  Histogram() : counts_(Buckets::kCount) {}

  void Record(int64_t value);
  void Add(const SharedHistogram& other);
  // What has been recorded since `earlier`, which was the same then.
  Histogram Since(const Histogram& earlier) const;

  uint64_t count() const { return count_; }
  // Nanoseconds; 0 where nothing was recorded.
  int64_t longest() const { return longest_; }
  double mean() const { return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_); }
  // The value that this share of all is not above, as HdrHistogram says it: the highest of its bucket.
  int64_t ValueAt(double share) const;

  const std::vector<uint64_t>& counts() const { return counts_; }

 private:
  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  int64_t longest_ = 0;
  int64_t sum_ = 0;
};

}  // namespace dormouse::load
