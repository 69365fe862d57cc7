// Tables about contigs: chrom.sizes and aliases.
#include "data/aliases.hpp"
#include "data/formats/chrom_sizes.hpp"
#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::filesystem::path& path = epi::fuzz::as_file({data, size});
  epi::fuzz::run([&] {
    for (const auto& contig : epi::data::read_chrom_sizes(path)) {
      epi::fuzz::expect(!contig.name.empty() && contig.length_bp > 0, "a contig without length");
    }
  });
  epi::fuzz::run([&] { (void)epi::data::AliasTable::read(path).names_of("chr1"); });
  return 0;
}
