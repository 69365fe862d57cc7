// `epitrain bench prepare`: its options, and its result as a table or as JSON.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "bench_prepare.hpp"
#include "benches.hpp"
#include "core/version.hpp"
#include "exit_codes.hpp"
#include "train/threads.hpp"

namespace epi::launch {
namespace {

struct PrepareFlags {
  PrepareBenchOptions bench;
  bool gzip = false;
  bool json = false;
};

double mega(std::int64_t number, double seconds) {
  return 1e-6 * static_cast<double>(number) / seconds;
}

void print_json(const PrepareBenchOptions& options, const PrepareBenchResult& r) {
  const SyntheticInputs& in = r.inputs;
  const nlohmann::ordered_json json = {
      {"program", core::version_text()},
      {"input", "synthetic"},
      {"packing", options.size.packing == Packing::gzip ? "gzip" : "plain"},
      {"threads", options.threads},
      {"bases", in.bases},
      {"cells", options.size.cells},
      {"intervals", in.lines},
      {"input_bytes", in.genome_bytes + in.states_bytes},
      {"disk_mb_per_s", r.disk_mb_per_s},
      {"seconds",
       {{"total", r.total_s},
        {"processor", r.processor_s},
        {"read", r.read_s},
        {"plan", r.plan_s},
        {"write", r.write_s},
        {"finish", r.finish_s},
        {"open", r.open_s},
        {"first_batch", r.first_batch_s},
        {"make_inputs", r.make_s}}},
      {"thread_seconds",
       {{"genomes", r.seconds.genomes},
        {"states", r.seconds.states},
        {"encode", r.seconds.encode},
        {"write", r.seconds.write}}},
      {"genome_mb_per_s", mega(in.genome_text, r.seconds.genomes)},
      {"states_mb_per_s", mega(in.states_text, r.seconds.states)},
      {"states_mlines_per_s", mega(in.lines, r.seconds.states)},
      {"encode_mlines_per_s", mega(in.lines, r.seconds.encode)},
      {"write_mb_per_s", mega(r.store_bytes, r.write_s)},
      {"store_bytes", r.store_bytes},
      {"shards", r.shards},
      {"windows", r.windows},
      {"peak_memory_mib", r.peak_memory_mib},
  };
  std::printf("%s\n", json.dump(2).c_str());
}

void print_table(const PrepareBenchOptions& options, const PrepareBenchResult& r) {
  const SyntheticInputs& in = r.inputs;
  std::string text = fmt::format(
      "synthetic genome of {:.1f} Mb, {} segmentations of {} intervals, {}; {} threads\n"
      "prepared in {:.1f} s: read {:.1f}, plan {:.1f}, write {:.1f}, finish {:.1f}; processor time "
      "{:.1f} s\n",
      1e-6 * static_cast<double>(in.bases), options.size.cells,
      in.lines / std::max<std::int64_t>(1, options.size.cells),
      options.size.packing == Packing::gzip ? "gzip" : "plain text", options.threads, r.total_s,
      r.read_s, r.plan_s, r.write_s, r.finish_s, r.processor_s);
  text += fmt::format(
      "  parse, per thread   genome {:.0f} MB/s, states {:.0f} MB/s = {:.2f} M lines/s\n"
      "  encode, per thread  {:.1f} M intervals/s\n"
      "  write               {:.0f} MB/s; the disk alone {:.0f} MB/s\n",
      mega(in.genome_text, r.seconds.genomes), mega(in.states_text, r.seconds.states),
      mega(in.lines, r.seconds.states), mega(in.lines, r.seconds.encode),
      mega(r.store_bytes, r.write_s), r.disk_mb_per_s);
  text += fmt::format(
      "peak memory {:.0f} MiB; store {} bytes in {} shards\n"
      "opened and every byte checked in {:.2f} s, first batch after {:.3f} s more ({} windows)\n",
      r.peak_memory_mib, r.store_bytes, r.shards, r.open_s, r.first_batch_s, r.windows);
  std::fputs(text.c_str(), stdout);
}

int bench(const PrepareFlags& flags, Session& session) {
  PrepareBenchOptions options = flags.bench;
  options.threads = train::threads_per_rank(options.threads, session.world());
  options.size.packing = flags.gzip ? Packing::gzip : Packing::plain;
  const PrepareBenchResult result = bench_prepare(options, session.log());
  if (flags.json) {
    print_json(options, result);
  } else {
    print_table(options, result);
  }
  return kDone;
}

}  // namespace

void add_bench_prepare(CLI::App& verb, Verb& chosen) {
  CLI::App* prepare = verb.add_subcommand("prepare", "Time the making of a synthetic store");
  auto flags = std::make_shared<PrepareFlags>();
  flags->bench.threads = 0;
  SyntheticSize& size = flags->bench.size;
  prepare->add_option("--genome-mb", size.genome_mb, "Megabases; default: those of hg19")
      ->check(CLI::PositiveNumber);
  prepare->add_option("--cells", size.cells, "Segmentations")
      ->capture_default_str()
      ->check(CLI::Range(1, 999));
  prepare->add_option("--intervals", size.intervals, "Intervals of each segmentation")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  prepare->add_flag("--gzip", flags->gzip, "Inputs packed by gzip, as they are published");
  prepare->add_option("--threads", flags->bench.threads, "0: as many as this process may use")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  prepare->add_option("--keep", flags->bench.keep, "Empty folder for the files, which then stay");
  prepare->add_flag("--json", flags->json, "Print JSON");
  prepare->callback(
      [flags, &chosen] { chosen = [flags](Session& session) { return bench(*flags, session); }; });
}

}  // namespace epi::launch
