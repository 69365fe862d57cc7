# Finds the CUDA toolkit and NCCL without help: nvcc on PATH or in the usual places.
find_program(EPI_NVCC nvcc HINTS $ENV{CUDA_HOME}/bin $ENV{CUDA_PATH}/bin /usr/local/cuda/bin)
if(NOT EPI_NVCC)
  message(FATAL_ERROR "preset cuda: no nvcc found; install the CUDA toolkit or set CUDA_HOME")
endif()
set(CMAKE_CUDA_COMPILER ${EPI_NVCC})
set(CMAKE_CUDA_ARCHITECTURES 80-virtual 80-real 90a-real CACHE STRING "GPU architectures to compile for")
enable_language(CUDA)
set(CMAKE_CUDA_STANDARD 20)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake before 3.25.2 does not know that nvcc 12 has it
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
find_package(CUDAToolkit REQUIRED)
cmake_path(GET EPI_NVCC PARENT_PATH EPI_CUDA_BIN)
find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ${EPI_CUDA_BIN}/../include)
find_library(NCCL_LIBRARY nccl HINTS ${CUDAToolkit_LIBRARY_DIR} ${EPI_CUDA_BIN}/../lib64)
if(NCCL_INCLUDE_DIR AND NCCL_LIBRARY)
  message(STATUS "NCCL: ${NCCL_LIBRARY}")
else()
  message(STATUS "NCCL: not found")
endif()

# epi_cuda_kernels(TARGET x.cu ...): adds kernels of src/kernels/cuda. They find the device's form of
# "simt/simt.cuh" there; tests/simt compiles the same files for the host with a twin of it. A register
# spill in one of them is an error.
function(epi_cuda_kernels target)
  target_sources(${target} PRIVATE ${ARGN})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src/kernels/cuda/native)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:
    --expt-relaxed-constexpr -Werror=all-warnings -Xptxas=--warn-on-spills,--warning-as-error>)
  target_link_libraries(${target} PRIVATE CUDA::cudart CUDA::cublasLt)
endfunction()
