// A row of logits and the threads that have it: how it is cut into stretches of 16 bytes, kept in
// shared memory between its one reading and its one writing, and summed. Rows may begin at any
// element: the few before the first and after the last 16 bytes are held one a thread.
#pragma once

#include <bit>

#include "kernels/cuda/class_loss.hpp"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {

using core::BFloat16;
using simt::Words;

inline constexpr float kLog2E = 1.44269504088896340736F;

/// The elements of 16 bytes as floats.
template <class T>
struct Element;
template <>
struct Element<float> {
  static constexpr int kPerWords = 4;
  __device__ static float get(const Words& words, int i) {
    return std::bit_cast<float>(words.w[i]);
  }
  __device__ static void set_pair(Words& words, int i, float first, float second) {
    words.w[i] = std::bit_cast<std::uint32_t>(first);
    words.w[i + 1] = std::bit_cast<std::uint32_t>(second);
  }
  /// exp(logit - top).
  __device__ static float exponential(float logit, float top) { return expf(logit - top); }
};
template <>
struct Element<BFloat16> {
  static constexpr int kPerWords = 8;
  __device__ static float get(const Words& words, int i) {
    return i % 2 == 0 ? simt::low_half(words.w[i / 2]) : simt::high_half(words.w[i / 2]);
  }
  __device__ static void set_pair(Words& words, int i, float first, float second) {
    words.w[i / 2] = simt::pack_bf16(first, second);
  }
  /// What bf16 has no digits for need not be exact; the exponential of 0 is.
  __device__ static float exponential(float logit, float top) {
    return simt::exp2_fast((logit - top) * kLog2E);
  }
};

/// The threads that have a row, and how they agree.
template <RowPlan kPlan>
struct Team {
  static constexpr bool kIsBlock = kPlan != RowPlan::warp;
  std::byte* room;  // kTeamBytes; of blocks only

  __device__ static int index() { return kIsBlock ? simt::thread() : simt::lane(); }
  __device__ static int size() { return kIsBlock ? simt::num_threads() : simt::kWarp; }
  __device__ static void sync() {
    if constexpr (kIsBlock) {
      simt::sync_block();
    } else {
      simt::sync_warp();
    }
  }
  /// combine over all threads, in all of them, in the same order every time. Calls in turn take
  /// `use` 0 and 1, so that none has to wait for the readers of the one before.
  template <class V, class Combine>
  __device__ V over_all(V value, int use, Combine combine) const {
    for (int mask = simt::kWarp / 2; mask > 0; mask /= 2) {
      value = combine(value, simt::shuffle_xor(value, mask));
    }
    if constexpr (kIsBlock) {
      static_assert(sizeof(V) == sizeof(float));
      V* of_warps = reinterpret_cast<V*>(room) + use * simt::kWarp;
      if (simt::lane() == 0) of_warps[simt::warp()] = value;
      simt::sync_block();
      value = of_warps[0];
      for (int w = 1; w < simt::num_warps(); ++w) value = combine(value, of_warps[w]);
    }
    return value;
  }
};
inline constexpr std::size_t kTeamBytes = 2 * simt::kWarp * sizeof(float);

/// A row in memory: `head` elements, then `vectors` times 16 bytes, then the rest.
template <class T>
struct LogitRow {
  static constexpr int kPer = Element<T>::kPerWords;
  T* first;
  std::int32_t classes;
  std::int32_t head;
  std::int32_t vectors;

  __device__ LogitRow(T* row, std::int64_t count)
      : first(row), classes(static_cast<std::int32_t>(count)) {
    const auto past = static_cast<std::int32_t>(reinterpret_cast<std::uintptr_t>(row) %
                                                sizeof(Words) / sizeof(T));
    head = past == 0 ? 0 : kPer - past;
    if (head > classes) head = classes;
    vectors = (classes - head) / kPer;
  }
  /// Place of 16-byte vector `v`.
  __device__ std::int32_t element(std::int32_t v) const { return head + v * kPer; }
  /// The element outside of the vectors that is thread `t`'s, or -1: at most 14 threads have one.
  __device__ std::int32_t edge(std::int32_t t) const {
    if (t < head) return t;
    const std::int32_t at = element(vectors) + (t - head);
    return at < classes ? at : -1;
  }
};

/// A thread's share of a row: every size()th vector, and maybe an element of the edges.
template <class T, RowPlan kPlan>
class RowShare {
 public:
  static constexpr int kPer = Element<T>::kPerWords;

  /// Reads the row. `kept` has room for its vectors, of which each thread uses its own only.
  __device__ RowShare(const LogitRow<T>& place, Words* kept)
      : place_(place), kept_(kept), edge_at_(place.edge(Team<kPlan>::index())) {
    edge_ = edge_at_ < 0 ? -INFINITY : simt::widen(place.first[edge_at_]);
    if constexpr (kPlan != RowPlan::block_rereads) {
      for (std::int32_t v = Team<kPlan>::index(); v < place_.vectors; v += Team<kPlan>::size()) {
        simt::copy_async(kept_ + v, place_.first + place_.element(v));
      }
      simt::commit_copies();
      simt::wait_copies<0>();
    }
  }

  __device__ float largest() const {
    float top = edge_;
    each_vector([&](const Words& words, std::int32_t) {
      for (int j = 0; j < kPer; ++j) top = fmaxf(top, Element<T>::get(words, j));
    });
    return top;
  }

  __device__ float sum_of_exponentials(float top) const {
    float sum = edge_at_ < 0 ? 0.0F : Element<T>::exponential(edge_, top);
    each_vector([&](const Words& words, std::int32_t) {
      for (int j = 0; j < kPer; ++j) sum += Element<T>::exponential(Element<T>::get(words, j), top);
    });
    return sum;
  }

  /// The lowest place of `top`, or `nowhere`.
  __device__ std::int32_t first_of(float top, std::int32_t nowhere) const {
    std::int32_t lowest = edge_at_ >= 0 && edge_ == top ? edge_at_ : nowhere;
    each_vector([&](const Words& words, std::int32_t v) {
      for (int j = 0; j < kPer; ++j) {
        const std::int32_t at = place_.element(v) + j;
        if (Element<T>::get(words, j) == top && at < lowest) lowest = at;
      }
    });
    return lowest;
  }

  /// Overwrites the row by factor * exp(logit - top).
  __device__ void store_gradient(float factor, float top) const {
    each_vector([&](const Words& words, std::int32_t v) {
      Words out;
      for (int j = 0; j < kPer; j += 2) {
        Element<T>::set_pair(out, j,
                             factor * Element<T>::exponential(Element<T>::get(words, j), top),
                             factor * Element<T>::exponential(Element<T>::get(words, j + 1), top));
      }
      simt::store_words(place_.first + place_.element(v), out);
    });
    if (edge_at_ < 0) return;
    place_.first[edge_at_] = simt::narrow<T>(factor * Element<T>::exponential(edge_, top));
  }

 private:
  /// Calls use(words, v) for each of the thread's vectors.
  template <class Use>
  __device__ void each_vector(Use use) const {
    for (std::int32_t v = Team<kPlan>::index(); v < place_.vectors; v += Team<kPlan>::size()) {
      if constexpr (kPlan == RowPlan::block_rereads) {
        use(simt::load_words(place_.first + place_.element(v)), v);
      } else {
        use(simt::load_words(kept_ + v), v);
      }
    }
  }

  const LogitRow<T>& place_;
  Words* kept_;
  std::int32_t edge_at_;
  float edge_;
};

}  // namespace epi::kernels::cuda
