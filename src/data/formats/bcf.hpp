// BCF, the binary form of VCF, through htslib. See variants.hpp for what callers use.
#pragma once

#include <filesystem>
#include <memory>

#include "data/formats/variants.hpp"

namespace epi::data {

/// By its first bytes. Errors: see TextFile.
[[nodiscard]] bool is_bcf(const std::filesystem::path& path);

/// Errors: see open_variants.
[[nodiscard]] std::unique_ptr<VariantSource> open_bcf(const std::filesystem::path& path);

}  // namespace epi::data
