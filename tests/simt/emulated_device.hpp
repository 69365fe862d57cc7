// CUDA devices in the host's memory: a program that links this has them in place of the product's.
// Work is done at once, in the order in which it is queued, or when a graph of it is launched. What
// a real device would refuse is a DeviceError, memory written outside of what was allocated a
// LogicError at the kernel or copy that did it.
#pragma once

#include <cstddef>
#include <functional>

#include "core/device.hpp"

namespace epi::core::emulated {

/// Of all devices from now on; at first 2 devices of 4 multiprocessors, compute capability 8.0,
/// 99 KiB of shared memory (the least of all devices that are served) and 1 GiB of memory.
void set_device_count(int count);
void set_properties(const DeviceProperties& properties);
/// Bytes that are allocated on all devices now.
[[nodiscard]] std::size_t allocated_bytes();
/// Does work of the host as if it were a kernel's: now, or when the graph is launched that `stream`
/// is being recorded into. LogicError when it writes outside of its memory.
void queue(void* stream, std::function<void()> work, const char* name);
/// Whether this thread records work into a graph.
[[nodiscard]] bool recording();

}  // namespace epi::core::emulated
