// See source_tree.hpp. Plain text scanning: enough for rules that a reader could check by eye.
#include "structure/source_tree.hpp"

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace epi::structure {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxColumns = 100;
constexpr int kMaxLines = 500;

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string complaint(const File& file, std::size_t line_index, const std::string& what) {
  return file.path + ":" + std::to_string(line_index + 1) + ": " + what;
}

/// Characters, not bytes: continuation bytes of UTF-8 don't count.
std::size_t columns_of(const std::string& line) {
  return static_cast<std::size_t>(std::count_if(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

/// One outside library: how its calls and headers look, and the paths that may use it.
struct Library {
  const char* name;
  const char* sign;     ///< what every use holds; a quick look before the regular expression
  const char* use;      ///< regular expression over code
  const char* include;  ///< prefix of its headers
  std::vector<std::string> homes;
};

const std::vector<Library>& libraries() {
  static const std::vector<Library> all = {
      {"MPI", "MPI_", R"(\bMPI_[A-Z]\w*)", "mpi.h", {"src/dist/"}},
      {"HDF5", "H5", R"(\bH5[A-Z]{0,2}[a-z]\w*\s*\()", "hdf5", {"src/data/"}},
      {"htslib", "_", R"(\b(hts|faidx|fai|bgzf|tbx)_\w+\s*\()", "htslib/", {"src/data/"}},
      {"CUDA",
       "cuda",
       R"(\bcuda[A-Z]\w*)",
       "cuda",
       // NCCL's functions take streams of CUDA's.
       {"src/kernels/cuda/", "src/core/device_cuda", "src/dist/nccl"}},
      {"NCCL", "nccl", R"(\bnccl[A-Z]\w*)", "nccl", {"src/dist/"}},
      {"oneDNN", "dnnl", R"(\bdnnl(::|_)\w+)", "oneapi/dnnl", {"src/kernels/cpu/"}},
      {"oneDNN", "dnnl", R"(\bdnnl(::|_)\w+)", "dnnl", {"src/kernels/cpu/"}},
      {"toml++", "toml::", R"(\btoml::\w+)", "toml", {"src/core/config"}},
      {"CLI11", "CLI::", R"(\bCLI::\w+)", "CLI/", {"launch/"}},
  };
  return all;
}

bool at_home(const File& file, const Library& library) {
  return std::any_of(library.homes.begin(), library.homes.end(), [&](const std::string& home) {
    return file.path.compare(0, home.size(), home) == 0;
  });
}

bool includes_library(const File& file) {
  for (const Include& include : includes_of(file.text)) {
    for (const Library& library : libraries()) {
      if (include.path.rfind(library.include, 0) == 0) return true;
    }
  }
  return false;
}

bool is_source(const fs::path& path) {
  const std::string ext = path.extension().string();
  return ext == ".cpp" || ext == ".hpp" || ext == ".cu" || ext == ".cuh";
}

/// A list file of CMake without its line comments; quoted '#' does not occur beside names of files.
std::string without_comments(const std::string& cmake) {
  static const std::regex comment("#[^\n]*");
  return std::regex_replace(cmake, comment, "");
}

std::string room_of(const fs::path& relative) {
  auto part = relative.begin();
  if (*part == "src") ++part;
  return part->string();
}

}  // namespace

Table parse_table(std::string_view markdown) {
  const std::size_t start = markdown.find("Allowed includes");
  if (start == std::string_view::npos) throw std::runtime_error("no words \"Allowed includes\"");
  static const std::regex row(R"(^(\w+)\s*:\s*([\w ]*)$)");
  Table table;
  int fences = 0;
  for (const std::string& line : lines_of(markdown.substr(start))) {
    if (line.rfind("```", 0) == 0 && ++fences == 2) break;
    std::smatch match;
    if (fences != 1 || !std::regex_match(line, match, row)) continue;
    std::istringstream names(match[2].str());
    std::set<std::string>& allowed = table[match[1].str()];
    for (std::string name; names >> name;) allowed.insert(name);
  }
  return table;
}

std::vector<File> read_tree(const fs::path& root, const std::vector<std::string>& folders) {
  std::vector<File> files;
  for (const std::string& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file() || !is_source(entry.path())) continue;
      const fs::path relative = fs::relative(entry.path(), root);
      files.push_back({relative.generic_string(), room_of(relative), read_text(entry.path())});
    }
  }
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.path < b.path; });
  return files;
}

