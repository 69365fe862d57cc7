#include "train/precision.hpp"

#include <fmt/format.h>

#include <vector>

#include "core/error.hpp"

namespace epi::train {
namespace {

std::string instruction_set_of(const kernels::Ops& ops) {
  const std::string description = ops.description();
  return description.substr(0, description.find(','));
}

/// What computes, in one word.
const char* noun_of(const kernels::Ops& ops) {
  return ops.device() == core::kCpu ? "processor" : "GPU";
}

std::string rank_text(std::size_t rank, std::size_t ranks) {
  return ranks == 1 ? "this processor" : fmt::format("rank {}'s processor", rank);
}

/// Why the ranks can't compute in bf16; empty when they can. `units` is Ops::bf16_unit by rank.
std::string objection(const std::vector<std::string>& units) {
  for (std::size_t rank = 0; rank < units.size(); ++rank) {
    if (units[rank].empty()) {
      return fmt::format("{} has no AVX512-BF16 or AMX, or EPITRAIN_ISA hides it",
                         rank_text(rank, units.size()));
    }
    if (units[rank] != units[0]) {
      return fmt::format(
          "rank 0 multiplies bf16 by {} and rank {} by {}, which sum in other orders", units[0],
          rank, units[rank]);
    }
  }
  return "";
}

}  // namespace

const char* name_of(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return "fp32";
    case Precision::bf16:
      return "bf16";
    case Precision::automatic:
      break;
  }
  return "auto";
}

PrecisionChoice choose_precision(Precision wished, const kernels::Ops& ops,
                                 dist::Communicator& world) {
  const std::vector<std::string> units = world.gather_text(ops.bf16_unit());
  const std::string against = objection(units);
  if (wished == Precision::bf16 && !against.empty()) {
    dist::agree(world, [&] {
      throw core::ConfigError(fmt::format(
          "bf16 was asked for, but {}; set train.precision (or --precision) to auto or fp32",
          against));
    });
  }
  const bool bf16 = wished != Precision::fp32 && against.empty();
  PrecisionChoice choice{.activations = bf16 ? core::DType::bf16 : core::DType::f32,
                         .name = bf16 ? "bf16" : "fp32",
                         .line = {},
                         .instruction_set = instruction_set_of(ops)};
  // A GPU's description begins with its model, which is the unit as well.
  if (bf16 && ops.device() == core::kCpu) choice.instruction_set += ", " + units[0];
  if (wished != Precision::automatic) {
    choice.line = choice.name + ": as train.precision says";
  } else if (bf16) {
    choice.line = fmt::format("bf16: {} {} multiplies pairs of it ({})",
                              units.size() == 1 ? "this" : "every rank's", noun_of(ops), units[0]);
  } else {
    choice.line = "fp32: " + against;
  }
  return choice;
}

}  // namespace epi::train
