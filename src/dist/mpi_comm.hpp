// The words of MPI that the files of this room share: checked calls, element types, an owner of a
// communicator. Of the room only: the types of MPI appear in it, and nobody else includes it.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <memory>

#include "core/view.hpp"
#include "dist/communicator.hpp"

namespace epi::dist {

/// CommError with MPI's own text unless `code` is success; `call` names the function.
void check(int code, const char* call);

/// The element type in MPI's words; bf16 travels as 16 bits, and only ReduceOp can sum it.
[[nodiscard]] MPI_Datatype mpi_type(core::DType type);

/// A reduction in MPI's words: its own, or ours for bf16, which MPI does not know. Freed while MPI
/// runs. CommError.
class ReduceOp {
 public:
  /// For elements of `type`, which must be reducible.
  ReduceOp(Reduce op, core::DType type);
  /// Frees what was made.
  ~ReduceOp();
  /// Not copied: freed once.
  ReduceOp(const ReduceOp&) = delete;
  ReduceOp& operator=(const ReduceOp&) = delete;

  /// For calls of MPI; owned by this object.
  [[nodiscard]] MPI_Op get() const { return op_; }

 private:
  MPI_Op op_;
  bool ours_ = false;
};

/// Calls piece(first element, number of elements) over [0, count) in pieces of `piece_bytes`.
template <class Piece>
void in_pieces(std::int64_t count, core::DType type, std::int64_t piece_bytes, Piece piece) {
  const std::int64_t step =
      std::max<std::int64_t>(1, piece_bytes / static_cast<std::int64_t>(core::size_of(type)));
  for (std::int64_t first = 0; first < count; first += step) {
    piece(first, static_cast<int>(std::min(step, count - first)));
  }
}

/// Whether MPI objects may be freed: freeing is collective, so not while this rank is failing
/// alone.
class FreeGuard {
 public:
  /// Not after MPI_Finalize, nor while an exception unwinds that was not there at the beginning.
  [[nodiscard]] bool may_free() const;

 private:
  int at_start_ = std::uncaught_exceptions();
};

/// Owner of an MPI communicator that returns errors instead of ending the program.
class Comm {
 public:
  /// Takes `comm` over. CommError.
  explicit Comm(MPI_Comm comm);
  /// Frees it, together with all its ranks; see FreeGuard.
  ~Comm();
  /// Not copied: freed once.
  Comm(const Comm&) = delete;
  Comm& operator=(const Comm&) = delete;

  /// For calls of MPI; owned by this object.
  [[nodiscard]] MPI_Comm get() const { return comm_; }
  /// This process, 0..size()-1.
  [[nodiscard]] int rank() const { return rank_; }
  /// Its ranks, at least 1.
  [[nodiscard]] int size() const { return size_; }

 private:
  FreeGuard guard_;
  MPI_Comm comm_;
  int rank_ = 0;
  int size_ = 1;
};

/// The ranks of `comm` that share this host's memory, in the order of `comm`. Collective.
[[nodiscard]] std::unique_ptr<Comm> same_host(const Comm& comm);

}  // namespace epi::dist
