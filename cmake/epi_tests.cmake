# epi_test(NAME SOURCES x_test.cpp ... LINK targets ... [LABELS l ...])
#   A GoogleTest program epi_NAME; ctest runs it as one test, NAME.
# epi_mpi_test(NAME RANKS 1 2 4 SOURCES ... LINK ...)
#   The same program under mpirun, once per number of ranks: tests NAME_np1 ...; none without MPI.
# Tests find the tree through EPI_SOURCE_DIR and write below a folder of their own (testing::TempDir).
# Open MPI keeps memory until the process ends and unloads the plugins that would name it, so leaks are
# looked for in programs without MPI only.
set(epi_mpi_environment
  "OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1;OMPI_MCA_mpi_yield_when_idle=1;OMPI_MCA_rmaps_base_oversubscribe=1;OMPI_MCA_btl_vader_single_copy_mechanism=none;OMP_NUM_THREADS=1;ASAN_OPTIONS=detect_leaks=0")

function(epi_test_program name)
  cmake_parse_arguments(T "" "" "SOURCES;LINK;LABELS;RANKS" ${ARGN})
  add_executable(epi_${name} ${T_SOURCES})
  target_link_libraries(epi_${name} PRIVATE epi_options ${T_LINK} GTest::gtest fmt::fmt)
  target_include_directories(epi_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(epi_${name} PRIVATE EPI_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
endfunction()

function(epi_test name)
  cmake_parse_arguments(T "" "" "SOURCES;LINK;LABELS" ${ARGN})
  epi_test_program(${name} ${ARGN})
  target_link_libraries(epi_${name} PRIVATE GTest::gtest_main)
  add_test(NAME ${name} COMMAND epi_${name})
  set_tests_properties(${name} PROPERTIES LABELS "${T_LABELS}" TIMEOUT 240)
endfunction()

function(epi_mpi_test name)
  if(NOT EPI_MPI)
    return()
  endif()
  cmake_parse_arguments(T "" "" "SOURCES;LINK;RANKS" ${ARGN})
  epi_test_program(${name} ${ARGN})
  foreach(ranks IN LISTS T_RANKS)
    add_test(NAME ${name}_np${ranks}
      COMMAND ${MPIEXEC_EXECUTABLE} -np ${ranks} --bind-to none $<TARGET_FILE:epi_${name}>)
    set_tests_properties(${name}_np${ranks} PROPERTIES LABELS mpi TIMEOUT 240 PROCESSORS 2
      ENVIRONMENT "${epi_mpi_environment}")
  endforeach()
endfunction()
