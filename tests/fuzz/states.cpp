// Segmentations: BED with states in any of its dialects, and one state per line.
#include <array>

#include "data/formats/states_file.hpp"
#include "fuzz/target.hpp"

namespace {

using namespace epi::data;

void check(const ContigTrack& contig) {
  std::int64_t end_bp = 0;
  epi::fuzz::expect(!contig.intervals.empty(), "a contig without intervals");
  for (const StateInterval& interval : contig.intervals) {
    epi::fuzz::expect(interval.start_bp >= end_bp && interval.end_bp > interval.start_bp,
                      "intervals are unsorted or overlap");
    epi::fuzz::expect(interval.state >= 0 && interval.line > 0, "an interval has no state");
    end_bp = interval.end_bp;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  epi::fuzz::run([&] {
    const std::array<std::filesystem::path, 1> files{epi::fuzz::as_file({data, size})};
    const StateTrack track = read_states(files, {});
    epi::fuzz::expect(!track.contigs.empty() && !track.states.empty(), "a track without content");
    for (const ContigTrack& contig : track.contigs) check(contig);
  });
  return 0;
}
