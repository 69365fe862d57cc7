# cmake --install and find_package(epitrain CONFIG): targets epi::core .. epi::train.
include(CMakePackageConfigHelpers)
install(DIRECTORY src/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/epitrain FILES_MATCHING PATTERN "*.hpp")
install(EXPORT epitrain NAMESPACE epi:: FILE epitrain-targets.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/epitrain)
configure_package_config_file(cmake/epitrain-config.cmake.in epitrain-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/epitrain)
write_basic_package_version_file(epitrain-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/epitrain-config.cmake ${PROJECT_BINARY_DIR}/epitrain-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/epitrain)
