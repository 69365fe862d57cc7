// Which program wrote an output: goes into every manifest, checkpoint and log.
#pragma once

namespace epi::core {

/// "0.1.0 (git 1a2b3c4d5e6f)".
[[nodiscard]] const char* version_text();

/// Build type and compiler.
[[nodiscard]] const char* build_text();

}  // namespace epi::core
