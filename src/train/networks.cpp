#include "train/networks.hpp"

#include <fmt/format.h>

#include <limits>

#include "core/error.hpp"

namespace epi::train {
namespace {

constexpr double kMicro = 1e-6, kGiga = 1e9;
constexpr std::int64_t kMostPerNode = 4096;

[[noreturn]] void refuse(const core::Config& table, const std::string& key,
                         const std::string& expected) {
  throw core::ConfigError(fmt::format("{}: {}: expected {}", table.where(key), key, expected));
}

/// A number that must be there.
double number(core::Config& table, const std::string& key, double least) {
  const double value = table.get(key, std::numeric_limits<double>::quiet_NaN());
  // A comparison that holds for no absent one.
  if (!(value >= least && value <= 1e6)) {
    refuse(table, key, fmt::format("a number from {} to 10^6", least));
  }
  return value;
}

dist::Link link_of(core::Config& table, const std::string& prefix) {
  constexpr double kSlowest = 1e-3;  // 10^9 bytes a second
  return {kMicro * number(table, prefix + "_latency_us", 0.0),
          kGiga * number(table, prefix + "_gb_per_s", kSlowest)};
}

dist::Network network_of(core::Config& table, const std::string& name) {
  dist::Network network;
  network.name = name;
  network.title = table.required(name + ".title");
  const std::string per_node = name + ".ranks_per_node";
  const std::int64_t ranks = table.get(per_node, std::int64_t{0});
  if (ranks < 1 || ranks > kMostPerNode) refuse(table, per_node, "a number from 1 to 4096");
  network.ranks_per_node = static_cast<int>(ranks);
  network.call_s = kMicro * number(table, name + ".call_us", 0.0);
  network.node = link_of(table, name + ".node");
  network.between = link_of(table, name + ".network");
  return network;
}

}  // namespace

std::vector<dist::Network> read_networks(core::Config& table) {
  std::vector<dist::Network> networks;
  for (const std::string& name : table.get("networks", std::vector<std::string>{})) {
    networks.push_back(network_of(table, name));
  }
  if (networks.empty()) refuse(table, "networks", "a list of at least one name");
  table.refuse_unread();
  return networks;
}

}  // namespace epi::train
