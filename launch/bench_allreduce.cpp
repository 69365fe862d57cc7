// The sum of gradients over ranks, as training starts it, for each way that ranks of one machine
// can take: threads of this process with gradients in host or GPU memory (staged through pinned
// memory), and NCCL, which takes one rank per GPU: on one card that is one rank, which moves
// nothing and shows only what a call costs.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "bench_machine.hpp"
#include "benches.hpp"
#include "core/error.hpp"
#include "core/version.hpp"
#include "dist/communicator.hpp"
#include "dist/nccl.hpp"
#include "exit_codes.hpp"

namespace epi::launch {
namespace {

using core::Tensor;

struct AllreduceOptions {
  std::string device = "auto";
  double mb = 356.0;  ///< gradients, f32, in 10^6 bytes: the base model's
  std::vector<int> ranks{1, 2, 4};
  int repeats = 10;
  JsonOutput json;
};

struct AllreduceRow {
  std::string transport;
  int ranks = 1;
  double bytes = 0.0;     ///< of the gradients of one rank
  double median_s = 0.0;  ///< from all ranks' readiness until all have the sum
  /// Bytes over seconds, in 10^9.
  [[nodiscard]] double algorithm_gb_per_s() const { return 1e-9 * bytes / median_s; }
  /// What each link would carry in a ring: comparable between numbers of ranks (NCCL tests).
  [[nodiscard]] double bus_gb_per_s() const {
    return algorithm_gb_per_s() * 2.0 * (ranks - 1) / ranks;
  }
};

core::Device device_of(const std::string& text) {
  return make_ops(text, 1)->device();
}

/// Sums `repeats` times and checks the first one; every rank calls it, rank 0's time counts.
AllreduceRow timed_sum(dist::Communicator& world, const AllreduceOptions& options,
                       core::Device device) {
  core::Stream stream(device);
  const auto count = std::max<std::int64_t>(1, static_cast<std::int64_t>(1e6 * options.mb / 4.0));
  const Tensor gradients = world.reducible(core::DType::f32, count, device);
  Tensor ones(core::DType::f32, {count});
  std::fill_n(ones.as<float>(), count, static_cast<float>(world.rank() + 1));
  core::copy(gradients, ones, stream);
  const auto sum = [&] {
    world.start(dist::Reduce::sum, gradients, core::Event::record(stream)).wait(stream);
    stream.synchronize();
  };
  sum();
  core::copy(ones, gradients, stream);
  stream.synchronize();
  const auto truth = static_cast<float>(world.size() * (world.size() + 1) / 2);
  core::require(std::count(ones.as<float>(), ones.as<float>() + count, truth) == count,
                "the sum over the ranks is right");
  core::fill_zero(gradients, stream);
  stream.synchronize();
  std::vector<double> seconds;
  for (int i = 0; i < options.repeats; ++i) {
    world.barrier();
    const auto start = std::chrono::steady_clock::now();
    sum();
    world.barrier();
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return {world.description(), world.size(), 4.0 * static_cast<double>(count),
          RepeatedTimes(std::move(seconds)).median_s};
}

AllreduceRow by_threads(int ranks, const AllreduceOptions& options, core::Device device) {
  AllreduceRow row;
  dist::run_threads(ranks, [&](dist::Communicator& world) {
    const AllreduceRow mine = timed_sum(world, options, device);
    if (world.rank() == 0) row = mine;
  });
  return row;
}

nlohmann::ordered_json as_json(const std::vector<AllreduceRow>& rows, const std::string& where) {
  nlohmann::ordered_json json = {{"program", core::version_text()},
                                 {"bench", "allreduce"},
                                 {"input", "synthetic"},
                                 {"memory", where},
                                 {"rows", nlohmann::ordered_json::array()}};
  for (const AllreduceRow& row : rows) {
    json["rows"].push_back({{"transport", row.transport},
                            {"ranks", row.ranks},
                            {"bytes", row.bytes},
                            {"median_s", row.median_s},
                            {"algorithm_gb_per_s", row.algorithm_gb_per_s()},
                            {"bus_gb_per_s", row.bus_gb_per_s()}});
  }
  return json;
}

std::string as_table(const std::vector<AllreduceRow>& rows, const std::string& where) {
  std::string text = fmt::format("sum over ranks of f32 in memory of {} (synthetic)\n", where);
  text += fmt::format("{:<48}{:>6}{:>10}{:>12}{:>12}{:>10}\n", "transport", "ranks", "MB",
                      "median ms", "alg. GB/s", "bus GB/s");
  for (const AllreduceRow& row : rows) {
    text += fmt::format("{:<48}{:>6}{:>10.1f}{:>12.3f}{:>12.2f}{:>10.2f}\n", row.transport,
                        row.ranks, 1e-6 * row.bytes, 1e3 * row.median_s, row.algorithm_gb_per_s(),
                        row.bus_gb_per_s());
  }
  return text +
         "one rank moves nothing: its time is what a call costs; NCCL takes one rank a GPU\n";
}

int bench_allreduce(const AllreduceOptions& options) {
  const core::Device device = device_of(options.device);
  const std::string where =
      device == core::kCpu ? "the host" : core::cuda_properties(device.index).name;
  std::vector<AllreduceRow> rows;
  for (const int ranks : options.ranks) rows.push_back(by_threads(ranks, options, device));
  if (device != core::kCpu && dist::nccl_missing().empty()) {
    const auto world = dist::make_nccl(dist::make_solo(), device);
    rows.push_back(timed_sum(*world, options, device));
  }
  put_out(options.json, as_json(rows, where), as_table(rows, where));
  return kDone;
}

}  // namespace

void add_bench_allreduce(CLI::App& verb, Verb& chosen) {
  CLI::App* allreduce =
      verb.add_subcommand("allreduce", "Time the sum of gradients over ranks of this process");
  auto options = std::make_shared<AllreduceOptions>();
  add_device_option(*allreduce, options->device);
  allreduce->add_option("--mb", options->mb, "Gradients, in 10^6 bytes")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 8000.0));
  allreduce->add_option("--ranks", options->ranks, "Threads as ranks; several with commas")
      ->capture_default_str()
      ->delimiter(',')
      ->check(CLI::Range(1, 64));
  allreduce->add_option("--repeats", options->repeats, "Sums that are timed; the median counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  add_json_option(*allreduce, options->json);
  allreduce->callback(
      [options, &chosen] { chosen = [options](Session&) { return bench_allreduce(*options); }; });
}

}  // namespace epi::launch
