#include "core/view.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace epi::core {
namespace {

TEST(View_shape, givesSizeAndBytes) {
  std::vector<float> values(24);
  const View view(values.data(), {2, 3, 4});
  EXPECT_EQ(view.rank(), 3);
  EXPECT_EQ(view.shape(1), 3);
  EXPECT_EQ(view.size(), 24);
  EXPECT_EQ(view.bytes(), 96U);
  EXPECT_EQ(view.dtype(), DType::f32);
  EXPECT_EQ(describe(view), "f32[2, 3, 4]");
}

TEST(View_absent, isFalseAndEmpty) {
  const View absent;
  EXPECT_FALSE(absent);
  EXPECT_EQ(absent.size(), 0);
  EXPECT_EQ(describe(absent), "absent");
}

TEST(View_emptyAxis, isPresentWithoutElements) {
  float value = 0.0F;
  const View view(&value, {0, 7});
  EXPECT_TRUE(view);
  EXPECT_EQ(view.size(), 0);
}

TEST(View_elementTypes, haveTheirSizes) {
  EXPECT_EQ(size_of(DType::u8), 1U);
  EXPECT_EQ(size_of(DType::bf16), 2U);
  EXPECT_EQ(size_of(DType::i32), 4U);
  EXPECT_EQ(size_of(DType::f32), 4U);
  EXPECT_EQ(size_of(DType::i64), 8U);
  EXPECT_EQ(size_of(DType::f64), 8U);
  EXPECT_EQ(dtype_of<const std::int64_t>(), DType::i64);
}

TEST(View_slice, startsAtTheElementAndWritesThrough) {
  std::vector<std::int64_t> values = {0, 1, 2, 3, 4};
  const View part = View(values.data(), {5}).slice(2, 3);
  EXPECT_EQ(part.size(), 3);
  part.as<std::int64_t>()[0] = 20;
  EXPECT_EQ(values[2], 20);
}

TEST(View_sliceOfSeveralAxes, countsElements) {
  std::vector<float> values(6);
  const View part = View(values.data(), {2, 3}).slice(4, 2);
  EXPECT_EQ(part.as<float>(), values.data() + 4);
  EXPECT_EQ(part.rank(), 1);
}

TEST(View_sliceOutside, isABrokenPromise) {
  std::vector<float> values(5);
  const View view(values.data(), {5});
  EXPECT_THROW((void)view.slice(3, 3), LogicError);
  EXPECT_THROW((void)view.slice(-1, 2), LogicError);
  EXPECT_THROW((void)view.slice(0, -1), LogicError);
  EXPECT_EQ(view.slice(5, 0).size(), 0);
}

TEST(View_otherElementType, isABrokenPromise) {
  std::vector<float> values(5);
  const View view(values.data(), {5});
  EXPECT_THROW((void)view.as<std::int32_t>(), LogicError);
}

TEST(View_reshape, keepsElementsAndRefusesOtherSizes) {
  std::vector<float> values(6);
  const View view(values.data(), {6});
  EXPECT_EQ(view.reshape({2, 3}).shape(0), 2);
  EXPECT_THROW((void)view.reshape({4, 2}), LogicError);
}

TEST(View_moreThanFourAxes, isABrokenPromise) {
  float value = 0.0F;
  EXPECT_THROW(View(&value, {1, 1, 1, 1, 1}), LogicError);
}

TEST(ConstView_ofView, seesTheSame) {
  std::vector<double> values = {1.0, 2.0};
  const ConstView view = View(values.data(), {1, 2});
  EXPECT_EQ(view.as<double>()[1], 2.0);
  EXPECT_EQ(describe(view), "f64[1, 2]");
}

}  // namespace
}  // namespace epi::core
