// The real gemm.cpp on emulated devices, with a stand-in for the library that can't run here:
// shapes and epilogues as the library is told of them, which algorithms are taken, choices that
// travel.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/bf16.hpp"
#include "core/buffer.hpp"
#include "core/philox.hpp"
#include "kernels/cuda/gemm.hpp"
#include "simt/emulated_memory.hpp"
#include "simt/stand_in_cublaslt.hpp"

namespace epi::kernels::cuda {
namespace {

using core::DType;

constexpr core::Device kDevice{core::DeviceKind::cuda, 0};
// No multiple of anything; rows are padded to multiples of 8 in memory.
constexpr std::int64_t kM = 13, kN = 21, kK = 37;

std::int64_t padded(std::int64_t columns) {
  return (columns + 7) / 8 * 8;
}

/// A matrix on the device, and what the host last knew of it.
class Matrix {
 public:
  Matrix(DType type, std::int64_t rows, std::int64_t columns, std::uint32_t salt)
      : width_(padded(columns)),
        known_(type, {rows, width_}),
        tensor_(type, {rows, width_}, kDevice) {
    for (std::int64_t i = 0; i < rows * width_; ++i) {
      const auto word =
          core::philox(1, core::RandomUse::test, {salt, static_cast<std::uint32_t>(i), 0, 0});
      put(i, core::uniform_float(word[0]) - 0.5F);
    }
    core::Stream stream(kDevice);
    core::copy(tensor_, known_, stream);
  }
  [[nodiscard]] core::View view() const { return tensor_.view(); }
  /// Makes known what the device holds.
  void pull(core::Stream& stream) const {
    core::copy(known_, tensor_, stream);
    stream.synchronize();
  }
  [[nodiscard]] double at(std::int64_t row, std::int64_t column) const {
    const std::int64_t i = row * width_ + column;
    const core::View& view = known_.view();
    if (view.dtype() == DType::f32) return static_cast<double>(view.as<float>()[i]);
    return static_cast<double>(core::to_float(view.as<core::BFloat16>()[i]));
  }

 private:
  void put(std::int64_t i, float value) {
    const core::View& view = known_.view();
    if (view.dtype() == DType::f32) {
      view.as<float>()[i] = value;
    } else {
      view.as<core::BFloat16>()[i] = core::to_bf16(value);
    }
  }
  std::int64_t width_;
  core::Tensor known_, tensor_;
};

double gelu(double x) {
  return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}

/// One product with all operands that any epilogue has, and what it must give in double.
struct Case {
  Case(DType operands, DType result, Layout a_lies, Layout b_lies)
      : a_layout(a_lies),
        b_layout(b_lies),
        a(operands, a_lies == Layout::plain ? kM : kK, a_lies == Layout::plain ? kK : kM, 1),
        b(operands, b_lies == Layout::plain ? kK : kN, b_lies == Layout::plain ? kN : kK, 2),
        bias(result, 1, kN, 3),
        sums(DType::f32, 1, kM, 4),
        pre(result, kM, kN, 5),
        c(result, kM, kN, 6) {}

  [[nodiscard]] Product product(Epilogue epilogue, Write write = Write::set) const {
    Product p{.m = kM,
              .n = kN,
              .k = kK,
              .a = a.view(),
              .b = b.view(),
              .a_layout = a_layout,
              .b_layout = b_layout,
              .write = write,
              .epilogue = epilogue,
              .c = c.view()};
    if (epilogue == Epilogue::bias || epilogue == Epilogue::bias_gelu) {
      p.bias = bias.view().slice(0, kN);
    }
    if (epilogue == Epilogue::bias_gelu) p.pre_out = pre.view();
    if (epilogue == Epilogue::gelu_grad) p.pre_in = pre.view();
    if (epilogue == Epilogue::column_sums) p.sums = sums.view().slice(0, kM);
    return p;
  }
  void pull(core::Stream& stream) const {
    for (const Matrix* matrix : {&sums, &pre, &c}) matrix->pull(stream);
  }
  [[nodiscard]] double factor_a(std::int64_t i, std::int64_t l) const {
    return a_layout == Layout::plain ? a.at(i, l) : a.at(l, i);
  }
  [[nodiscard]] double exact(std::int64_t i, std::int64_t j) const {
    double sum = 0;
    for (std::int64_t l = 0; l < kK; ++l) {
      sum += factor_a(i, l) * (b_layout == Layout::plain ? b.at(l, j) : b.at(j, l));
    }
    return sum;
  }

