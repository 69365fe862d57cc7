#include "kernels/device_ops.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <vector>

#include "core/buffer.hpp"

namespace epi::kernels {
namespace {

using core::DType;

constexpr std::size_t kGuard = 256;
constexpr std::byte kGuardByte{0xA5};

template <class Byte>
core::BasicView<Byte> shaped_like(const core::BasicView<Byte>& host, Byte* data,
                                  core::Device device) {
  const auto size = [&](int axis) { return host.shape(axis); };
  const DType type = host.dtype();
  switch (host.rank()) {
    case 1:
      return {data, type, {size(0)}, device};
    case 2:
      return {data, type, {size(0), size(1)}, device};
    case 3:
      return {data, type, {size(0), size(1), size(2)}, device};
    default:
      return {data, type, {size(0), size(1), size(2), size(3)}, device};
  }
}

/// The operands of one call in device memory. The same host memory is the same device memory.
class Copies {
 public:
  Copies(core::Device device, Stream& stream) : device_(device), stream_(stream) {}

  /// Puts each operand's place on the device into the argument struct.
  template <class... Operands>
  void move(Operands&... operands) {
    (move_one(operands), ...);
  }

  /// Where `count` elements are on the device.
  template <class T>
  T* place(T* host, std::size_t count) {
    if (host == nullptr || count == 0) return nullptr;
    constexpr bool kWritten = !std::is_const_v<T>;
    return reinterpret_cast<T*>(const_cast<std::byte*>(
        place(reinterpret_cast<const std::byte*>(host), count * sizeof(T), kWritten)));
  }

  /// Waits for the op and takes back what it may have written; the rest must be as it was.
  void finish() {
    for (Copy& copy : copies_) finish(copy);
  }

 private:
  struct Copy {
    const std::byte* host;
    std::size_t bytes;
    bool written;
    core::Buffer memory;
  };

  void move_one(View& view) {
    if (!view) return;
    view = shaped_like(view, place(view.raw(), view.bytes()), device_);
  }
  void move_one(ConstView& view) {
    if (!view) return;
    view = shaped_like(view, place(view.raw(), view.bytes()), device_);
  }
  template <class State>
  requires(std::is_same_v<std::remove_const_t<State>, StepState>) void move_one(State*& state) {
    state = place(state, 1);
  }

  const std::byte* place(const std::byte* host, std::size_t bytes, bool written) {
    for (Copy& copy : copies_) {
      if (copy.host != host || copy.bytes != bytes) continue;
      copy.written = copy.written || written;
      return copy.memory.data() + kGuard;
    }
    Copy& copy =
        copies_.emplace_back(Copy{host, bytes, written, core::Buffer(device_, bytes + 2 * kGuard)});
    std::vector<std::byte> staged(bytes + 2 * kGuard, kGuardByte);
    std::memcpy(staged.data() + kGuard, host, bytes);
    core::copy(bytes_of(copy.memory), ConstView(bytes_of(staged)), stream_);
    stream_.synchronize();
    return copy.memory.data() + kGuard;
  }

  static View bytes_of(const core::Buffer& buffer) {
    return buffer.view(DType::u8, {static_cast<std::int64_t>(buffer.bytes())});
  }
  static View bytes_of(std::vector<std::byte>& bytes) {
    return {bytes.data(), DType::u8, {static_cast<std::int64_t>(bytes.size())}, core::kCpu};
  }

  void finish(const Copy& copy) {
    std::vector<std::byte> staged(copy.memory.bytes());
    core::copy(bytes_of(staged), ConstView(bytes_of(copy.memory)), stream_);
    stream_.synchronize();
    const std::byte* mine = staged.data() + kGuard;
    const auto whole = [](const std::byte* guard) {
      return std::all_of(guard, guard + kGuard, [](std::byte b) { return b == kGuardByte; });
    };
    EXPECT_TRUE(whole(staged.data())) << "device memory was written before an operand";
    EXPECT_TRUE(whole(mine + copy.bytes)) << "device memory was written past an operand";
    if (copy.written) {
      std::memcpy(const_cast<std::byte*>(copy.host), mine, copy.bytes);
    } else {
      EXPECT_EQ(std::memcmp(copy.host, mine, copy.bytes), 0) << "an input was changed";
    }
  }

