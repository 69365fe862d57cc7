// A shard's header and datasets through HDF5, as a store that is opened without --deep reads it: in
// such a store nothing but size and HDF5's own checksums stands before the library.
#include "data/shard.hpp"

#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::filesystem::path& path = epi::fuzz::as_file({data, size});
  epi::fuzz::run([&] { (void)epi::data::read_layout(path); });
  epi::fuzz::run([&] { (void)epi::data::read_shard_entry(path); });
  return 0;
}
