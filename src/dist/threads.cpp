// Ranks as threads of one process. A collective posts each rank's memory, meets, lets every rank
// work on its part of everybody's memory, and meets again. Nobody can fail between the two
// meetings, so no rank's memory goes away while another one reads it.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "core/error.hpp"
#include "dist/call_note.hpp"
#include "dist/communicator.hpp"
#include "dist/ordered_reduce.hpp"
#include "dist/staging.hpp"

namespace epi::dist {
namespace {

/// What one rank shows the others during a collective.
struct Post {
  const std::byte* read = nullptr;
  std::byte* write = nullptr;
  std::int64_t count = 0;
  core::DType type = core::DType::u8;
  std::string text;
};

/// Memory offered to one partner; `full` until the partner has taken it.
struct Mail {
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
  int to = -1;
  bool full = false;
};

/// The meeting place of all ranks.
class Group {
 public:
  explicit Group(int ranks)
      : posts(static_cast<std::size_t>(ranks)),
        calls_(static_cast<std::size_t>(ranks)),
        mails_(static_cast<std::size_t>(ranks)),
        ended_(static_cast<std::size_t>(ranks)) {}

  [[nodiscard]] int size() const { return static_cast<int>(posts.size()); }

  /// Returns when all ranks are here; PeerError when one of them never will be.
  void meet() {
    std::unique_lock lock(mutex_);
    refuse_if_hopeless();
    if (++arrived_ == size()) {
      arrived_ = 0;
      ++generation_;
      changed_.notify_all();
      return;
    }
    const std::uint64_t mine = generation_;
    // A meeting that took place stays valid even if a rank failed or ended right after it.
    changed_.wait(lock, [&] { return generation_ != mine || !broken_.empty() || num_ended_ > 0; });
    if (generation_ == mine) refuse_if_hopeless();
  }

  /// A rank failed: the others' waits end with PeerError(`why`).
  void fail(const std::string& why) {
    const std::lock_guard lock(mutex_);
    if (broken_.empty()) broken_ = why;
    changed_.notify_all();
  }

  /// A rank is done: whoever waits for it from now on gets PeerError.
  void end(int rank) {
    const std::lock_guard lock(mutex_);
    ended_.at(static_cast<std::size_t>(rank)) = true;
    ++num_ended_;
    changed_.notify_all();
  }

  /// Both partners copy under the lock, so neither one's memory can go away meanwhile.
  void swap_mail(int rank, int partner, const ConstView& send, const View& receive) {
    const auto other = static_cast<std::size_t>(partner);
    std::unique_lock lock(mutex_);
    Mail& mine = mails_.at(static_cast<std::size_t>(rank));
    Mail& theirs = mails_.at(other);
    mine = {send.raw(), send.bytes(), partner, true};
    changed_.notify_all();
    const auto has_mail = [&] { return theirs.full && theirs.to == rank; };
    changed_.wait(lock, [&] { return has_mail() || !broken_.empty() || ended_[other]; });
    if (!broken_.empty() || !has_mail() || theirs.bytes != receive.bytes()) {
      mine.full = false;
      if (!broken_.empty()) throw core::PeerError(broken_);
      if (!has_mail()) throw core::PeerError("the partner has ended before this exchange");
      core::require(false, "partners exchange what they expect");
    }
    if (theirs.bytes > 0) std::memmove(receive.raw(), theirs.data, theirs.bytes);
    theirs.full = false;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !mine.full || !broken_.empty(); });
    if (std::exchange(mine.full, false)) throw core::PeerError(broken_);
  }

  /// Counts a rank's calls for `missing`.
  void count_call(int rank) {
    calls_[static_cast<std::size_t>(rank)].fetch_add(1, std::memory_order_relaxed);
  }
  /// The ranks that have made fewer calls than this one; from any thread.
  [[nodiscard]] std::vector<int> missing(int rank) const {
    const std::uint64_t mine = calls_[static_cast<std::size_t>(rank)].load();
    std::vector<int> ranks;
    for (int other = 0; other < size(); ++other) {
      if (calls_[static_cast<std::size_t>(other)].load() < mine) ranks.push_back(other);
    }
    return ranks;
  }

  /// Each rank writes its own, and reads the others' between two meetings.
  std::vector<Post> posts;