bool is_header(const File& file) {
  const std::string ext = fs::path(file.path).extension().string();
  return ext == ".hpp" || ext == ".cuh";
}

std::string code_of(std::string_view text) {
  enum class In { code, line_comment, block_comment, string, character, raw };
  In in = In::code;
  std::string raw_end;
  std::string code(text);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (in == In::code) {
      const bool digit_separator = i > 0 && std::isalnum(static_cast<unsigned char>(text[i - 1]));
      if (c == '/' && next == '/')
        in = In::line_comment;
      else if (c == '/' && next == '*')
        in = In::block_comment;
      else if (c == 'R' && next == '"') {
        in = In::raw;
        const std::size_t open = text.find('(', i);
        raw_end.assign(1, ')').append(text.substr(i + 2, open - i - 2)).push_back('"');
      } else if (c == '"')
        in = In::string;
      else if (c == '\'' && !digit_separator)
        in = In::character;
      if (in == In::line_comment || in == In::block_comment) code[i] = ' ';
      continue;
    }
    if (c == '\n') {
      if (in == In::line_comment) in = In::code;
      continue;
    }
    if (in == In::raw) {
      if (text.substr(i, raw_end.size()) == raw_end)
        in = In::code, i += raw_end.size() - 1;
      else
        code[i] = ' ';
      continue;
    }
    const bool escape = (in == In::string || in == In::character) && c == '\\';
    if (escape) {
      code[i] = ' ';
      if (next != '\n' && i + 1 < text.size()) code[++i] = ' ';
    } else if ((in == In::string && c == '"') || (in == In::character && c == '\'')) {
      in = In::code;
    } else if (in == In::block_comment && c == '*' && next == '/') {
      code[i] = code[i + 1] = ' ';
      ++i;
      in = In::code;
    } else {
      code[i] = ' ';
    }
  }
  return code;
}

std::vector<Include> includes_of(std::string_view text) {
  static const std::regex directive(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])");
  std::vector<Include> includes;
  int number = 0;
  for (const std::string& line : lines_of(text)) {
    ++number;
    std::smatch match;
    if (std::regex_search(line, match, directive)) includes.push_back({match[1].str(), number});
  }
  return includes;
}

Complaints forbidden_edges(const File& file, const Table& table) {
  Complaints complaints;
  const auto row = table.find(file.room);
  if (row == table.end()) return {file.path + ": no row \"" + file.room + "\" in the table"};
  for (const Include& include : includes_of(file.text)) {
    const std::string target = include.path.substr(0, include.path.find('/'));
    const bool is_room = target != include.path && table.count(target) != 0;
    if (!is_room || target == file.room || row->second.count(target) != 0) continue;
    complaints.push_back(complaint(file, static_cast<std::size_t>(include.line - 1),
                                   file.room + " may not include " + include.path));
  }
  return complaints;
}

Complaints raw_library_use(const File& file) {
  Complaints complaints;
  const std::vector<std::string> lines = lines_of(code_of(file.text));
  for (const Library& library : libraries()) {
    if (at_home(file, library)) continue;
    const std::regex use(library.use);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const bool sign = lines[i].find(library.sign) != std::string::npos;
      if (sign && std::regex_search(lines[i], use)) {
        complaints.push_back(complaint(file, i, std::string(library.name) + " outside its room"));
      }
    }
    for (const Include& include : includes_of(file.text)) {
      if (include.path.rfind(library.include, 0) != 0) continue;
      complaints.push_back(complaint(file, static_cast<std::size_t>(include.line - 1),
                                     std::string(library.name) + " header outside its room"));
    }
  }
  return complaints;
}

