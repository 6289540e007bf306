#include "clients/load/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

namespace dormouse::load {
namespace {

TEST(BucketsTest, EachValueIsInTheBucketThatHoldsIt) {
  for (int64_t value = 0; value < Buckets::kLongest; value += 1 + value / 1500) {
    const size_t index = Buckets::IndexOf(value);
    ASSERT_LE(Buckets::LowestOf(index), value);
    ASSERT_GE(Buckets::HighestOf(index), value);
    // Three significant digits.
    ASSERT_LE(Buckets::HighestOf(index) - Buckets::LowestOf(index), value / 1000);
  }
}

TEST(BucketsTest, TheyFollowEachOther) {
  for (size_t i = 1; i < Buckets::kCount; ++i) {
    ASSERT_EQ(Buckets::LowestOf(i), Buckets::HighestOf(i - 1) + 1) << i;
  }
  EXPECT_EQ(Buckets::IndexOf(2047), 2047U);
  EXPECT_EQ(Buckets::IndexOf(2048), 2048U);
  EXPECT_EQ(Buckets::IndexOf(2049), 2048U);
  EXPECT_EQ(Buckets::IndexOf(4096), 3072U);
  EXPECT_EQ(Buckets::HighestOf(Buckets::kCount - 1), Buckets::kLongest);
  EXPECT_EQ(Buckets::IndexOf(INT64_MAX), Buckets::kCount - 1);
  EXPECT_EQ(Buckets::IndexOf(-1), 0U);
}

TEST(HistogramTest, AnEmptyOneSaysZero) {
  const Histogram empty;
  EXPECT_EQ(empty.count(), 0U);
  EXPECT_EQ(empty.ValueAt(0.5), 0);
  EXPECT_EQ(empty.mean(), 0);
}

TEST(HistogramTest, PercentilesAreThoseOfTheSortedValuesToAThousandth) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> waits(12, 1.5);
  Histogram histogram;
  std::vector<int64_t> values;
  for (int i = 0; i < 200'000; ++i) {
    values.push_back(static_cast<int64_t>(waits(random)));
    histogram.Record(values.back());
  }
  std::ranges::sort(values);
  for (const double share : {0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(values.size())));
    const int64_t exact = values[std::max<size_t>(rank, 1) - 1];
    EXPECT_GE(histogram.ValueAt(share), exact) << share;
    EXPECT_LE(histogram.ValueAt(share), exact + exact / 1000 + 1) << share;
  }
  EXPECT_EQ(histogram.longest(), values.back());
  EXPECT_EQ(histogram.ValueAt(1), values.back());
}

TEST(HistogramTest, PartsAddUpToTheWhole) {
  const auto one = std::make_unique<SharedHistogram>();
  const auto other = std::make_unique<SharedHistogram>();
  Histogram whole;
  for (int64_t value = 1; value < 1'000'000'000; value += 1 + value / 7) {
    (value % 2 == 0 ? one : other)->Record(value);
    whole.Record(value);
  }
  Histogram sum;
  sum.Add(*one);
  const Histogram earlier = sum;
  sum.Add(*other);
  EXPECT_EQ(sum.counts(), whole.counts());
  EXPECT_EQ(sum.count(), whole.count());
  EXPECT_EQ(sum.longest(), whole.longest());
  EXPECT_DOUBLE_EQ(sum.mean(), whole.mean());

  Histogram rest;
  rest.Add(*other);
  EXPECT_EQ(sum.Since(earlier).counts(), rest.counts());
  EXPECT_EQ(sum.Since(earlier).count(), rest.count());
  EXPECT_EQ(sum.Since(earlier).ValueAt(0.9), rest.ValueAt(0.9));
}

}  // namespace
}  // namespace dormouse::load