  Layout a_layout, b_layout;
  Matrix a, b, bias, sums, pre, c;
};

/// Of one rounding to bf16, or of sums in f32.
double tolerance(DType type, double value) {
  return type == DType::f32 ? 1e-5 : 1e-4 + std::abs(value) / 256.0;
}

class Cublaslt : public testing::Test {
 protected:
  void SetUp() override { withhold_epilogues(false); }
  void TearDown() override {
    withhold_epilogues(false);
    EXPECT_EQ(refused_products(), 0) << "a product was asked for against the library's rules";
  }
  /// Slower than any product here, and wrong: what is in memory at the end must be the library's.
  static Apart slow(const Case& test) {
    return [c = test.c.view()] {
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
      const core::emulated::Access access;
      std::memset(c.raw(), 0xff, c.bytes());
    };
  }
  core::Stream stream{kDevice};
};

/// The algorithm of a line of choices: the first byte of its words says which of the stand-in's.
std::vector<char> algorithms(const std::string& choices) {
  std::vector<char> found;
  for (std::size_t end = choices.find('\n', choices.find('\n') + 1); end != std::string::npos;
       end = choices.find('\n', end + 1)) {
    found.push_back(choices.at(choices.rfind(' ', end) + 2));
  }
  return found;
}

TEST_F(Cublaslt, plain_products_of_all_layouts_and_types_are_right) {
  Gemm gemm(kDevice, {});
  for (const auto& [operands, result] :
       {std::pair(DType::f32, DType::f32), std::pair(DType::bf16, DType::bf16),
        std::pair(DType::bf16, DType::f32)}) {
    for (const Layout a : {Layout::plain, Layout::transposed}) {
      for (const Layout b : {Layout::plain, Layout::transposed}) {
        const Case test(operands, result, a, b);
        gemm.run(test.product(Epilogue::none), stream.native());
        test.pull(stream);
        for (std::int64_t i = 0; i < kM; ++i) {
          for (std::int64_t j = 0; j < kN; ++j) {
            ASSERT_NEAR(test.c.at(i, j), test.exact(i, j), tolerance(result, test.exact(i, j)));
          }
        }
      }
    }
  }
}

TEST_F(Cublaslt, padding_of_the_result_is_left_alone) {
  Gemm gemm(kDevice, {});
  const Case test(DType::f32, DType::f32, Layout::plain, Layout::transposed);
  const double before = test.c.at(3, kN);
  gemm.run(test.product(Epilogue::none), stream.native());
  test.pull(stream);
  EXPECT_EQ(test.c.at(3, kN), before);
}

TEST_F(Cublaslt, products_that_add_add_once_although_they_are_timed) {
  Gemm gemm(kDevice, {});
  const Case test(DType::bf16, DType::f32, Layout::transposed, Layout::plain);
  const double before = test.c.at(5, 7);
  gemm.run(test.product(Epilogue::none, Write::add), stream.native());
  test.pull(stream);
  EXPECT_NEAR(test.c.at(5, 7), before + test.exact(5, 7), 1e-5);
}

TEST_F(Cublaslt, what_would_add_to_the_result_itself_is_not_timed) {
  Gemm gemm(kDevice, {});
  const Case test(DType::bf16, DType::bf16, Layout::plain, Layout::plain);
  int calls = 0;
  gemm.run(test.product(Epilogue::none, Write::add), stream.native(), [&] { ++calls; });
  EXPECT_EQ(calls, 0);
}

TEST_F(Cublaslt, bias_and_gelu_keep_the_pre_activation) {
  Gemm gemm(kDevice, {});
  const Case test(DType::bf16, DType::bf16, Layout::plain, Layout::transposed);
  gemm.run(test.product(Epilogue::bias_gelu), stream.native(), slow(test));
  test.pull(stream);
  for (std::int64_t j = 0; j < kN; ++j) {
    const double pre = test.exact(4, j) + test.bias.at(0, j);
    EXPECT_NEAR(test.pre.at(4, j), pre, tolerance(DType::bf16, pre));
    EXPECT_NEAR(test.c.at(4, j), gelu(pre), tolerance(DType::bf16, pre));
  }
}

TEST_F(Cublaslt, gradients_of_gelu_ride_on_the_product) {
  Gemm gemm(kDevice, {});
  const Case test(DType::bf16, DType::bf16, Layout::plain, Layout::plain);
  gemm.run(test.product(Epilogue::gelu_grad), stream.native(), slow(test));
  test.pull(stream);
  constexpr double kStep = 1e-6;
  for (std::int64_t j = 0; j < kN; ++j) {
    const double x = test.pre.at(2, j);
    const double slope = (gelu(x + kStep) - gelu(x - kStep)) / (2.0 * kStep);
    EXPECT_NEAR(test.c.at(2, j), test.exact(2, j) * slope,
                tolerance(DType::bf16, test.exact(2, j)));
  }
}

TEST_F(Cublaslt, column_sums_ride_on_gradients_of_weights) {
  Gemm gemm(kDevice, {});
  const Case test(DType::bf16, DType::f32, Layout::transposed, Layout::plain);
  gemm.run(test.product(Epilogue::column_sums), stream.native(), slow(test));
  test.pull(stream);
  for (std::int64_t i = 0; i < kM; ++i) {
    double sum = 0;
    for (std::int64_t l = 0; l < kK; ++l) sum += test.factor_a(i, l);
    EXPECT_NEAR(test.sums.at(0, i), sum, 1e-5);
  }
  EXPECT_NEAR(test.c.at(12, 20), test.exact(12, 20), 1e-5);
}

TEST_F(Cublaslt, epilogues_that_nobody_offers_are_done_apart) {
  withhold_epilogues(true);
  Gemm gemm(kDevice, {});
  const Case test(DType::bf16, DType::bf16, Layout::plain, Layout::transposed);
  int calls = 0;
  gemm.run(test.product(Epilogue::bias), stream.native(), [&] { ++calls; });
  const int at_first = calls;
  gemm.run(test.product(Epilogue::bias), stream.native(), [&] { ++calls; });
  EXPECT_EQ(calls, at_first + 1);
  EXPECT_NE(gemm.choices().find(" apart\n"), std::string::npos);
}

TEST_F(Cublaslt, sums_of_no_fixed_order_and_too_large_workspaces_are_never_taken) {
  for (int round = 0; round < 8; ++round) {  // timing decides among what is left
    Gemm gemm(kDevice, {});
    const Case test(DType::bf16, DType::f32, Layout::transposed, Layout::plain);
    gemm.run(test.product(Epilogue::none), stream.native());
    test.pull(stream);
    const std::vector<char> taken = algorithms(gemm.choices());
    ASSERT_EQ(taken.size(), 1U);
    EXPECT_TRUE(taken[0] == '1' || taken[0] == '3') << gemm.choices();
  }
}

TEST_F(Cublaslt, reproducible_products_time_nothing_and_take_no_choice_over) {
  Gemm gemm(kDevice, {.reproducible = true});
  const Case test(DType::bf16, DType::bf16, Layout::plain, Layout::transposed);
  Gemm timed(kDevice, {});
  withhold_epilogues(true);
  timed.run(test.product(Epilogue::bias), stream.native(), slow(test));
  withhold_epilogues(false);
  ASSERT_NE(timed.choices().find(" apart\n"), std::string::npos);
  ASSERT_TRUE(gemm.take_choices(timed.choices()));
  int calls = 0;
  gemm.run(test.product(Epilogue::bias), stream.native(), [&] { ++calls; });
  EXPECT_EQ(calls, 0) << "the fused product is there, however long it takes";
}

TEST_F(Cublaslt, reproducible_products_do_not_cut_their_inner_dimension) {
  Gemm gemm(kDevice, {.reproducible = true});
  const Case test(DType::bf16, DType::f32, Layout::transposed, Layout::plain);
  gemm.run(test.product(Epilogue::none), stream.native());
  test.pull(stream);
  EXPECT_EQ(algorithms(gemm.choices()), std::vector<char>{'3'});
}

TEST_F(Cublaslt, choices_that_travel_give_the_same_bits) {
  Gemm first(kDevice, {});
  const Case test(DType::bf16, DType::f32, Layout::transposed, Layout::plain);
  first.run(test.product(Epilogue::none), stream.native());
  test.pull(stream);
  const std::string choices = first.choices();
  const double before = test.c.at(1, 2);
  Gemm second(kDevice, {});
  ASSERT_TRUE(second.take_choices(choices));
  second.run(test.product(Epilogue::none), stream.native());
  test.pull(stream);
  EXPECT_EQ(second.choices(), choices);
  EXPECT_EQ(test.c.at(1, 2), before);
}

TEST_F(Cublaslt, choices_of_another_library_or_damaged_ones_are_left) {
  Gemm gemm(kDevice, {});
  EXPECT_FALSE(gemm.take_choices("cublasLt 120000, another GPU\nkey 00\n"));
  Gemm other(kDevice, {});
  const Case test(DType::f32, DType::f32, Layout::plain, Layout::plain);
  other.run(test.product(Epilogue::none), stream.native());
  std::string damaged = other.choices();
  damaged.replace(damaged.size() - 3, 2, "zz");
  EXPECT_FALSE(gemm.take_choices(damaged));
  gemm.run(test.product(Epilogue::none), stream.native());
  test.pull(stream);
  EXPECT_NEAR(test.c.at(0, 0), test.exact(0, 0), 1e-5);
}

TEST_F(Cublaslt, a_shape_is_run_once_before_it_is_recorded) {
  Gemm gemm(kDevice, {});
  const Case test(DType::f32, DType::f32, Layout::plain, Layout::plain);
  core::Graph::begin(stream);
  EXPECT_THROW(gemm.run(test.product(Epilogue::none), stream.native()), core::LogicError);
  (void)core::Graph::end(stream);
  gemm.run(test.product(Epilogue::none), stream.native());
  core::fill_zero(test.c.view(), stream);
  core::Graph::begin(stream);
  gemm.run(test.product(Epilogue::none), stream.native());
  const core::Graph graph = core::Graph::end(stream);
  test.pull(stream);
  EXPECT_EQ(test.c.at(6, 6), 0.0);
  graph.launch(stream);
  test.pull(stream);
  EXPECT_NEAR(test.c.at(6, 6), test.exact(6, 6), 1e-5);
}

}  // namespace
}  // namespace epi::kernels::cuda
