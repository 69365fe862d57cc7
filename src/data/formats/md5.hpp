// MD5, as SAM headers (M5) and refget name sequences by. Not for security.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace epi::data {

/// A running MD5 sum.
class Md5 {
 public:
  /// The sum of no bytes, ready for more.
  Md5();
  ~Md5();
  /// Moved only: a running sum belongs to one stream of bytes.
  Md5(Md5&&) noexcept;
  Md5& operator=(Md5&&) noexcept;
  /// Takes the next bytes; where a stream is cut into pieces does not change the sum.
  void add(std::string_view bytes);
  /// 32 lower-case hexadecimal digits; the sum starts anew.
  [[nodiscard]] std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace epi::data
