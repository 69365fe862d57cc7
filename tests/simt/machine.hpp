// The machine on which kernels run in tests: one block at a time, its threads as fibers of the
// host's thread. The next thread is picked at random, from a seed, whenever one waits, so that what
// is right only in some orders fails under some seeds. What a GPU leaves undefined, or would hang
// on, is a LogicError here: warp-wide calls or barriers that not all threads reach, shared memory
// written past its end, addresses that are not aligned. Shared memory is NaN before each block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>

#include "kernels/cuda/launch.hpp"

namespace epi::kernels::simt::twin {

using Where = std::source_location;

/// Where the running thread is.
struct Position {
  int thread;
  int num_threads;
  int block[3];
  int grid[3];
  std::byte* arena;
};
extern constinit thread_local Position position;

/// What a warp meets for.
enum class Call : std::uint8_t {
  sync_warp,
  shuffle,
  shuffle_xor,
  shuffle_up,
  ballot,
  load_matrices,
  load_matrices_transposed,
  multiply_add,
};

/// Waits until all lanes of the warp are here, each with a word; returns the 32 words, which stay
/// until this lane's next meeting. The last one to arrive calls `finish` with them first.
const std::uint64_t* meet(Call call, std::uint64_t word, const Where& where,
                          void (*finish)(const std::uint64_t* words) = nullptr);
/// Waits until all threads of the block are here.
void sync_block(const Where& where);

/// Copies of 16 bytes into the arena that arrive as late as they may: at the wait. Until then the
/// destination is NaN.
void begin_copy(void* to_shared, const void* from_global, bool there, const Where& where);
void commit_copies();
void wait_copies(int groups_left);

/// LogicError unless the address is a multiple of 16.
void require_aligned(const void* address, const Where& where);
/// LogicError unless so many bytes lie in the block's shared memory.
void require_in_arena(const void* address, std::size_t bytes, const Where& where);
/// Ends the kernel with a LogicError.
[[noreturn]] void trap(const Where& where);

/// Row l % 8 of matrix l / 8 for lane l; r as in simt.cuh.
void load_matrices(std::uint32_t (&r)[4], const void* shared_row, Call call, const Where& where);
void multiply_add(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1,
                  const Where& where);

/// Queues the kernel on `stream`; work of an emulated device is done at once, except while the
/// stream is captured into a graph. LogicError where a device would refuse the launch.
void launch(const cuda::Launch& shape, void* stream, std::function<void()> thread_body);

/// LogicError when a kernel's parameter holds an address of the host's memory, other than pinned.
void refuse_host_pointers(const void* parameter, std::size_t bytes);

/// Runs all blocks, in an order of the seed. What a thread throws ends the kernel and comes out.
void run_kernel(const cuda::Launch& shape, const std::function<void()>& thread_body);

/// The seed of all orders from here on, in this thread of the host; at first it is that of
/// EPITRAIN_SIMT_SEED, or 0.
void set_seed(std::uint64_t seed);

}  // namespace epi::kernels::simt::twin
