#include "core/error.hpp"

#include "core/failure.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <new>
#include <stdexcept>
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

template <class Thrown>
ErrorKind kind_of(const Thrown& thrown) {
  return describe(std::make_exception_ptr(thrown)).kind;
}

TEST(Failure_ofAnyException, hasTheKindOfItsCause) {
  using std::filesystem::filesystem_error;
  EXPECT_EQ(kind_of(FormatError("torn")), ErrorKind::format);
  EXPECT_EQ(kind_of(std::bad_alloc()), ErrorKind::device);
  EXPECT_EQ(kind_of(filesystem_error("", std::make_error_code(std::errc::no_space_on_device))),
            ErrorKind::io);
  EXPECT_EQ(kind_of(filesystem_error("", std::make_error_code(std::errc::permission_denied))),
            ErrorKind::io);
  EXPECT_EQ(
      kind_of(filesystem_error("", std::make_error_code(std::errc::no_such_file_or_directory))),
      ErrorKind::missing);
  EXPECT_EQ(kind_of(std::out_of_range("map::at")), ErrorKind::logic);
  EXPECT_EQ(kind_of(3), ErrorKind::logic);
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
