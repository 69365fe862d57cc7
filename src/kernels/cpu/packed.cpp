#include "kernels/cpu/packed.hpp"

#include "kernels/cpu/isa.hpp"

namespace epi::kernels::cpu {

const PackTable& pack_table() {
  static const PackTable& table = pick(base::pack_table, v3::pack_table, v4::pack_table);
  return table;
}

}  // namespace epi::kernels::cpu
