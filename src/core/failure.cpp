#include "core/failure.hpp"

#include <filesystem>
#include <new>
#include <string>

namespace epi::core {

Failure describe(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  } catch (const std::bad_alloc&) {
    return {ErrorKind::device, "out of memory"};
  } catch (const std::filesystem::filesystem_error& error) {
    const bool gone = error.code() == std::errc::no_such_file_or_directory;
    return {gone ? ErrorKind::missing : ErrorKind::io, error.what()};
  } catch (const std::exception& error) {
    return {ErrorKind::logic, std::string("unexpected exception: ") + error.what()};
  } catch (...) {
    return {ErrorKind::logic, "unexpected exception of an unknown type"};
  }
}

}  // namespace epi::core
