#include "bandit/file_arms.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "store/open_store.h"
#include "store/store_url.h"

namespace rivulet {
namespace {

// Files that were written to as lately as this may be again with the same time.
constexpr Duration kClockTick = std::chrono::milliseconds(20);

std::string FolderOf(std::string_view url) {
  url.remove_prefix(std::string_view("file:").size());
  static_cast<void>(TakeUrlParameters(&url));
  return DecodedUrlPart(url).value_or(std::string(url));
}

/// By which a folder is told from itself before a change. Empty: it is not to be told now.
std::string OutlineOf(const std::string& folder, const Clock& clock) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  std::error_code error;
  const WallTime still = clock.WallNow() - kClockTick;
  for (auto at = fs::directory_iterator(folder, error); !error && at != fs::directory_iterator();
       at.increment(error)) {
    struct stat found {};
    if (stat(at->path().c_str(), &found) != 0) return {};
    const WallTime written = WallTime(std::chrono::duration_cast<WallTime::duration>(
        std::chrono::seconds(found.st_mtim.tv_sec) +
        std::chrono::nanoseconds(found.st_mtim.tv_nsec)));
    if (written > still) return {};
    files.push_back(fmt::format("{} {} {} {}", at->path().filename().string(), found.st_ino,
                                found.st_size, written.time_since_epoch().count()));
  }
  if (error) return {};
  std::sort(files.begin(), files.end());
  return fmt::format("{}", fmt::join(files, "\n"));
}

}  // namespace

/// On the helper's thread until it is done.
struct FileArms::Reading {
  ArmsQuestion question;
  SharedArms known;
  Result<SharedArms> arms = Status(StatusCode::kUnavailable, "not read");
  std::string outline;
  bool opened = false;
};

FileArms::FileArms(EventLoop& loop, const Clock& clock, std::string url, ArmsReaderConfig config)
    : ArmsReader(loop, clock, std::move(config)),
      clock_(clock),
      url_(std::move(url)),
      folder_(FolderOf(url_)),
      helper_(loop, clock) {
  ReadAllEachTime();
}

void FileArms::Ask(Number number, ArmsAmount amount) {
  const auto reading = std::make_shared<Reading>();
  reading->question = QuestionOf(amount);
  reading->known = known().arms;
  helper_.Do(
      [reading, url = url_, folder = folder_, read = read_, clock = &clock_]() -> Status {
        reading->outline = OutlineOf(folder, *clock);
        if (!read.empty() && reading->outline == read) return {};
        reading->opened = true;
        auto store = OpenStore(url, {.clock = clock, .read_only = true});
        if (store.ok()) {
          reading->arms = reading->question.Understand((*store)->Run(reading->question.Batch()),
                                                       reading->known);
        } else {
          reading->arms = store.status();
        }
        return {};
      },
      [this, number, reading](const Status&, Duration took) {
        if (!reading->opened) return Took(number, known().arms, took);
        ++openings_;
        read_ = reading->arms.ok() ? reading->outline : "";
        Took(number, reading->arms, took);
      });
}

}  // namespace rivulet
