#include "bench_prepare.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/buffer.hpp"
#include "core/error.hpp"
#include "core/files.hpp"
#include "data/orders.hpp"
#include "data/store.hpp"
#include "data/windows.hpp"
#include "kernels/ops.hpp"
#include "model/masked_model.hpp"

namespace epi::launch {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kBatch = 32;
constexpr std::size_t kMostPieces = 64, kPieceBytes = std::size_t{1} << 24U;  // 1 GiB

template <class Work>
double seconds_of(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Where inputs and store lie: a folder of the user's, or one that goes with this object.
class Scratch {
 public:
  explicit Scratch(const fs::path& keep) : path_(keep), stays_(!keep.empty()) {
    if (stays_) {
      std::error_code problem;
      fs::create_directories(path_, problem);
      if (problem || !fs::is_empty(path_, problem) || problem) {
        throw core::UsageError(fmt::format("--keep: '{}' is no empty folder", path_.string()));
      }
      return;
    }
    std::string name = (fs::temp_directory_path() / "epitrain-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw core::IoError(fmt::format("{}: cannot create: {}", name, std::strerror(errno)));
    }
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    if (!stays_) fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  bool stays_;
};

/// The roof of everything that ends on the disk, from a plain file of about as many bytes as the
/// store has, at most 1 GiB.
double disk_rate(const fs::path& folder, std::int64_t bytes) {
  const auto pieces =
      std::clamp<std::size_t>(static_cast<std::size_t>(bytes) / kPieceBytes, 1, kMostPieces);
  const fs::path path = folder / "disk-rate.bin";
  const std::string piece(kPieceBytes, 'x');
  const double seconds = seconds_of([&] {
    std::ofstream file(path, std::ios::binary);
    for (std::size_t i = 0; i < pieces; ++i) {
      file.write(piece.data(), static_cast<std::streamsize>(piece.size()));
    }
    file.close();
    if (!file) throw core::IoError(path.string() + ": write failed: " + std::strerror(errno));
    core::sync_path(path);
  });
  fs::remove(path);
  return 1e-6 * static_cast<double>(pieces * kPieceBytes) / seconds;
}

/// Processor time of all threads, ours and the system's on our behalf.
double processor_s() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double peak_memory_mib() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;  // Linux counts in KiB
}

std::int64_t bytes_below(const fs::path& folder) {
  std::int64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += static_cast<std::int64_t>(entry.file_size());
  }
  return bytes;
}

data::PrepareOptions options_of(const PrepareBenchOptions& bench, const SyntheticInputs& inputs,
                                const fs::path& out) {
  data::PrepareOptions options;
  options.genomes = {inputs.genome};
  options.sheet = inputs.sheet;
  options.out = out;
  options.valid = "chr19";
  options.test = "chr20";
  options.threads = bench.threads;
  options.command = "bench prepare";
  return options;
}

void prepare(const data::PrepareOptions& options, const core::Log& log,
             PrepareBenchResult& result) {
  const double before_s = processor_s();
  data::Preparation preparation(options, log);
  result.read_s = seconds_of([&] { preparation.read_inputs(0, 1); });
  log.info("inputs read: {:.1f} s", result.read_s);
  result.plan_s = seconds_of([&] { preparation.plan(); });
  result.write_s = seconds_of([&] { preparation.write_shards(0, 1); });
  log.info("shards written: {:.1f} s", result.write_s);
  result.finish_s = seconds_of([&] { (void)preparation.finish(); });
  result.seconds = preparation.seconds();
  result.processor_s = processor_s() - before_s;
  result.total_s = result.read_s + result.plan_s + result.write_s + result.finish_s;
  result.peak_memory_mib = peak_memory_mib();
}

/// As a run begins: which windows there are, their order, and the first micro-batch as tokens.
std::int64_t assemble_first(const data::Store& store, kernels::Ops& ops) {
  const kernels::TokenSpec tokens{6, 6, 512};
  const kernels::MaskSpec masks;
  core::CorpusView corpus = store.corpus();
  data::WindowTable windows(store.manifest(), corpus, data::Split::train, tokens.window_bp());
  const std::int64_t count = windows.size();
  const data::PretrainingOrder order(
      std::move(windows), data::cells_of(store.manifest(), data::Split::train), {.seed = 1});
  std::vector<core::SampleRef> samples(kBatch);
  order.samples(0, samples);
  model::Batch batch({kBatch, tokens.length, kernels::dna_slots(tokens, masks),
                      kernels::state_slots(tokens, masks, corpus.bin_bp)},
                     core::kCpu);
  core::Tensor counts(core::DType::i64, {kernels::kNumCounts});
  core::Stream stream(core::kCpu);
  core::fill_zero(counts, stream);
  kernels::StepState state;
  state.seed = 1;
  kernels::AssembleArgs args = batch.operands();
  args.corpus = &corpus;
  args.samples = samples;
  args.tokens = tokens;
  args.masks = masks;
  args.state = &state;
  args.counts = counts;
  ops.assemble(args, stream);
  stream.synchronize();
  return count;
}

}  // namespace

PrepareBenchResult bench_prepare(const PrepareBenchOptions& options, const core::Log& log) {
  const Scratch scratch(options.keep);
  PrepareBenchResult result;
  SyntheticSize size = options.size;
  size.threads = options.threads;
  result.make_s = seconds_of([&] { result.inputs = write_synthetic_inputs(scratch.path(), size); });
  log.info("synthetic inputs in {}: {:.1f} s", scratch.path().string(), result.make_s);
  ::sync();  // the inputs are not part of what follows
  result.disk_mb_per_s = disk_rate(scratch.path(), result.inputs.bases);
  const fs::path out = scratch.path() / "synthetic.store";
  prepare(options_of(options, result.inputs, out), log, result);
  result.store_bytes = bytes_below(out);
  std::optional<data::Store> store;
  result.open_s = seconds_of([&] { store = data::Store::open(out, true); });
  result.shards = static_cast<std::int64_t>(store->manifest().shards.size());
  const std::unique_ptr<kernels::Ops> ops = kernels::make_cpu_ops(options.threads);
  result.first_batch_s = seconds_of([&] { result.windows = assemble_first(*store, *ops); });
  return result;
}

}  // namespace epi::launch
