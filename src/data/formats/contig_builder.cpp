// A genome is three billion letters, so each is touched as rarely as can be: strips of letters are
// translated and counted without branches (compilers make vector code of it), and only strips with
// other letters than A C G T are looked at one by one. The MD5, 64 dependent steps for as many
// letters, is what remains.
#include "data/formats/contig_builder.hpp"

#include <algorithm>
#include <utility>

#include "core/corpus.hpp"
#include "core/digest.hpp"

namespace epi::data {
namespace {

/// Letters per strip; counts within one fit a byte.
constexpr std::size_t kStrip = 128;
constexpr std::uint8_t kCaseBit = 'a' - 'A';
constexpr std::string_view kOtherBases = "NRYSWKMBDHVU";

static_assert(kCaseBit >> 2U == core::kSoftMasked, "the case bit, shifted, is the mask bit");

struct StripCounts {
  std::uint8_t acgt = 0, soft = 0, n = 0;
};

/// `codes` of anything but A C G T are those of N; whether such letters may be is not asked here.
/// Bytes throughout and no aliasing: else gcc makes no vector code of the loop.
inline StripCounts translate(const char* __restrict__ letters, std::size_t size,
                             std::uint8_t* __restrict__ codes, char* __restrict__ upper) {
  std::uint8_t acgt = 0, soft = 0, n = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const auto letter = static_cast<std::uint8_t>(letters[i]);
    const auto capital = static_cast<std::uint8_t>(letter & ~kCaseBit);
    const auto mask = static_cast<std::uint8_t>((letter & kCaseBit) >> 2U);
    const std::uint8_t a = capital == 'A' ? 1 : 0, c = capital == 'C' ? 1 : 0;
    const std::uint8_t g = capital == 'G' ? 1 : 0, t = capital == 'T' ? 1 : 0;
    const auto is_acgt = static_cast<std::uint8_t>(a | c | g | t);
    codes[i] = static_cast<std::uint8_t>(c | 2 * g | 3 * t | core::kBaseN * (is_acgt ^ 1) | mask);
    upper[i] = static_cast<char>(capital);
    acgt = static_cast<std::uint8_t>(acgt + is_acgt);
    soft = static_cast<std::uint8_t>(soft + (is_acgt & (mask >> 3U)));
    n = static_cast<std::uint8_t>(n + (capital == 'N' ? 1 : 0));
  }
  return {acgt, soft, n};
}

/// Place of the first capital that is no IUPAC code.
std::size_t first_invalid(std::string_view upper) {
  const auto is_invalid = [](char letter) {
    return letter != 'A' && letter != 'C' && letter != 'G' && letter != 'T' &&
           kOtherBases.find(letter) == std::string_view::npos;
  };
  return static_cast<std::size_t>(std::find_if(upper.begin(), upper.end(), is_invalid) -
                                  upper.begin());
}

}  // namespace

void ContigBuilder::start(std::string name) {
  contig_ = {};
  contig_.name = std::move(name);
  gaps_.clear();
  run_start_bp_ = -1;
  bases_.clear();
}

std::size_t ContigBuilder::add(std::string_view letters) {
  const std::size_t before = bases_.size();
  bases_.resize(before + letters.size());
  upper_.resize(letters.size());
  for (std::size_t at = 0; at < letters.size(); at += kStrip) {
    const std::size_t size = std::min(kStrip, letters.size() - at);
    std::uint8_t* codes = bases_.data() + before + at;
    char* upper = upper_.data() + at;
    // Two calls of one inline function: in the first the number of letters is known to the
    // compiler.
    const StripCounts counts = size == kStrip ? translate(letters.data() + at, kStrip, codes, upper)
                                              : translate(letters.data() + at, size, codes, upper);
    contig_.acgt_bp += counts.acgt;
    contig_.soft_masked_bp += counts.soft;
    const std::size_t other = size - counts.acgt - counts.n;
    if (other > 0) {
      const std::size_t invalid = first_invalid({upper, size});
      if (invalid < size) return at + invalid;
      contig_.iupac_bp += static_cast<std::int64_t>(other);
    }
    follow_runs(static_cast<std::int64_t>(before + at), size, counts.acgt);
  }
  md5_.add(upper_);
  return letters.size();
}

/// N and every code that became N count alike: neither can be a target.
void ContigBuilder::follow_runs(std::int64_t at_bp, std::size_t size, std::size_t acgt) {
  if (acgt == 0) {
    if (run_start_bp_ < 0) run_start_bp_ = at_bp;
    return;
  }
  if (acgt == size) {
    end_run(at_bp);
    return;
  }
  for (std::size_t i = 0; i < size; ++i) {
    const auto place_bp = at_bp + static_cast<std::int64_t>(i);
    const bool is_n =
        (bases_[static_cast<std::size_t>(place_bp)] & core::kBaseMask) == core::kBaseN;
    if (!is_n) end_run(place_bp);
    if (is_n && run_start_bp_ < 0) run_start_bp_ = place_bp;
  }
}

void ContigBuilder::end_run(std::int64_t end_bp) {
  if (run_start_bp_ >= 0 && end_bp - run_start_bp_ >= kShortestGapBp) {
    gaps_.push_back({run_start_bp_, end_bp});
  }
  run_start_bp_ = -1;
}

ContigSequence ContigBuilder::finish() {
  end_run(length_bp());
  contig_.length_bp = length_bp();
  contig_.digest = core::digest_of(std::as_bytes(std::span(bases_)));
  contig_.md5 = md5_.finish();
  return {contig_, gaps_, bases_};
}

}  // namespace epi::data
