#include "core/error.hpp"

#include <gtest/gtest.h>

#include <string>

namespace epi::core {
namespace {

TEST(Error_kind, followsTheClassAndKeepsTheMessage) {
  try {
    throw InputError("x.bed:3: inverted interval");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::input);
    EXPECT_STREQ(error.what(), "x.bed:3: inverted interval");
  }
}

TEST(Error_severity, putsOurOwnFaultsAboveTheUsersAndPeersLowest) {
  EXPECT_LT(ErrorKind::none, ErrorKind::peer);
  EXPECT_LT(ErrorKind::peer, ErrorKind::usage);
  EXPECT_LT(ErrorKind::input, ErrorKind::io);
  EXPECT_LT(ErrorKind::numeric, ErrorKind::logic);
}

TEST(Require_keptPromise, doesNothing) {
  EXPECT_NO_THROW(require(true, "1 is 1"));
}

TEST(Require_brokenPromise, namesTheCallersFileLineAndPromise) {
  const int line = __LINE__ + 2;
  try {
    require(false, "sizes agree");
    FAIL() << "a broken promise was taken";
  } catch (const LogicError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("error_test.cpp:" + std::to_string(line)), std::string::npos) << message;
    EXPECT_NE(message.find("sizes agree"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace epi::core
