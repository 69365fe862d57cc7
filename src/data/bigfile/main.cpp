// `epitrain-bigfile`: prints the contigs and records of one bigBed or bigWig file as text. It is
// the only user of libBigWig, and a program of its own because that library trusts what it reads: a
// damaged file may crash it or make it ask for any amount of memory. Here that costs one child of
// epitrain, which is told by the exit status. Arguments and output: data/formats/big_protocol.hpp.
//
// The limits are set before the file is opened, by this program on itself: address space and
// processor time. Memory stays small for files of any size, since records come a few blocks at a
// time; only the index of one contig is held whole.
#include <bigWig.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "data/formats/big_protocol.hpp"

namespace {

using epi::data::kBigDamagedExit;
using epi::data::kBigMemoryExit;
using epi::data::kBigMemorySignal;
using epi::data::kBigUsageExit;

constexpr int kReportDescriptor = 9;
constexpr std::uint32_t kBlocksPerStep = 16;
constexpr std::size_t kOutputBytes = std::size_t{1} << 18U;
constexpr std::size_t kLongestRest = std::size_t{1} << 19U;

// An end of the program, with what to say about it.
struct Stop {
  int status;
  std::string message;
};

// Text on its way to stdout. A reader that is gone ends us by SIGPIPE.
class Output {
 public:
  Output() { text_.reserve(kOutputBytes + 2 * kLongestRest); }
  void add(std::string_view text) { text_.append(text); }
  template <class Number>
  void add_number(Number value) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, value);
    text_.append(digits, end.ptr);
  }
  void end_line() {
    text_.push_back('\n');
    if (text_.size() >= kOutputBytes) flush();
  }
  void flush() {
    std::string_view rest = text_;
    while (!rest.empty()) {
      const ssize_t written = write(STDOUT_FILENO, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) throw Stop{EXIT_FAILURE, "cannot write its output"};
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    text_.clear();
  }

 private:
  std::string text_;
};

[[noreturn]] void damaged(const std::string& what) {
  // A refused allocation comes back from the library as any other failure; errno tells.
  if (errno == ENOMEM) throw Stop{kBigMemoryExit, what + ": not enough memory"};
  throw Stop{kBigDamagedExit, what};
}

// The library also goes on with the null pointer that a refused allocation gave. Told apart from
// other crashes by errno; everything else dies of its own signal, as the handler serves once.
void on_crash(int signal) {
  (void)raise(errno == ENOMEM ? kBigMemorySignal : signal);
}

void watch_crashes() {
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT}) {
    struct sigaction action {};
    action.sa_handler = on_crash;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    (void)sigaction(signal, &action, nullptr);
  }
}

template <class Resource>
void limit(Resource resource, std::uint64_t wanted) {
  rlimit now{};
  (void)getrlimit(resource, &now);
  now.rlim_cur = std::min<rlim_t>(wanted, now.rlim_max);
  if (setrlimit(resource, &now) != 0) throw Stop{EXIT_FAILURE, "cannot set its own limits"};
}

std::uint64_t positive(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  if (!whole || value == 0 || value > (std::uint64_t{1} << 40U)) {
    throw Stop{kBigUsageExit, "usage: epitrain-bigfile FILE MEMORY_MIB SECONDS"};
  }
  return value;
}

// Descriptors of the parent end here, and what the library prints about its findings goes nowhere:
// our one line alone reaches the parent, through a descriptor of its own.
void keep_own_descriptors() {
  constexpr int kHighest = 1024;
  for (int descriptor = 3; descriptor < kHighest; ++descriptor) (void)close(descriptor);
  const int nowhere = ::open("/dev/null", O_WRONLY);
  (void)dup2(STDERR_FILENO, kReportDescriptor);
  if (nowhere >= 0) (void)dup2(nowhere, STDERR_FILENO);
}

struct Contig {
  const char* name;
  std::uint32_t length;
};

bool is_printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char letter) {
    const auto byte = static_cast<unsigned char>(letter);
    return byte <= 0x20U || byte == 0x7fU;
  });
}

// Also what makes the library's own look-up by name safe: each name is there, and there once.
std::vector<Contig> contigs_of(const bigWigFile_t& file) {
  std::vector<Contig> contigs;
  std::unordered_set<std::string_view> seen;
  for (std::int64_t i = 0; i < file.cl->nKeys; ++i) {
    const char* name = file.cl->chrom[i];
    if (name == nullptr) damaged("a contig of its table is missing");
    if (*name == '\0' || !is_printable(name)) damaged("a contig's name is no text");
    if (!seen.insert(name).second) damaged("two contigs of its table have one name");
    if (file.cl->len[i] == 0) damaged(std::string("contig ") + name + " has no bases");
    contigs.push_back({name, file.cl->len[i]});
  }
  return contigs;
}

void add_place(Output& out, const char* contig, std::uint32_t start, std::uint32_t end) {
  out.add(contig);
  out.add("\t");
  out.add_number(start);
  out.add("\t");
  out.add_number(end);
}