  core::Device device_;
  Stream& stream_;
  std::deque<Copy> copies_;
};

/// The corpus with all that it points to on the device.
class CorpusCopy {
 public:
  CorpusCopy(const core::CorpusView& host, Copies& copies) : view_(host) {
    for (const core::SegmentView& segment : host.segments) {
      const auto bases = static_cast<std::size_t>(segment.length_bp);
      const auto bins =
          static_cast<std::size_t>((segment.length_bp + host.bin_bp - 1) / host.bin_bp);
      std::vector<const std::uint8_t*>& cells = cells_.emplace_back();
      for (std::int32_t cell = 0; cell < host.num_cells; ++cell) {
        cells.push_back(copies.place(segment.states[cell], bins));
      }
      core::SegmentView& copy = segments_.emplace_back(segment);
      copy.bases = copies.place(segment.bases, bases);
      copy.states = copies.place<const std::uint8_t* const>(cells.data(), cells.size());
    }
    const core::SegmentView* placed =
        copies.place<const core::SegmentView>(segments_.data(), segments_.size());
    view_.segments = {placed, segments_.size()};
  }
  [[nodiscard]] const core::CorpusView& view() const { return view_; }

 private:
  std::deque<std::vector<const std::uint8_t*>> cells_;
  std::vector<core::SegmentView> segments_;
  core::CorpusView view_;
};

/// One call: `move(copies, args)` names the operands.
template <class Args, class Move>
void run(Ops& ops, void (Ops::*entry)(const Args&, Stream&), Args args, Stream& stream,
         const std::function<void()>& before, const Move& move) {
  Copies copies(ops.device(), stream);
  move(copies, args);
  if (before) before();
  (ops.*entry)(args, stream);
  copies.finish();
}

}  // namespace

void DeviceOps::do_assemble(const AssembleArgs& args, Stream&) {
  std::unique_ptr<CorpusCopy> corpus;
  run(*inner_, &Ops::assemble, args, stream_, before_, [&](Copies& c, AssembleArgs& a) {
    corpus = std::make_unique<CorpusCopy>(*a.corpus, c);
    a.corpus = &corpus->view();
    a.samples = {c.place(a.samples.data(), a.samples.size()), a.samples.size()};
    c.move(a.state, a.token_ids, a.type_ids, a.dna_rows, a.dna_labels, a.dna_weights, a.state_rows,
           a.state_labels, a.state_weights, a.counts);
  });
}

void DeviceOps::do_embed(const EmbedArgs& args, Stream&) {
  run(*inner_, &Ops::embed, args, stream_, before_, [](Copies& c, EmbedArgs& a) {
    for (EmbedTable& table : a.tables) c.move(table.rows, table.index);
    c.move(a.gamma, a.beta, a.state, a.out, a.mean, a.rstd);
  });
}

void DeviceOps::do_embed_grad(const EmbedGradArgs& args, Stream&) {
  run(*inner_, &Ops::embed_grad, args, stream_, before_, [](Copies& c, EmbedGradArgs& a) {
    for (EmbedTable& table : a.tables) c.move(table.rows, table.index);
    for (View& rows : a.drows) c.move(rows);
    c.move(a.gamma, a.state, a.mean, a.rstd, a.dout, a.dgamma, a.dbeta);
  });
}

void DeviceOps::do_linear(const LinearArgs& args, Stream&) {
  run(*inner_, &Ops::linear, args, stream_, before_,
      [](Copies& c, LinearArgs& a) { c.move(a.x, a.w, a.b, a.y, a.pre); });
}

void DeviceOps::do_linear_grad_input(const LinearGradInputArgs& args, Stream&) {
  run(*inner_, &Ops::linear_grad_input, args, stream_, before_,
      [](Copies& c, LinearGradInputArgs& a) { c.move(a.dy, a.w, a.pre, a.dx); });
}

void DeviceOps::do_linear_grad_weight(const LinearGradWeightArgs& args, Stream&) {
  run(*inner_, &Ops::linear_grad_weight, args, stream_, before_,
      [](Copies& c, LinearGradWeightArgs& a) { c.move(a.dy, a.x, a.dw, a.db); });
}

void DeviceOps::do_attend(const AttendArgs& args, Stream&) {
  run(*inner_, &Ops::attend, args, stream_, before_,
      [](Copies& c, AttendArgs& a) { c.move(a.qkv, a.lengths, a.state, a.out, a.lse); });
}

void DeviceOps::do_attend_grad(const AttendGradArgs& args, Stream&) {
  run(*inner_, &Ops::attend_grad, args, stream_, before_, [](Copies& c, AttendGradArgs& a) {
    c.move(a.qkv, a.lengths, a.state, a.out, a.lse, a.dout, a.dqkv);
  });
}

void DeviceOps::do_add_norm(const AddNormArgs& args, Stream&) {
  run(*inner_, &Ops::add_norm, args, stream_, before_, [](Copies& c, AddNormArgs& a) {
    c.move(a.x, a.residual, a.gamma, a.beta, a.state, a.out, a.sum, a.mean, a.rstd);
  });
}

void DeviceOps::do_add_norm_grad(const AddNormGradArgs& args, Stream&) {
  run(*inner_, &Ops::add_norm_grad, args, stream_, before_, [](Copies& c, AddNormGradArgs& a) {
    c.move(a.sum, a.mean, a.rstd, a.gamma, a.state, a.dout, a.dresidual, a.dx, a.dgamma, a.dbeta);
  });
}

void DeviceOps::do_gather_rows(const GatherRowsArgs& args, Stream&) {
  run(*inner_, &Ops::gather_rows, args, stream_, before_,
      [](Copies& c, GatherRowsArgs& a) { c.move(a.in, a.rows, a.weights, a.out); });
}

void DeviceOps::do_scatter_rows(const ScatterRowsArgs& args, Stream&) {
  run(*inner_, &Ops::scatter_rows, args, stream_, before_,
      [](Copies& c, ScatterRowsArgs& a) { c.move(a.in, a.rows, a.weights, a.out); });
}

void DeviceOps::do_activate(const ActivateArgs& args, Stream&) {
  run(*inner_, &Ops::activate, args, stream_, before_,
      [](Copies& c, ActivateArgs& a) { c.move(a.x, a.y); });
}

void DeviceOps::do_activate_grad(const ActivateGradArgs& args, Stream&) {
  run(*inner_, &Ops::activate_grad, args, stream_, before_,
      [](Copies& c, ActivateGradArgs& a) { c.move(a.x, a.dy, a.dx); });
}

void DeviceOps::do_class_loss(const ClassLossArgs& args, Stream&) {
  run(*inner_, &Ops::class_loss, args, stream_, before_, [](Copies& c, ClassLossArgs& a) {
    c.move(a.logits, a.labels, a.weights, a.state, a.totals, a.row_loss, a.predicted);
  });
}

void DeviceOps::do_value_loss(const ValueLossArgs& args, Stream&) {
  run(*inner_, &Ops::value_loss, args, stream_, before_, [](Copies& c, ValueLossArgs& a) {
    c.move(a.predictions, a.targets, a.weights, a.state, a.totals);
  });
}

void DeviceOps::do_combine(const CombineArgs& args, Stream&) {
  run(*inner_, &Ops::combine, args, stream_, before_,
      [](Copies& c, CombineArgs& a) { c.move(a.a, a.b, a.out); });
}

void DeviceOps::do_convert(const ConvertArgs& args, Stream&) {
  run(*inner_, &Ops::convert, args, stream_, before_,
      [](Copies& c, ConvertArgs& a) { c.move(a.in, a.out); });
}

void DeviceOps::do_sum_squares(const SumSquaresArgs& args, Stream&) {
  run(*inner_, &Ops::sum_squares, args, stream_, before_,
      [](Copies& c, SumSquaresArgs& a) { c.move(a.in, a.out); });
}

void DeviceOps::do_begin_step(const BeginStepArgs& args, Stream&) {
  run(*inner_, &Ops::begin_step, args, stream_, before_, [](Copies& c, BeginStepArgs& a) {
    a.states = {c.place(a.states.data(), a.states.size()), a.states.size()};
    c.move(a.targets, a.updates);
  });
}

void DeviceOps::do_update(const UpdateArgs& args, Stream&) {
  run(*inner_, &Ops::update, args, stream_, before_, [](Copies& c, UpdateArgs& a) {
    c.move(a.parameters, a.gradients, a.moment1, a.moment2, a.weights, a.updates, a.state);
  });
}

}  // namespace epi::kernels
