// What a path names, with the system's refusal as an error of ours: a folder without permission is
// neither there nor absent.
#pragma once

#include <filesystem>

namespace epi::data {

/// The file's type, links followed; not_found where nothing is. IoError with the system's reason
/// where it does not say.
[[nodiscard]] std::filesystem::file_status status_of(const std::filesystem::path& path);

}  // namespace epi::data
