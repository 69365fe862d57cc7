// The words of MPI that the files of this room share: checked calls, element types, an owner of a
// communicator. Of the room only: the types of MPI appear in it, and nobody else includes it.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>

#include "core/view.hpp"
#include "dist/communicator.hpp"

namespace epi::dist {

/// CommError with MPI's own text unless `code` is success; `call` names the function.
void check(int code, const char* call);

/// The element type in MPI's words; bf16 travels as 16 bits, and MPI can't sum it.
[[nodiscard]] MPI_Datatype mpi_type(core::DType type);

/// The size of a message. Open MPI is about twice as fast on 1 MB pieces as on one large message
/// (105 MB over 2 ranks: 24 ms against 50 ms), and a piece always fits MPI's int counts.
inline constexpr std::int64_t kMessageBytes = std::int64_t{1} << 20;

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

/// Each rank's part to `first` + its place in `comm` * `distance` bytes, on all ranks; a part may
/// lie there already. CommError.
void gather_parts(const Comm& comm, const ConstView& part, std::byte* first, std::size_t distance);

/// The ranks of `comm` that share this host's memory, in the order of `comm`. Collective.
[[nodiscard]] std::unique_ptr<Comm> same_host(const Comm& comm);

}  // namespace epi::dist
