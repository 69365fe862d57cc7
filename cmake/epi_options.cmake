# What every target of ours is compiled with: C++20, warnings as errors, sanitizers by preset.
# Portable code: no -march=native; src/kernels/cpu compiles its loops once per instruction set.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -fno-omit-frame-pointer")

add_library(epi_options INTERFACE)
target_compile_options(epi_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror>)
if(EPI_SANITIZE)
  # gcc's uninitialised-value warning is wrong in instrumented standard headers (GCC bug 105562).
  target_compile_options(epi_options INTERFACE -fsanitize=${EPI_SANITIZE} -fno-sanitize-recover=all
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(epi_options INTERFACE -fsanitize=${EPI_SANITIZE})
endif()
install(TARGETS epi_options EXPORT epitrain)
set_target_properties(epi_options PROPERTIES EXPORT_NAME options)

# epi_room(NAME SOURCES a.cpp ... LINK targets ... PRIVATE targets ...)
# One target per room: library epi_NAME, alias epi::NAME, headers found from src/.
# LINK targets are part of the public headers, PRIVATE ones stay in the sources.
function(epi_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;LINK;PRIVATE" ${ARGN})
  add_library(epi_${name} STATIC ${ROOM_SOURCES})
  add_library(epi::${name} ALIAS epi_${name})
  target_include_directories(epi_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/epitrain>)
  target_compile_features(epi_${name} PUBLIC cxx_std_20)
  target_link_libraries(epi_${name} PUBLIC ${ROOM_LINK}
    PRIVATE $<BUILD_INTERFACE:epi_options> ${ROOM_PRIVATE})
  set_target_properties(epi_${name} PROPERTIES EXPORT_NAME ${name})
  install(TARGETS epi_${name} EXPORT epitrain ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endfunction()
