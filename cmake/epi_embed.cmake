# epi_embed(TARGET FILE FUNCTION)
#   Makes a text file part of a library, so that the program needs no data beside it: a generated source
#   defines `std::string_view FUNCTION()`, which returns the file's text. FUNCTION has its namespace,
#   epi::data::x; a header of ours declares it. Changes of the file are noticed by the build.
#
# As a script (cmake -D IN=... -D OUT=... -D FUNCTION=... -P), writes that source. Each line is a raw
# literal of its own, so no line needs quoting and no literal is long.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ "${IN}" text)
  string(FIND "${text}" ")epi\"" closing)
  if(NOT closing EQUAL -1)
    message(FATAL_ERROR "${IN}: holds )epi\", which would end the literal")
  endif()
  string(REGEX REPLACE "::[^:]*$" "" space "${FUNCTION}")
  string(REGEX REPLACE "^.*::" "" name "${FUNCTION}")
  string(REPLACE "\n" "\n)epi\"\n    R\"epi(" text "${text}")
  get_filename_component(file "${IN}" NAME)
  file(WRITE "${OUT}" "// Made from ${file} by cmake/epi_embed.cmake.
#include <string_view>

namespace ${space} {
std::string_view ${name}() {
  return R\"epi(${text})epi\";
}
}  // namespace ${space}
")
  return()
endif()

set(EPI_EMBED_SCRIPT "${CMAKE_CURRENT_LIST_FILE}")

function(epi_embed target file function)
  get_filename_component(in "${file}" ABSOLUTE)
  get_filename_component(stem "${file}" NAME_WE)
  set(out "${CMAKE_CURRENT_BINARY_DIR}/embedded/${stem}.cpp")
  add_custom_command(OUTPUT "${out}"
    COMMAND ${CMAKE_COMMAND} -D "IN=${in}" -D "OUT=${out}" -D "FUNCTION=${function}" -P "${EPI_EMBED_SCRIPT}"
    DEPENDS "${in}" "${EPI_EMBED_SCRIPT}" VERBATIM)
  target_sources(${target} PRIVATE "${out}")
endfunction()
