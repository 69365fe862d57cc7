// See the header.
#include "data/formats/genome_file.hpp"

#include "data/formats/fasta.hpp"

namespace epi::data {

void read_genome(const std::filesystem::path& path, const TakeContig& take) {
  read_fasta(path, take);
}

}  // namespace epi::data
