// FASTA to base codes.
#include "data/formats/fasta.hpp"

#include <algorithm>

#include "data/shard.hpp"
#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  epi::fuzz::run([&] {
    epi::data::read_fasta(
        epi::fuzz::as_file({data, size}), [](const epi::data::ContigSequence& sequence) {
          epi::fuzz::expect(
              sequence.contig.length_bp == static_cast<std::int64_t>(sequence.bases.size()) &&
                  !sequence.bases.empty() && !sequence.contig.name.empty(),
              "a contig is not what it says");
          epi::fuzz::expect(
              std::all_of(sequence.bases.begin(), sequence.bases.end(), epi::data::is_base_code),
              "a byte is no base code");
        });
  });
  return 0;
}