 private:
  void refuse_if_hopeless() const {
    if (!broken_.empty()) throw core::PeerError(broken_);
    if (num_ended_ > 0) throw core::PeerError("a rank has ended before this collective");
  }

  std::vector<std::atomic<std::uint64_t>> calls_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  std::uint64_t generation_ = 0;
  std::string broken_;
  std::vector<Mail> mails_;
  std::vector<bool> ended_;
  int num_ended_ = 0;
};

class ThreadRank final : public Communicator {
 public:
  ThreadRank(std::shared_ptr<Group> group, int rank) : group_(std::move(group)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return group_->size(); }
  int node_rank() const override { return rank_; }
  int node_size() const override { return group_->size(); }

  Pending start(Reduce op, const View& view, const Event& after) override {
    require_reducible(view.dtype());
    const auto call = enter(op == Reduce::sum ? Call::sum : Call::maximum, view.bytes());
    after.synchronize();
    const View host = staging_.load(view);
    post(host.raw(), host.raw(), host);
    const std::int64_t first = part_begin(host.size(), rank_, size());
    const std::int64_t count = part_begin(host.size(), rank_ + 1, size()) - first;
    reduce_part(op, first, count, host.slice(first, count));
    const std::size_t bytes = static_cast<std::size_t>(count) * core::size_of(host.dtype());
    const std::size_t offset = static_cast<std::size_t>(first) * core::size_of(host.dtype());
    for (const Post& other : group_->posts) {
      if (bytes > 0 && other.write != host.raw()) {
        std::memcpy(other.write + offset, host.raw() + offset, bytes);
      }
    }
    group_->meet();
    staging_.store(view);
    return {};
  }

  core::Tensor reducible(core::DType type, std::int64_t count, core::Device device) override {
    require_reducible(type);
    return {type, {count}, device};
  }

  Pending reduce_scatter(const ConstView& whole, const View& part, const Event& after) override {
    require_reducible(whole.dtype());
    core::require(whole.dtype() == part.dtype() && whole.size() == part.size() * size(),
                  "whole has one part for each rank");
    const auto call = enter(Call::scattered_sum, whole.bytes());
    after.synchronize();
    const ConstView host = staging_.load(whole);
    const View mine = part_staging_.reserve(part);
    post(host.raw(), nullptr, host);
    reduce_part(Reduce::sum, part.size() * rank_, part.size(), mine);
    group_->meet();
    part_staging_.store(part);
    return {};
  }

  Pending all_gather(const ConstView& part, const View& whole, const Event& after) override {
    core::require(whole.dtype() == part.dtype() && whole.size() == part.size() * size(),
                  "whole has one part for each rank");
    const auto call = enter(Call::gathering, whole.bytes());
    after.synchronize();
    const ConstView mine = part_staging_.load(part);
    const View host = staging_.reserve(whole);
    post(mine.raw(), nullptr, mine);
    std::byte* to = host.raw();
    for (const Post& other : group_->posts) {
      // The part may be this rank's slice of the whole already.
      if (mine.bytes() > 0 && to != other.read) std::memcpy(to, other.read, mine.bytes());
      to += mine.bytes();
    }
    group_->meet();
    staging_.store(whole);
    return {};
  }

  void broadcast(const View& view, int root) override {
    core::require(root >= 0 && root < size(), "the root of a broadcast is a rank");
    const auto call = enter(Call::broadcast, view.bytes());
    const View host = staging_.load(view);
    post(host.raw(), nullptr, host);
    const Post& source = group_->posts[static_cast<std::size_t>(root)];
    if (rank_ != root && host.bytes() > 0) std::memcpy(host.raw(), source.read, host.bytes());
    group_->meet();
    staging_.store(view);
  }

  Pending exchange(int partner, const ConstView& send, const View& receive,
                   const Event& after) override {
    core::require(partner >= 0 && partner < size(), "the partner of an exchange is a rank");
    // Not counted among the calls: other ranks need not make one.
    const CallNote::Scope call(note_, Call::exchange, send.bytes(), partner);
    after.synchronize();
    const ConstView from = part_staging_.load(send);
    const View to = staging_.reserve(receive);
    group_->swap_mail(rank_, partner, from, to);
    staging_.store(receive);
    return {};
  }

