// Grids: which cells there are and in which order, and messages that name the line of a mistake.
#include "core/config_grid.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/error.hpp"

namespace epi::core {
namespace {

using Values = std::vector<ConfigValue>;

ConfigGrid parse(const std::string& text) {
  return ConfigGrid::from_text(text, "grids/grid.toml");
}

constexpr const char* kExample = R"(config = "base.toml"
[set]
train.steps = 2000
model.size = "tiny"
[axes]
train.seed = [1, 2, 3]
optimizer.learning_rate = [1e-4, 0.5]
)";

TEST(ConfigGrid, cells_varyTheLastAxisFastest_inTheOrderOfTheFile) {
  const ConfigGrid grid = parse(kExample);
  ASSERT_EQ(grid.size(), 6);
  EXPECT_EQ(grid.config(), "grids/base.toml");
  EXPECT_EQ(grid.keys(), (std::vector<std::string>{"train.seed", "optimizer.learning_rate"}));
  EXPECT_EQ(grid.common(), (Values{{"train.steps", "2000"}, {"model.size", "'tiny'"}}));
  EXPECT_EQ(grid.cell(0), (Values{{"train.seed", "1"}, {"optimizer.learning_rate", "0.0001"}}));
  EXPECT_EQ(grid.cell(1), (Values{{"train.seed", "1"}, {"optimizer.learning_rate", "0.5"}}));
  EXPECT_EQ(grid.cell(5), (Values{{"train.seed", "3"}, {"optimizer.learning_rate", "0.5"}}));
}

TEST(ConfigGrid, cells_areAllDifferent) {
  const ConfigGrid grid =
      parse("config = 'c'\n[axes]\na = [1, 2, 3]\nb = [true, false]\nc.d = ['x', 'y']");
  std::set<Values> seen;
  for (std::int64_t i = 0; i < grid.size(); ++i) seen.insert(grid.cell(i));
  EXPECT_EQ(seen.size(), 12U);
}

TEST(ConfigGrid, axisOfTables_variesItsKeysTogether) {
  const ConfigGrid grid = parse(
      "config = '/base.toml'\n[axes]\n"
      "shape = [{model.layers = 4, model.hidden = 256}, {model.hidden = 768, model.layers = 12}]\n"
      "train.seed = [7, 8]\n");
  ASSERT_EQ(grid.size(), 4);
  EXPECT_EQ(grid.config(), "/base.toml");
  EXPECT_EQ(grid.cell(3),
            (Values{{"model.hidden", "768"}, {"model.layers", "12"}, {"train.seed", "8"}}));
}

TEST(ConfigGrid, values_areThoseThatAConfigurationTakes) {
  const ConfigGrid grid = parse("config = 'c'\n[axes]\nx.text = ['a b', 'c']\nx.rate = [1e-4]");
  Config config = Config::from_text("", "base.toml");
  for (const auto& [key, value] : grid.cell(0)) config.set(key + "=" + value);
  EXPECT_EQ(config.get("x.text", ""), "a b");
  EXPECT_EQ(config.get("x.rate", 0.0), 1e-4);
  EXPECT_EQ(config.text("x.rate"), "0.0001");
  EXPECT_EQ(config.text("x.none"), std::nullopt);
}

/// What the parser says; empty when it takes the text.
std::string error_of(const std::string& text) {
  try {
    (void)parse(text);
    return "";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(ConfigGrid, mistakes_areRefusedByLine) {
  const std::string head = "config = 'c'\n[axes]\n";
  for (const auto& [text, expected] : std::vector<std::pair<std::string, std::string>>{
           {"config = 'c'\n[axes]\na = [1", "grids/grid.toml:3: "},
           {"[axes]\na = [1]", "expected config = \"FILE\""},
           {"config = 3\n[axes]\na = [1]", "expected config = \"FILE\""},
           {"config = 'c'", "expected [axes]"},
           {head, "expected [axes]"},
           {"config = 'c'\naxes = 3", "grid.toml:2: axes is no section"},
           {head + "a = 3", "grid.toml:3: a is one value, expected a list"},
           {head + "a = []", "grid.toml:3: a has no values to try"},
           {head + "a.b = [1979-05-27]", "a.b holds a date or time"},
           {head + "a = [{b = 1}, {c = 1}]",
            "grid.toml:3: the entries of a have unlike keys: each needs b"},
           {head + "a = [{}]", "a has an entry without a key"},
           {head + "a = [1, 2,\n1.0]", "grid.toml:4: a has 1.0 twice"},
           {head + "a = ['x', 'y', 'x']", "a has 'x' twice"},
           {head + "a = [{b = 1, c = 2}, {c = 2, b = 1}]", "a has {b = 1, c = 2} twice"},
           {head + "b = [1]\na = [{b = 1}]", "b is given values twice"},
           {"config = 'c'\n[set]\nb = 1\n[axes]\nb = [1]", "b is given values twice"},
           {"config = 'c'\nsteps = 1\n[axes]\nb = [1]", "grid.toml:2: unknown key steps"}}) {
    const std::string error = error_of(text);
    EXPECT_NE(error.find(expected), std::string::npos) << text << "\n-> " << error;
  }
}

TEST(ConfigGrid, tooManyCells_areRefused) {
  std::string text = "config = 'c'\n[axes]\n";
  for (char name = 'a'; name <= 'z'; ++name)
    text += std::string(1, name) + " = [1,2,3,4,5,6,7,8,9]\n";
  EXPECT_NE(error_of(text).find("more than 100000 cells"), std::string::npos);
}

TEST(ConfigGrid, cellThatIsNotThere_namesTheLast) {
  for (const std::int64_t index : {-1, 6}) {
    try {
      (void)parse(kExample).cell(index);
      FAIL() << index;
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find("cells 0 to 5"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace epi::core
