#include "dist/collective_checks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <new>
#include <numeric>
#include <stdexcept>
#include <string>

#include "core/bf16.hpp"
#include "core/buffer.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "dist/check_values.hpp"

namespace epi::dist {
namespace {

template <class T>
void reduces(Communicator& world) {
  for (const std::int64_t count : kSizes) {
    std::vector<T> values = values_of<T>(count, world.rank());
    wait(world.start(Reduce::sum, view_of(values), Event()));
    EXPECT_EQ(count_wrong(values, 0, world.size(), sum_of_values), 0) << "sum of " << count;
    values = values_of<T>(count, world.rank());
    wait(world.start(Reduce::max, view_of(values), Event()));
    EXPECT_EQ(count_wrong(values, 0, world.size(), max_of_values), 0) << "max of " << count;
  }
}

std::vector<core::BFloat16> bf16_values(std::int64_t count, int rank) {
  std::vector<core::BFloat16> values;
  for (const float one : values_of<float>(count, rank)) values.push_back(core::to_bf16(one));
  return values;
}

std::vector<float> widened(const ConstView& values) {
  std::vector<float> wide;
  for (std::int64_t i = 0; i < values.size(); ++i) {
    wide.push_back(core::to_float(values.as<core::BFloat16>()[i]));
  }
  return wide;
}

/// Sums below 256 are exact in bf16.
void reduces_bf16(Communicator& world) {
  for (const std::int64_t count : kSizes) {
    for (const Reduce op : {Reduce::sum, Reduce::max}) {
      std::vector<core::BFloat16> values = bf16_values(count, world.rank());
      wait(world.start(op, view_of(values), Event()));
      EXPECT_EQ(count_wrong(widened(view_of(values)), 0, world.size(),
                            op == Reduce::sum ? sum_of_values : max_of_values),
                0)
          << count;
    }
    if (count == 0) continue;
    const core::Tensor lent = world.reducible(core::DType::bf16, count, core::kCpu);
    const std::vector<core::BFloat16> values = bf16_values(count, world.rank());
    std::copy(values.begin(), values.end(), lent.as<core::BFloat16>());
    wait(world.start(Reduce::sum, lent, Event()));
    EXPECT_EQ(count_wrong(widened(lent), 0, world.size(), sum_of_values), 0) << count;
  }
}

void scatters_bf16(Communicator& world) {
  const std::int64_t count = 1025;
  const std::vector<core::BFloat16> whole = bf16_values(count * world.size(), world.rank());
  std::vector<core::BFloat16> part(static_cast<std::size_t>(count));
  wait(world.reduce_scatter(const_view_of(whole), view_of(part), Event()));
  EXPECT_EQ(count_wrong(widened(view_of(part)), count * world.rank(), world.size(), sum_of_values),
            0);
}

template <class T>
void scatters(Communicator& world) {
  for (const std::int64_t count : kSizes) {
    const std::vector<T> whole = values_of<T>(count * world.size(), world.rank());
    std::vector<T> part(static_cast<std::size_t>(count));
    wait(world.reduce_scatter(const_view_of(whole), view_of(part), Event()));
    EXPECT_EQ(count_wrong(part, count * world.rank(), world.size(), sum_of_values), 0) << count;
  }
}

void scatters_into_its_own_part(Communicator& world) {
  const std::int64_t count = 150001;
  std::vector<float> whole = values_of<float>(count * world.size(), world.rank());
  const View part = view_of(whole).slice(count * world.rank(), count);
  wait(world.reduce_scatter(view_of(whole), part, Event()));
  const std::vector<float> mine(part.as<float>(), part.as<float>() + count);
  EXPECT_EQ(count_wrong(mine, count * world.rank(), world.size(), sum_of_values), 0);
}

template <class T>
void gathers(Communicator& world) {
  for (const std::int64_t count : kSizes) {
    const std::vector<T> all = values_of<T>(count * world.size(), 2);
    const auto begin = all.begin() + count * world.rank();
    const std::vector<T> part(begin, begin + count);
    std::vector<T> whole(all.size());
    wait(world.all_gather(const_view_of(part), view_of(whole), Event()));
    EXPECT_EQ(whole, all) << count;
  }
}

void gathers_in_place(Communicator& world) {
  const std::int64_t count = 300007;
  const std::vector<float> all = values_of<float>(count * world.size(), 1);
  std::vector<float> whole(all.size(), -1.0F);
  const View part = view_of(whole).slice(count * world.rank(), count);
  std::copy_n(all.begin() + count * world.rank(), count, part.as<float>());
  wait(world.all_gather(part, view_of(whole), Event()));
  EXPECT_EQ(whole, all);
}

void broadcasts(Communicator& world) {
  for (int root = 0; root < world.size(); ++root) {
    for (const std::int64_t count : kSizes) {
      std::vector<std::int32_t> values = values_of<std::int32_t>(count, world.rank());
      world.broadcast(view_of(values), root);
      EXPECT_EQ(values, values_of<std::int32_t>(count, root)) << count << " from " << root;
    }
  }
}

/// Neighbours 0-1, 2-3, ...; the last of an odd number talks to itself.
int partner_of(const Communicator& world) {
  const int partner = world.rank() ^ 1;
  return partner < world.size() ? partner : world.rank();
}

void exchanges(Communicator& world) {
  const int partner = partner_of(world);
  for (const std::int64_t count : kSizes) {
    const std::vector<double> mine = values_of<double>(count, world.rank());
    std::vector<double> theirs(mine.size());
    Stream stream(core::kCpu);
    world.exchange(partner, const_view_of(mine), view_of(theirs), {}).wait(stream);
    EXPECT_EQ(theirs, values_of<double>(count, partner)) << count;
  }
}

void exchanges_unequal_sizes(Communicator& world) {
  const int partner = partner_of(world);
  // Up to 800 KB one way and 3.2 MB the other: a different number of pieces.
  const auto size_of_rank = [](int rank) { return std::int64_t{100003} * (1 + 3 * (rank % 2)); };
  const std::vector<double> mine = values_of<double>(size_of_rank(world.rank()), world.rank());
  std::vector<double> theirs(static_cast<std::size_t>(size_of_rank(partner)));
  Stream stream(core::kCpu);
  world.exchange(partner, const_view_of(mine), view_of(theirs), {}).wait(stream);
  EXPECT_EQ(theirs, values_of<double>(size_of_rank(partner), partner));
}

void gathers_texts(Communicator& world) {
  const auto text = [](int rank) { return std::string(static_cast<std::size_t>(rank) * 3, 'a'); };
  const std::vector<std::string> texts = world.gather_text(text(world.rank()));
  ASSERT_EQ(texts.size(), static_cast<std::size_t>(world.size()));
  for (int rank = 0; rank < world.size(); ++rank) {
    EXPECT_EQ(texts[static_cast<std::size_t>(rank)], text(rank));
  }
}

std::string digest_of_floats(const std::vector<float>& values) {
  return core::digest_of(std::as_bytes(std::span(values)));
}

/// Numbers of many sizes, whose sums depend on the order of adding.
float uneven(std::int64_t i, std::int64_t seed, int rank) {
  const auto mixed = static_cast<std::uint32_t>(i * 2654435761 + seed * 40503 + rank * 9973);
  return static_cast<float>(static_cast<std::int32_t>(mixed * 2246822519U)) /
         static_cast<float>(1U << (mixed >> 8U) % 31U);
}

/// Sums of numbers that do not add exactly are still the same bits everywhere, twice.
void agrees_on_bits(Communicator& world) {
  std::vector<std::string> digests;
  for (int repeat = 0; repeat < 2; ++repeat) {
    std::vector<float> values(100003);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = 1.0F / static_cast<float>(i + 1) / static_cast<float>(3 * world.rank() + 1);
    }
    wait(world.start(Reduce::sum, view_of(values), Event()));
    for (const std::string& digest : world.gather_text(digest_of_floats(values))) {
      digests.push_back(digest);
    }
  }
  for (const std::string& digest : digests) EXPECT_EQ(digest, digests[0]);
}

void passes_nonfinite_numbers_on(Communicator& world) {
  std::vector<float> values = {1.0F, 1.0F};
  if (world.rank() == world.size() - 1) values[0] = std::numeric_limits<float>::infinity();
  if (world.rank() == 0) values[1] = std::numeric_limits<float>::quiet_NaN();
  wait(world.start(Reduce::sum, view_of(values), Event()));
  EXPECT_TRUE(std::isinf(values[0]));
  EXPECT_TRUE(std::isnan(values[1]));
}

void refuses_other_types(Communicator& world) {
  std::vector<std::int32_t> values(3);
  EXPECT_THROW((void)world.start(Reduce::sum, view_of(values), Event()), core::LogicError);
  world.barrier();
}

void makes_groups(Communicator& world) {
  const std::unique_ptr<Communicator> node = world.node_group();
  const std::unique_ptr<Communicator> peers = world.peer_group();
  EXPECT_EQ(node->size(), world.node_size());
  EXPECT_EQ(node->rank(), world.node_rank());
  std::vector<std::int64_t> total = {world.rank() + 1};
  wait(node->start(Reduce::sum, view_of(total), Event()));
  wait(peers->start(Reduce::sum, view_of(total), Event()));
  // The two sums make one over all ranks where each place is taken on every host.
  const std::vector<std::string> sizes = world.gather_text(std::to_string(world.node_size()));
  const auto alike = std::count(sizes.begin(), sizes.end(), sizes[0]);
  if (alike == world.size()) {
    EXPECT_EQ(total[0], std::int64_t{world.size()} * (world.size() + 1) / 2);
  }
  EXPECT_EQ(node->gather_text("x").size(), static_cast<std::size_t>(world.node_size()));
}

void agrees_when_all_is_well(Communicator& world) {
  int calls = 0;
  agree(world, [&] { ++calls; });
  EXPECT_EQ(calls, 1);
}

void agrees_on_one_failure(Communicator& world) {
  const int failing = world.size() - 1;
  try {
    agree(world, [&] {
      if (world.rank() == failing) throw core::InputError("chr22.bed:7: inverted interval");
    });
    ADD_FAILURE() << "rank " << world.rank() << " has not heard of the failure";
  } catch (const core::InputError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("chr22.bed:7: inverted interval"), std::string::npos) << message;
    if (world.size() > 1) {
      EXPECT_NE(message.find("rank " + std::to_string(failing)), std::string::npos) << message;
      EXPECT_NE(dynamic_cast<const Agreed*>(&error), nullptr);
    }
  }
  world.barrier();  // the communicator still works
}

