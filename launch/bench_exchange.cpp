// What is measured comes in turns, so that a neighbour's noise falls on all of it alike.
#include "bench_exchange.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "benches.hpp"
#include "core/buffer.hpp"
#include "core/error.hpp"
#include "core/version.hpp"
#include "dist/gradient_buckets.hpp"
#include "dist/mpi.hpp"
#include "exit_codes.hpp"

namespace epi::launch {
namespace {

using core::View;

constexpr int kSmallSums = 500;  // in one timing

class Bench {
 public:
  Bench(const BenchExchangeOptions& options, dist::Communicator& world)
      : world_(world),
        count_(std::max<std::int64_t>(2, static_cast<std::int64_t>(1e6 * options.mb / 4.0))),
        gradients_(world.reducible(core::DType::f32, count_, core::kCpu)),
        other_(core::DType::f32, {count_}),
        buckets_(world, gradients_, static_cast<std::size_t>(1e6 * options.bucket_mb)) {}

  [[nodiscard]] double bytes() const { return 4.0 * static_cast<double>(count_); }

  /// Seconds from all ranks' readiness until all have finished `work`.
  template <class Work>
  double seconds(Work work) {
    fill(gradients_);
    fill(other_);
    world_.barrier();
    const auto start = std::chrono::steady_clock::now();
    work();
    world_.barrier();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  double whole() {
    return seconds([&] { sum(gradients_); });
  }
  double bucket_by_bucket() {
    return seconds([&] {
      buckets_.done_from(0, stream_);
      static_cast<void>(buckets_.finish(stream_));
    });
  }
  double elsewhere() {
    return seconds([&] { sum(other_); });
  }
  double library() {
    return seconds([&] { dist::library_sum(other_); });
  }
  /// What a sum moves at least, with nobody to wait for: each byte read once and written once.
  double own_memory() {
    return seconds([&] {
      auto* values = other_.as<float>();
      for (std::int64_t i = 0; i < count_; ++i) values[i] += 1.0F;
    });
  }
  double copy() {
    return seconds([&] {
      std::memcpy(other_.as<float>(), gradients_.as<float>(), 4 * static_cast<std::size_t>(count_));
    });
  }
  double small() {
    return seconds([&] {
             for (int i = 0; i < kSmallSums; ++i) sum(View(ten_.data(), {10}));
           }) /
           kSmallSums;
  }
  double library_small() {
    return seconds([&] {
             for (int i = 0; i < kSmallSums; ++i) dist::library_sum(View(ten_.data(), {10}));
           }) /
           kSmallSums;
  }

  /// A fast sum that is wrong would be no news.
  void require_right() {
    auto* values = gradients_.as<float>();
    std::fill_n(values, count_, static_cast<float>(world_.rank() + 1));
    sum(gradients_);
    const auto truth = static_cast<float>(world_.size() * (world_.size() + 1) / 2);
    core::require(std::count(values, values + count_, truth) == count_,
                  "the sum over the ranks is right");
  }

 private:
  void fill(const core::Tensor& tensor) { std::fill_n(tensor.as<float>(), count_, 1.0F); }
  void sum(const View& view) {
    ten_.fill(1.0);
    world_.start(dist::Reduce::sum, view, core::Event()).wait(stream_);
  }

  dist::Communicator& world_;
  std::int64_t count_;
  core::Stream stream_{core::kCpu};
  core::Tensor gradients_, other_;
  dist::GradientBuckets buckets_;
  std::array<double, 10> ten_{};
};

struct Best {
  double seconds = std::numeric_limits<double>::infinity();
  void take(double measured) { seconds = std::min(seconds, measured); }
};

nlohmann::ordered_json as_json(const BenchExchangeOptions& options, const BenchExchangeResult& r) {
  return {{"program", core::version_text()},
          {"input", "synthetic"},
          {"ranks", r.ranks},
          {"bytes", r.bytes},
          {"bucket_bytes", 1e6 * options.bucket_mb},
          {"formula", "bytes of the gradients / seconds"},
          {"gb_per_s", r.whole_gb_per_s},
          {"buckets_gb_per_s", r.buckets_gb_per_s},
          {"elsewhere_gb_per_s", r.elsewhere_gb_per_s},
          {"mpi_allreduce_gb_per_s", r.library_gb_per_s},
          {"times_mpi_allreduce", r.whole_gb_per_s / r.library_gb_per_s},
          {"roof_gb_per_s", r.roof_gb_per_s},
          {"share_of_roof", r.whole_gb_per_s / r.roof_gb_per_s},
          {"memcpy_gb_per_s", r.copy_gb_per_s},
          {"ten_doubles_us", r.small_us},
          {"ten_doubles_mpi_us", r.library_small_us}};
}

std::string as_table(const BenchExchangeOptions& options, const BenchExchangeResult& r) {
  const auto line = [&](const std::string& name, double rate) {
    return fmt::format("  {:<34}{:>7.2f} GB/s{:>8.2f} ms{:>7.1f} x MPI{:>7.1f} % of roof\n", name,
                       rate, 1e-6 * r.bytes / rate, rate / r.library_gb_per_s,
                       100.0 * rate / r.roof_gb_per_s);
  };
  std::string text = fmt::format(
      "sum over {} ranks of {:.0f} MB of f32 (synthetic); GB/s = bytes of the vector / seconds\n",
      r.ranks, 1e-6 * r.bytes);
  text += line("in shared memory, whole", r.whole_gb_per_s);
  text += line(fmt::format("in shared memory, {:.0f} MB buckets", options.bucket_mb),
               r.buckets_gb_per_s);
  text += line("in other memory", r.elsewhere_gb_per_s);
  text += line("MPI_Allreduce, one call", r.library_gb_per_s);
  text += line("roof: each rank walks its own", r.roof_gb_per_s);
  text += fmt::format(
      "  the roof reads and writes every byte of every rank once: {:.1f} GB/s of memory traffic; "
      "memcpy {:.1f}\n"
      "  ten doubles in {:.2f} us; MPI_Allreduce {:.2f} us\n",
      2.0 * r.ranks * r.roof_gb_per_s, r.copy_gb_per_s, r.small_us, r.library_small_us);
  return text;
}

}  // namespace

BenchExchangeResult bench_exchange(const BenchExchangeOptions& options, dist::Communicator& world,
                                   const core::Log& log) {
  if (world.size() == 1) {
    throw core::UsageError(
        "bench exchange: one rank has nobody to sum with; start it as mpirun -n 2 --bind-to none "
        "epitrain bench exchange");
  }
  Bench bench(options, world);
  log.info("{}; {} rounds, best of each", world.description(), options.repeats);
  bench.require_right();
  Best whole, buckets, elsewhere, library, own, copy, small, library_small;
  for (int round = 0; round < options.repeats; ++round) {
    whole.take(bench.whole());
    own.take(bench.own_memory());
    buckets.take(bench.bucket_by_bucket());
    elsewhere.take(bench.elsewhere());
    library.take(bench.library());
    copy.take(bench.copy());
    small.take(bench.small());
    library_small.take(bench.library_small());
  }
  const double giga = 1e-9 * bench.bytes();
  BenchExchangeResult result;
  result.ranks = world.size();
  result.bytes = bench.bytes();
  result.whole_gb_per_s = giga / whole.seconds;
  result.buckets_gb_per_s = giga / buckets.seconds;
  result.elsewhere_gb_per_s = giga / elsewhere.seconds;
  result.library_gb_per_s = giga / library.seconds;
  result.roof_gb_per_s = giga / own.seconds;
  result.copy_gb_per_s = 2.0 * world.size() * giga / copy.seconds;
  result.small_us = 1e6 * small.seconds;
  result.library_small_us = 1e6 * library_small.seconds;
  return result;
}

void add_bench_exchange(CLI::App& app, Verb& chosen) {
  CLI::App* verb =
      app.add_subcommand("exchange", "Time the sum of gradients over ranks (with mpirun)");
  struct Flags {
    BenchExchangeOptions options;
    bool json = false;
  };
  auto flags = std::make_shared<Flags>();
  BenchExchangeOptions& options = flags->options;
  verb->add_option("--mb", options.mb, "Gradients, in 10^6 bytes")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 8000.0));
  verb->add_option("--bucket-mb", options.bucket_mb, "One bucket, in 10^6 bytes")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 8000.0));
  verb->add_option("--repeats", options.repeats, "Rounds; the best of each counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  verb->add_flag("--json", flags->json, "Print JSON");
  verb->callback([flags, &chosen] {
    chosen = [flags](Session& session) {
      dist::Communicator& world = session.world();
      const BenchExchangeResult result = bench_exchange(flags->options, world, session.log());
      if (!session.speaks()) return int{kDone};
      const std::string text = flags->json ? as_json(flags->options, result).dump(2) + "\n"
                                           : as_table(flags->options, result);
      std::fputs(text.c_str(), stdout);
      return int{kDone};
    };
  });
}

}  // namespace epi::launch
