// htslib brings an MD5 for its own M5 tags; this is its only user here.
#include "data/formats/md5.hpp"

#include <htslib/hts.h>

#include <array>
#include <new>

namespace epi::data {

struct Md5::State {
  State() : context(hts_md5_init()) {
    if (context == nullptr) throw std::bad_alloc();  // its only way to fail
  }
  ~State() { hts_md5_destroy(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  hts_md5_context* context;
};

Md5::Md5() : state_(std::make_unique<State>()) {}
Md5::Md5(Md5&&) noexcept = default;
Md5& Md5::operator=(Md5&&) noexcept = default;
Md5::~Md5() = default;

void Md5::add(std::string_view bytes) {
  hts_md5_update(state_->context, bytes.data(), bytes.size());
}

std::string Md5::finish() {
  std::array<unsigned char, 16> sum{};
  std::array<char, 33> text{};
  hts_md5_final(sum.data(), state_->context);
  hts_md5_hex(text.data(), sum.data());
  hts_md5_reset(state_->context);
  return text.data();
}

}  // namespace epi::data