void agrees_on_the_worst_failure(Communicator& world) {
  const auto fail = [&] {
    const std::string who = "of " + std::to_string(world.rank());
    if (world.rank() == 0) throw core::ConfigError(who);
    throw core::IoError(who);
  };
  try {
    agree(world, fail);
    ADD_FAILURE() << "no failure on rank " << world.rank();
  } catch (const core::Error& error) {
    const std::string expected = world.size() == 1 ? "of 0" : "rank 1: of 1";
    EXPECT_EQ(error.what(), expected);
    EXPECT_EQ(error.kind(), world.size() == 1 ? core::ErrorKind::config : core::ErrorKind::io);
  }
}

/// An agreement inside of another: its error is not agreed on again. And when a rank fails before
/// it comes to the inner one, the others hear of it there.
void agrees_inside_of_an_agreement(Communicator& world) {
  if (world.size() == 1) return;  // passes through as it is
  for (const bool before : {false, true}) {
    try {
      agree(world, [&] {
        if (before && world.rank() == 1) throw core::InputError("one");
        agree(world, [&] {
          if (!before && world.rank() == 1) throw core::InputError("one");
        });
      });
      ADD_FAILURE() << "rank " << world.rank() << " has not heard of the failure";
    } catch (const core::InputError& error) {
      EXPECT_STREQ(error.what(), "rank 1: one");
    }
  }
  world.barrier();  // the communicator still works
}

