// `epitrain scale`: a scaling study. It starts one measurement after another by mpirun or srun, or
// is one of them (--measure), or reports what others have left (--collect).
#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "bench_machine.hpp"
#include "core/config.hpp"
#include "core/error.hpp"
#include "core/files.hpp"
#include "exit_codes.hpp"
#include "networks_text.hpp"
#include "scale_measure.hpp"
#include "train/networks.hpp"
#include "train/scaling_report.hpp"
#include "train/threads.hpp"
#include "verbs.hpp"

namespace epi::launch {
namespace {

namespace fs = std::filesystem;

enum class Role : std::uint8_t { study, measure, collect };

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw core::IoError(fmt::format("{}: {}", path.string(), error.message()));
}

int measure(const ScaleOptions& options, Session& session) {
  // Whoever cannot write learns it before the measurement.
  dist::agree(session.world(), [&] {
    check_windows(options, session.world().size());
    if (session.world().rank() == 0) make_folder(options.out);
  });
  const train::ScalingPoint point = measure_scaling(options, session);
  return session.speaker_only([&] {
    const fs::path file = fs::path(options.out) / train::scaling_file(point.ranks);
    core::write_durably(file, train::text_of(point));
    session.log().info("{} measured: {}", point.world, file.string());
    return int{kDone};
  });
}

train::ScalingOutlook outlook_of(const ScaleOptions& options) {
  const bool own = !options.networks.empty();
  const std::string file = own ? options.networks : "the built-in networks.toml";
  core::Config table =
      own ? core::Config::from_file(file) : core::Config::from_text(kNetworksText, file);
  return {train::read_networks(table, file), options.device_tokens_per_s};
}

/// The points of `ranks`, or all for none; tells which of them nobody has measured.
std::vector<train::ScalingPoint> points_of(const ScaleOptions& options,
                                           const std::vector<int>& ranks, Session& session) {
  std::vector<train::ScalingPoint> points = train::read_scaling_points(options.out, ranks);
  for (const int wanted : ranks) {
    if (std::ranges::find(points, wanted, &train::ScalingPoint::ranks) != points.end()) continue;
    session.log().warn("{}: {} ranks were not measured", options.out, wanted);
  }
  return points;
}

int collect(const ScaleOptions& options, const std::vector<int>& ranks, Session& session) {
  return session.speaker_only([&] {
    const fs::path folder = options.out;
    const train::ScalingOutlook outlook = outlook_of(options);
    const train::ScalingStudy study = train::study_of(points_of(options, ranks, session));
    core::write_durably(folder / "scaling.csv", train::scaling_csv(study, outlook));
    core::write_durably(folder / "scaling.html", train::scaling_html(study, outlook));
    std::fputs(train::scaling_text(study, outlook).c_str(), stdout);
    std::printf("%s and scaling.csv beside it\n", (folder / "scaling.html").c_str());
    return int{kDone};
  });
}

std::string default_launcher() {
  const char* job = std::getenv("SLURM_JOB_ID");  // NOLINT(concurrency-mt-unsafe): one thread
  return job != nullptr ? "srun --ntasks={ranks}"
                        : "mpirun --bind-to none --oversubscribe -n {ranks}";
}

/// The launcher's words with the number of ranks in its place.
std::vector<std::string> launcher_words(const ScaleOptions& options, int ranks) {
  const std::string line = options.launcher.empty() ? default_launcher() : options.launcher;
  // One rank needs no launcher where none was asked for.
  if (options.launcher.empty() && ranks == 1) return {};
  std::vector<std::string> words;
  std::istringstream in(line);
  for (std::string word; in >> word;) {
    const std::size_t at = word.find("{ranks}");
    if (at != std::string::npos) word.replace(at, 7, std::to_string(ranks));
    words.push_back(word);
  }
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

std::vector<std::string> names_of(const std::vector<train::ScalingKind>& kinds) {
  std::vector<std::string> names;
  for (const train::ScalingKind kind : kinds) names.emplace_back(train::name_of(kind));
  return names;
}

std::vector<std::string> measuring(const ScaleOptions& o, int ranks) {
  std::vector<std::string> words = launcher_words(o, ranks);
  const std::vector<std::string> rest = {fs::read_symlink("/proc/self/exe").string(),
                                         "scale",
                                         "--measure",
                                         "--out",
                                         o.out,
                                         "--ranks",
                                         fmt::format("{}", fmt::join(o.ranks, ",")),
                                         "--kind",
                                         fmt::format("{}", fmt::join(names_of(o.kinds), ",")),
                                         "--model",
                                         o.model,
                                         "--micro-batch",
                                         std::to_string(o.micro_batch),
                                         "--batch",
                                         std::to_string(o.batch),
                                         "--global-batch",
                                         std::to_string(o.global_batch),
                                         "--tokens",
                                         std::to_string(o.tokens),
                                         "--precision",
                                         o.precision,
                                         "--device",
                                         o.device,
                                         "--threads",
                                         std::to_string(o.threads),
                                         "--steps",
                                         std::to_string(o.steps),
                                         "--rounds",
                                         std::to_string(o.rounds)};
  words.insert(words.end(), rest.begin(), rest.end());
  return words;
}

/// Replaces this process, which ends with its parent: nobody else would end the ranks.
[[noreturn]] void become(const std::vector<std::string>& words) {
  (void)::prctl(PR_SET_PDEATHSIG, SIGTERM);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  (void)::execvp(arguments[0], arguments.data());
  std::perror(arguments[0]);
  std::_Exit(127);
}

/// Runs a command to its end; CommError with its exit code unless that is 0.
void run(const std::vector<std::string>& words, int ranks) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) become(words);
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) {
    throw core::IoError("scale: no process could be started");
  }
  const bool ended = WIFEXITED(status);
  const int code = ended ? WEXITSTATUS(status) : WTERMSIG(status);
  if (ended && code == 0) return;
  throw core::CommError(fmt::format(
      "scale: the measurement of {} rank{} ended with {} {}; its own message is above. It was: {}",
      ranks, ranks == 1 ? "" : "s", ended ? "exit code" : "signal", code, joined(words)));
}

