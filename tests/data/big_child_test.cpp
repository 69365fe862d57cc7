// Whatever the child program does, its parent gets records or one clean error, within its limits,
// and is left as it was. The children here are shell scripts in place of epitrain-bigfile.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <iterator>
#include <thread>

#include "data/big_inputs.hpp"
#include "data/formats/child_process.hpp"
#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

constexpr const char* kHead = "printf 'epitrain-bigfile 1\\tbigwig\\t2\\n1\\t1000\\n2\\t500\\n'\n";

std::ptrdiff_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

long peak_mib() {
  rusage usage{};
  (void)getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

/// No child of this process is left, running or dead.
void expect_no_child() {
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

class Big_child : public testing::Test {
 protected:
  BigFileLimits script(const std::string& text) {
    const auto path = folder_.write("reader", "#!/bin/sh\n" + text + "\n");
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return {.reader = path, .memory_mib = 512, .seconds = 20};
  }

  void expect_refused(const BigFileLimits& limits, std::vector<std::string> parts) {
    const auto descriptors = open_descriptors();
    const long before = peak_mib();
    parts.emplace_back("test.bw: ");
    expect_input_error(parts, [&] { (void)records_of(bundled("test.bw"), limits); });
    EXPECT_LT(peak_mib() - before, 64);
    EXPECT_EQ(open_descriptors(), descriptors);
    expect_no_child();
  }
  void expect_refused(const std::string& text, const std::vector<std::string>& parts) {
    expect_refused(script(text), parts);
  }

  InputFolder folder_;
};

TEST_F(Big_child, wholeOutput_isRead) {
  const std::string text = std::string(kHead) + "printf '2\\t0\\t500\\t1.5\\n\\tend\\t1\\t2\\n'";
  const std::vector<std::string> expected = {"2\t0\t500\t1.5"};
  EXPECT_EQ(records_of(bundled("test.bw"), script(text)), expected);
  expect_no_child();
}

TEST_F(Big_child, thatCrashes_isOneError) {
  expect_refused("kill -SEGV $$", {"crashed with signal 11 after record 0"});
  expect_refused(std::string(kHead) + "printf '1\\t0\\t1\\t2\\n'; kill -ABRT $$",
                 {"crashed with signal 6 after record 1"});
  expect_refused("kill -KILL $$", {"killed from outside"});
  expect_refused("kill -USR2 $$", {"memory limit of 512 MiB"});
  expect_refused("exit 71", {"memory limit of 512 MiB"});
  expect_refused("kill -XCPU $$", {"longer than 20 seconds"});
}

TEST_F(Big_child, thatHangs_isEndedAtTheLimit) {
  const auto begin = std::chrono::steady_clock::now();
  BigFileLimits limits = script(std::string(kHead) + "exec sleep 600");
  limits.seconds = 1;
  expect_refused(limits, {"longer than 1 seconds"});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST_F(Big_child, thatHangsWithItsOutputClosed_isEndedAtTheLimit) {
  BigFileLimits limits = script("exec >&-; exec sleep 600");
  limits.seconds = 1;
  expect_refused(limits, {"longer than 1 seconds"});
}

TEST_F(Big_child, thatFloodsItsErrors_isEndedAtTheLimit) {
  BigFileLimits limits = script("exec yes oops >&2");
  limits.seconds = 1;
  expect_refused(limits, {"longer than 1 seconds"});
}

TEST_F(Big_child, thatSaysMuchOnStderr_isReadAllTheSame) {
  const std::string text = std::string("yes oops | head -c 1000000 >&2\n") + kHead +
                           "yes oops | head -c 1000000 >&2\nprintf '\\tend\\t0\\t2\\n'";
  EXPECT_TRUE(records_of(bundled("test.bw"), script(text)).empty());
}

TEST_F(Big_child, thatStopsHalfway_isRefused) {
  expect_refused("exit 0", {"ended early after record 0", "said nothing"});
  expect_refused(std::string(kHead) + "printf '1\\t0\\t1\\t2\\n1\\t1'", {"after record 1"});
  expect_refused("echo its index is odd >&2; exit 3", {"status 3", "\"its index is odd\""});
  expect_refused("printf 'a\\001b\\377\\n' >&2; exit 3", {"status 3", "no text"});
}

TEST_F(Big_child, thatRefusesItsArguments_isOurMistakeAndNotTheFiles) {
  expect_error(core::ErrorKind::logic, {"arguments"}, [&] {
    (void)records_of(bundled("test.bw"), script("echo wrong arguments >&2; exit 64"));
  });
  expect_no_child();
}

TEST_F(Big_child, thatPrintsGarbage_isRefused) {
  expect_refused("exec yes garbage", {"\"garbage\"", "its greeting"});
  expect_refused("exec cat /dev/zero", {"a line below 1 MiB"});
  expect_refused("printf 'epitrain-bigfile 2\\tbigwig\\t1\\n'", {"its greeting"});
  expect_refused("printf 'epitrain-bigfile 1\\tbigbed\\t1\\n'", {"its greeting"});
  expect_refused("printf 'epitrain-bigfile 1\\tbigwig\\t-1\\n'", {"its greeting"});
  expect_refused("printf 'epitrain-bigfile 1\\tbigwig\\t1\\n1\\t0\\n'", {"a contig"});
  expect_refused("printf 'epitrain-bigfile 1\\tbigwig\\t2\\n1\\t9\\n1\\t9\\n'", {"a contig"});
}

TEST_F(Big_child, recordsThatCannotBe_areRefused) {
  for (const char* record : {"3\\t0\\t1\\t2", "1\\t-1\\t1\\t2", "1\\t5\\t5\\t2", "1\\t5\\t4\\t2",
                             "1\\t0\\t1001\\t2", "2\\t0\\t501\\t2", "1\\t0\\t1\\tx", "1\\t0\\t1",
                             "1\\t0x1\\t2\\t3", "1", "", "1\\t0\\t99999999999999999999\\t1"}) {
    expect_refused(
        std::string(kHead) + "printf '1\\t0\\t1\\t2\\n" + record + "\\n\\tend\\t2\\t2\\n'",
        {"after record 1"});
  }
}

TEST_F(Big_child, endThatCannotBe_isRefused) {
  const auto with_end = [](const char* end) { return std::string(kHead) + "printf '" + end + "'"; };
  expect_refused(with_end("\\tend\\t1\\t2\\n"), {"an end after 0 records"});
  expect_refused(with_end("\\tend\\t0\\n"), {"an end after 0 records"});
  expect_refused(with_end("\\tend\\t0\\t3\\n"), {"should hold 2 data blocks but 3"});
  expect_refused(with_end("\\tend\\tx\\t2\\n"), {"an end after 0 records"});
  expect_refused(with_end("\\tend\\t0\\t2\\nmore"), {"nothing more"});
  expect_refused(with_end("\\tend\\t0\\t2\\n") + "; sleep 0.1; printf more", {"nothing more"});
  expect_refused(with_end("\\tend\\t0\\t2\\n") + "; exit 1", {"exit status 1"});
  expect_refused(with_end("\\tend\\t0\\t2\\n") + "; kill -SEGV $$", {"signal 11"});
}

TEST_F(Big_child, thatIsNotThere_isMissing) {
  BigFileLimits limits = script("exit 0");
  std::filesystem::permissions(limits.reader, std::filesystem::perms::owner_read);
  const auto open = [&] { (void)BigFile(bundled("test.bw"), limits); };
  expect_error(core::ErrorKind::missing, {"reader", "cannot start"}, open);
  limits.reader = folder_.path() / "absent";
  expect_error(core::ErrorKind::missing, {"absent", "no such program"}, open);
  expect_no_child();
}

TEST_F(Big_child, ofAFileDroppedHalfway_isGone) {
  const auto descriptors = open_descriptors();
  {
    BigFile file(bundled("test.bw"), script(std::string(kHead) + "exec yes '1\t0\t1\t2'"));
    std::string_view line;
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(file.next_line(line));
    BigFile moved = std::move(file);
    ASSERT_TRUE(moved.next_line(line));
  }
  expect_no_child();
  EXPECT_EQ(open_descriptors(), descriptors);
}

// The time that a reader of slow mind takes is its own.
TEST_F(Big_child, timeBetweenOurCalls_isNotCounted) {
  BigFileLimits limits = script(std::string(kHead) + "printf '1\\t0\\t1\\t2\\n\\tend\\t1\\t2\\n'");
  limits.seconds = 1;
  BigFile file(bundled("test.bw"), limits);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  EXPECT_EQ(records_of(file).size(), 1U);
}

void ignore_signal(int) {}

// A signal that comes while we wait is no end of the file.
TEST_F(Big_child, waitingThatASignalInterrupts_goesOn) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = ignore_signal;  // without SA_RESTART
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  const std::string text = std::string(kHead) +
                           "for i in 1 2 3 4 5; do kill -USR1 $PPID; sleep 0.02; done\n" +
                           "printf '1\\t0\\t1\\t2\\n\\tend\\t1\\t2\\n'; kill -USR1 $PPID";
  EXPECT_EQ(records_of(bundled("test.bw"), script(text)).size(), 1U);
  (void)sigaction(SIGUSR1, &before, nullptr);
}

// Launchers may start us with signals ignored: the child gets its own back, and a status that the
// system threw away isn't taken for damage.
TEST_F(Big_child, signalsThatWeIgnore_areTheChildsOwn) {
  const auto child = std::signal(SIGCHLD, SIG_IGN);
  const auto pipe = std::signal(SIGPIPE, SIG_IGN);
  EXPECT_EQ(records_of(bundled("test.bw")).size(), 6U);
  {
    BigFile file(bundled("test.bw"), script(std::string(kHead) + "exec yes '1\t0\t1\t2'"));
    std::string_view line;
    ASSERT_TRUE(file.next_line(line));
  }
  (void)std::signal(SIGCHLD, child);
  (void)std::signal(SIGPIPE, pipe);
  expect_no_child();
}

TEST_F(Big_child, manyAtOnce_keepApart) {
  std::vector<std::size_t> found(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < found.size(); ++i) {
    threads.emplace_back([&, i] {
      const char* name = i % 2 == 0 ? "test.bw" : "test.bigBed";
      for (int times = 0; times < 3; ++times) found[i] += records_of(bundled(name)).size();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], i % 2 == 0 ? 18U : 57U);
  expect_no_child();
}

}  // namespace
}  // namespace epi::data
