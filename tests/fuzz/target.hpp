// What all fuzz targets share: the input as a file that readers open by its path, and the rule that
// nothing but an error of ours for the user may come out of a reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "core/error.hpp"

namespace epi::fuzz {

/// Puts the bytes into a file in memory and returns its path, which is the same for every input of
/// one process: one input at a time. std::runtime_error when the system gives no such file.
[[nodiscard]] const std::filesystem::path& as_file(std::span<const std::uint8_t> bytes);

/// The bytes as text; a view of them.
[[nodiscard]] std::string_view as_text(std::span<const std::uint8_t> bytes);

/// Ends the process as libFuzzer wants it for a finding, with the reason on stderr.
[[noreturn]] void report(std::string_view reason);

/// A finding unless `ok`.
void expect(bool ok, std::string_view reason);

/// Runs one reader. Errors of ours are what damage should give; a broken promise between our own
/// functions, an error without text and every foreign exception are findings.
template <class Read>
void run(const Read& read) {
  try {
    read();
  } catch (const core::LogicError& error) {
    report(error.what());
  } catch (const core::Error& error) {
    expect(!std::string_view(error.what()).empty(), "an error without text");
  }
}

}  // namespace epi::fuzz

/// What libFuzzer, or replay.cpp, calls with one input; each target defines it once.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
