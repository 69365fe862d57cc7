#include "signals.hpp"

#include <csignal>

#include <array>
#include <atomic>

#include "core/error.hpp"

namespace epi::launch {
namespace {

constexpr std::array<int, 4> kSignals = {SIGTERM, SIGUSR1, SIGUSR2, SIGHUP};

// A signal handler has no argument of ours: this one pointer is how it finds the request.
std::atomic<train::StopRequest*> target{nullptr};

extern "C" void on_signal(int signal) {
  train::StopRequest* stop = target.load(std::memory_order_relaxed);
  if (stop != nullptr) stop->request(signal);
}

void install(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (const int signal : kSignals) ::sigaction(signal, &action, nullptr);
  // A file that may not grow any more is an error like a full disk, which runs survive; by default
  // it would kill the process.
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGXFSZ, &action, nullptr);
}

}  // namespace

SignalsStop::SignalsStop(train::StopRequest& stop) {
  core::require(target.exchange(&stop) == nullptr, "one signal target in a process");
  install(on_signal);
}

SignalsStop::~SignalsStop() {
  install(SIG_DFL);
  target.store(nullptr);
}

}  // namespace epi::launch
