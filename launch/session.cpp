#include "session.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <thread>

#include "core/error.hpp"
#include "core/failure.hpp"
#include "exit_codes.hpp"
#include "train/alike.hpp"

namespace epi::launch {
namespace {

// Between the messages of two ranks that notice a hang: a launcher ends the others sooner.
constexpr std::chrono::milliseconds kTurn{1000};
constexpr int kTurns = 20;

/// A launcher's traces. They only say that there is one; who we are is MPI's to say.
bool under_launcher() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"}) {
    if (std::getenv(name) != nullptr) return true;  // NOLINT(concurrency-mt-unsafe): one thread
  }
  const char* tasks = std::getenv("SLURM_STEP_NUM_TASKS");  // NOLINT(concurrency-mt-unsafe)
  return tasks != nullptr && std::string(tasks) != "1";
}

struct Failure {
  int code = kInternal;
  std::string message;
  bool agreed = false;  // all ranks throw it
};

/// MPI keeps files there and can't start without. A node whose scratch is gone still has /tmp.
void leave_missing_scratch() {
  const char* folder = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): one thread
  if (folder == nullptr || ::access(folder, W_OK | X_OK) == 0) return;
  std::fprintf(stderr, "epitrain: warning: TMPDIR=%s: %s; going on with /tmp\n", folder,
               std::generic_category().message(errno).c_str());
  (void)setenv("TMPDIR", "/tmp", 1);  // NOLINT(concurrency-mt-unsafe): one thread
}

Failure describe(const std::exception_ptr& failure) {
  Failure found;
  const core::Failure cause = core::describe(failure);
  found.code = exit_code_of(cause.kind);
  found.message = cause.message;
  if (cause.kind == core::ErrorKind::logic) found.message = "internal error: " + found.message;
  try {
    std::rethrow_exception(failure);
  } catch (const dist::Agreed&) {
    found.agreed = true;
  } catch (...) {  // not agreed
  }
  return found;
}

}  // namespace

dist::Communicator& Session::world() {
  if (!world_) {
    if (under_launcher()) {
      leave_missing_scratch();
      mpi_ = std::make_unique<dist::MpiRuntime>(argc_, argv_);
      world_ = mpi_->world();
      train::check_program(*world_);
    } else {
      world_ = dist::make_solo();
    }
  }
  return *world_;
}

std::string Session::use_transport(core::Device device, dist::Transport wish) {
  (void)world();
  return dist::use_transport(world_, device, wish);
}

dist::Watchdog::OnHang Session::end_on_hang() {
  return [this, rank = world().rank()](const dist::Hang& hang) {
    const int code = hang.failure.empty() ? kHang : kPeer;
    // All ranks that wait notice together: the first one to speak ends the others.
    std::this_thread::sleep_for(kTurn * std::min(rank, kTurns));
    std::fprintf(stderr, "epitrain: error: %s\n", dist::message(hang, rank).c_str());
    std::fflush(stderr);
    try {
      // None while GPUs are being connected; then the launcher ends the others.
      if (world_ && world_->size() > 1) world_->abort(code);
    } catch (...) {  // NOLINT(bugprone-empty-catch): there is no other rank left to end
    }
    std::_Exit(code);
  };
}

const train::StopRequest& Session::stop_on_signals() {
  if (!signals_) signals_.emplace(stop_);
  return stop_;
}

core::Log Session::log(core::LogLevel level) {
  return core::Log(stderr, world_ ? world_->rank() : 0, level);
}

bool Session::speaks() {
  if (!world_ && !under_launcher()) return true;
  return world().rank() == 0;
}

int Session::speaker_only(const std::function<int()>& work) {
  std::int64_t code = kDone;
  dist::agree(world(), [&] {
    if (speaks()) code = work();
  });
  if (world().size() > 1) world().broadcast(core::View(&code, {1}), 0);
  return static_cast<int>(code);
}

void Session::finish_output() {
  const auto finish = [] {
    errno = 0;
    const bool flushed = std::fflush(stdout) == 0;
    if (flushed && std::ferror(stdout) == 0) return;
    const std::string reason = errno != 0 ? ": " + std::generic_category().message(errno) : "";
    throw core::IoError("standard output could not be written" + reason);
  };
  if (world_) {
    dist::agree(*world_, finish);
  } else {
    finish();
  }
}

int Session::report(const std::exception_ptr& failure) {
  const Failure found = describe(failure);
  const bool alone = !world_ || world_->size() == 1;
  if (alone) {
    std::fprintf(stderr, "epitrain: error: %s\n", found.message.c_str());
  } else if (found.agreed) {
    if (world_->rank() == 0) std::fprintf(stderr, "epitrain: error: %s\n", found.message.c_str());
  } else {
    std::fprintf(stderr, "epitrain: error: rank %d: %s\n", world_->rank(), found.message.c_str());
    std::fflush(stderr);
    // The others wait in a collective that this rank will never reach.
    world_->abort(found.code);
  }
  return found.code;
}

std::string Session::command() const {
  std::string text;
  for (int i = 0; i < argc_; ++i) {
    if (i > 0) text.push_back(' ');
    text.append(argv_[i]);
  }
  return text;
}

}  // namespace epi::launch
