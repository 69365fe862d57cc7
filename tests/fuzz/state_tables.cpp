// Tables about states: names with colours, and maps between vocabularies.
#include "data/formats/state_names.hpp"

#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::filesystem::path& path = epi::fuzz::as_file({data, size});
  epi::fuzz::run([&] {
    std::int32_t before = -1;
    for (const auto& state : epi::data::read_state_names(path).states) {
      epi::fuzz::expect(state.number > before, "names are not ascending");
      before = state.number;
    }
  });
  epi::fuzz::run([&] {
    const auto map = epi::data::read_state_map(path);
    std::vector<epi::data::State> from;
    for (const auto& [number, target] : map.target) from.push_back({number, "", ""});
    const auto codes = epi::data::mapped_codes(map, from, map.states);
    epi::fuzz::expect(codes.size() == from.size() + 1 && codes.at(0) == 0, "a state has no code");
    for (const std::uint8_t code : codes) {
      epi::fuzz::expect(code <= map.states.size(), "a code is out of range");
    }
  });
  return 0;
}
