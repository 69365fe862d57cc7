# Outside libraries, each used in one room (see the table in docs/architecture.md).
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(PkgConfig REQUIRED)
if(EPI_MPI)
  find_package(MPI REQUIRED COMPONENTS C)
endif()
find_package(dnnl REQUIRED)
if(NOT EPI_FUZZ)  # fuzz targets need clang, whose OpenMP they don't
  find_package(OpenMP REQUIRED COMPONENTS CXX)
endif()
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(nlohmann_json REQUIRED)
pkg_check_modules(htslib REQUIRED IMPORTED_TARGET htslib)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
# libBigWig has neither a CMake nor a pkg-config file. Only the program epitrain-bigfile uses it.
find_path(BIGWIG_INCLUDE_DIR bigWig.h REQUIRED)
find_library(BIGWIG_LIBRARY BigWig REQUIRED)

# The serial HDF5: the parallel one is not thread-safe and is not needed, one process writes a shard.
set(HDF5_PREFER_PARALLEL OFF)
find_package(HDF5 REQUIRED COMPONENTS C)
if(HDF5_IS_PARALLEL)
  message(FATAL_ERROR "found a parallel HDF5; epitrain wants the serial one (Debian: libhdf5-dev)")
endif()

if(EPI_CUDA)
  include(epi_cuda)
endif()
