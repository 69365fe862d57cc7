// The CPU back end's threads. Work is cut into tasks by shape alone, so results have the same bits
// at any number of threads; threads only decide who takes which task.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/buffer.hpp"

namespace epi::kernels::cpu {

class Pool {
 public:
  /// `threads` >= 1; the caller is one of them. Each runs oneDNN with one OpenMP thread.
  explicit Pool(int threads);
  /// Waits for the workers to end; not to be called inside `run`.
  ~Pool();
  /// Not copied: it owns threads.
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// The caller included.
  [[nodiscard]] int threads() const;

  /// Calls body(task, thread) for each task in 0..tasks-1 and returns when all are done. Each
  /// thread begins with a stretch of tasks of its own, in order and the same for the same number of
  /// tasks, then helps the others; one task runs on the caller alone. Bodies must not throw; no
  /// allocation.
  template <class Body>
  void run(std::int64_t tasks, const Body& body) {
    run_erased(tasks, &body, [](const void* b, std::int64_t task, int thread) {
      (*static_cast<const Body*>(b))(task, thread);
    });
  }

  /// Memory for the op that runs now, on 64-byte lines: it grows at the first call with a shape and
  /// is kept. It holds what the last op left there.
  [[nodiscard]] std::byte* scratch(std::size_t bytes) {
    if (bytes > scratch_.bytes()) scratch_ = core::Buffer(core::kCpu, bytes);
    return scratch_.data();
  }

  /// As it has grown so far.
  [[nodiscard]] std::size_t scratch_bytes() const { return scratch_.bytes(); }

 private:
  using Call = void (*)(const void* body, std::int64_t task, int thread);
  /// `run` without its template: bodies are called through a pointer.
  void run_erased(std::int64_t tasks, const void* body, Call call);
  struct State;
  std::unique_ptr<State> state_;
  core::Buffer scratch_;
};

}  // namespace epi::kernels::cpu
