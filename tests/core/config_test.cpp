// The configuration as its user meets it: values, overrides, and messages that name the line.
#include "core/config.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/files.hpp"

namespace epi::core {
namespace {

Config parse(const std::string& text) {
  return Config::from_text(text, "run.toml");
}

/// The text of the ConfigError that `action` throws; empty when it throws none.
std::string error_of(const std::function<void()>& action) {
  try {
    action();
    return "";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

constexpr const char* kExample = R"(# a run
seed = 7
[train]
steps = 1000
rate = 1e-4
resume = true
name = "tiny"
[data]
stores = ["a", "b"]
)";

TEST(Config_values, areReadByType) {
  Config config = parse(kExample);
  EXPECT_EQ(config.get("seed", std::int64_t{0}), 7);
  EXPECT_EQ(config.get("train.steps", std::int64_t{0}), 1000);
  EXPECT_EQ(config.get("train.rate", 0.0), 1e-4);
  EXPECT_TRUE(config.get("train.resume", false));
  EXPECT_EQ(config.get("train.name", ""), "tiny");
  EXPECT_EQ(config.get("data.stores", std::vector<std::string>{}),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_NO_THROW(config.refuse_unread());
}

TEST(Config_absentKeys, giveTheFallback) {
  Config config = parse("");
  EXPECT_EQ(config.get("train.steps", std::int64_t{5}), 5);
  EXPECT_EQ(config.get("train.name", "none"), "none");
  EXPECT_EQ(config.where("train.steps"), "default");
}

TEST(Config_integer, isTakenForADoubleButNotTheOtherWayRound) {
  Config config = parse("a = 3\nb = 3.0\n");
  EXPECT_EQ(config.get("a", 0.0), 3.0);
  EXPECT_EQ(error_of([&] { (void)config.get("b", std::int64_t{0}); }),
            "run.toml:2: b is a number, expected an integer");
}

TEST(Config_wrongTypes, nameLineFoundAndExpected) {
  Config config = parse("a = 1\n[s]\nb = \"x\"\nc = [1]\nd = [\"y\", 2]\n");
  EXPECT_EQ(error_of([&] { (void)config.get("a", false); }),
            "run.toml:1: a is an integer, expected true or false");
  EXPECT_EQ(error_of([&] { (void)config.get("s.b", 1.0); }),
            "run.toml:3: s.b is a text, expected a number");
  EXPECT_EQ(error_of([&] { (void)config.get("a", "x"); }),
            "run.toml:1: a is an integer, expected a text");
  EXPECT_EQ(error_of([&] { (void)config.get("s", std::int64_t{1}); }),
            "run.toml:2: s is a section, expected an integer");
  EXPECT_NE(error_of([&] { (void)config.get("s.c", std::vector<std::string>{}); }), "");
  EXPECT_NE(error_of([&] { (void)config.get("s.d", std::vector<std::string>{}); }), "");
  EXPECT_NE(error_of([&] { (void)config.get("s.b", std::vector<std::string>{}); }), "");
  EXPECT_NE(error_of([&] { (void)parse("x = true").get("x", 1.0); }), "");
}

TEST(Config_brokenToml, namesFileAndLine) {
  expect_contains(error_of([] { (void)parse("a = 1\nb = = 2\n"); }), "run.toml:2: ");
}

TEST(Config_repeatedKey, namesTheSecondLine) {
  expect_contains(error_of([] { (void)parse("[s]\nsteps = 1\nsteps = 2\n"); }), "run.toml:3: ");
  expect_contains(error_of([] { (void)parse("[s]\na = 1\n[t]\n[s]\nb = 1\n"); }), "run.toml:4: ");
}

TEST(Config_unknownKey, namesLineAndNearestKnownKey) {
  Config config = parse("[train]\nlerning_rate = 0.1\n");
  (void)config.get("train.learning_rate", 1.0);
  (void)config.get("train.steps", std::int64_t{1});
  EXPECT_EQ(error_of([&] { config.refuse_unread(); }),
            "run.toml:2: unknown key train.lerning_rate; did you mean train.learning_rate?");
}

TEST(Config_knownNameInAnotherSection, isFound) {
  Config config = parse("[optimizer]\nsteps = 3\n");
  (void)config.get("schedule.steps", std::int64_t{1});
  expect_contains(error_of([&] { config.refuse_unread(); }), "did you mean schedule.steps?");
}

TEST(Config_severalUnknownKeys, areAllListed) {
  Config config = parse("zzz = 1\n[quite_other]\nx = 1\n[empty]\n");
  (void)config.get("train.steps", std::int64_t{1});
  const std::string message = error_of([&] { config.refuse_unread(); });
  expect_contains(message, "run.toml:1: unknown key zzz");
  expect_contains(message, "run.toml:3: unknown key quite_other.x");
  expect_contains(message, "run.toml:4: unknown key empty");
  EXPECT_EQ(message.find("did you mean"), std::string::npos) << message;
}

TEST(Config_emptyKnownSection, isAccepted) {
  Config config = parse("[train]\n");
  (void)config.get("train.steps", std::int64_t{1});
  EXPECT_NO_THROW(config.refuse_unread());
}

TEST(Config_valueWhereASectionBelongs, isUnknown) {
  Config config = parse("train = 3\n");
  EXPECT_EQ(config.get("train.steps", std::int64_t{1}), 1);
  expect_contains(error_of([&] { config.refuse_unread(); }), "run.toml:1: unknown key train");
}

TEST(ConfigSet_values, overrideAndCreateKeys) {
  Config config = parse(kExample);
  config.set("train.steps=2000");
  config.set("train.rate = 0.5");
  config.set("train.name=base");
  config.set("train.resume=false");
  config.set("data.stores=[\"c\"]");
  config.set("new.section.key=x/y.z");
  EXPECT_EQ(config.get("train.steps", std::int64_t{0}), 2000);
  EXPECT_EQ(config.get("train.rate", 0.0), 0.5);
  EXPECT_EQ(config.get("train.name", ""), "base");
  EXPECT_FALSE(config.get("train.resume", true));
  EXPECT_EQ(config.get("data.stores", std::vector<std::string>{}), std::vector<std::string>{"c"});
  EXPECT_EQ(config.get("new.section.key", ""), "x/y.z");
  EXPECT_EQ(config.where("train.steps"), "--set");
  EXPECT_EQ(config.where("seed"), "run.toml:2");
}

TEST(ConfigSet_bareWords, areTexts) {
  Config config = parse("");
  for (const std::string word : {"gelu", "a=b", "1.2.3", "/data/x y", "chr22,chr20"}) {
    config.set("key=" + word);
    EXPECT_EQ(config.get("key", ""), word);
  }
  config.set("key=\"\"");
  EXPECT_EQ(config.get("key", "x"), "");
}

TEST(ConfigSet_malformed, isRefused) {
  Config config = parse("a = 1\n");
  for (const char* wrong : {"a", "=1", "a=", "s..b=1", "a b=1", "a=\"open", "a=[1", "a.b=1"}) {
    expect_contains(error_of([&] { config.set(wrong); }), "--set");
  }
  // Nothing can be smuggled in behind the value.
  config.set("c=1\nd=2");
  EXPECT_EQ(config.where("d"), "default");
}

TEST(ConfigSet_unknownKey, isRefusedLater) {
  Config config = parse("");
  (void)config.get("train.steps", std::int64_t{1});
  config.set("train.step=5");
  EXPECT_EQ(error_of([&] { config.refuse_unread(); }),
            "--set: unknown key train.step; did you mean train.steps?");
}

TEST(ConfigRequired_absent, namesTheKey) {
  Config config = parse("[data]\nstore = \"s\"\n");
  EXPECT_EQ(config.required("data.store"), "s");
  expect_contains(error_of([&] { (void)config.required("data.genome"); }), "data.genome");
}

TEST(ConfigResolved_everyValue, readsBackTheSame) {
  Config config = parse("[train]\nrate = 1e-5\nname = \"say \\\"hi\\\"\\n\"\n[data]\nunread = 1\n");
  const std::vector<double> numbers = {0.1,  1.0 / 3.0,          1e300, 5e-324, 1e-12, 3.0, -0.0,
                                       1e15, 123456789.123456789};
  const auto read_all = [&](Config& from, bool fallbacks) {
    std::vector<double> values = {from.get("train.rate", 0.0)};
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      values.push_back(from.get("numbers.n" + std::to_string(i), fallbacks ? numbers[i] : 777.0));
    }
    return values;
  };
  const std::vector<double> first = read_all(config, true);
  EXPECT_EQ(config.get("train.name", ""), "say \"hi\"\n");
  EXPECT_EQ(config.get("big", std::numeric_limits<std::int64_t>::min()),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_TRUE(config.get("flag", true));
  EXPECT_EQ(config.get("list", std::vector<std::string>{"a b", ""}).size(), 2U);

  const std::string text = config.resolved();
  Config again = parse(text);
  EXPECT_EQ(read_all(again, false), first) << text;
  EXPECT_EQ(again.get("train.name", ""), "say \"hi\"\n");
  EXPECT_EQ(again.get("big", std::int64_t{0}), std::numeric_limits<std::int64_t>::min());
  EXPECT_TRUE(again.get("flag", false));
  EXPECT_EQ(again.get("list", std::vector<std::string>{}), (std::vector<std::string>{"a b", ""}));
  EXPECT_NO_THROW(again.refuse_unread());
  EXPECT_EQ(again.resolved(), text);
}

TEST(ConfigFromFile_path, isInMessages) {
  const std::string path = testing::TempDir() + "epi_config_" + std::to_string(getpid()) + ".toml";
  write_durably(path, "a = \n");
  expect_contains(error_of([&] { (void)Config::from_file(path); }), path + ":1: ");
  EXPECT_EQ(unlink(path.c_str()), 0);
  EXPECT_THROW((void)Config::from_file(path), MissingError);
}

}  // namespace
}  // namespace epi::core
