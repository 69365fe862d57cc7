// A run's configuration: TOML, and what reads it back.
#include "core/config.hpp"

#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  epi::fuzz::run([&] {
    const std::string_view text = epi::fuzz::as_text({data, size});
    auto config = epi::core::Config::from_text(text, "run.toml");
    // One key of each type, as run_config.cpp asks for them.
    (void)config.get("train.steps", std::int64_t{1});
    (void)config.get("optimizer.learning_rate", 1e-3);
    (void)config.get("mask.whole_bins", false);
    (void)config.get("model.size", "tiny");
    (void)config.get("data.cells", std::vector<std::string>{});
    // The resolved text is what a checkpoint keeps: it must read back to itself.
    const std::string resolved = config.resolved();
    config.refuse_unread();
    auto again = epi::core::Config::from_text(resolved, "resolved.toml");
    (void)again.get("train.steps", std::int64_t{1});
    (void)again.get("optimizer.learning_rate", 1e-3);
    (void)again.get("mask.whole_bins", false);
    (void)again.get("model.size", "tiny");
    (void)again.get("data.cells", std::vector<std::string>{});
    epi::fuzz::expect(again.resolved() == resolved, "the resolved text reads back differently");
  });
  return 0;
}