void print(Output& out, const char* contig, const bwOverlappingIntervals_t& records) {
  for (std::uint32_t i = 0; i < records.l; ++i) {
    add_place(out, contig, records.start[i], records.end[i]);
    out.add("\t");
    out.add_number(records.value[i]);
    out.end_line();
  }
}

void print(Output& out, const char* contig, const bbOverlappingEntries_t& records) {
  for (std::uint32_t i = 0; i < records.l; ++i) {
    if (records.str[i] == nullptr) damaged("a record's text is missing");
    const std::string_view rest = records.str[i];
    if (rest.find_first_of("\n\r") != std::string_view::npos) damaged("a record has a line break");
    if (rest.size() > kLongestRest) damaged("a record is above 512 KiB");
    add_place(out, contig, records.start[i], records.end[i]);
    if (!rest.empty()) {
      out.add("\t");
      out.add(rest);
    }
    out.end_line();
  }
}

struct Counts {
  std::uint64_t records;
  std::uint64_t blocks;
};

// The range goes past the contig's end on purpose: records out there are damage that the reader of
// our output must see, and the library would leave them out.
Counts print_contig(Output& out, bigWigFile_t& file, const char* name) {
  constexpr std::uint32_t kAll = std::numeric_limits<std::uint32_t>::max();
  const std::string failure = std::string("the records of contig ") + name + " cannot be read";
  errno = 0;
  bwOverlapIterator_t* at =
      file.type == 0 ? bwOverlappingIntervalsIterator(&file, name, 0, kAll, kBlocksPerStep)
                     : bbOverlappingEntriesIterator(&file, name, 0, kAll, 1, kBlocksPerStep);
  if (at == nullptr || at->data == nullptr) damaged(failure);
  Counts counts{0, static_cast<const bwOverlapBlock_t*>(at->blocks)->n};
  while (at->data != nullptr) {
    if (at->intervals != nullptr) {
      print(out, name, *at->intervals);
      counts.records += at->intervals->l;
    } else {
      print(out, name, *at->entries);
      counts.records += at->entries->l;
    }
    errno = 0;
    at = bwIteratorNext(at);
    if (at == nullptr) damaged(failure);
  }
  bwIteratorDestroy(at);
  return counts;
}

// The library does not look whether it got the buffer for one unpacked block, whose size the file
// states; we do in its place.
void expect_room(std::size_t bytes) {
  void* room = std::malloc(bytes);
  if (bytes > 0 && room == nullptr) throw Stop{kBigMemoryExit, "not enough memory for a block"};
  std::free(room);
}

bigWigFile_t* open(const char* path) {
  // A leading slash: the library takes "http://..." for an address, and nothing is fetched here.
  struct stat status {};
  if (path[0] != '/' || stat(path, &status) != 0 || !S_ISREG(status.st_mode)) {
    throw Stop{kBigUsageExit, "the file must be a regular one, given by its whole path"};
  }
  errno = 0;
  if (bwIsBigWig(path, nullptr) != 0) return bwOpen(path, nullptr, "r");
  if (bbIsBigBed(path, nullptr) != 0) return bbOpen(path, nullptr);
  throw Stop{kBigDamagedExit, "neither bigBed nor bigWig"};
}

void print_file(const char* path) {
  bigWigFile_t* file = open(path);
  if (file == nullptr) damaged("its header, contig table or index cannot be read");
  expect_room(file->hdr->bufSize);
  const std::vector<Contig> contigs = contigs_of(*file);
  Output out;
  out.add(epi::data::kBigGreeting);
  out.add(file->type == 0 ? "\tbigwig\t" : "\tbigbed\t");
  out.add_number(contigs.size());
  out.end_line();
  for (const Contig& contig : contigs) {
    out.add(contig.name);
    out.add("\t");
    out.add_number(contig.length);
    out.end_line();
  }
  Counts total{0, 0};
  for (const Contig& contig : contigs) {
    const Counts counts = print_contig(out, *file, contig.name);
    total.records += counts.records;
    total.blocks += counts.blocks;
  }
  out.add(epi::data::kBigEndMark);
  out.add_number(total.records);
  out.add("\t");
  out.add_number(total.blocks);
  out.end_line();
  out.flush();
  // The file isn't closed: the process ends, and freeing what a damaged file built may crash.
}

}  // namespace

int main(int argc, char** argv) {
  keep_own_descriptors();
  watch_crashes();
  try {
    if (argc != 4) throw Stop{kBigUsageExit, "usage: epitrain-bigfile FILE MEMORY_MIB SECONDS"};
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_AS, positive(argv[2]) << 20U);
    limit(RLIMIT_CPU, positive(argv[3]));
    print_file(argv[1]);
    return EXIT_SUCCESS;
  } catch (const Stop& stop) {
    const std::string line = stop.message + "\n";
    (void)!write(kReportDescriptor, line.data(), line.size());
    return stop.status;
  } catch (const std::bad_alloc&) {
    return kBigMemoryExit;
  }
}