/// All ranks throw Expected once rank 0 has thrown `foreign`.
template <class Expected, class Foreign>
void agrees_on(Communicator& world, const Foreign& foreign) {
  EXPECT_THROW(agree(world,
                     [&] {
                       if (world.rank() == 0) throw foreign;
                     }),
               Expected);
}

void agrees_on_foreign_exceptions(Communicator& world) {
  if (world.size() == 1) return;  // passes through as it is
  using std::filesystem::filesystem_error;
  agrees_on<core::DeviceError>(world, std::bad_alloc());
  agrees_on<core::IoError>(
      world, filesystem_error("full", std::make_error_code(std::errc::no_space_on_device)));
  agrees_on<core::MissingError>(
      world, filesystem_error("gone", std::make_error_code(std::errc::no_such_file_or_directory)));
  agrees_on<core::LogicError>(world, std::out_of_range("map"));
}

/// Any slice of reducible memory, beginning anywhere in a cache line: its sum is where it should
/// be, and nothing else has changed.
void sums_slices_of_reducible_memory(Communicator& world) {
  const std::int64_t count = 120011;
  const core::Tensor memory = world.reducible(core::DType::f32, count, core::kCpu);
  auto* values = memory.as<float>();
  EXPECT_EQ(std::count(values, values + count, 0.0F), count);
  for (std::int64_t round = 0; round < 40; ++round) {
    // Sizes below and above what is sent as a small message, from one element on.
    const std::int64_t first = round * 7919 % 1000 + round % 17;
    const std::int64_t size = std::min(count - first, 1 + round * round * 71 % 119000);
    for (std::int64_t i = 0; i < count; ++i) {
      values[i] = static_cast<float>(value(i + round, world.rank()));
    }
    wait(world.start(Reduce::sum, memory.view().slice(first, size), Event()));
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const bool inside = i >= first && i < first + size;
      const std::int64_t truth =
          inside ? sum_of_values(i + round, world.size()) : value(i + round, world.rank());
      if (values[i] != static_cast<float>(truth)) ++wrong;
    }
    EXPECT_EQ(wrong, 0) << size << " from " << first;
  }
}

