// Errors of MPI come back as codes and become CommError with MPI's own text.
#include "dist/mpi_comm.hpp"

#include <fmt/format.h>

#include <string_view>

#include "core/error.hpp"

namespace epi::dist {
void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  (void)MPI_Error_string(code, text, &length);
  throw core::CommError(
      fmt::format("{} failed: {}", call, std::string_view(text, static_cast<std::size_t>(length))));
}

MPI_Datatype mpi_type(core::DType type) {
  switch (type) {
    case core::DType::f32:
      return MPI_FLOAT;
    case core::DType::f64:
      return MPI_DOUBLE;
    case core::DType::i64:
      return MPI_INT64_T;
    case core::DType::i32:
      return MPI_INT32_T;
    case core::DType::bf16:
      return MPI_UINT16_T;
    case core::DType::u8:
      break;
  }
  return MPI_BYTE;
}

bool FreeGuard::may_free() const {
  int finalized = 0;
  (void)MPI_Finalized(&finalized);
  return finalized == 0 && std::uncaught_exceptions() == at_start_;
}

Comm::Comm(MPI_Comm comm) : comm_(comm) {
  check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check(MPI_Comm_rank(comm_, &rank_), "MPI_Comm_rank");
  check(MPI_Comm_size(comm_, &size_), "MPI_Comm_size");
}

Comm::~Comm() {
  if (guard_.may_free()) (void)MPI_Comm_free(&comm_);
}

namespace {

/// `part` is one message. Parts go straight to their places: the receive type is a part whose
/// extent is the distance between places.
void gather_message(const Comm& comm, const ConstView& part, std::byte* first,
                    std::size_t distance) {
  const MPI_Datatype element = mpi_type(part.dtype());
  const auto count = static_cast<int>(part.size());
  MPI_Datatype plain = MPI_DATATYPE_NULL;
  MPI_Datatype spaced = MPI_DATATYPE_NULL;
  check(MPI_Type_contiguous(count, element, &plain), "MPI_Type_contiguous");
  check(MPI_Type_create_resized(plain, 0, static_cast<MPI_Aint>(distance), &spaced),
        "MPI_Type_create_resized");
  check(MPI_Type_commit(&spaced), "MPI_Type_commit");
  const bool in_place =  // already where it goes
      part.raw() == first + distance * static_cast<std::size_t>(comm.rank());
  check(MPI_Allgather(in_place ? MPI_IN_PLACE : part.raw(), count, element, first, 1, spaced,
                      comm.get()),
        "MPI_Allgather");
  check(MPI_Type_free(&spaced), "MPI_Type_free");
  check(MPI_Type_free(&plain), "MPI_Type_free");
}

}  // namespace

void gather_parts(const Comm& comm, const ConstView& part, std::byte* first, std::size_t distance) {
  in_pieces(part.size(), part.dtype(), kMessageBytes, [&](std::int64_t begin, int count) {
    const ConstView message = part.slice(begin, count);
    gather_message(comm, message, first + (message.raw() - part.raw()), distance);
  });
}

std::unique_ptr<Comm> same_host(const Comm& comm) {
  MPI_Comm node = MPI_COMM_NULL;
  check(MPI_Comm_split_type(comm.get(), MPI_COMM_TYPE_SHARED, comm.rank(), MPI_INFO_NULL, &node),
        "MPI_Comm_split_type");
  return std::make_unique<Comm>(node);
}

}  // namespace epi::dist
