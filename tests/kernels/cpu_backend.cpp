// Tests are about the CPU's ops: with one thread, and with more threads than cores.
#include "kernels/backend.hpp"

namespace epi::kernels {

Ops& tested_ops() {
  static const std::unique_ptr<Ops> ops = make_cpu_ops(1);
  return *ops;
}

Ops& tested_ops_again() {
  static const std::unique_ptr<Ops> ops = make_cpu_ops(3);
  return *ops;
}

}  // namespace epi::kernels
