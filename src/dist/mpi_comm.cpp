// Errors of MPI come back as codes and become CommError with MPI's own text.
#include "dist/mpi_comm.hpp"

#include <fmt/format.h>

#include <string_view>

#include "core/error.hpp"
#include "dist/ordered_reduce.hpp"

namespace epi::dist {
namespace {

/// MPI's form of a reduction: theirs into mine, element by element. Also for MPI_MAX: `op` is part
/// of the function, since MPI hands nothing else over.
template <Reduce op>
void combine_bf16(void* theirs, void* mine, int* count, MPI_Datatype*) {
  const std::byte* const inputs[] = {static_cast<std::byte*>(mine),
                                     static_cast<std::byte*>(theirs)};
  reduce_in_tree(op, core::DType::bf16, inputs, static_cast<std::byte*>(mine), *count);
}

}  // namespace

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

ReduceOp::ReduceOp(Reduce op, core::DType type)
    : op_(op == Reduce::sum ? MPI_SUM : MPI_MAX), ours_(type == core::DType::bf16) {
  if (!ours_) return;
  check(MPI_Op_create(op == Reduce::sum ? combine_bf16<Reduce::sum> : combine_bf16<Reduce::max>, 1,
                      &op_),
        "MPI_Op_create");
}

ReduceOp::~ReduceOp() {
  if (ours_) (void)MPI_Op_free(&op_);
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

std::unique_ptr<Comm> same_host(const Comm& comm) {
  MPI_Comm node = MPI_COMM_NULL;
  check(MPI_Comm_split_type(comm.get(), MPI_COMM_TYPE_SHARED, comm.rank(), MPI_INFO_NULL, &node),
        "MPI_Comm_split_type");
  return std::make_unique<Comm>(node);
}

}  // namespace epi::dist
