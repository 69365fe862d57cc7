// Collectives of device memory: threads that share one CUDA device, which is how several ranks
// train on one card. The device is emulated in one program (work is done at once; what a real one
// would refuse in a recorded graph is an error) and real in another.
#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <optional>
#include <thread>
#include <vector>

#include "core/bf16.hpp"
#include "core/buffer.hpp"
#include "core/error.hpp"
#include "dist/communicator.hpp"
#include "dist/gradient_buckets.hpp"
#include "dist/staging.hpp"

namespace epi::dist {
namespace {

constexpr core::Device kGpu{core::DeviceKind::cuda, 0};

template <class T>
core::Tensor on_gpu(const std::vector<T>& values) {
  const auto count = static_cast<std::int64_t>(values.size());
  core::Tensor tensor(core::dtype_of<T>(), {count}, kGpu);
  CopyLane().copy(tensor, ConstView(values.data(), {count}));
  return tensor;
}

std::vector<float> on_host(const ConstView& view) {
  std::vector<float> values(static_cast<std::size_t>(view.size()));
  CopyLane().copy(View(values.data(), {view.size()}), view);
  return values;
}

/// first, first + 1, ...
std::vector<float> counting(std::int64_t count, float first) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), first);
  return values;
}

TEST(DeviceViews_reduce, areSummedOverThreads) {
  run_threads(3, [](Communicator& world) {
    Stream stream(kGpu);
    const core::Tensor memory = world.reducible(core::DType::f32, 1000, kGpu);
    CopyLane().copy(memory, on_gpu(counting(1000, static_cast<float>(world.rank()))));
    world.start(Reduce::sum, memory, Event::record(stream)).wait(stream);
    std::vector<float> truth = counting(1000, 1.0F);
    for (float& value : truth) value *= 3.0F;
    EXPECT_EQ(on_host(memory), truth);
    world.start(Reduce::max, memory.view().slice(10, 5), Event::record(stream)).wait(stream);
    EXPECT_EQ(on_host(memory), truth);
  });
}

TEST(DeviceViews_partsAndWholes, goWhereTheyBelong) {
  run_threads(2, [](Communicator& world) {
    Stream stream(kGpu);
    const core::Tensor whole = on_gpu(counting(8, 0.0F));
    const core::Tensor part(core::DType::f32, {4}, kGpu);
    world.reduce_scatter(whole, part, Event::record(stream)).wait(stream);
    EXPECT_EQ(on_host(part)[0], static_cast<float>(8 * world.rank()));
    world.all_gather(part, whole, Event::record(stream)).wait(stream);
    EXPECT_EQ(on_host(whole), (std::vector<float>{0, 2, 4, 6, 8, 10, 12, 14}));
  });
}

TEST(DeviceViews_broadcastAndExchange, bringTheOthersValues) {
  run_threads(2, [](Communicator& world) {
    const auto mine = static_cast<float>(world.rank());
    const core::Tensor sent = on_gpu(counting(4, mine));
    const core::Tensor received(core::DType::f32, {4}, kGpu);
    Stream stream(kGpu);
    world.exchange(1 - world.rank(), sent, received, {}).wait(stream);
    EXPECT_EQ(on_host(received), counting(4, 1.0F - mine));
    world.broadcast(sent, 1);
    EXPECT_EQ(on_host(sent), counting(4, 1.0F));
  });
}

TEST(DeviceViews_oneProcess, copyThePartToTheWhole) {
  const std::unique_ptr<Communicator> world = make_solo();
  Stream stream(kGpu);
  const core::Tensor part = on_gpu(counting(4, 1.0F));
  const core::Tensor whole(core::DType::f32, {4}, kGpu);
  world->all_gather(part, whole, Event::record(stream)).wait(stream);
  EXPECT_EQ(on_host(whole), counting(4, 1.0F));
}

/// f32 to bf16 and back through the host, in place of train's op.
void convert(const ConstView& from, const View& to, Stream&) {
  std::vector<float> wide(static_cast<std::size_t>(from.size()));
  std::vector<core::BFloat16> narrow(wide.size());
  const View wide_view(wide.data(), {from.size()});
  const View narrow_view(narrow.data(), {from.size()});
  if (to.dtype() == core::DType::bf16) {
    CopyLane().copy(wide_view, from);
    for (std::size_t i = 0; i < wide.size(); ++i) narrow[i] = core::to_bf16(wide[i]);
    CopyLane().copy(to, narrow_view);
  } else {
    CopyLane().copy(narrow_view, from);
    for (std::size_t i = 0; i < wide.size(); ++i) wide[i] = core::to_float(narrow[i]);
    CopyLane().copy(to, wide_view);
  }
}

