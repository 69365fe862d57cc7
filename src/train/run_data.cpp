#include "train/run_data.hpp"

#include <fmt/format.h>

#include <utility>

#include "core/error.hpp"
#include "data/orders.hpp"
#include "train/training_step.hpp"

namespace epi::train {
namespace {

// Rates and lengths that leave an objective without a single target are a mistake.
void check_slots(const RunConfig& config, const core::CorpusView& corpus) {
  const model::BatchShape shape = batch_shape(config, corpus.bin_bp);
  const kernels::TokenSpec& tokens = config.tokens;
  const std::int32_t overlap_span = (config.masks.span_bases + tokens.k) / tokens.stride;
  if (config.dna_weight > 0.0 && tokens.stride < tokens.k &&
      tokens.dna_tokens() < 2 * (overlap_span + 1)) {
    throw core::ConfigError(fmt::format(
        "mask.span_bases = {} hides about {} tokens at a time, too many for windows of {} tokens: "
        "lower it, or lengthen tokens.length",
        config.masks.span_bases, overlap_span, tokens.length));
  }
  if (config.dna_weight > 0.0 && shape.dna_slots == 0) {
    throw core::ConfigError(fmt::format(
        "mask.dna_rate = {} of a window of {} tokens is less than one target: raise it, "
        "or lengthen tokens.length",
        config.masks.dna_rate, config.tokens.length));
  }
  if (config.state_weight > 0.0 && shape.state_slots == 0) {
    throw core::ConfigError(fmt::format(
        "mask.state_rate = {} of a window of {} bp is less than one bin of {} bp: raise it, "
        "lengthen tokens.length, or set objective.state_weight = 0",
        config.masks.state_rate, config.tokens.window_bp(), corpus.bin_bp));
  }
}

std::vector<double> weights_of(const data::Manifest& manifest,
                               const std::vector<std::int32_t>& cells) {
  std::vector<double> weights;
  for (const std::int32_t cell : cells) {
    weights.push_back(manifest.cells.at(static_cast<std::size_t>(cell)).weight);
  }
  return weights;
}

}  // namespace

data::WindowTable windows_of(const data::Manifest& manifest, const core::CorpusView& corpus,
                             data::Split split, const RunConfig& config) {
  const std::int64_t window_bp = config.tokens.window_bp();
  data::WindowTable table(manifest, corpus, split, window_bp, config.min_acgt);
  // Training without a window is refused by its order.
  const bool regions = !manifest.regions[static_cast<std::size_t>(split)].empty();
  if (table.size() > 0 || !regions || split == data::Split::train) return table;
  const std::int64_t poor = data::WindowTable(manifest, corpus, split, window_bp).size();
  if (poor > 0) {
    throw core::ConfigError(
        fmt::format("data.min_acgt = {} leaves out all {} windows of the {} regions: lower it, or "
                    "prepare the store with other --{} regions",
                    config.min_acgt, poor, name_of(split), name_of(split)));
  }
  throw core::ConfigError(
      fmt::format("no window of {} bp (tokens.length = {}) fits into the {} regions: lower "
                  "tokens.length, or prepare the store with longer --{} regions",
                  window_bp, config.tokens.length, name_of(split), name_of(split)));
}

std::vector<std::int32_t> cells_read(const data::Manifest& manifest) {
  std::vector<std::int32_t> cells = cells_of(manifest, data::Split::train);
  const std::vector<std::int32_t> valid = cells_of(manifest, data::Split::valid);
  cells.insert(cells.end(), valid.begin(), valid.end());
  return cells;
}

RunData open_run_data(const RunConfig& config, const dist::Communicator& world) {
  data::Store store = data::Store::open(config.store, /*deep=*/world.node_rank() == 0);
  const core::CorpusView corpus = store.corpus();
  check_slots(config, corpus);
  const data::Manifest& manifest = store.manifest();
  const auto windows = [&](data::Split split) {
    return windows_of(manifest, corpus, split, config);
  };
  const auto train_cells = cells_of(manifest, data::Split::train);
  data::WindowTable train_windows = windows(data::Split::train);
  const std::int64_t num_train = train_windows.size();
  const double min_acgt = train_windows.leaves_out() ? config.min_acgt : 0.0;
  auto order = std::make_unique<data::PretrainingOrder>(
      std::move(train_windows), train_cells,
      data::PretrainingOptions{.seed = config.train.seed,
                               .jitter = config.train.jitter,
                               .reverse_complement = config.train.reverse_complement,
                               .cells_per_window = config.cells_per_window,
                               .weights = weights_of(manifest, train_cells)});
  // Held-out regions with every known cell type; where only cell types are held out, those.
  std::vector<std::int32_t> cells = cells_of(manifest, data::Split::valid);
  data::WindowTable table = windows(data::Split::valid);
  const std::int64_t num_valid = table.size();
  if (table.size() > 0) {
    cells.insert(cells.begin(), train_cells.begin(), train_cells.end());
  } else if (!cells.empty()) {
    table = windows(data::Split::train);
  }
  std::unique_ptr<data::SampleSource> valid;
  if (table.size() > 0) {
    valid = std::make_unique<data::EvaluationOrder>(std::move(table), std::move(cells),
                                                    config.evaluate_windows);
  }
  return {.store = std::move(store),
          .corpus = corpus,
          .order = std::move(order),
          .valid = std::move(valid),
          .train_windows = num_train,
          .valid_windows = num_valid,
          .min_acgt = min_acgt};
}

}  // namespace epi::train
