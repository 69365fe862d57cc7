#include "train/networks.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "core/error.hpp"

namespace epi::train {
namespace {

constexpr double kMicro = 1e-6, kGiga = 1e9;
constexpr std::int64_t kMostPerNode = 4096;

/// A table and what messages call it: a key that is missing has no line to name.
struct Table {
  core::Config& values;
  const std::string& file;
};

constexpr std::array kNumbers = {"call_us", "node_latency_us", "node_gb_per_s",
                                 "network_latency_us", "network_gb_per_s"};

[[noreturn]] void refuse(const Table& table, const std::string& key, const std::string& expected) {
  const bool there = table.values.text(key).has_value();
  throw core::ConfigError(fmt::format("{}: {}{}: expected {}",
                                      there ? table.values.where(key) : table.file, key,
                                      there ? "" : " is missing", expected));
}

/// Makes the keys of a network known, so that a mistyped one is named before the one it stands for
/// is missed.
void know(core::Config& table, const std::string& name) {
  static_cast<void>(table.get(name + ".title", ""));
  static_cast<void>(table.get(name + ".ranks_per_node", std::int64_t{0}));
  for (const char* key : kNumbers) static_cast<void>(table.get(name + "." + key, 0.0));
}

/// A number that must be there.
double number(const Table& table, const std::string& key, double least) {
  const double value = table.values.get(key, std::numeric_limits<double>::quiet_NaN());
  // A comparison that holds for no absent one.
  if (!(value >= least && value <= 1e6)) {
    refuse(table, key, fmt::format("a number from {} to 10^6", least));
  }
  return value;
}

dist::Link link_of(const Table& table, const std::string& prefix) {
  constexpr double kSlowest = 1e-3;  // 10^9 bytes a second
  return {kMicro * number(table, prefix + "_latency_us", 0.0),
          kGiga * number(table, prefix + "_gb_per_s", kSlowest)};
}

dist::Network network_of(const Table& table, const std::string& name) {
  dist::Network network;
  network.name = name;
  network.title = table.values.get(name + ".title", "");
  if (network.title.empty()) refuse(table, name + ".title", "a name for people");
  const std::string per_node = name + ".ranks_per_node";
  const std::int64_t ranks = table.values.get(per_node, std::int64_t{0});
  if (ranks < 1 || ranks > kMostPerNode) refuse(table, per_node, "a number from 1 to 4096");
  network.ranks_per_node = static_cast<int>(ranks);
  network.call_s = kMicro * number(table, name + ".call_us", 0.0);
  network.node = link_of(table, name + ".node");
  network.between = link_of(table, name + ".network");
  return network;
}

}  // namespace

std::vector<dist::Network> read_networks(core::Config& table, const std::string& file) {
  const std::vector<std::string> names = table.get("networks", std::vector<std::string>{});
  if (names.empty()) refuse({table, file}, "networks", "a list of at least one name");
  for (const std::string& name : names) know(table, name);
  table.refuse_unread();
  std::vector<dist::Network> networks;
  for (const std::string& name : names) networks.push_back(network_of({table, file}, name));
  return networks;
}

}  // namespace epi::train