TEST(GradientBuckets_onGpus, sumThroughTheHostInEitherType) {
  for (const bool narrow : {false, true}) {
    run_threads(2, [&](Communicator& world) {
      const std::vector<float> ones(1000, 1.0F + static_cast<float>(world.rank()));
      const core::Tensor gradients = on_gpu(ones);
      Stream stream(kGpu);
      GradientBuckets::Wire wire;
      if (narrow) wire = {world.reducible(core::DType::bf16, 1000, kGpu), convert};
      GradientBuckets buckets(world, gradients, 400, {}, std::move(wire));
      EXPECT_FALSE(buckets.recordable());
      for (std::int64_t offset = 900; offset >= 0; offset -= 100) buckets.done_from(offset, stream);
      const ExchangeStatistics statistics = buckets.finish(stream);
      EXPECT_EQ(statistics.bytes, narrow ? 2000 : 4000);
      EXPECT_GT(statistics.exchange_s, 0.0);
      EXPECT_GE(statistics.exposed_s, 0.0);
      EXPECT_EQ(on_host(gradients), std::vector<float>(1000, 3.0F));
    });
  }
}

/// The step as train runs it where the exchange can't be recorded: graphs cut at the buckets, and a
/// bucket's exchange starts when the next graph has been queued.
TEST(GradientBuckets_cutGraphs, sumAtEveryReplay) {
  run_threads(2, [](Communicator& world) {
    const core::Tensor source = on_gpu(std::vector<float>(100, 1.0F));
    const core::Tensor gradients(core::DType::f32, {100}, kGpu);
    Stream stream(kGpu);
    int merged = 0;
    GradientBuckets buckets(world, gradients, 160, [&](std::int64_t, std::int64_t) { ++merged; });
    std::vector<core::Graph> graphs;
    std::vector<std::size_t> buckets_after;  // how many are complete once a graph has run
    std::size_t done = 0;
    for (std::int64_t end = 100; end > 0; end -= 50) {
      core::Graph::begin(stream);
      core::copy(gradients.view().slice(end - 50, 50), source.view().slice(0, 50), stream);
      for (; done < buckets.complete(end - 50); ++done) buckets.merge(done);
      graphs.push_back(core::Graph::end(stream));
      buckets_after.push_back(done);
    }
    EXPECT_EQ(merged, static_cast<int>(buckets.size()));
    for (int step = 0; step < 3; ++step) {
      std::optional<Event> ready;
      std::size_t next = 0;
      for (std::size_t graph = 0; graph <= graphs.size(); ++graph) {
        const std::optional<Event> before = ready;
        if (graph < graphs.size()) {
          graphs[graph].launch(stream);
          ready = Event::record(stream);
        }
        if (graph == 0) continue;
        for (; next < buckets_after[graph - 1]; ++next) buckets.start(next, *before);
      }
      const ExchangeStatistics statistics = buckets.finish(stream);
      EXPECT_EQ(statistics.buckets, static_cast<std::int64_t>(buckets.size()));
      EXPECT_EQ(on_host(gradients), std::vector<float>(100, 2.0F)) << step;
    }
  });
}

