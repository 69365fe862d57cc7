// One process, no library: every collective is the identity.
#include <fmt/format.h>

#include "core/buffer.hpp"
#include "core/error.hpp"
#include "dist/communicator.hpp"
#include "dist/ordered_reduce.hpp"
#include "dist/staging.hpp"

namespace epi::dist {
namespace {

class Solo final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  int node_rank() const override { return 0; }
  int node_size() const override { return 1; }

  Pending start(Reduce, const View& view, const Event& after) override {
    require_reducible(view.dtype());
    return Pending([after](Stream& stream) { stream.wait(after); });
  }
  core::Tensor reducible(core::DType type, std::int64_t count, core::Device device) override {
    require_reducible(type);
    return {type, {count}, device};
  }

  Pending reduce_scatter(const ConstView& whole, const View& part, const Event& after) override {
    require_reducible(part.dtype());
    return copy(part, whole, after);
  }
  Pending all_gather(const ConstView& part, const View& whole, const Event& after) override {
    return copy(whole, part, after);
  }
  void broadcast(const View&, int root) override {
    core::require(root == 0, "the root of a broadcast is a rank");
  }
  Pending exchange(int partner, const ConstView& send, const View& receive,
                   const Event& after) override {
    core::require(partner == 0, "the partner of an exchange is a rank");
    return copy(receive, send, after);
  }
  std::vector<std::string> gather_text(const std::string& mine) override { return {mine}; }
  void barrier() override {}
  std::unique_ptr<Communicator> node_group() override { return make_solo(); }
  std::unique_ptr<Communicator> peer_group() override { return make_solo(); }
  void abort(int exit_code) override {
    throw core::PeerError(fmt::format("the run was aborted with exit code {}", exit_code));
  }
  std::string failure() const override { return ""; }
  std::string waiting() const override { return ""; }
  bool sums_in_tree(core::Device) const override { return true; }
  bool capturable() const override { return true; }
  std::string description() const override { return "one process"; }

 private:
  Pending copy(const View& to, const ConstView& from, const Event& after) {
    core::require(to.dtype() == from.dtype() && to.size() == from.size(),
                  "the part and the whole of one rank are equal in type and size");
    if (to.raw() == from.raw()) return {};
    after.synchronize();
    lane_.copy(to, from);
    return {};
  }

  CopyLane lane_;
};

}  // namespace

std::unique_ptr<Communicator> make_solo() {
  return std::make_unique<Solo>();
}

}  // namespace epi::dist
