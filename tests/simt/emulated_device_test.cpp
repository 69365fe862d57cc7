// Emulated devices do what the runtime of CUDA does: work in order, graphs, events, memory that
// runs out; and what would be a crash or silent damage on a GPU is an error.
#include "simt/emulated_device.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "core/buffer.hpp"
#include "core/error.hpp"
#include "simt/simt.cuh"

namespace epi::kernels::simt {
namespace {

using core::DType;
using core::Event;
using core::Graph;
using core::Stream;
using core::Tensor;
using core::View;

constexpr core::Device kDevice{core::DeviceKind::cuda, 0};
constexpr cuda::Launch kOneWarp{.threads = 32};

__global__ void add_one(float* values) {
  values[thread()] += 1.0F;
}

/// The 32 numbers of a tensor on the device.
std::vector<float> numbers(const Tensor& tensor, Stream& stream) {
  std::vector<float> host(32);
  core::copy(View(host.data(), {32}), tensor, stream);
  stream.synchronize();
  return host;
}

class EmulatedDevice : public testing::Test {
 protected:
  void add(Stream& on) { launch(add_one, kOneWarp, on.native(), values.as<float>()); }
  Stream stream{kDevice};
  Tensor values{DType::f32, {32}, kDevice};
};

TEST_F(EmulatedDevice, memory_is_zeroed_and_kernels_change_it) {
  add(stream);
  add(stream);
  EXPECT_EQ(numbers(values, stream), std::vector<float>(32, 2.0F));
}

TEST_F(EmulatedDevice, recorded_work_runs_when_the_graph_is_launched) {
  Graph::begin(stream);
  add(stream);
  add(stream);
  const Graph graph = Graph::end(stream);
  EXPECT_EQ(numbers(values, stream), std::vector<float>(32, 0.0F));
  graph.launch(stream);
  graph.launch(stream);
  EXPECT_EQ(numbers(values, stream), std::vector<float>(32, 4.0F));
}

TEST_F(EmulatedDevice, graph_takes_streams_that_wait_for_its_events_and_must_be_waited_for) {
  Stream other(kDevice);
  for (const bool joined : {true, false}) {
    Graph::begin(stream);
    other.wait(Event::record(stream));
    add(other);
    if (joined) {
      stream.wait(Event::record(other));
      Graph::end(stream).launch(stream);
      EXPECT_EQ(numbers(values, stream), std::vector<float>(32, 1.0F));
    } else {
      EXPECT_THROW((void)Graph::end(stream), core::DeviceError);
    }
  }
}

TEST_F(EmulatedDevice, waiting_and_allocating_while_recording_are_errors) {
  Graph::begin(stream);
  EXPECT_THROW(stream.synchronize(), core::DeviceError);
  EXPECT_THROW(core::Buffer(kDevice, 64), core::DeviceError);
  EXPECT_THROW((void)Event::record(stream).synchronize(), core::DeviceError);
  (void)Graph::end(stream);
  stream.synchronize();
}

TEST_F(EmulatedDevice, marks_within_a_graph_are_set_at_each_launch) {
  core::Mark first(kDevice), last(kDevice);
  Graph::begin(stream);
  first.set(stream);
  add(stream);
  last.set(stream);
  const Graph graph = Graph::end(stream);
  graph.launch(stream);
  EXPECT_GT(last.seconds_since(first), 0.0);
}

TEST_F(EmulatedDevice, more_memory_than_there_is_is_an_error) {
  const core::DeviceProperties before = core::cuda_properties(0);
  core::DeviceProperties small = before;
  small.memory_bytes = core::emulated::allocated_bytes() + 1000;
  core::emulated::set_properties(small);
  EXPECT_NO_THROW(core::Buffer(kDevice, 1000));
  EXPECT_THROW(core::Buffer(kDevice, 1001), core::DeviceError);
  core::emulated::set_properties(before);
}

#if !defined(__SANITIZE_ADDRESS__)  // which ends the program at the write
__global__ void write_past(float* values, int at) {
  if (thread() == 0) values[at] = 1.0F;
}

TEST_F(EmulatedDevice, memory_written_outside_of_an_allocation_is_an_error) {
  for (const int at : {32, -1}) {
    EXPECT_THROW(launch(write_past, kOneWarp, stream.native(), values.as<float>(), at),
                 core::LogicError);
    values = Tensor();  // the guard stays as it is
    values = Tensor(DType::f32, {32}, kDevice);
  }
}

TEST_F(EmulatedDevice, host_code_that_touches_device_memory_faults) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(values.as<float>()[0] = 1.0F, "host code touched device memory");
}
#endif

struct Job {
  int count;
  const float* from;
};
__global__ void read_one(Job job) {
  (void)job;
}

TEST_F(EmulatedDevice, address_of_the_host_in_a_parameter_is_an_error) {
  const std::vector<float> host(32);
  const auto run = [&](const float* from) {
    launch(read_one, kOneWarp, stream.native(), Job{1, from});
  };
  EXPECT_THROW(run(host.data()), core::LogicError);
  EXPECT_NO_THROW(run(values.as<float>()));
  EXPECT_NO_THROW(run(nullptr));
  const core::Buffer pinned = core::Buffer::pinned(64);
  EXPECT_NO_THROW(run(reinterpret_cast<float*>(pinned.data())));
}

TEST_F(EmulatedDevice, kernel_with_more_shared_memory_than_the_device_has_is_an_error) {
  const std::size_t most = core::cuda_properties(0).shared_bytes;
  const auto run = [&](std::size_t bytes) {
    launch(add_one, {.threads = 32, .shared_bytes = bytes}, stream.native(), values.as<float>());
  };
  EXPECT_NO_THROW(run(most));
  EXPECT_THROW(run(most + 1), core::LogicError);
}

}  // namespace
}  // namespace epi::kernels::simt
