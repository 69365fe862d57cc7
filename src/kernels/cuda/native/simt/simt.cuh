// The words that kernel bodies are written in, for GPUs. tests/simt has a twin of this header under
// the same include path, in which a block's threads are fibers of the host: kernels include
// "simt/simt.cuh" and nothing of CUDA, so the same source runs in both places.
//
// Rules of kernel bodies: blocks are one-dimensional; warp-wide calls are made by all 32 lanes;
// shared memory comes from `shared()` only; no static variables; floating-point atomics don't
// exist.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include "core/bf16.hpp"
#include "core/error.hpp"
#include "kernels/cuda/launch.hpp"

namespace epi::kernels::simt {

using core::BFloat16;

inline constexpr int kWarp = 32;

// Where a thread is.
__device__ inline int thread() {
  return static_cast<int>(threadIdx.x);
}
__device__ inline int num_threads() {
  return static_cast<int>(blockDim.x);
}
__device__ inline int lane() {
  return static_cast<int>(threadIdx.x) & (kWarp - 1);
}
__device__ inline int warp() {
  return static_cast<int>(threadIdx.x) / kWarp;
}
__device__ inline int num_warps() {
  return static_cast<int>(blockDim.x) / kWarp;
}
__device__ inline int block_x() {
  return static_cast<int>(blockIdx.x);
}
__device__ inline int block_y() {
  return static_cast<int>(blockIdx.y);
}
__device__ inline int block_z() {
  return static_cast<int>(blockIdx.z);
}
__device__ inline int grid_x() {
  return static_cast<int>(gridDim.x);
}
__device__ inline int grid_y() {
  return static_cast<int>(gridDim.y);
}
__device__ inline int grid_z() {
  return static_cast<int>(gridDim.z);
}

/// Waits for all threads of the block; what they wrote to shared and global memory is seen.
__device__ inline void sync_block() {
  __syncthreads();
}
/// The same for the warp.
__device__ inline void sync_warp() {
  __syncwarp();
}
/// Ends the kernel with an error that the host meets at its next wait: a broken promise.
__device__ inline void trap() {
  __trap();
}

/// The block's arena, aligned to 128 bytes; its size is Launch::shared_bytes.
__device__ inline std::byte* shared() {
  extern __shared__ __align__(128) unsigned char epi_shared_arena[];
  return reinterpret_cast<std::byte*>(epi_shared_arena);
}

constexpr unsigned kAllLanes = 0xffffffffU;

/// The value of lane `from`; T of 4 or 8 bytes. All lanes call it, as all below.
template <class T>
__device__ inline T shuffle(T value, int from) {
  return __shfl_sync(kAllLanes, value, from);
}
/// The value of lane `lane() ^ mask`.
template <class T>
__device__ inline T shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(kAllLanes, value, mask);
}
/// The value of lane `lane() - by`; lanes below `by` get their own.
template <class T>
__device__ inline T shuffle_up(T value, int by) {
  return __shfl_up_sync(kAllLanes, value, static_cast<unsigned>(by));
}
/// Bit i is set where lane i says true.
__device__ inline std::uint32_t ballot(bool value) {
  return __ballot_sync(kAllLanes, value ? 1 : 0);
}

/// Returns the value before; integers only, so that results depend on no order.
__device__ inline std::int32_t atomic_add(std::int32_t* at, std::int32_t value) {
  return atomicAdd(at, value);
}
__device__ inline std::int64_t atomic_add(std::int64_t* at, std::int64_t value) {
  return static_cast<std::int64_t>(
      atomicAdd(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value)));
}
/// Set bits of a word.
__device__ inline int count_bits(std::uint32_t word) {
  return __popc(word);
}

// Arithmetic whose device form is an instruction. fmaf, expf, logf, tanhf, erff, fmaxf, log1pf, pow
// and the like are called by their C names, which both compilers know.
/// 2^x, to about 2 units in the last place; 2^-inf = 0.
__device__ inline float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
/// 1 / sqrt(x), correctly rounded root and quotient.
__device__ inline float rsqrt_exact(float x) {
  return __fdiv_rn(1.0F, __fsqrt_rn(x));
}

