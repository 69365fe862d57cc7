// One function per section of CONFIG.toml: reads its keys, then checks them.
#include "train/run_config.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "core/duration.hpp"
#include "core/error.hpp"
#include "train/dna_baselines.hpp"

namespace epi::train {
namespace {

using core::Config;
using core::ConfigError;

// Reads keys of one section and says where a wrong one stands.
class Section {
 public:
  Section(Config& config, std::string name) : config_(config), name_(std::move(name)) {}

  [[nodiscard]] std::string key(const char* name) const { return name_ + "." + name; }

  [[nodiscard]] bool flag(const char* name, bool fallback) {
    return config_.get(key(name), fallback);
  }

  [[nodiscard]] std::string text(const char* name, const std::string& fallback) {
    return config_.get(key(name), fallback);
  }

  [[nodiscard]] std::string scalar(const char* name) { return config_.get_scalar(key(name), ""); }

  [[nodiscard]] std::int64_t integer(const char* name, std::int64_t fallback, std::int64_t low,
                                     std::int64_t high = std::numeric_limits<int>::max()) {
    const std::int64_t value = config_.get(key(name), fallback);
    if (value < low || value > high) {
      refuse(name, fmt::format("{}", value), fmt::format("an integer from {} to {}", low, high));
    }
    return value;
  }

  [[nodiscard]] std::int32_t small(const char* name, std::int32_t fallback, std::int32_t low,
                                   std::int32_t high = std::numeric_limits<int>::max()) {
    return static_cast<std::int32_t>(integer(name, fallback, low, high));
  }

  [[nodiscard]] double number(const char* name, double fallback, double low, double high) {
    const double value = config_.get(key(name), fallback);
    if (!(value >= low && value <= high)) {
      refuse(name, fmt::format("{}", value), fmt::format("a number from {} to {}", low, high));
    }
    return value;
  }

  [[nodiscard]] double positive(const char* name, double fallback) {
    const double value = config_.get(key(name), fallback);
    if (!(value > 0.0) || !std::isfinite(value)) {
      refuse(name, fmt::format("{}", value), "a number above 0");
    }
    return value;
  }

  // A value in [0, 1]: a share or a probability. Defaults come from structs that keep floats.
  [[nodiscard]] float share(const char* name, double fallback) {
    return static_cast<float>(number(name, fallback, 0.0, 1.0));
  }

  [[noreturn]] void refuse(const char* name, const std::string& found,
                           const std::string& expected) const {
    throw ConfigError(fmt::format("{}: {} = {}: expected {}", config_.where(key(name)), key(name),
                                  found, expected));
  }

