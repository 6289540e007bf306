#include "common/http/http_date.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

TEST(HttpDate, IsWrittenAsRfc9110Says) {
  HttpDate date;
  EXPECT_EQ(date.At(784'111'777'000), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(date.At(784'111'777'999), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(date.At(784'111'778'000), "Sun, 06 Nov 1994 08:49:38 GMT");
  EXPECT_EQ(date.At(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(HttpDate, IsWrittenOnceASecond) {
  HttpDate date;
  const char* text = date.At(1'000).data();
  const_cast<char*>(text)[0] = '!';
  EXPECT_EQ(date.At(1'999).front(), '!');
  EXPECT_EQ(date.At(2'000).front(), 'T');
}

}  // namespace
}  // namespace dormouse
