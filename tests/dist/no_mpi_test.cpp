// The build without MPI: one process is an ordinary world; several started ones are refused.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "core/error.hpp"
#include "dist/mpi.hpp"

namespace epi::dist {
namespace {

/// An environment variable for the length of a test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { (void)setenv(name, value, 1); }
  ~Variable() { (void)unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

class NoMpi : public testing::Test {
 protected:
  MpiRuntime start() { return {argc_, argv_}; }

 private:
  int argc_ = 0;
  char** argv_ = nullptr;
};

TEST_F(NoMpi, oneProcess_isAWorldOfOne) {
  MpiRuntime runtime = start();
  const auto world = runtime.world();
  EXPECT_EQ(world->size(), 1);
  EXPECT_EQ(world->rank(), 0);
  double value = 3.0;
  core::Stream stream(core::kCpu);
  world->start(Reduce::sum, View(&value, {1}), core::Event()).wait(stream);
  EXPECT_EQ(value, 3.0);
}

TEST_F(NoMpi, launcherOfOne_isAWorldOfOne) {
  const Variable launcher("OMPI_COMM_WORLD_SIZE", "1");
  EXPECT_EQ(start().world()->size(), 1);
}

TEST_F(NoMpi, launcherOfSeveral_isUsageAndSaysWhy) {
  const Variable launcher("OMPI_COMM_WORLD_SIZE", "4");
  try {
    start();
    FAIL() << "four processes were let pass";
  } catch (const core::UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("no MPI"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("EPI_MPI"), std::string::npos) << error.what();
  }
}

TEST_F(NoMpi, librarySum_isUsage) {
  double value = 1.0;
  EXPECT_THROW(library_sum(View(&value, {1})), core::UsageError);
}

}  // namespace
}  // namespace epi::dist
