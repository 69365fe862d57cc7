// One start of the program: its arguments, its log and, for verbs that run on many ranks, the job.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/log.hpp"
#include "dist/communicator.hpp"
#include "dist/mpi.hpp"
#include "dist/transport.hpp"
#include "dist/watchdog.hpp"
#include "signals.hpp"
#include "train/stop_request.hpp"

namespace epi::launch {

class Session {
 public:
  /// Keeps references to main's arguments, which MPI may change.
  Session(int& argc, char**& argv) : argc_(argc), argv_(argv) {}

  /// All ranks of the job. The first call starts MPI, but only under a launcher (mpirun, srun): a
  /// program started by hand is a job of one rank and needs no MPI at run time. Collective then;
  /// UsageError when the ranks run unlike programs.
  [[nodiscard]] dist::Communicator& world();

  /// Makes the ranks' world fit for the memory of `device` (dist::use_transport) and returns the
  /// line for the log. References to the world from before are gone. Collective.
  [[nodiscard]] std::string use_transport(core::Device device, dist::Transport wish);

  /// Ends all ranks when nothing moves: prints one message and exits with kHang, or with kPeer when
  /// a peer has failed. The session must outlive it.
  [[nodiscard]] dist::Watchdog::OnHang end_on_hang();

  /// The wish to stop, set by the signals that ask for it (signals.hpp) from the first call on. Ask
  /// before world(): starting MPI takes a while, and a signal that nobody expects ends a process.
  [[nodiscard]] const train::StopRequest& stop_on_signals();

  /// A log to stderr: rank 0 speaks, other ranks only warn.
  [[nodiscard]] core::Log log(core::LogLevel level = core::LogLevel::info);

  /// Whether this process is the one that speaks for the job.
  [[nodiscard]] bool speaks();

  /// Runs `work` on the process that speaks alone; every rank returns its exit code or throws its
  /// error.
  [[nodiscard]] int speaker_only(const std::function<int()>& work);

  /// Hands what was printed to the system, once a verb has returned. IoError on every rank when any
  /// of it could not be written: a table that nobody got must not look like a success.
  void finish_output();

  /// Prints one message for the exception in flight and returns the exit code. An error that only
  /// this rank has seen ends the other ranks too: they wait for it somewhere.
  [[nodiscard]] int report(const std::exception_ptr& failure);

  /// When the program began, for what starting it took.
  [[nodiscard]] std::chrono::steady_clock::time_point begun() const { return begun_; }

  /// The command line as one text, for provenance.
  [[nodiscard]] std::string command() const;

 private:
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  int& argc_;
  char**& argv_;
  // Last to go: a second wish to stop must not kill ranks that are ending already.
  train::StopRequest stop_;
  std::optional<SignalsStop> signals_;
  std::unique_ptr<dist::MpiRuntime> mpi_;
  std::unique_ptr<dist::Communicator> world_;
};

/// What a verb does once the command line is parsed; returns the exit code.
using Verb = std::function<int(Session&)>;

}  // namespace epi::launch