/// Whether a launcher that was given, or Slurm, says where ranks go.
bool starts_elsewhere(const ScaleOptions& options) {
  return !options.launcher.empty() || default_launcher().starts_with("srun");
}

/// Threads that every number of ranks has alike: the cores of this host over the largest number.
/// Who places ranks elsewhere has its own say.
int threads_of(const ScaleOptions& options) {
  if (options.threads > 0 || starts_elsewhere(options)) return options.threads;
  const auto solo = dist::make_solo();
  return std::max(1, train::threads_per_rank(0, *solo) / std::ranges::max(options.ranks));
}

/// Cores that this process may use; 0 where the system does not tell.
int cores_here() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  return ::sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : 0;
}

/// Only for ranks that are started here; `threads` is each one's number, 0 where it is unknown.
void warn_of_crowding(const ScaleOptions& options, Session& session) {
  const int ranks = std::ranges::max(options.ranks), cores = cores_here();
  const std::int64_t busy = std::int64_t{ranks} * options.threads;
  if (starts_elsewhere(options) || cores == 0 || busy <= cores) return;
  session.log().warn(
      "{} ranks of {} thread{} share {} core{}: the efficiencies will say nothing of the program",
      ranks, options.threads, options.threads == 1 ? "" : "s", cores, cores == 1 ? "" : "s");
}

int study(ScaleOptions options, Session& session) {
  dist::agree(session.world(), [&] {
    if (session.world().size() == 1) return;
    throw core::UsageError(
        "scale: starts its ranks itself; under mpirun or srun give --measure, or call it without");
  });
  std::ranges::sort(options.ranks);
  for (const int ranks : options.ranks) check_windows(options, ranks);
  static_cast<void>(outlook_of(options));  // a wrong table is told before the work
  make_folder(options.out);
  options.global_batch = options.strong_windows();
  options.threads = threads_of(options);
  warn_of_crowding(options, session);
  for (const int ranks : options.ranks) {
    const std::vector<std::string> words = measuring(options, ranks);
    session.log().info("{}", joined(words));
    run(words, ranks);
  }
  return collect(options, options.ranks, session);
}