template <class T>
void reduces_reducible_memory(Communicator& world) {
  for (const std::int64_t count : kSizes) {
    if (count == 0) continue;
    const core::Tensor memory = world.reducible(core::dtype_of<T>(), count, core::kCpu);
    for (const Reduce op : {Reduce::sum, Reduce::max}) {
      const std::vector<T> values = values_of<T>(count, world.rank());
      std::copy(values.begin(), values.end(), memory.as<T>());
      wait(world.start(op, memory, Event()));
      const std::vector<T> result(memory.as<T>(), memory.as<T>() + count);
      EXPECT_EQ(
          count_wrong(result, 0, world.size(), op == Reduce::sum ? sum_of_values : max_of_values),
          0)
          << count;
    }
  }
}

/// Memory of either kind gives the same bits, in any order of use, also when some ranks bring
/// memory of one kind and others of the other.
void mixes_kinds_of_memory(Communicator& world) {
  const std::int64_t count = 70001;
  const core::Tensor lent = world.reducible(core::DType::f32, count, core::kCpu);
  const core::Tensor other = world.reducible(core::DType::f32, count + 5, core::kCpu);
  std::vector<float> plain(static_cast<std::size_t>(count));
  const View views[] = {lent, other.view().slice(5, count), view_of(plain)};
  std::vector<std::string> digests;
  for (std::size_t round = 0; round < 9; ++round) {
    // Rounds 0 to 5: all ranks alike; then rank 0 differs from the rest.
    const bool apart = round >= 6 && world.rank() == 0;
    const View& view = views[(round + (apart ? 1 : 0)) % 3];
    for (std::int64_t i = 0; i < count; ++i) view.as<float>()[i] = uneven(i, 1, world.rank());
    wait(world.start(Reduce::sum, view, Event()));
    const std::vector<float> sums(view.as<float>(), view.as<float>() + count);
    for (const std::string& digest : world.gather_text(digest_of_floats(sums))) {
      digests.push_back(digest);
    }
  }
  for (const std::string& digest : digests) EXPECT_EQ(digest, digests[0]);
}

