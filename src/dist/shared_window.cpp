// Windows begin anywhere (Open MPI puts the first part 8 bytes past a cache line), so every rank
// asks for a page more and begins at the next one. Pages are where all ranks see the same
// alignment.
#include "dist/shared_window.hpp"

#include <sys/mman.h>
#include <sys/statvfs.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace epi::dist {
namespace {

constexpr std::size_t kPage = 4096;
/// Left to MPI's own buffers and to other programs.
constexpr std::size_t kSpare = std::size_t{16} << 20U;

std::byte* next_page(std::byte* memory) {
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  return memory + (kPage - address % kPage) % kPage;
}

/// Where Open MPI keeps windows; others use it too.
const char* window_folder() {
  const char* chosen = std::getenv("OMPI_MCA_osc_sm_backing_directory");
  return chosen != nullptr ? chosen : "/dev/shm";
}

bool room_here(std::size_t bytes) {
  struct statvfs disk = {};
  // A folder that nobody can ask about is MPI's to judge.
  if (::statvfs(window_folder(), &disk) != 0) return true;
  return static_cast<std::size_t>(disk.f_bavail) * disk.f_frsize >= bytes + kSpare;
}

}  // namespace

SharedWindow::SharedWindow(const Comm& comm, std::size_t bytes) {
  std::byte* mine = nullptr;
  const auto asked = static_cast<MPI_Aint>((bytes + kPage - 1) / kPage * kPage + kPage);
  check(MPI_Win_allocate_shared(asked, 1, MPI_INFO_NULL, comm.get(), &mine, &window_),
        "MPI_Win_allocate_shared");
  for (int rank = 0; rank < comm.size(); ++rank) {
    MPI_Aint size = 0;
    int unit = 0;
    std::byte* base = nullptr;
    check(MPI_Win_shared_query(window_, rank, &size, &unit, &base), "MPI_Win_shared_query");
    parts_.push_back(next_page(base));
  }
  check(MPI_Win_lock_all(MPI_MODE_NOCHECK, window_), "MPI_Win_lock_all");
  std::byte* const part = parts_[static_cast<std::size_t>(comm.rank())];
  // A hint, taken where the system allows huge pages in shared memory.
  (void)::madvise(part, bytes, MADV_HUGEPAGE);
  // The rank that touches a page first gets it on its own memory node.
  std::memset(part, 0, bytes);
  check(MPI_Barrier(comm.get()), "MPI_Barrier");
}

SharedWindow::~SharedWindow() {
  if (!guard_.may_free()) return;
  (void)MPI_Win_unlock_all(window_);
  (void)MPI_Win_free(&window_);
}

bool has_room(const Comm& comm, std::size_t bytes) {
  int room = room_here((bytes + 2 * kPage) * static_cast<std::size_t>(comm.size())) ? 1 : 0;
  check(MPI_Bcast(&room, 1, MPI_INT, 0, comm.get()), "MPI_Bcast");
  return room == 1;
}

}  // namespace epi::dist
