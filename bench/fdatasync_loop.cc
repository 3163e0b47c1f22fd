// What the disk can do: appends a record and fdatasyncs it, one after another, as a queue without
// group commit would. With --allocated the file has its length before, so that a sync writes the
// data and no new length; the time of that is the disk's own. Prints one JSON object.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>

#include "base/options.h"
#include "bench/load.h"

namespace rivulet::bench {
namespace {

struct Settings {
  std::string file;
  std::uint64_t record_bytes = 130;
  double seconds = 1;
  bool allocated = false;
};

constexpr off_t kAllocatedBytes = 16 << 20;

int Fail(const std::string& what) {
  fmt::print(stderr, "fdatasync_loop: {}\n", IoError(what, errno).message());
  return 1;
}

// Zeros that are written and synced: blocks that are only reserved are marked as written later, at
// the price of a second write.
bool Allocate(int fd) {
  const std::string zeros(1 << 20, '\0');
  for (off_t at = 0; at < kAllocatedBytes; at += static_cast<off_t>(zeros.size())) {
    if (::pwrite(fd, zeros.data(), zeros.size(), at) != static_cast<ssize_t>(zeros.size())) {
      return false;
    }
  }
  return ::fsync(fd) == 0;
}

int Run(const Settings& settings) {
  const int fd = ::open(settings.file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return Fail(fmt::format("open {}", settings.file));
  if (settings.allocated && !Allocate(fd)) return Fail("write");
  const std::string record(settings.record_bytes, 'x');
  const auto latency = std::make_unique<FineHistogram>();
  const std::int64_t start = NowNs();
  const std::int64_t end = start + static_cast<std::int64_t>(settings.seconds * 1e9);
  off_t at = 0;
  std::int64_t now = start;
  while (now < end) {
    if (::pwrite(fd, record.data(), record.size(), at) != static_cast<ssize_t>(record.size())) {
      return Fail("write");
    }
    if (::fdatasync(fd) != 0) return Fail("fdatasync");
    at += static_cast<off_t>(record.size());
    if (settings.allocated && at + static_cast<off_t>(record.size()) > kAllocatedBytes) at = 0;
    const std::int64_t done = NowNs();
    latency->Add(done - now);
    now = done;
  }
  ::close(fd);
  const double seconds = static_cast<double>(now - start) / 1e9;
  fmt::print(
      "{{\"syncs\":{},\"seconds\":{:.3f},\"per_s\":{:.0f},\"p50_us\":{:.1f},\"p99_us\":{:.1f}}}\n",
      latency->total(), seconds, static_cast<double>(latency->total()) / seconds,
      static_cast<double>(latency->QuantileNs(0.5)) / 1e3,
      static_cast<double>(latency->QuantileNs(0.99)) / 1e3);
  return 0;
}

}  // namespace
}  // namespace rivulet::bench

int main(int argc, char** argv) {
  rivulet::bench::Settings settings;
  rivulet::Options options("fdatasync_loop", "appends records, each with an fdatasync of its own");
  options.Text("file", &settings.file, "where to write; is not removed").Required();
  options.Uint("record-bytes", &settings.record_bytes, "length of a record").Range(1, 1 << 20);
  options.Real("seconds", &settings.seconds, "time to write for").Range(0.01, 3600);
  options.Flag("allocated", &settings.allocated, "write the file's 16 MiB before");
  if (auto code = options.Parse(argc, argv)) return *code;
  return rivulet::bench::Run(settings);
}
