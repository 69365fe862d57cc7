// Every rank sees all texts and draws the same conclusion; hosts are asked for only when something
// is to be told. A configuration is compared by its digest first: of thousands of ranks all texts
// would be megabytes on each.
#include "train/alike.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <sstream>
#include <vector>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/version.hpp"

namespace epi::train {
namespace {

constexpr std::size_t kKeysTold = 3;
constexpr std::size_t kHostsTold = 3;
constexpr std::array<const char*, 2> kOwnKeys = {"data.store", "train.threads"};

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown host";
}

/// "rank 1", "ranks 0 and 2-5", "ranks 0, 2-5 and 9".
std::string ranks_text(const std::vector<std::size_t>& ranks) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < ranks.size();) {
    std::size_t end = i + 1;
    while (end < ranks.size() && ranks[end] == ranks[end - 1] + 1) ++end;
    parts.push_back(end - i == 1 ? fmt::format("{}", ranks[i])
                                 : fmt::format("{}-{}", ranks[i], ranks[end - 1]));
    i = end;
  }
  const std::string last = parts.back();
  parts.pop_back();
  return fmt::format("rank{} {}{}{}", ranks.size() == 1 ? "" : "s", fmt::join(parts, ", "),
                     parts.empty() ? "" : " and ", last);
}

std::string hosts_text(const std::vector<std::size_t>& ranks, std::span<const std::string> hosts) {
  std::vector<std::string> names;
  for (const std::size_t rank : ranks) {
    if (rank >= hosts.size() || std::ranges::find(names, hosts[rank]) != names.end()) continue;
    names.push_back(hosts[rank]);
  }
  if (names.empty()) return "";
  const std::size_t more = names.size() > kHostsTold ? names.size() - kHostsTold : 0;
  names.resize(names.size() - more);
  return fmt::format(" ({}{})", fmt::join(names, ", "),
                     more > 0 ? fmt::format(" and {} more", more) : "");
}

/// "section.key" -> value, as Config::resolved prints them.
std::map<std::string, std::string> keys_of(const std::string& resolved) {
  std::map<std::string, std::string> keys;
  std::istringstream lines(resolved);
  std::string section;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find(" = ");
    if (line.starts_with('[')) {
      section = line.substr(1, line.rfind(']') - 1) + ".";
    } else if (equals != std::string::npos) {
      keys[section + line.substr(0, equals)] = line.substr(equals + 3);
    }
  }
  for (const char* own : kOwnKeys) keys.erase(own);
  return keys;
}

std::string digest_of_keys(const std::string& resolved) {
  std::string text;
  for (const auto& [key, value] : keys_of(resolved)) text += key + " = " + value + "\n";
  return core::digest_of(text);
}

bool same_everywhere(const std::string& mine, dist::Communicator& world) {
  const std::vector<std::string> all = world.gather_text(mine);
  return std::ranges::all_of(all, [&](const std::string& text) { return text == all.front(); });
}

/// All ranks throw it, and know that all do.
template <class Error>
[[noreturn]] void refuse(const std::string& message, dist::Communicator& world) {
  dist::agree(world, [&] { throw Error(message); });
  throw Error(message);  // not reached: agree has thrown
}

}  // namespace

std::string unlike_values(std::span<const std::string> values, std::span<const std::string> hosts) {
  std::vector<std::string> found;  // in the order of the lowest rank that has it
  for (const std::string& value : values) {
    if (std::ranges::find(found, value) == found.end()) found.push_back(value);
  }
  if (found.size() < 2) return "";
  std::vector<std::string> parts;
  for (const std::string& value : found) {
    std::vector<std::size_t> ranks;
    for (std::size_t rank = 0; rank < values.size(); ++rank) {
      if (values[rank] == value) ranks.push_back(rank);
    }
    parts.push_back(fmt::format("{} on {}{}", value, ranks_text(ranks), hosts_text(ranks, hosts)));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string unlike_keys(std::span<const std::string> resolved, std::span<const std::string> hosts) {
  std::vector<std::map<std::string, std::string>> ranks;
  std::map<std::string, std::string> names;
  for (const std::string& text : resolved) {
    ranks.push_back(keys_of(text));
    names.insert(ranks.back().begin(), ranks.back().end());
  }
  std::vector<std::string> parts;
  for (const auto& [key, unused] : names) {
    std::vector<std::string> values;
    for (const auto& keys : ranks) {
      const auto at = keys.find(key);
      values.push_back(at == keys.end() ? "absent" : at->second);
    }
    const std::string unlike = unlike_values(values, hosts);
    if (!unlike.empty()) parts.push_back(fmt::format("{} = {}", key, unlike));
  }
  if (parts.empty()) return "";
  const std::size_t more = parts.size() > kKeysTold ? parts.size() - kKeysTold : 0;
  parts.resize(parts.size() - more);
  return fmt::format("{}{}", fmt::join(parts, "; "),
                     more > 0 ? fmt::format("; and {} more", more) : "");
}

void check_program(dist::Communicator& world) {
  const std::string mine = fmt::format("{}, {}", core::version_text(), core::build_text());
  if (same_everywhere(mine, world)) return;
  refuse<core::UsageError>(
      fmt::format("the ranks run unlike programs: {}; start one program on all nodes",
                  unlike_values(world.gather_text(mine), world.gather_text(host_name()))),
      world);
}

void check_configuration(const std::string& resolved, dist::Communicator& world) {
  if (same_everywhere(digest_of_keys(resolved), world)) return;
  refuse<core::ConfigError>(
      fmt::format("the ranks have unlike configurations: {}; give all nodes one file",
                  unlike_keys(world.gather_text(resolved), world.gather_text(host_name()))),
      world);
}

void check_store(const std::string& fingerprint, const std::string& path,
                 dist::Communicator& world) {
  if (same_everywhere(fingerprint, world)) return;
  refuse<core::InputError>(
      fmt::format("the ranks read unlike stores as {}: fingerprint {}; copy one store to all nodes",
                  path,
                  unlike_values(world.gather_text(fingerprint), world.gather_text(host_name()))),
      world);
}

}  // namespace epi::train
