// FASTA to base codes.
#include "data/formats/fasta.hpp"

#include "fuzz/genome.hpp"
#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  epi::fuzz::run([&] {
    epi::data::read_fasta(epi::fuzz::as_file({data, size}), epi::fuzz::check_contig);
  });
  return 0;
}