 private:
  Config& config_;
  std::string name_;
};

void read_data(Config& config, RunConfig& run) {
  Section section(config, "data");
  run.store = config.required("data.store");
  run.min_acgt = section.number("min_acgt", 0.5, 0.0, 1.0);
  run.cells_per_window = section.integer("cells_per_window", 0, 0);
}

void read_tokens(Config& config, RunConfig& run) {
  Section section(config, "tokens");
  run.tokens.k = section.small("k", 6, 1, DnaBaselines::kLongest);
  run.tokens.stride = section.small("stride", run.tokens.k, 1, run.tokens.k);
  run.tokens.length = section.small("length", 512, 3, 1 << 20);
}

void read_objective(Config& config, RunConfig& run) {
  Section section(config, "objective");
  run.dna_weight = section.number("dna_weight", 1.0, 0.0, 1e6);
  run.state_weight = section.number("state_weight", 1.0, 0.0, 1e6);
  if (run.dna_weight == 0.0 && run.state_weight == 0.0) {
    section.refuse("state_weight", "0 with dna_weight = 0", "at least one objective");
  }
}

void read_repeats(Section& section, kernels::MaskSpec& masks) {
  const std::string repeats = section.text("repeats", name_of(kernels::Repeats::keep));
  bool known = false;
  for (const auto choice :
       {kernels::Repeats::keep, kernels::Repeats::downweight, kernels::Repeats::exclude}) {
    if (repeats != name_of(choice)) continue;
    masks.repeats = choice;
    known = true;
  }
  if (!known) section.refuse("repeats", repeats, "keep, downweight or exclude");
  masks.repeat_weight = section.share("repeat_weight", 0.1);
  if (masks.repeat_weight == 0.0F) {
    section.refuse("repeat_weight", "0", "above 0; repeats = \"exclude\" takes no target there");
  }
}

void read_masks(Config& config, RunConfig& run) {
  Section section(config, "mask");
  auto& masks = run.masks;
  masks.dna_rate = section.share("dna_rate", 0.15);
  masks.mask_share = section.share("mask_share", 0.8);
  masks.random_share = section.share("random_share", 0.1);
  masks.span_bases = section.small("span_bases", 1, 1, 1 << 16);
  masks.state_rate = section.share("state_rate", 0.15);
  masks.state_span_bins = static_cast<float>(section.number("state_span_bins", 5.0, 1.0, 1e6));
  masks.state_dropout = section.share("state_dropout", 0.1);
  read_repeats(section, masks);
  if (masks.mask_share + masks.random_share > 1.0F + 1e-6F) {
    section.refuse("random_share", fmt::format("{}", masks.random_share),
                   fmt::format("at most 1 - mask_share = {}", 1.0F - masks.mask_share));
  }
  if (run.dna_weight > 0.0 && masks.dna_rate == 0.0F) {
    section.refuse("dna_rate", "0", "above 0, or objective.dna_weight = 0");
  }
  if (run.state_weight > 0.0 && masks.state_rate == 0.0F) {
    section.refuse("state_rate", "0", "above 0, or objective.state_weight = 0");
  }
  if (run.dna_weight == 0.0) masks.dna_rate = 0.0F;
  if (run.state_weight == 0.0) masks.state_rate = 0.0F;
}

void read_model(Config& config, RunConfig& run) {
  Section section(config, "model");
  auto& model = run.model;
  model = model::preset(section.text("size", "small"));
  model.layers = section.small("layers", model.layers, 1);
  model.hidden = section.small("hidden", model.hidden, 1);
  model.heads = section.small("heads", model.heads, 1);
  model.intermediate = section.small("intermediate", model.intermediate, 1);
  if (model.hidden % model.heads != 0) {
    section.refuse("heads", fmt::format("{}", model.heads),
                   fmt::format("a divisor of hidden = {}", model.hidden));
  }
  const std::string activation = section.text("activation", "gelu_tanh");
  if (activation == "gelu_tanh") {
    model.activation = kernels::Activation::gelu_tanh;
  } else if (activation == "gelu") {
    model.activation = kernels::Activation::gelu;
  } else {
    section.refuse("activation", activation, "gelu_tanh or gelu");
  }
  model.dropout = static_cast<float>(section.number("dropout", 0.0, 0.0, 0.9));
  // BERT's 0.02 at its width of 768; weights that sum over fewer inputs start larger in proportion,
  // so that signals of narrow models don't start out weaker than those of wide ones.
  const double deviation = 0.02 * std::sqrt(768.0 / model.hidden);
  model.initial_deviation = static_cast<float>(
      section.number("initial_deviation", std::round(deviation * 1e4) / 1e4, 1e-4, 1.0));
  model.positions = run.tokens.length;
  model.vocabulary = run.tokens.vocabulary();
}

void read_execution(Section& section, TrainConfig& train) {
  const std::string precision = section.text("precision", name_of(Precision::automatic));
  bool known = false;
  for (const auto choice : {Precision::automatic, Precision::fp32, Precision::bf16}) {
    if (precision != name_of(choice)) continue;
    train.precision = choice;
    known = true;
  }
  if (!known) section.refuse("precision", precision, "auto, fp32 or bf16");
  const std::string recompute = section.text("recompute", "none");
  if (recompute != "none" && recompute != "layer") {
    section.refuse("recompute", recompute, "none or layer");
  }
  train.recompute = recompute == "layer" ? model::Recompute::layer : model::Recompute::none;
  train.graph = section.flag("graph", true);
  train.reproducible = section.flag("reproducible", false);
  train.shard_optimizer = section.flag("shard_optimizer", false);
  train.bucket_mb = section.number("bucket_mb", 0.0, 0.0, 1e6);
  train.replica_check_every = section.integer("replica_check_every", 1000, 0);
}

void read_device(Section& section, TrainConfig& train) {
  const std::string device = section.text("device", name_of(DeviceWish::automatic));
  bool known = false;
  for (const auto choice : {DeviceWish::automatic, DeviceWish::cpu, DeviceWish::cuda}) {
    if (device != name_of(choice)) continue;
    train.device = choice;
    known = true;
  }
  if (!known) section.refuse("device", device, "auto, cpu or cuda");
  const std::string exchange = section.text("exchange", "auto");
  if (exchange != "auto" && exchange != "nccl" && exchange != "staged") {
    section.refuse("exchange", exchange, "auto, nccl or staged");
  }
  train.exchange = dist::transport_named(exchange);
  const std::string precision = section.text("exchange_precision", "fp32");
  if (precision != "fp32" && precision != "bf16") {
    section.refuse("exchange_precision", precision, "fp32 or bf16");
  }
  train.exchange_precision = precision == "bf16" ? core::DType::bf16 : core::DType::f32;
  train.hang_timeout_s = section.number("hang_timeout", 1800.0, 0.0, 1e9);
}

/// "10" or "10-12".
std::optional<StepRange> step_range(const std::string& text) {
  StepRange steps;
  const char* const end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, steps.first);
  steps.last = steps.first;
  if (parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == '-') {
    parsed = std::from_chars(parsed.ptr + 1, end, steps.last);
  }
  const bool whole = parsed.ec == std::errc() && parsed.ptr == end;
  if (!whole || steps.first < 1 || steps.last < steps.first) return std::nullopt;
  return steps;
}

// When a run stops by itself, and which of its steps are traced.
void read_bounds(Section& section, TrainConfig& train) {
  const std::string limit = section.scalar("max_time");
  const std::optional<double> seconds = core::parse_duration(limit);
  if (!limit.empty() && !(seconds && *seconds > 0.0)) {
    section.refuse("max_time", limit, core::kDurationForms);
  }
  train.max_time_s = seconds.value_or(0.0);
  train.stop_margin_s = section.number("stop_margin", 120.0, 0.0, 1e9);
  const std::string trace = section.scalar("trace");
  if (trace.empty()) return;
  const std::optional<StepRange> steps = step_range(trace);
  if (!steps) section.refuse("trace", trace, "a step, or FIRST-LAST");
  train.trace = *steps;
}

void read_train(Config& config, RunConfig& run) {
  Section section(config, "train");
  auto& train = run.train;
  train.steps = section.integer("steps", 10000, 1);
  train.global_batch = section.integer("global_batch", 64, 1);
  train.micro_batch = section.integer("micro_batch", 8, 1);
  if (train.global_batch % train.micro_batch != 0) {
    section.refuse("micro_batch", fmt::format("{}", train.micro_batch),
                   fmt::format("a divisor of global_batch = {}", train.global_batch));
  }
  train.seed = static_cast<std::uint64_t>(
      section.integer("seed", 1, 0, std::numeric_limits<std::int64_t>::max()));
  train.threads = section.small("threads", 0, 0, 4096);
  read_device(section, train);
  read_execution(section, train);
  read_bounds(section, train);
  train.jitter = section.flag("jitter", true);
  train.reverse_complement = section.flag("reverse_complement", true);
}

void read_optimizer(Config& config, RunConfig& run) {
  Section section(config, "optimizer");
  auto& optimizer = run.optimizer;
  constexpr double kBelowOne = 1.0 - 1e-9;
  const std::string name = section.text("name", "adamw");
  if (name != "adamw" && name != "lamb") section.refuse("name", name, "adamw or lamb");
  optimizer.kind = name == "lamb" ? kernels::Optimizer::lamb : kernels::Optimizer::adamw;
  run.schedule.peak = section.positive("learning_rate", 1e-4);
  optimizer.beta1 = section.number("beta1", 0.9, 0.0, kBelowOne);
  optimizer.beta2 = section.number("beta2", 0.98, 0.0, kBelowOne);
  optimizer.epsilon = section.positive("epsilon", 1e-6);
  optimizer.weight_decay = section.number("weight_decay", 0.01, 0.0, 1e6);
  optimizer.max_gradient_norm = section.number("max_gradient_norm", 1.0, 0.0, 1e30);
}

void read_schedule(Config& config, RunConfig& run) {
  Section section(config, "schedule");
  auto& schedule = run.schedule;
  const std::string kind = section.text("kind", "linear");
  if (kind != "linear" && kind != "cosine") section.refuse("kind", kind, "linear or cosine");
  schedule.kind = kind == "linear" ? ScheduleKind::linear : ScheduleKind::cosine;
  schedule.steps = section.integer("steps", run.train.steps, 1);
  schedule.warmup_steps = section.integer("warmup_steps", schedule.steps / 20, 0, schedule.steps);
  schedule.floor = section.number("min_learning_rate", 0.0, 0.0, schedule.peak);
}

void read_cadences(Config& config, RunConfig& run) {
  Section evaluate(config, "evaluate");
  run.evaluate_every = evaluate.integer("every", 500, 0);
  run.evaluate_windows = evaluate.integer("windows", 256, 0);
  Section checkpoint(config, "checkpoint");
  run.checkpoint_every = checkpoint.integer("every", 500, 0);
  run.checkpoint_keep = checkpoint.integer("keep", 2, 1);
  run.checkpoint_asynchronous = checkpoint.flag("asynchronous", true);
  Section log(config, "log");
  run.log_every = log.integer("every", 10, 1);
}

void add(Identity& identity, std::string key, const auto& value) {
  identity.emplace_back(std::move(key), fmt::format("{}", value));
}

void add_model(Identity& identity, const model::ModelConfig& model) {
  add(identity, "model.layers", model.layers);
  add(identity, "model.hidden", model.hidden);
  add(identity, "model.heads", model.heads);
  add(identity, "model.intermediate", model.intermediate);
  add(identity, "model.activation",
      model.activation == kernels::Activation::gelu ? "gelu" : "gelu_tanh");
  add(identity, "model.dropout", model.dropout);
  add(identity, "model.initial_deviation", model.initial_deviation);
}

void add_masks(Identity& identity, const kernels::MaskSpec& masks) {
  add(identity, "mask.dna_rate", masks.dna_rate);
  add(identity, "mask.mask_share", masks.mask_share);
  add(identity, "mask.random_share", masks.random_share);
  add(identity, "mask.span_bases", masks.span_bases);
  add(identity, "mask.state_rate", masks.state_rate);
  add(identity, "mask.state_span_bins", masks.state_span_bins);
  add(identity, "mask.state_dropout", masks.state_dropout);
  add(identity, "mask.repeats", name_of(masks.repeats));
  add(identity, "mask.repeat_weight", masks.weight_in_repeats());
}

void add_optimizer(Identity& identity, const RunConfig& run) {
  add(identity, "optimizer.name",
      run.optimizer.kind == kernels::Optimizer::lamb ? "lamb" : "adamw");
  add(identity, "optimizer.learning_rate", run.schedule.peak);
  add(identity, "optimizer.beta1", run.optimizer.beta1);
  add(identity, "optimizer.beta2", run.optimizer.beta2);
  add(identity, "optimizer.epsilon", run.optimizer.epsilon);
  add(identity, "optimizer.weight_decay", run.optimizer.weight_decay);
  add(identity, "optimizer.max_gradient_norm", run.optimizer.max_gradient_norm);
  add(identity, "schedule.kind", run.schedule.kind == ScheduleKind::linear ? "linear" : "cosine");
  add(identity, "schedule.steps", run.schedule.steps);
  add(identity, "schedule.warmup_steps", run.schedule.warmup_steps);
  add(identity, "schedule.min_learning_rate", run.schedule.floor);
}

const std::string* find(const Identity& identity, const std::string& key) {
  for (const auto& [name, value] : identity) {
    if (name == key) return &value;
  }
  return nullptr;
}

// What runs did whose checkpoints have none of these keys.
const Identity& before_these_keys() {
  static const Identity identity = {{"data.min_acgt", "0"},
                                    {"data.cells_per_window", "0"},
                                    {"mask.repeats", "keep"},
                                    {"optimizer.name", "adamw"},
                                    {"mask.repeat_weight", "1"}};
  return identity;
}

}  // namespace