Complaints printing_or_exiting(const File& file) {
  static const std::regex use(
      R"(\bstd::(cout|cerr|clog)\b|\bfmt::print\b|\bf?printf\s*\(|\b(f?puts|putchar)\s*\()"
      R"(|\b(_exit|_Exit|quick_exit|exit|terminate)\s*\(|\bstd::abort\b|(^|\s)(::)?abort\(\))");
  if (file.path.rfind("src/core/log.", 0) == 0) return {};
  Complaints complaints;
  const std::vector<std::string> lines = lines_of(code_of(file.text));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (std::regex_search(lines[i], use)) {
      complaints.push_back(complaint(file, i, "library code prints, exits or aborts: " + lines[i]));
    }
  }
  return complaints;
}

Complaints layout_faults(const File& file) {
  Complaints complaints;
  const std::vector<std::string> lines = lines_of(file.text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (columns_of(lines[i]) > kMaxColumns)
      complaints.push_back(complaint(file, i, "over 100 columns"));
    if (lines[i].find('\t') != std::string::npos) complaints.push_back(complaint(file, i, "a tab"));
  }
  if (lines.size() > kMaxLines) complaints.push_back(file.path + ": over 500 lines");
  if (is_header(file) && (lines.empty() || lines[0].rfind("//", 0) != 0)) {
    complaints.push_back(file.path + ":1: the first line does not say what the file is");
  }
  if (is_header(file) && code_of(file.text).find("#pragma once") == std::string::npos) {
    complaints.push_back(file.path + ": no #pragma once");
  }
  return complaints;
}

Complaints leaked_library_types(const std::vector<File>& files) {
  // Headers that reach a library, by include path, grown until nothing changes.
  std::map<std::string, std::string> reaching;  // include path -> room
  for (bool grown = true; grown;) {
    grown = false;
    for (const File& file : files) {
      if (!is_header(file) || file.path.rfind("src/", 0) != 0) continue;
      const std::string include_path = file.path.substr(4);
      if (reaching.count(include_path) != 0) continue;
      bool reaches = includes_library(file);
      for (const Include& include : includes_of(file.text)) {
        reaches = reaches || reaching.count(include.path) != 0;
      }
      if (reaches) grown = reaching.emplace(include_path, file.room).second;
    }
  }
  Complaints complaints;
  for (const File& file : files) {
    for (const Include& include : includes_of(file.text)) {
      const auto hit = reaching.find(include.path);
      if (hit == reaching.end() || hit->second == file.room || file.room == "tests") continue;
      complaints.push_back(complaint(file, static_cast<std::size_t>(include.line - 1),
                                     include.path + " brings an outside library along"));
    }
  }
  return complaints;
}

Complaints unlisted_sources(const fs::path& root, const std::vector<File>& files) {
  Complaints complaints;
  for (const File& file : files) {
    const fs::path path(file.path);
    if (path.extension() != ".cpp" && path.extension() != ".cu") continue;
    bool listed = false;
    for (fs::path folder = path.parent_path(); !folder.empty() && !listed;
         folder = folder.parent_path()) {
      const fs::path list = root / folder / "CMakeLists.txt";
      if (!fs::exists(list)) continue;
      // The name as this list would write it, as a whole word.
      const std::string name = path.lexically_relative(folder).generic_string();
      const std::regex word("(^|[^\\w./])" + std::regex_replace(name, std::regex(R"(\.)"), "\\.") +
                            "($|[^\\w./])");
      listed = std::regex_search(without_comments(read_text(list)), word);
    }
    if (!listed) complaints.push_back(file.path + ": named in no CMakeLists.txt");
  }
  return complaints;
}

}  // namespace epi::structure