  std::vector<std::string> gather_text(const std::string& mine) override {
    const auto call = enter(Call::gathering_of_texts, 0);
    group_->posts[static_cast<std::size_t>(rank_)].text = mine;
    group_->meet();
    std::vector<std::string> texts;
    for (const Post& other : group_->posts) texts.push_back(other.text);
    group_->meet();
    return texts;
  }

  void barrier() override {
    const auto call = enter(Call::barrier, 0);
    group_->meet();
  }

  // All threads share this host, and meet in the same group: each rank makes the same calls in the
  // same order, so collectives of the world and of the node group never mix.
  std::unique_ptr<Communicator> node_group() override {
    return std::make_unique<ThreadRank>(group_, rank_);
  }
  std::unique_ptr<Communicator> peer_group() override { return make_solo(); }

  void abort(int exit_code) override {
    const std::string why = fmt::format("rank {} aborted with exit code {}", rank_, exit_code);
    group_->fail(why);
    throw core::PeerError(why);
  }
  // The others' failures end the waits themselves.
  std::string failure() const override { return ""; }
  std::string waiting() const override { return note_.text(group_->missing(rank_)); }
  // Those of devices too: they are summed in host memory.
  bool sums_in_tree(core::Device) const override { return true; }
  bool capturable() const override { return false; }
  std::string description() const override {
    return fmt::format("threads, {} rank{}", size(), size() == 1 ? "" : "s");
  }

 private:
  [[nodiscard]] CallNote::Scope enter(Call call, std::size_t bytes) {
    group_->count_call(rank_);
    return {note_, call, bytes};
  }

  /// Shows memory to the others and meets; all ranks must have brought the same type and size.
  void post(const std::byte* read, std::byte* write, const ConstView& view) {
    Post& mine = group_->posts[static_cast<std::size_t>(rank_)];
    mine.read = read;
    mine.write = write;
    mine.count = view.size();
    mine.type = view.dtype();
    group_->meet();
    const bool same = std::all_of(group_->posts.begin(), group_->posts.end(),
                                  [&](const Post& other) { return equal(other, mine); });
    if (!same) group_->meet();  // nobody leaves before all have seen it
    core::require(same, "all ranks bring the same type and size to a collective");
  }

  static bool equal(const Post& a, const Post& b) { return a.count == b.count && a.type == b.type; }

  /// to = elements [first, first + count) of all ranks' memory, combined in the tree of ranks.
  void reduce_part(Reduce op, std::int64_t first, std::int64_t count, const View& to) {
    const std::size_t offset = static_cast<std::size_t>(first) * core::size_of(to.dtype());
    // One tree, whoever comes first: sums have the same bits in every run.
    inputs_.clear();
    for (const Post& other : group_->posts) inputs_.push_back(other.read + offset);
    reduce_in_tree(op, to.dtype(), inputs_, to.raw(), count);
  }

  std::shared_ptr<Group> group_;
  int rank_;
  CallNote note_;
  Staging staging_, part_staging_;
  std::vector<const std::byte*> inputs_;
};

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "unknown exception";
  }
}

bool is_peer_error(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const core::PeerError&) {
    return true;
  } catch (...) {
    return false;
  }
}

void run_rank(const std::shared_ptr<Group>& group, int rank,
              const std::function<void(Communicator&)>& body, std::exception_ptr& error) {
  try {
    ThreadRank world(group, rank);
    body(world);
    group->end(rank);
  } catch (...) {
    error = std::current_exception();
    group->fail(fmt::format("rank {} failed: {}", rank, text_of(error)));
  }
}

}  // namespace

void run_threads(int ranks, const std::function<void(Communicator&)>& body) {
  core::require(ranks >= 1, "a world has at least one rank");
  const auto group = std::make_shared<Group>(ranks);
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back(run_rank, std::cref(group), rank, std::cref(body),
                         std::ref(errors[static_cast<std::size_t>(rank)]));
  }
  for (std::thread& thread : threads) thread.join();
  std::exception_ptr first;
  for (const std::exception_ptr& error : errors) {
    if (error && (!first || (is_peer_error(first) && !is_peer_error(error)))) first = error;
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace epi::dist
