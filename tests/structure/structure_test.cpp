// The rules of the house, applied to the whole tree, and each rule tried on a text that breaks it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "structure/source_tree.hpp"

namespace epi::structure {
namespace {

const std::filesystem::path kRoot = EPI_SOURCE_DIR;

std::string join(const Complaints& complaints) {
  std::string text;
  for (const std::string& complaint : complaints) text += complaint + "\n";
  return text;
}

const std::vector<File>& product() {
  static const std::vector<File> files = read_tree(kRoot, {"src", "launch"});
  return files;
}

const std::vector<File>& tests() {
  static const std::vector<File> files = read_tree(kRoot, {"tests"});
  return files;
}

std::string architecture() {
  std::string text;
  for (const char* name : {"docs/architecture.md"}) {
    std::FILE* in = std::fopen((kRoot / name).c_str(), "rb");
    if (in == nullptr) continue;
    char chunk[4096];
    for (std::size_t n = 0; (n = std::fread(chunk, 1, sizeof chunk, in)) > 0;)
      text.append(chunk, n);
    std::fclose(in);
  }
  return text;
}

template <class Rule>
Complaints over(const std::vector<File>& files, const Rule& rule) {
  Complaints all;
  for (const File& file : files) {
    for (std::string& complaint : rule(file)) all.push_back(std::move(complaint));
  }
  return all;
}

File source(const char* path, const char* room, const char* text) {
  return {path, room, text};
}

TEST(Structure, table_ofTheHouse_hasEveryRoom) {
  const Table table = parse_table(architecture());
  for (const char* room : {"core", "kernels", "data", "dist", "model", "train", "launch"}) {
    EXPECT_EQ(table.count(room), 1U) << room;
  }
  EXPECT_TRUE(table.at("core").empty());
  EXPECT_EQ(table.at("model"), (std::set<std::string>{"core", "kernels"}));
}

TEST(Structure, includes_ofEveryFile_followTheTable) {
  const Table table = parse_table(architecture());
  const auto rule = [&](const File& file) { return forbidden_edges(file, table); };
  EXPECT_EQ(join(over(product(), rule)), "");
}

TEST(Structure, includes_upTheStair_areFound) {
  const Table table = parse_table("Allowed includes\n```\ncore :\ndata : core\n```\n");
  const File up = source("src/core/a.hpp", "core", "#include \"data/store.hpp\"\n");
  EXPECT_EQ(join(forbidden_edges(up, table)),
            "src/core/a.hpp:1: core may not include data/store.hpp\n");
  const File down =
      source("src/data/a.hpp", "data", "#include \"core/view.hpp\"\n#include <core>\n");
  EXPECT_EQ(join(forbidden_edges(down, table)), "");
}

TEST(Structure, libraries_areCalledInTheirRoomOnly) {
  EXPECT_EQ(join(over(product(), raw_library_use)), "");
}

TEST(Structure, libraries_calledElsewhere_areFound) {
  const auto found = [](const char* text) {
    return raw_library_use(source("src/train/a.cpp", "train", text)).size();
  };
  EXPECT_EQ(found("MPI_Init(&argc, &argv);"), 1U);
  EXPECT_EQ(found("#include <mpi.h>"), 1U);
  EXPECT_EQ(found("auto f = H5Fopen(name, flags, plist);"), 1U);
  EXPECT_EQ(found("cudaMalloc(&p, n); ncclAllReduce();"), 2U);
  EXPECT_EQ(found("// MPI_Init is called in dist\nconst char* s = \"cudaMalloc\";"), 0U);
}

TEST(Structure, libraryTypes_stayOutOfOtherRooms) {
  EXPECT_EQ(join(leaked_library_types(product())), "");
}

TEST(Structure, libraryTypes_throughTwoHeaders_areFound) {
  const std::vector<File> files = {
      source("src/data/h5.hpp", "data", "#include <hdf5.h>\n"),
      source("src/data/reader.hpp", "data", "#include \"data/h5.hpp\"\n"),
      source("src/train/run.cpp", "train", "#include \"data/reader.hpp\"\n"),
  };
  EXPECT_EQ(join(leaked_library_types(files)),
            "src/train/run.cpp:1: data/reader.hpp brings an outside library along\n");
}

TEST(Structure, library_neverPrintsOrExits) {
  std::vector<File> library = read_tree(kRoot, {"src"});
  EXPECT_EQ(join(over(library, printing_or_exiting)), "");
}

TEST(Structure, library_thatPrints_isFound) {
  const auto found = [](const char* text) {
    return printing_or_exiting(source("src/data/a.cpp", "data", text)).size();
  };
  EXPECT_EQ(found("std::cout << 1;"), 1U);
  EXPECT_EQ(found("  std::exit(3);"), 1U);
  EXPECT_EQ(found("  std::abort();"), 1U);
  EXPECT_EQ(found("  fprintf(stderr, \"x\");"), 1U);
  EXPECT_EQ(found("  std::snprintf(buffer, n, \"%d\", 3); world.abort(70);"), 0U);
}

TEST(Structure, layout_ofEveryFile_isKept) {
  EXPECT_EQ(join(over(product(), layout_faults)) + join(over(tests(), layout_faults)), "");
}

TEST(Structure, layout_faults_areFound) {
  const std::string wide = "// x\n" + std::string(101, 'a') + "\n";
  EXPECT_EQ(layout_faults(source("src/core/a.cpp", "core", wide.c_str())).size(), 1U);
  EXPECT_EQ(layout_faults(source("src/core/a.hpp", "core", "// x\n")).size(), 1U);
  EXPECT_EQ(layout_faults(source("src/core/a.hpp", "core", "#pragma once\n")).size(), 1U);
  EXPECT_EQ(layout_faults(source("src/core/a.hpp", "core", "// x\n#pragma once\n")).size(), 0U);
}

TEST(Structure, sources_andTests_areListed) {
  EXPECT_EQ(join(unlisted_sources(kRoot, product())) + join(unlisted_sources(kRoot, tests())), "");
}

TEST(Structure, source_thatNoListNames_isFound) {
  const File ghost = source("tests/structure/ghost_test.cpp", "tests", "");
  EXPECT_EQ(join(unlisted_sources(kRoot, {ghost})),
            "tests/structure/ghost_test.cpp: named in no CMakeLists.txt\n");
}

TEST(Structure, source_thatOnlyACommentNames_isFound) {
  const auto root =
      std::filesystem::path(testing::TempDir()) / ("epi-structure-" + std::to_string(getpid()));
  std::filesystem::create_directories(root / "tests");
  std::ofstream(root / "tests/CMakeLists.txt")
      << "# epi_test(a SOURCES a_test.cpp)\n"
         "epi_test(b SOURCES b_test.cpp)  # and not c_test.cpp\n";
  const std::vector<File> files = {source("tests/a_test.cpp", "tests", ""),
                                   source("tests/b_test.cpp", "tests", ""),
                                   source("tests/c_test.cpp", "tests", "")};
  EXPECT_EQ(join(unlisted_sources(root, files)),
            "tests/a_test.cpp: named in no CMakeLists.txt\n"
            "tests/c_test.cpp: named in no CMakeLists.txt\n");
  std::filesystem::remove_all(root);
}

TEST(Structure, code_ofTextWithComments_keepsLinesAndCode) {
  EXPECT_EQ(code_of("a; // b\nc /* d\n e */ f"), "a;     \nc     \n      f");
  EXPECT_EQ(code_of("s = \"x\\\"y\"; t"), "s = \"    \"; t");
  EXPECT_EQ(code_of("n = 1'000; c = '\"'; d"), "n = 1'000; c = ' '; d");
}

}  // namespace
}  // namespace epi::structure
