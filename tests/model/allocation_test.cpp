// No allocation of ours inside of a step: every operator new of this program is counted. oneDNN's
// own are let through as long as they are small: each execution builds a map of its few arguments.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "model/model_run.hpp"

namespace {

std::atomic<std::int64_t> allocations{0};

bool in_onednn(const void* address) {
  Dl_info info{};
  return dladdr(address, &info) != 0 && info.dli_fname != nullptr &&
         std::strstr(info.dli_fname, "libdnnl") != nullptr;
}

void* counted(std::size_t bytes, std::size_t alignment, const void* caller) {
  constexpr std::size_t kBookkeeping = 512;  // bytes: never activations or scratch
  if (bytes > kBookkeeping || !in_onednn(caller)) {
    allocations.fetch_add(1, std::memory_order_relaxed);
  }
  const std::size_t rounded = (bytes + alignment) / alignment * alignment;
  if (void* memory = std::aligned_alloc(alignment, rounded)) return memory;
  throw std::bad_alloc();
}

}  // namespace

// Both sides of every pair are replaced below; gcc sees one of them inlined and misses the other.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

void* operator new(std::size_t bytes) {
  return counted(bytes, alignof(std::max_align_t), __builtin_return_address(0));
}
void* operator new[](std::size_t bytes) {
  return counted(bytes, alignof(std::max_align_t), __builtin_return_address(0));
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace epi::model::testing {
namespace {

void expect_none_after_the_first(kernels::Activation activation) {
  ModelConfig config = preset("tiny");
  config.vocabulary = 69;
  config.num_states = 5;
  config.dropout = 0.1F;
  config.activation = activation;
  ModelRun run(config, {.batch = 2, .tokens = 40, .dna_slots = 6, .state_slots = 4}, 2);
  run.fill_weights(0.1F);
  run.forward(true);  // the back end makes its primitives for these shapes
  run.backward();
  const std::int64_t before = allocations.load();
  EXPECT_GT(before, 0);  // the counter counts
  for (int step = 0; step < 3; ++step) {
    run.forward(true);
    run.backward();
  }
  EXPECT_EQ(allocations.load(), before);
}

TEST(MaskedModelAllocation, none_in_a_step_after_the_first) {
  expect_none_after_the_first(kernels::Activation::gelu_tanh);
}

TEST(MaskedModelAllocation, none_in_a_step_with_exact_gelu) {
  expect_none_after_the_first(kernels::Activation::gelu);
}

}  // namespace
}  // namespace epi::model::testing
