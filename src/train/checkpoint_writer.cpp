// One thread per checkpoint: there are minutes between two of them, and a thread that ends leaves
// nothing to stop, to wake or to forget.
#include "train/checkpoint_writer.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <system_error>
#include <utility>

#include "core/error.hpp"

namespace epi::train {
namespace {

// Of a thread that digests and copies for a second while every core has a step to compute: with 10
// it gets about a tenth of a core that is wanted by others, and all of one that is not.
constexpr int kNiceness = 10;

// On Linux the priority belongs to the thread. Refused, it stays as it was: slower steps, no harm.
void give_way() {
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNiceness);
}

}  // namespace

CheckpointWriter::CheckpointWriter(std::filesystem::path checkpoints,
                                   const model::ParameterTable& table, std::int64_t keep)
    : checkpoints_(std::move(checkpoints)),
      table_(table),
      keep_(keep),
      blocks_(table.block_size()) {}

CheckpointWriter::~CheckpointWriter() {
  if (thread_.joinable()) thread_.join();
}

void CheckpointWriter::start(CheckpointNote note) {
  core::require(!under_way_, "one checkpoint is written at a time");
  outcome_ = {.step = note.progress.step, .path = {}, .failure = {}, .seconds = 0.0};
  done_.store(false, std::memory_order_relaxed);
  under_way_ = true;
  try {
    thread_ = std::thread([this, note] {
      give_way();
      write(note);
    });
  } catch (const std::system_error&) {  // no thread to be had: steps wait
    write(note);
  }
}

void CheckpointWriter::write(const CheckpointNote& note) {
  const auto begin = std::chrono::steady_clock::now();
  try {
    outcome_.path = write_checkpoint(checkpoints_, note, table_, blocks_.views());
    prune_checkpoints(checkpoints_, note.progress.step, keep_);
  } catch (const core::LogicError&) {
    fault_ = std::current_exception();
  } catch (const std::exception& error) {
    outcome_.failure = error.what();
  }
  outcome_.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  done_.store(true, std::memory_order_release);
}

std::optional<CheckpointOutcome> CheckpointWriter::poll() {
  if (!under_way_ || !done_.load(std::memory_order_acquire)) return std::nullopt;
  return wait();
}

std::optional<CheckpointOutcome> CheckpointWriter::wait() {
  if (!under_way_) return std::nullopt;
  if (thread_.joinable()) thread_.join();
  under_way_ = false;
  if (fault_) std::rethrow_exception(std::exchange(fault_, nullptr));
  return std::exchange(outcome_, {});
}

}  // namespace epi::train
