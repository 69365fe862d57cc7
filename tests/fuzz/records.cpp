// Lines of peaks, variants, gene annotations and labels: the same bytes go to all four readers.
#include "data/formats/annotation.hpp"
#include "data/formats/labels.hpp"
#include "data/formats/peaks.hpp"
#include "data/formats/variants.hpp"
#include "fuzz/target.hpp"

namespace {

using namespace epi::data;

void check(Range range) {
  epi::fuzz::expect(range.start_bp >= 0 && range.start_bp < range.end_bp, "not half-open");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::filesystem::path& path = epi::fuzz::as_file({data, size});
  epi::fuzz::run([&] {
    for (const Peak& peak : read_peaks(path)) {
      check(peak.range);
      epi::fuzz::expect(!peak.summit_bp || (*peak.summit_bp >= peak.range.start_bp &&
                                            *peak.summit_bp < peak.range.end_bp),
                        "a summit outside of its peak");
    }
  });
  epi::fuzz::run([&] {
    for (const Feature& feature : read_annotation(path)) check(feature.range);
  });
  epi::fuzz::run([&] {
    LabelFile file(path);
    for (LabelRow row; file.next(row);) {
      check(row.range);
      epi::fuzz::expect(row.labels.size() == file.cells().size(), "a row of another width");
    }
  });
  epi::fuzz::run([&] {
    const auto variants = open_variants(path);
    for (Variant variant; variants->next(variant);) {
      epi::fuzz::expect(variant.position_bp >= -1 && !variant.ref.empty(), "no place or no REF");
    }
  });
  return 0;
}
