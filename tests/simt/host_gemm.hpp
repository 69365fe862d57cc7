// What tests may set of the products on the host.
#pragma once

namespace epi::kernels::cuda {

/// Whether products offer epilogues, in this process; false is a library without any, whose callers
/// must do them apart.
void offer_epilogues(bool offered);

}  // namespace epi::kernels::cuda
