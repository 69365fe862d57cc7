#include "training.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "exit_codes.hpp"
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

/// Slurm's end of the job, which it moves for nobody: a job whose limit is changed later keeps it.
std::optional<std::int64_t> job_end(const core::Log& log, Session& session) {
  const char* text = std::getenv("SLURM_JOB_END_TIME");  // NOLINT(concurrency-mt-unsafe)
  if (text == nullptr || *text == '\0') return std::nullopt;
  std::int64_t seconds = 0;
  const char* const end = text + std::strlen(text);
  const auto parsed = std::from_chars(text, end, seconds);
  if (parsed.ec == std::errc() && parsed.ptr == end && seconds > 0) return seconds;
  if (session.world().rank() == 0) {
    log.warn("SLURM_JOB_END_TIME={} is no time in seconds since 1970: ignored", text);
  }
  return std::nullopt;
}

}  // namespace

int run_training(const train::RunConfig& config, const std::filesystem::path& out,
                 const train::DeviceChoice& device, core::LogLevel level, Session& session) {
  const train::StopRequest& stop = session.stop_on_signals();
  const std::string exchange = connected(config, device, session);
  const core::Log log = session.log(level);
  const train::RunPlace place{.out = out,
                              .device = device,
                              .exchange_line = exchange,
                              .on_hang = session.end_on_hang(),
                              .begun = session.begun(),
                              .job_end_unix_s = job_end(log, session)};
  const train::RunResult result = train::pretrain(config, place, session.world(), log, stop);
  return result.stopped ? kResumable : kDone;
}

}  // namespace epi::launch
