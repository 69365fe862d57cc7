// The sample sheet. Its paths are looked up, so that most inputs that parse end as missing files.
#include "data/formats/sheet.hpp"

#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  epi::fuzz::run([&] {
    for (const auto& row : epi::data::read_sheet(epi::fuzz::as_file({data, size}))) {
      epi::fuzz::expect(!row.cell.empty() && row.weight > 0.0 && row.line > 0,
                        "a row without cell, weight or line");
    }
  });
  return 0;
}
