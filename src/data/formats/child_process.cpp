// Pipes and processes. Every call that a signal may interrupt is repeated, every descriptor closes
// on exec, so that children started by other threads at the same moment don't hold our pipes open.
#include "data/formats/child_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>

#include "core/error.hpp"

extern char** environ;  // NOLINT: POSIX declares it so

namespace epi::data {
namespace {

constexpr std::size_t kKeptErrors = 4096;
constexpr int kReapEveryMs = 1;
constexpr int kLastLooks = 64;  // a child of the child may hold stderr open for ever

void close_one(int& descriptor) {
  if (descriptor >= 0) (void)close(descriptor);
  descriptor = -1;
}

[[noreturn]] void fail_to_start(const std::filesystem::path& program, int reason) {
  const std::string message =
      fmt::format("{}: cannot start it: {}", program.string(), std::strerror(reason));
  if (reason == ENOENT || reason == EACCES || reason == ENOEXEC) throw core::MissingError(message);
  throw core::IoError(message);
}

/// Both ends of a pipe, above the three standard descriptors: there the child's own are put.
struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) fail();
    read = lift(ends[0]);
    write = lift(ends[1]);
    if (read < 0 || write < 0) fail();
  }
  ~Pipe() { close_ends(); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int release_read() {
    const int kept = read;
    read = -1;
    return kept;
  }

  int read = -1;
  int write = -1;

 private:
  static int lift(int descriptor) {
    if (descriptor > STDERR_FILENO) return descriptor;
    const int higher = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    (void)close(descriptor);
    return higher;
  }
  void close_ends() {
    close_one(read);
    close_one(write);
  }
  [[noreturn]] void fail() {
    const int reason = errno;
    close_ends();
    throw core::IoError(fmt::format("cannot make a pipe: {}", std::strerror(reason)));
  }
};

/// What the child gets other than our own: descriptors, and signals as a fresh process has them.
struct SpawnPlan {
  SpawnPlan(const Pipe& out, const Pipe& err) {
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&files, out.write, STDOUT_FILENO);
    (void)posix_spawn_file_actions_adddup2(&files, err.write, STDERR_FILENO);
    (void)posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t standard;
    (void)sigemptyset(&none);
    (void)sigemptyset(&standard);
    for (const int signal :
         {SIGPIPE, SIGXCPU, SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGTERM, SIGUSR2}) {
      (void)sigaddset(&standard, signal);
    }
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &standard);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnPlan() {
    (void)posix_spawn_file_actions_destroy(&files);
    (void)posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  posix_spawn_file_actions_t files{};
  posix_spawnattr_t attributes{};
};

/// waitpid again after signals; 0 while the child runs (WNOHANG), -1 when it isn't ours any more.
pid_t reap(pid_t pid, int& status, int options) {
  pid_t reaped = -1;
  do {
    reaped = waitpid(pid, &status, options);
  } while (reaped < 0 && errno == EINTR);
  return reaped;
}

}  // namespace

/// Takes the time of one call off the patience.
class ChildProcess::Waiting {
 public:
  explicit Waiting(ChildProcess& child) : child_(child) {}
  ~Waiting() { child_.patience_ -= std::chrono::steady_clock::now() - begin_; }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  [[nodiscard]] int left_ms() const {
    const auto left = child_.patience_ - (std::chrono::steady_clock::now() - begin_);
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
    return static_cast<int>(std::clamp<std::int64_t>(ms, 0, 1'000'000));
  }

 private:
  ChildProcess& child_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

ChildProcess::ChildProcess(const std::filesystem::path& program,
                           const std::vector<std::string>& arguments,
                           std::chrono::milliseconds patience)
    : patience_(patience) {
  Pipe out;
  Pipe err;
  const SpawnPlan plan(out, err);
  std::string name = program.string();
  std::vector<std::string> copies = arguments;  // exec wants them writable
  std::vector<char*> argv{name.data()};
  for (std::string& copy : copies) argv.push_back(copy.data());
  argv.push_back(nullptr);
  const int reason =
      posix_spawn(&pid_, name.c_str(), &plan.files, &plan.attributes, argv.data(), environ);
  if (reason != 0) fail_to_start(program, reason);
  out_ = out.release_read();
  err_ = err.release_read();
}

ChildProcess::~ChildProcess() {
  close_one(out_);
  close_one(err_);
  if (pid_ < 0) return;
  (void)kill(pid_, SIGKILL);
  int status = 0;
  (void)reap(pid_, status, 0);
}

// Waits for either pipe; whatever comes on stderr is taken at once, so that a child that floods it
// is never blocked by us.
bool ChildProcess::poll_once(int timeout_ms) {
  std::array<pollfd, 2> both{pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};
  if (poll(both.data(), both.size(), timeout_ms) <= 0) return false;
  if (both[1].revents != 0) take_errors();
  return both[0].revents != 0;
}

void ChildProcess::take_errors() {
  std::array<char, 4096> piece{};
  const ssize_t got = ::read(err_, piece.data(), piece.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) return close_one(err_);
  const std::size_t room = kKeptErrors - said_.size();
  said_.append(piece.data(), std::min(room, static_cast<std::size_t>(got)));
}

std::optional<std::size_t> ChildProcess::read(std::span<char> into) {
  const Waiting waiting(*this);
  while (true) {
    const int left = waiting.left_ms();
    if (poll_once(left)) {
      const ssize_t got = ::read(out_, into.data(), into.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR && errno != EAGAIN) return 0;  // what is missing shows at the end
    }
    if (left == 0) return std::nullopt;
  }
}

// There is no call that waits for a child and a moment; looking every few milliseconds costs a file
// nothing, since a child that closed its stdout is about to end.
std::optional<ChildEnd> ChildProcess::wait() {
  const Waiting waiting(*this);
  close_one(out_);
  while (true) {
    int status = 0;
    const pid_t reaped = reap(pid_, status, WNOHANG);
    if (reaped != 0) {
      pid_ = -1;
      for (int i = 0; i < kLastLooks && err_ >= 0; ++i) (void)poll_once(0);
      if (reaped < 0) return ChildEnd{};
      if (WIFSIGNALED(status)) return ChildEnd{std::nullopt, WTERMSIG(status)};
      return ChildEnd{WEXITSTATUS(status), std::nullopt};
    }
    const int left = waiting.left_ms();
    if (left == 0) return std::nullopt;
    (void)poll_once(std::min(left, kReapEveryMs));
  }
}

}  // namespace epi::data