/// Collectives of every kind in a row, small and large: none of them leaves something behind that
/// the next one trips over.
void follows_any_collective_with_any_other(Communicator& world) {
  const core::Tensor lent = world.reducible(core::DType::f64, 5000, core::kCpu);
  std::vector<double> plain(40000), whole(static_cast<std::size_t>(world.size()) * 300), part(300);
  for (int round = 0; round < 60; ++round) {
    const int kind = round * 7 % 11 % 5;
    const View view = kind == 0   ? lent.view().slice(round, 4000)
                      : kind == 1 ? View(plain.data(), {40000})
                                  : lent.view().slice(round, 10);
    for (std::int64_t i = 0; i < view.size(); ++i) view.as<double>()[i] = world.rank() + round;
    if (kind < 3) {
      wait(world.start(Reduce::sum, view, Event()));
      const double truth = world.size() * (world.size() - 1) / 2.0 + round * world.size();
      EXPECT_EQ(std::count(view.as<double>(), view.as<double>() + view.size(), truth), view.size());
    } else if (kind == 3) {
      std::fill(whole.begin(), whole.end(), round);
      wait(world.reduce_scatter(const_view_of(whole), view_of(part), Event()));
      EXPECT_EQ(std::count(part.begin(), part.end(), round * world.size()), 300);
    } else {
      world.barrier();
    }
  }
}

void has_not_failed(Communicator& world) {
  EXPECT_EQ(world.failure(), "");
}

std::vector<CollectiveCheck> with_more(std::vector<CollectiveCheck> checks) {
  for (const std::vector<CollectiveCheck>& more : {bucket_checks(), tree_checks()}) {
    checks.insert(checks.end(), more.begin(), more.end());
  }
  return checks;
}

}  // namespace

const std::vector<CollectiveCheck>& collective_checks() {
  static const std::vector<CollectiveCheck> checks = with_more({
      {"reduce_f32", reduces<float>},
      {"reduce_f64", reduces<double>},
      {"reduce_i64", reduces<std::int64_t>},
      {"reduce_bf16", reduces_bf16},
      {"reduce_scatter_bf16", scatters_bf16},
      {"reduce_scatter_f32", scatters<float>},
      {"reduce_scatter_i64", scatters<std::int64_t>},
      {"reduce_scatter_in_place", scatters_into_its_own_part},
      {"all_gather_f32", gathers<float>},
      {"all_gather_u8", gathers<std::uint8_t>},
      {"all_gather_in_place", gathers_in_place},
      {"broadcast", broadcasts},
      {"exchange", exchanges},
      {"exchange_unequal_sizes", exchanges_unequal_sizes},
      {"gather_text", gathers_texts},
      {"same_bits_everywhere", agrees_on_bits},
      {"nonfinite_passes", passes_nonfinite_numbers_on},
      {"other_types_refused", refuses_other_types},
      {"groups", makes_groups},
      {"agree_all_well", agrees_when_all_is_well},
      {"agree_one_failure", agrees_on_one_failure},
      {"agree_inside_agree", agrees_inside_of_an_agreement},
      {"agree_worst_failure", agrees_on_the_worst_failure},
      {"agree_foreign_exception", agrees_on_foreign_exceptions},
      {"reducible_slices", sums_slices_of_reducible_memory},
      {"reducible_f32", reduces_reducible_memory<float>},
      {"reducible_f64", reduces_reducible_memory<double>},
      {"reducible_i64", reduces_reducible_memory<std::int64_t>},
      {"kinds_of_memory", mixes_kinds_of_memory},
      {"any_after_any", follows_any_collective_with_any_other},
      {"no_failure", has_not_failed},
  });
  return checks;
}

}  // namespace epi::dist
