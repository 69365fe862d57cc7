#include "training.hpp"

#include <string>

#include "exit_codes.hpp"
#include "signals.hpp"
#include "train/trainer.hpp"

namespace epi::launch {
namespace {

/// How gradients will travel, once all ranks can. A rank that never comes must not be waited for.
std::string connected(const train::RunConfig& config, const train::DeviceChoice& device,
                      Session& session) {
  dist::Watchdog watchdog(config.train.hang_timeout_s, session.end_on_hang());
  watchdog.expect("all ranks to connect their devices");
  return session.use_transport(device.device, config.train.exchange);
}

}  // namespace

int run_training(const train::RunConfig& config, const std::filesystem::path& out,
                 const train::DeviceChoice& device, core::LogLevel level, Session& session) {
  const std::string exchange = connected(config, device, session);
  train::StopRequest stop;
  const SignalsStop signals(stop);
  const core::Log log = session.log(level);
  const train::RunPlace place{
      .out = out, .device = device, .exchange_line = exchange, .on_hang = session.end_on_hang()};
  const train::RunResult result = train::pretrain(config, place, session.world(), log, stop);
  return result.stopped ? kResumable : kDone;
}

}  // namespace epi::launch
