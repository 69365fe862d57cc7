#include "data/formats/md5.hpp"

#include <gtest/gtest.h>

#include <string>

namespace epi::data {
namespace {

// The test suite of RFC 1321, appendix A.5.
TEST(Md5_vectors, Rfc1321_isMet) {
  Md5 md5;
  EXPECT_EQ("d41d8cd98f00b204e9800998ecf8427e", md5.finish());
  md5.add("a");
  EXPECT_EQ("0cc175b9c0f1b6a831c399e269772661", md5.finish());
  md5.add("message ");
  md5.add("digest");
  EXPECT_EQ("f96b697d7cb7938d525a2f31aaf161d0", md5.finish());
  for (int i = 0; i < 8; ++i) md5.add("1234567890");
  EXPECT_EQ("57edf4a22be3c955ac49da2e2107b67a", md5.finish());
}

}  // namespace
}  // namespace epi::data
