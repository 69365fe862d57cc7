// 2bit to base codes.
#include "data/formats/twobit.hpp"

#include "fuzz/genome.hpp"
#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::filesystem::path& path = epi::fuzz::as_file({data, size});
  epi::fuzz::run([&] { (void)epi::data::is_twobit(path); });
  epi::fuzz::run([&] { epi::data::read_twobit(path, epi::fuzz::check_contig); });
  return 0;
}
