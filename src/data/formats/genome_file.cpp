// See the header.
#include "data/formats/genome_file.hpp"

#include "data/formats/fasta.hpp"
#include "data/formats/twobit.hpp"

namespace epi::data {

void read_genome(const std::filesystem::path& path, const TakeContig& take) {
  if (is_twobit(path)) {
    read_twobit(path, take);
  } else {
    read_fasta(path, take);
  }
}

}  // namespace epi::data
