// The words that kernel bodies are written in, for the host: the twin of
// src/kernels/cuda/native/simt/simt.cuh, line by line. A block's threads are fibers, see
// simt/machine.hpp. Every call that all lanes or threads make knows the place it was made from, for
// the error when they are at different places.
#pragma once

#include <math.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <tuple>
#include <type_traits>

#include "core/bf16.hpp"
#include "core/error.hpp"
#include "kernels/cuda/launch.hpp"
#include "simt/machine.hpp"

// CUDA's words for functions, which mean nothing here.
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

namespace epi::kernels::simt {

using core::BFloat16;

inline constexpr int kWarp = 32;

inline int thread() {
  return twin::position.thread;
}
inline int num_threads() {
  return twin::position.num_threads;
}
inline int lane() {
  return twin::position.thread & (kWarp - 1);
}
inline int warp() {
  return twin::position.thread / kWarp;
}
inline int num_warps() {
  return twin::position.num_threads / kWarp;
}
inline int block_x() {
  return twin::position.block[0];
}
inline int block_y() {
  return twin::position.block[1];
}
inline int block_z() {
  return twin::position.block[2];
}
inline int grid_x() {
  return twin::position.grid[0];
}
inline int grid_y() {
  return twin::position.grid[1];
}
inline int grid_z() {
  return twin::position.grid[2];
}

inline void sync_block(twin::Where where = twin::Where::current()) {
  twin::sync_block(where);
}
inline void sync_warp(twin::Where where = twin::Where::current()) {
  (void)twin::meet(twin::Call::sync_warp, 0, where);
}
/// The launch throws LogicError.
[[noreturn]] inline void trap(twin::Where where = twin::Where::current()) {
  twin::trap(where);
}

inline std::byte* shared() {
  return twin::position.arena;
}

constexpr unsigned kAllLanes = 0xffffffffU;

namespace twin {
template <class T>
std::uint64_t to_word(T value) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles take 4 or 8 bytes");
  static_assert(std::is_arithmetic_v<T>, "shuffles take numbers");
  std::uint64_t word = 0;
  std::memcpy(&word, &value, sizeof value);
  return word;
}
template <class T>
T from_word(std::uint64_t word) {
  T value;
  std::memcpy(&value, &word, sizeof value);
  return value;
}

/// Kernels take what can be copied as bytes, and no address of the host's memory.
template <class T>
void check_parameter(T parameter) {
  static_assert(std::is_trivially_copyable_v<T>);
  // Padding may hold anything. Of a copy: GCC 12 clears too much in arrays of structs.
  __builtin_clear_padding(&parameter);
  refuse_host_pointers(&parameter, sizeof parameter);
}
}  // namespace twin

template <class T>
T shuffle(T value, int from, twin::Where where = twin::Where::current()) {
  const std::uint64_t* words = twin::meet(twin::Call::shuffle, twin::to_word(value), where);
  return twin::from_word<T>(words[from & (kWarp - 1)]);
}
template <class T>
T shuffle_xor(T value, int mask, twin::Where where = twin::Where::current()) {
  const std::uint64_t* words = twin::meet(twin::Call::shuffle_xor, twin::to_word(value), where);
  return twin::from_word<T>(words[(lane() ^ mask) & (kWarp - 1)]);
}
template <class T>
T shuffle_up(T value, int by, twin::Where where = twin::Where::current()) {
  const std::uint64_t* words = twin::meet(twin::Call::shuffle_up, twin::to_word(value), where);
  return twin::from_word<T>(words[lane() < by ? lane() : lane() - by]);
}
inline std::uint32_t ballot(bool value, twin::Where where = twin::Where::current()) {
  const std::uint64_t* words = twin::meet(twin::Call::ballot, value ? 1 : 0, where);
  std::uint32_t mask = 0;
  for (unsigned i = 0; i < kWarp; ++i) mask |= static_cast<std::uint32_t>(words[i]) << i;
  return mask;
}

// Fibers never stop inside of these, so they are atomic.
inline std::int32_t atomic_add(std::int32_t* at, std::int32_t value) {
  const std::int32_t before = *at;
  *at = static_cast<std::int32_t>(static_cast<std::uint32_t>(before) +
                                  static_cast<std::uint32_t>(value));
  return before;
}
inline std::int64_t atomic_add(std::int64_t* at, std::int64_t value) {
  const std::int64_t before = *at;
  *at = static_cast<std::int64_t>(static_cast<std::uint64_t>(before) +
                                  static_cast<std::uint64_t>(value));
  return before;
}
inline int count_bits(std::uint32_t word) {
  return std::popcount(word);
}

inline float exp2_fast(float x) {
  return exp2f(x);
}
inline float rsqrt_exact(float x) {
  return 1.0F / sqrtf(x);
}

inline float widen(BFloat16 value) {
  return core::to_float(value);
}
inline float widen(float value) {
  return value;
}
inline std::uint32_t pack_bf16(float low, float high) {
  return core::to_bf16(low).bits | static_cast<std::uint32_t>(core::to_bf16(high).bits) << 16U;
}
template <class T>
T narrow(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    return core::to_bf16(value);
  }
}
inline float low_half(std::uint32_t word) {
  return std::bit_cast<float>(word << 16U);
}
inline float high_half(std::uint32_t word) {
  return std::bit_cast<float>(word & 0xffff0000U);
}

struct alignas(16) Words {
  std::uint32_t w[4];
};
inline Words load_words(const void* from, twin::Where where = twin::Where::current()) {
  twin::require_aligned(from, where);
  Words words;
  std::memcpy(&words, from, sizeof words);
  return words;
}
inline Words load_words_once(const void* from, twin::Where where = twin::Where::current()) {
  return load_words(from, where);
}
inline void store_words(void* to, const Words& words, twin::Where where = twin::Where::current()) {
  twin::require_aligned(to, where);
  std::memcpy(to, &words, sizeof words);
}
inline void store_words_once(void* to, const Words& words,
                             twin::Where where = twin::Where::current()) {
  store_words(to, words, where);
}

inline void copy_async(void* to_shared, const void* from_global, bool there = true,
                       twin::Where where = twin::Where::current()) {
  twin::begin_copy(to_shared, from_global, there, where);
}
inline void commit_copies() {
  twin::commit_copies();
}
template <int kLeft>
void wait_copies() {
  twin::wait_copies(kLeft);
}

inline void load_matrices(std::uint32_t (&r)[4], const void* shared_row,
                          twin::Where where = twin::Where::current()) {
  twin::load_matrices(r, shared_row, twin::Call::load_matrices, where);
}
inline void load_matrices_transposed(std::uint32_t (&r)[4], const void* shared_row,
                                     twin::Where where = twin::Where::current()) {
  twin::load_matrices(r, shared_row, twin::Call::load_matrices_transposed, where);
}
inline void multiply_add(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                         std::uint32_t b1, twin::Where where = twin::Where::current()) {
  twin::multiply_add(d, a, b0, b1, where);
}

/// Done when it returns, on an emulated device: LogicError for what the kernel met.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const cuda::Launch& shape, void* stream,
            const Arguments&... arguments) {
  const std::tuple<Parameters...> parameters{Parameters(arguments)...};
  if (stream != nullptr) {  // tests of single kernels work in host memory, without a stream
    std::apply([](const auto&... parameter) { (twin::check_parameter(parameter), ...); },
               parameters);
  }
  twin::launch(shape, stream, [kernel, parameters] { std::apply(kernel, parameters); });
}

}  // namespace epi::kernels::simt
