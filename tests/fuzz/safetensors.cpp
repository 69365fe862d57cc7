// Weights of checkpoints and exports: the JSON header and the tensors it places.
#include "train/safetensors.hpp"

#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  epi::fuzz::run([&] {
    const auto file = epi::train::SafetensorsFile::open(epi::fuzz::as_file({data, size}));
    std::uint64_t end = 0;
    for (const auto& entry : file.entries()) {
      epi::fuzz::expect(entry.begin == end && entry.end >= entry.begin && entry.end <= size,
                        "tensors leave holes or the file");
      end = entry.end;
    }
  });
  return 0;
}