RunConfig read_run_config(Config& config) {
  RunConfig run;
  read_data(config, run);
  read_tokens(config, run);
  read_objective(config, run);
  read_masks(config, run);
  read_model(config, run);
  read_train(config, run);
  read_optimizer(config, run);
  read_schedule(config, run);
  read_cadences(config, run);
  config.refuse_unread();
  check_sharding(run);
  run.resolved = config.resolved();
  return run;
}

// LAMB needs norms of tensors, which shards cut; and the norm of a gradient is summed shard by
// shard, so its last bits depend on the number of ranks.
void check_sharding(const RunConfig& config) {
  if (!config.train.shard_optimizer) return;
  if (config.optimizer.kind == kernels::Optimizer::lamb) {
    throw ConfigError(
        "train.shard_optimizer = true goes with optimizer.name = \"adamw\" only: LAMB needs norms "
        "of whole tensors; leave one of the two out");
  }
  if (config.train.reproducible) {
    throw ConfigError(
        "train.shard_optimizer = true cannot be reproducible over numbers of ranks (the gradient's "
        "norm is summed shard by shard): leave out train.reproducible or train.shard_optimizer");
  }
}

Identity identity_of(const RunConfig& config) {
  Identity identity;
  add(identity, "data.min_acgt", config.min_acgt);
  add(identity, "data.cells_per_window", config.cells_per_window);
  add(identity, "tokens.k", config.tokens.k);
  add(identity, "tokens.stride", config.tokens.stride);
  add(identity, "tokens.length", config.tokens.length);
  add_masks(identity, config.masks);
  add_model(identity, config.model);
  add(identity, "objective.dna_weight", config.dna_weight);
  add(identity, "objective.state_weight", config.state_weight);
  add_optimizer(identity, config);
  add(identity, "train.global_batch", config.train.global_batch);
  add(identity, "train.micro_batch", config.train.micro_batch);
  add(identity, "train.seed", config.train.seed);
  add(identity, "train.jitter", config.train.jitter);
  add(identity, "train.reverse_complement", config.train.reverse_complement);
  return identity;
}

// Of before_these_keys, this one alone has another default today: repeat_weight counts for
// downweighted repeats only.
void take_older_defaults(const Identity& identity, RunConfig& config) {
  if (find(identity, "data.min_acgt") == nullptr) config.min_acgt = 0.0;
}

void check_same(const Identity& before, const Identity& now) {
  for (const auto& [key, value] : now) {
    const std::string* old_value = find(before, key);
    if (old_value == nullptr) old_value = find(before_these_keys(), key);
    core::require(old_value != nullptr, "a key of this program is known to older checkpoints");
    if (value == *old_value) continue;
    throw ConfigError(fmt::format(
        "{} was {} when this run began and is {} now: a run is resumed with the settings it "
        "began with; put {} = {} back, or start another run in a new folder",
        key, *old_value, value, key, *old_value));
  }
  for (const auto& [key, value] : before) {
    if (find(now, key) != nullptr) continue;
    throw ConfigError(
        fmt::format("{} = {} of this run is unknown to this program: resume it with the newer one",
                    key, value));
  }
}

}  // namespace epi::train