std::vector<train::ScalingKind> kinds_named(const std::vector<std::string>& names) {
  std::vector<train::ScalingKind> kinds;
  for (const std::string& name : names) {
    if (name != "weak" && name != "strong") {
      throw CLI::ValidationError("--kind",
                                 fmt::format("\"{}\": expected weak, strong or weak,strong", name));
    }
    kinds.push_back(name == "weak" ? train::ScalingKind::weak : train::ScalingKind::strong);
  }
  return kinds;
}

/// A number of things to do: at least one.
CLI::Validator at_least_one() {
  return CLI::Validator(
      [](const std::string& text) {
        const bool digits = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
        const bool some = text.find_first_not_of('0') != text.npos;
        return digits && some ? "" : fmt::format("\"{}\": expected a whole number from 1", text);
      },
      "POSITIVE");
}

void add_work_options(CLI::App& verb, ScaleOptions& options) {
  verb.add_option_function<std::vector<std::string>>(
          "--kind",
          [&options](const std::vector<std::string>& names) { options.kinds = kinds_named(names); },
          "weak, strong, or weak,strong")
      ->delimiter(',')
      ->option_text("TEXT:{weak,strong}");
  verb.add_option("--model", options.model, "tiny, small, base or large")
      ->capture_default_str()
      ->check(CLI::IsMember({"tiny", "small", "base", "large"}));
  verb.add_option("--micro-batch", options.micro_batch, "Windows in a micro-batch")
      ->capture_default_str()
      ->check(at_least_one());
  verb.add_option("--batch", options.batch,
                  "Windows per rank and step, weak scaling; 0: a micro-batch")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  verb.add_option("--global-batch", options.global_batch,
                  "Windows per step, strong scaling; 0: a micro-batch for each rank of the largest "
                  "number")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  verb.add_option("--tokens", options.tokens, "Tokens in a window, with [CLS] and [SEP]")
      ->capture_default_str()
      ->check(CLI::Range(3, 1 << 16));
  add_precision_option(verb, options.precision);
  verb.add_option("--device", options.device, "auto (GPUs where every rank has one), cpu or cuda")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  verb.add_option("--threads", options.threads, "Per rank; 0: see docs/scaling.md")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  verb.add_option("--steps", options.steps, "Timed steps in a round")
      ->capture_default_str()
      ->check(at_least_one());
  verb.add_option("--rounds", options.rounds, "Rounds: each times steps with and without sums")
      ->capture_default_str()
      ->check(at_least_one());
}

void add_report_options(CLI::App& verb, ScaleOptions& options) {
  verb.add_option("--networks", options.networks, "Networks to predict for, TOML");
  verb.add_option("--device-tokens-per-s", options.device_tokens_per_s,
                  "Also predict for devices of this pace on the base model")
      ->check(CLI::PositiveNumber);
}

}  // namespace

void add_scale(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand("scale", "Measure how training scales over ranks");
  struct Flags {
    ScaleOptions options;
    Role role = Role::study;
  };
  auto flags = std::make_shared<Flags>();
  verb->add_option("--out", flags->options.out, "Folder of the study")->required();
  CLI::Option* const ranks =
      verb->add_option("--ranks", flags->options.ranks, "Numbers of ranks, with commas");
  ranks->capture_default_str()->delimiter(',')->check(CLI::Range(1, 1 << 16));
  verb->add_option(
      "--launcher", flags->options.launcher,
      "How to start a measurement, {ranks} stands for their number (default: srun in a "
      "Slurm allocation, else mpirun)");
  CLI::Option* const measures = verb->add_flag_callback(
      "--measure", [flags] { flags->role = Role::measure; },
      "Measure the ranks that mpirun or srun has started");
  verb->add_flag_callback(
          "--collect", [flags] { flags->role = Role::collect; },
          "Report from the measurements in the folder")
      ->excludes(measures);
  add_work_options(*verb, flags->options);
  add_report_options(*verb, flags->options);
  verb->callback([flags, ranks, &chosen] {
    const auto reported = ranks->count() > 0 ? flags->options.ranks : std::vector<int>{};
    chosen = [flags, reported](Session& session) {
      if (flags->role == Role::measure) return measure(flags->options, session);
      if (flags->role == Role::collect) return collect(flags->options, reported, session);
      return study(flags->options, session);
    };
  });
}

}  // namespace epi::launch