__device__ inline float widen(BFloat16 value) {
  return __uint_as_float(static_cast<std::uint32_t>(value.bits) << 16U);
}
__device__ inline float widen(float value) {
  return value;
}
/// Two values as one word, `low` in its low half, rounded to nearest even.
__device__ inline std::uint32_t pack_bf16(float low, float high) {
  std::uint32_t word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}
/// Rounded to nearest even.
template <class T>
__device__ inline T narrow(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    return {static_cast<std::uint16_t>(pack_bf16(value, 0.0F))};
  }
}
/// The halves of such a word.
__device__ inline float low_half(std::uint32_t word) {
  return __uint_as_float(word << 16U);
}
__device__ inline float high_half(std::uint32_t word) {
  return __uint_as_float(word & 0xffff0000U);
}

/// 16 bytes, to be read and written by one instruction; its address is a multiple of 16.
struct alignas(16) Words {
  std::uint32_t w[4];
};
__device__ inline Words load_words(const void* from) {
  const uint4 v = *static_cast<const uint4*>(from);
  return {{v.x, v.y, v.z, v.w}};
}
/// Of global memory that is not read again soon.
__device__ inline Words load_words_once(const void* from) {
  const uint4 v = __ldcs(static_cast<const uint4*>(from));
  return {{v.x, v.y, v.z, v.w}};
}
__device__ inline void store_words(void* to, const Words& words) {
  *static_cast<uint4*>(to) = make_uint4(words.w[0], words.w[1], words.w[2], words.w[3]);
}
__device__ inline void store_words_once(void* to, const Words& words) {
  __stcs(static_cast<uint4*>(to), make_uint4(words.w[0], words.w[1], words.w[2], words.w[3]));
}

// Copies from global to shared memory that run beside the thread (cp.async).
/// 16 bytes, both addresses multiples of 16; zeros instead where `there` is false.
__device__ inline void copy_async(void* to_shared, const void* from_global, bool there = true) {
  const auto to = static_cast<std::uint32_t>(__cvta_generic_to_shared(to_shared));
  const int bytes = there ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from_global),
               "r"(bytes)
               : "memory");
}
/// Ends a group of the copies that this thread has begun.
__device__ inline void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Waits until at most `kLeft` of this thread's newest groups are under way. Other threads see the
/// bytes only after a sync_block that follows.
template <int kLeft>
__device__ inline void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
}

// Matrices over a warp, in the fragments of the PTX manual (mma.m16n8k16, ldmatrix).
/// Four 8 x 8 matrices of 16-bit elements: lane l gives the address of row l % 8 of matrix l / 8 (a
/// multiple of 16); r[i] gets elements (l / 4, 2 (l % 4) and the next) of matrix i.
__device__ inline void load_matrices(std::uint32_t (&r)[4], const void* shared_row) {
  const auto at = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared_row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(at)
               : "memory");
}
/// The same with each matrix transposed.
__device__ inline void load_matrices_transposed(std::uint32_t (&r)[4], const void* shared_row) {
  const auto at = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared_row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(at)
               : "memory");
}
/// d += a b with a bf16 16 x 16 (row-major fragment), b bf16 16 x 8 (column-major), d f32 16 x 8:
/// lane l holds d[0,1] at row l / 4, d[2,3] at row l / 4 + 8, columns 2 (l % 4) and the next.
__device__ inline void multiply_add(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                    std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// Queues a kernel on `stream` (cudaStream_t). DeviceError when the device refuses it. Asks for the
/// launch's own status: the thread's last error may be one that a library has met and mended.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const cuda::Launch& shape, void* stream,
            const Arguments&... arguments) {
  const auto check = [](cudaError_t status) {
    if (status == cudaSuccess) return;
    (void)cudaGetLastError();  // it has been told here
    throw core::DeviceError(std::string("a kernel could not be started: ") +
                            cudaGetErrorString(status));
  };
  constexpr std::size_t kWithoutOptIn = 48 * 1024;
  if (shape.shared_bytes > kWithoutOptIn) {
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                               cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shape.shared_bytes)));
  }
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(shape.grid_x, shape.grid_y, shape.grid_z);
  config.blockDim = dim3(shape.threads);
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = static_cast<cudaStream_t>(stream);
  check(cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...));
}

}  // namespace epi::kernels::simt
