// BED as regions: splits, blacklists, --regions.
#include "data/formats/bed.hpp"

#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  epi::fuzz::run([&] {
    for (const auto& region : epi::data::read_regions(epi::fuzz::as_file({data, size}))) {
      epi::fuzz::expect(region.range.start_bp >= 0 && region.range.start_bp < region.range.end_bp,
                        "a region is not half-open");
      epi::fuzz::expect(!region.contig.empty() && region.line > 0, "a region has no place");
    }
  });
  return 0;
}
