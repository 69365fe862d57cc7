# Installs the build to a folder of its own, builds consumer/ against it and runs that.
#   cmake -D BUILD=build folder -D CONSUMER=source folder -D WORK=scratch folder -D VERSION=expected
#         -D GENERATOR=name -D CXX=compiler -D LINKER_FLAGS=flags -P install_consumer.cmake
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT code EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "${line}: exit ${code}\n${out}\n${err}")
  endif()
  set(out "${out}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
run(${CMAKE_COMMAND} -S ${CONSUMER} -B ${WORK}/build -G ${GENERATOR} -D CMAKE_BUILD_TYPE=Release
  -D CMAKE_CXX_COMPILER=${CXX} "-DCMAKE_EXE_LINKER_FLAGS=${LINKER_FLAGS}"
  -D CMAKE_PREFIX_PATH=${WORK}/prefix -D CMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/consumer)
file(REMOVE_RECURSE ${WORK})
# "VERSION (git ...)".
string(FIND "${out}" "${VERSION} (" at)
if(NOT at EQUAL 0)
  message(FATAL_ERROR "the consumer printed \"${out}\", expected ${VERSION} (...)")
endif()
