// The source tree as text, and the rules of the house as functions over it. Kept apart from the
// tests so that each rule is also tried on a small text that breaks it.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace epi::structure {

/// Rooms and the rooms they may include, themselves not named.
using Table = std::map<std::string, std::set<std::string>>;

/// Reads the lines "room : room room" of the block after the words "Allowed includes".
[[nodiscard]] Table parse_table(std::string_view markdown);

struct File {
  std::string path;  ///< relative to the root, with forward slashes
  std::string room;  ///< "core" of src/core/..., "launch" of launch/..., "tests" of tests/...
  std::string text;
};

/// Every .cpp, .hpp, .cu and .cuh below the named folders of the root, sorted by path.
[[nodiscard]] std::vector<File> read_tree(const std::filesystem::path& root,
                                          const std::vector<std::string>& folders);

[[nodiscard]] bool is_header(const File& file);

/// The same text with comments and the insides of string literals blanked, line for line.
[[nodiscard]] std::string code_of(std::string_view text);

struct Include {
  std::string path;  ///< between the quotes or angle brackets
  int line = 0;
};
[[nodiscard]] std::vector<Include> includes_of(std::string_view text);

/// Each rule returns complaints "path:line: what is wrong", empty when all is well.
using Complaints = std::vector<std::string>;
[[nodiscard]] Complaints forbidden_edges(const File& file, const Table& table);
[[nodiscard]] Complaints raw_library_use(const File& file);
[[nodiscard]] Complaints printing_or_exiting(const File& file);
[[nodiscard]] Complaints layout_faults(const File& file);

/// Headers that reach an outside library belong to their room alone: complaints about files of
/// other rooms that include one, directly or through another header.
[[nodiscard]] Complaints leaked_library_types(const std::vector<File>& files);

/// Complaints about sources that no CMakeLists.txt of their folder or of one above it names.
[[nodiscard]] Complaints unlisted_sources(const std::filesystem::path& root,
                                          const std::vector<File>& files);

}  // namespace epi::structure