/// Two ranks with equal values, of which this process is one: its sums double, on a stream of its
/// own, and may be recorded. NCCL as far as buckets can see it.
class Doubling final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 2; }
  int node_rank() const override { return 0; }
  int node_size() const override { return 2; }
  Pending start(Reduce, const View& view, const Event& after) override {
    own_.wait(after);
    std::this_thread::sleep_for(sum_takes);
    core::copy(view, doubled_.view().slice(0, view.size()), own_);
    return Pending([done = Event::record(own_)](Stream& stream) { stream.wait(done); });
  }
  core::Tensor reducible(core::DType type, std::int64_t count, core::Device device) override {
    return {type, {count}, device};
  }
  Pending reduce_scatter(const ConstView&, const View&, const Event&) override { return {}; }
  Pending all_gather(const ConstView&, const View&, const Event&) override { return {}; }
  void broadcast(const View&, int) override {}
  Pending exchange(int, const ConstView&, const View&, const Event&) override { return {}; }
  std::vector<std::string> gather_text(const std::string& mine) override { return {mine, mine}; }
  void barrier() override {}
  std::unique_ptr<Communicator> node_group() override { return make_solo(); }
  std::unique_ptr<Communicator> peer_group() override { return make_solo(); }
  void abort(int) override {}
  std::string failure() const override { return ""; }
  std::string waiting() const override { return ""; }
  bool sums_in_tree(core::Device) const override { return false; }
  bool capturable() const override { return sum_takes.count() == 0; }
  std::string description() const override { return "doubling"; }

  std::chrono::milliseconds sum_takes{0};  ///< of the host, in every start

 private:
  core::Tensor doubled_ = on_gpu(std::vector<float>(100, 2.0F));
  Stream own_{kGpu};
};

TEST(GradientBuckets_recordedAsAWhole, sumAndMeasureAtEveryReplay) {
  Doubling world;
  const core::Tensor source = on_gpu(std::vector<float>(100, 1.0F));
  const core::Tensor gradients(core::DType::f32, {100}, kGpu);
  Stream stream(kGpu);
  GradientBuckets buckets(world, gradients, 160);
  EXPECT_TRUE(buckets.recordable());
  core::Graph::begin(stream);
  for (std::int64_t end = 100; end > 0; end -= 50) {
    core::copy(gradients.view().slice(end - 50, 50), source.view().slice(0, 50), stream);
    buckets.done_from(end - 50, stream);
  }
  buckets.join(stream);
  const core::Graph step = core::Graph::end(stream);  // refuses streams that were not joined
  EXPECT_EQ(on_host(gradients), std::vector<float>(100, 0.0F));
  for (int i = 0; i < 3; ++i) {
    CopyLane().copy(gradients, core::Tensor(core::DType::f32, {100}, kGpu));
    step.launch(stream);
    stream.synchronize();
    EXPECT_EQ(on_host(gradients), std::vector<float>(100, 2.0F));
    const ExchangeStatistics statistics = buckets.statistics();
    EXPECT_EQ(statistics.bytes, 400);
    EXPECT_GT(statistics.exchange_s, 0.0);
    EXPECT_GE(statistics.overlap(), 0.0);
  }
}

TEST(GradientBuckets_sumsOnTheHost, areExposedWhereBackwardWaitsInThem) {
  Doubling world;
  world.sum_takes = std::chrono::milliseconds(20);
  const core::Tensor gradients(core::DType::f32, {100}, kGpu);
  Stream stream(kGpu);
  GradientBuckets buckets(world, gradients, 160);  // of 40, 40, 15 and 5
  EXPECT_FALSE(buckets.recordable());
  buckets.done_from(0, stream);
  const ExchangeStatistics waited = buckets.finish(stream);
  EXPECT_EQ(waited.buckets, 4);
  EXPECT_GE(waited.exchange_s, 0.08);
  EXPECT_GE(waited.exposed_s, 0.08);
  EXPECT_LT(waited.overlap(), 0.1);
  // The same sums while the device had work: the end of backward comes after them.
  for (std::size_t bucket = 0; bucket < 4; ++bucket) buckets.start(bucket, Event::record(stream));
  const ExchangeStatistics beside = buckets.finish(stream);
  EXPECT_GE(beside.exchange_s, 0.08);
  EXPECT_LT(beside.exposed_s, 0.02);
  EXPECT_GT(beside.overlap(), 0.7);
}

TEST(GradientBuckets_worldOfOne, isRecordableAndTakesNoTime) {
  const std::unique_ptr<Communicator> world = make_solo();
  const core::Tensor gradients(core::DType::f32, {100}, kGpu);
  Stream stream(kGpu);
  GradientBuckets buckets(*world, gradients, 160);
  EXPECT_TRUE(buckets.recordable());
  core::Graph::begin(stream);
  buckets.done_from(0, stream);
  buckets.join(stream);
  core::Graph::end(stream).launch(stream);
  EXPECT_EQ(buckets.statistics().buckets, 0);
  EXPECT_EQ(buckets.statistics().exchange_s, 0.0);
}

}  // namespace
}  // namespace epi::dist
