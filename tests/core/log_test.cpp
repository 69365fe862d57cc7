#include "core/log.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>

namespace epi::core {
namespace {

/// What a log with this rank and level prints.
std::string printed(int rank, LogLevel level, const std::function<void(const Log&)>& speak) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
  speak(Log(file.get(), rank, level));
  std::rewind(file.get());
  std::string text(1000, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  return text;
}

void speak_of_everything(const Log& log) {
  log.info("step {} of {}", 3, 10);
  log.debug("detail");
  log.warn("{} intervals clipped", 2);
}

TEST(Log_rankZero, speaksUpToItsLevel) {
  EXPECT_EQ(printed(0, LogLevel::info, speak_of_everything),
            "step 3 of 10\nwarning: 2 intervals clipped\n");
  EXPECT_EQ(printed(0, LogLevel::debug, speak_of_everything),
            "step 3 of 10\ndetail\nwarning: 2 intervals clipped\n");
  EXPECT_EQ(printed(0, LogLevel::quiet, speak_of_everything), "warning: 2 intervals clipped\n");
}

TEST(Log_otherRanks, onlyWarnAndSayWhoTheyAre) {
  EXPECT_EQ(printed(3, LogLevel::debug, speak_of_everything),
            "[rank 3] warning: 2 intervals clipped\n");
}

TEST(Log_withoutStream, dropsEverything) {
  speak_of_everything(Log());
}

}  // namespace
}  // namespace epi::core
