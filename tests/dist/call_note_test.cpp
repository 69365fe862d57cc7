// What a watchdog reads about a call: the words, and when they are there.
#include "dist/call_note.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace epi::dist {
namespace {

TEST(CallNote_outsideOfCalls, isEmpty) {
  CallNote note;
  EXPECT_EQ(note.text({}), "");
  {
    const CallNote::Scope call(note, Call::barrier, 0);
    EXPECT_EQ(note.text({}), "a barrier");
  }
  EXPECT_EQ(note.text(std::vector{1}), "");
}

TEST(CallNote_missingRanks, areNamed) {
  CallNote note;
  const CallNote::Scope call(note, Call::sum, 8000000);
  EXPECT_EQ(note.text(std::vector{3}), "a sum of 8.0 MB; rank 3 has not come");
  EXPECT_EQ(note.text(std::vector{2, 3}), "a sum of 8.0 MB; ranks 2 and 3 have not come");
  EXPECT_EQ(note.text(std::vector{0, 2, 5}), "a sum of 8.0 MB; ranks 0, 2 and 5 have not come");
  std::vector<int> many(100);
  std::iota(many.begin(), many.end(), 28);
  EXPECT_EQ(note.text(many),
            "a sum of 8.0 MB; ranks 28, 29, 30, 31, 32, 33, 34, 35 and 92 more have not come");
}

TEST(CallNote_partner, isNamedUntilSomebodyElseIsWaitedFor) {
  CallNote note;
  const CallNote::Scope call(note, Call::exchange, 40, 5);
  EXPECT_EQ(note.text({}), "an exchange of 40 bytes; rank 5 has not answered");
  note.talks_to(7);
  EXPECT_EQ(note.text({}), "an exchange of 40 bytes; rank 7 has not answered");
  EXPECT_EQ(note.text(std::vector{1}), "an exchange of 40 bytes; rank 1 has not come");
  note.talks_to(CallNote::kNobody);
  EXPECT_EQ(note.text({}), "an exchange of 40 bytes");
}

}  // namespace
}  // namespace epi::dist
