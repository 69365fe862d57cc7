// Where a run computes: what was asked for, and which devices the ranks have.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/device.hpp"
#include "dist/communicator.hpp"
#include "kernels/ops.hpp"

namespace epi::train {

/// train.device: automatic takes GPUs where every rank has one, else the CPU.
enum class DeviceWish : std::uint8_t { automatic, cpu, cuda };

/// "auto", "cpu" or "cuda".
[[nodiscard]] const char* name_of(DeviceWish wish);
/// Their inverse; ConfigError for anything else.
[[nodiscard]] DeviceWish device_named(const std::string& name);

/// The outcome: one kind of device for all ranks.
struct DeviceChoice {
  core::Device device = core::kCpu;  ///< of this rank
  std::string line = "cpu";          ///< for people: what was taken, and why; of rank 0
};

/// What a rank finds on its machine.
struct FoundDevice {
  std::string missing;  ///< why it can have no GPU; "" where it has one
  std::string gpu;      ///< its model
};

/// Whether the ranks compute on GPUs, and the line that says so. DeviceError where GPUs are asked
/// for and some rank has none.
[[nodiscard]] bool choose_cuda(DeviceWish wish, std::span<const FoundDevice> ranks,
                               std::string& line);

/// Each rank's device, by its number on its host. Collective; every failure is thrown by all ranks:
/// DeviceError where GPUs are asked for and some rank has none, or one that is too old; UsageError
/// where a host has fewer GPUs than ranks.
[[nodiscard]] DeviceChoice choose_device(DeviceWish wish, dist::Communicator& world);

/// The back end of a device. `threads` counts on the CPU. With `reproducible` a GPU's products do
/// not cut their inner dimension, so that bits do not depend on how it was cut. DeviceError.
[[nodiscard]] std::unique_ptr<kernels::Ops> make_ops(core::Device device, int threads,
                                                     bool reproducible = false);

}  // namespace epi::train
