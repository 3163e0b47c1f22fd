#include "tasks/bandit_catalogue.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <exception>
#include <fstream>
#include <future>
#include <initializer_list>
#include <numeric>
#include <optional>
#include <system_error>
#include <thread>
#include <unordered_set>
#include <utility>

#include "base/json.h"
#include "base/units.h"
#include "tasks/bandit_arms.h"
#include "tasks/http_fetch.h"

namespace rivulet {
namespace {

constexpr char kSpace[] = " \t\r";
// What an ElasticSearch gives at once, and takes for a seed.
constexpr std::size_t kMaxSearchSize = 10'000;
constexpr std::uint64_t kMaxSearchSeed = std::uint64_t{1} << 31;

bool IsUrl(std::string_view where) {
  return where.starts_with("http://") || where.starts_with("https://");
}

bool IsSearch(std::string_view url) {
  return IsUrl(url) &&
         url.substr(0, std::min(url.find_first_of("?#"), url.size())).ends_with("/_search");
}

std::optional<std::string> IdIn(const JsonValue& value) {
  std::string id;
  if (value.IsString()) id = JsonText(value);
  if (value.IsInt64() || value.IsUint64()) AppendJson(&id, value);
  const bool is_one = !id.empty() && id.size() <= kMaxItemBytes && IsValidUtf8(id);
  return is_one ? std::optional(std::move(id)) : std::nullopt;
}

/// Of an object the first of these members.
std::optional<std::string> IdOf(const JsonValue& value, std::initializer_list<const char*> names) {
  if (!value.IsObject()) return IdIn(value);
  for (const char* name : names) {
    if (const JsonValue* member = FindMember(value, name)) return IdIn(*member);
  }
  return std::nullopt;
}

std::string BadId(std::string_view where) {
  return fmt::format(
      "{} must be an id of 1 to {} bytes or a whole number, or an object with such an "
      "\"id\" or \"item\", or, of a search, \"_id\"",
      where, kMaxItemBytes);
}

/// The URL, for `size` ids where it is a search.
Result<std::vector<std::string>> AskUrl(const std::string& url, std::size_t size,
                                        std::uint64_t seed, const std::atomic<bool>* stop) {
  std::string query;
  if (IsSearch(url)) {
    query = fmt::format(R"({{"size":{},"_source":false,"query":{{"function_score":{{)"
                        R"("query":{{"match_all":{{}}}},)"
                        R"("random_score":{{"seed":{},"field":"_seq_no"}}}}}}}})",
                        std::min(size, kMaxSearchSize), seed);
  }
  auto answer = FetchUrl(url, query, stop);
  if (!answer.ok()) return answer.status();
  auto ids = CatalogueAnswer(*answer);
  if (!ids.ok()) {
    return Status(ids.status().code(), ShownUrl(url) + ": " + ids.status().message());
  }
  return ids;
}

/// What ask() answers. Nobody is there on its thread to catch what it throws.
template <typename Ask>
auto Caught(std::string_view where, Ask ask) -> decltype(ask()) {
  try {
    return ask();
  } catch (const std::exception& error) {
    return Status(StatusCode::kExhausted, fmt::format("{}: it could not be read: {}",
                                                      ShownUrl(std::string(where)), error.what()));
  }
}

}  // namespace

struct BanditCatalogue::FileIds {
  std::vector<std::string> ids;
  std::string version;
  bool unchanged = false;
};

/// The end of one of a URL is its thread's; a file may hang for ever, and is left to its thread.
struct BanditCatalogue::Request {
  using Answer = Result<FileIds>;  // of a URL without a version

  /// Of a URL.
  Request(const std::string& url, std::size_t size, std::uint64_t seed, MonoTime now)
      : began_at(now), answer(std::async(std::launch::async, [this, url, size, seed]() -> Answer {
          return Caught(url, [&]() -> Answer {
            auto ids = AskUrl(url, size, seed, &stop);
            if (!ids.ok()) return ids.status();
            return FileIds{std::move(*ids), {}, false};
          });
        })) {}
  /// Of a file. Throws std::system_error where there is no thread.
  Request(const std::string& path, const CatalogueFiles& files, const std::string& version,
          MonoTime now)
      : began_at(now), give_up_at(std::chrono::steady_clock::now() + files.patience) {
    std::promise<Answer> promise;
    answer = promise.get_future();
    std::thread([path, files, version, promise = std::move(promise)]() mutable {
      promise.set_value(Caught(path, [&] { return ReadFile(path, files, version); }));
    }).detach();
  }
  ~Request() { stop = true; }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  bool HasAnswered(Duration within = {}) const {
    return answer.wait_for(within) == std::future_status::ready;
  }
  bool HasHadItsTime() const {
    return give_up_at && std::chrono::steady_clock::now() >= *give_up_at;
  }
  /// Or will not.
  bool HasCome(Duration within = {}) const {
    if (!give_up_at) return HasAnswered(within);
    const Duration left = *give_up_at - std::chrono::steady_clock::now();
    return HasAnswered(std::clamp(left, Duration::zero(), within)) || HasHadItsTime();
  }

  std::atomic<bool> stop = false;
  bool is_waited_for = false;  // IsReady() was asked before it had come
  MonoTime began_at;
  std::optional<std::chrono::steady_clock::time_point> give_up_at;
  std::future<Answer> answer;  // last: of a URL its end waits for the thread, which sees `stop`
};

BanditCatalogue::BanditCatalogue(std::string where, CatalogueFiles files)
    : where_(std::move(where)), files_(std::move(files)) {}
BanditCatalogue::BanditCatalogue(std::vector<std::string> items) : items_(std::move(items)) {}
BanditCatalogue::~BanditCatalogue() = default;
BanditCatalogue::BanditCatalogue(BanditCatalogue&& other) noexcept = default;

bool BanditCatalogue::IsFile() const { return !where_.empty() && !IsUrl(where_); }

Status BanditCatalogue::Check() {
  if (!IsFile()) return {};
  auto found = ReadFile(where_, files_, version_);
  if (!found.ok()) return found.status();
  if (found->unchanged) return {};
  items_ = std::move(found->ids);
  version_ = std::move(found->version);
  return {};
}

Result<std::string> ReadRegularFile(const std::string& path, std::size_t most_bytes) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return IoError(path, errno);
  if (!S_ISREG(info.st_mode)) return InvalidArgument(path + ": it must be a regular file");
  const auto too_large = [&] {
    return Status(StatusCode::kTooLarge,
                  fmt::format("{}: it must have at most {} bytes", path, most_bytes));
  };
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size > most_bytes) return too_large();
  // One more shows whether it grows.
  std::string text(size + 1, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || !file.is_open()) return IoError(path, errno);
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > size) return Status(StatusCode::kUnavailable, path + ": it is being written");
  return text;
}

Result<BanditCatalogue::FileIds> BanditCatalogue::ReadFile(const std::string& path,
                                                           const CatalogueFiles& files,
                                                           const std::string& version) {
  FileIds found;
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return IoError(path, errno);
  found.version = fmt::format("{}.{} {} {}", info.st_mtim.tv_sec, info.st_mtim.tv_nsec,
                              info.st_size, info.st_ino);
  found.unchanged = found.version == version;
  if (found.unchanged) return found;
  const auto text = files.read(path, kMaxFetchedBytes);
  if (!text.ok()) return text.status();
  auto ids = CatalogueLines(*text);
  if (!ids.ok()) return Status(ids.status().code(), path + ": " + ids.status().message());
  found.ids = std::move(*ids);
  return found;
}

bool BanditCatalogue::asking() const { return request_ && !request_->HasCome(); }

bool BanditCatalogue::IsReady(MonoTime now) const {
  if (where_.empty()) return true;
  if (!request_) return false;
  if (!request_->HasCome()) {
    request_->is_waited_for = true;
    return false;
  }
  if (!request_->HasAnswered()) return true;
  const bool is_early = IsFile() && !request_->is_waited_for;
  return now - request_->began_at < (is_early ? kFreshFile : kFreshAnswer);
}

void BanditCatalogue::Ask(std::size_t size, Random& random, MonoTime now) {
  if (asking() || IsReady(now)) return;
  request_.reset();
  try {
    request_ = IsFile()
                   ? std::make_unique<Request>(where_, files_, version_, now)
                   : std::make_unique<Request>(where_, size, random.Below(kMaxSearchSeed), now);
  } catch (const std::system_error&) {
    // There are no more threads now: asked next time.
  }
  if (IsFile()) Await(kQuickFile);
}

void BanditCatalogue::Await(Duration most) const {
  if (request_) static_cast<void>(request_->HasCome(most));
}

Status BanditCatalogue::TakeAnswer(std::vector<std::string>* ids) {
  if (!request_) {
    return {StatusCode::kExhausted, ShownUrl(where_) + ": there is no thread left to ask it on"};
  }
  if (IsFile()) Await(files_.patience);
  // Its thread is still there: there is not to be another for each time it is tried.
  if (IsFile() && !request_->HasAnswered()) {
    return {StatusCode::kUnavailable, fmt::format("{}: it has not been read within {}", where_,
                                                  FormatDuration(files_.patience))};
  }
  auto found = request_->answer.get();
  request_.reset();
  if (!found.ok()) return found.status();
  if (!IsFile()) {
    *ids = std::move(found->ids);
  } else if (!found->unchanged) {
    items_ = std::move(found->ids);
    version_ = std::move(found->version);
  }
  return {};
}

Result<std::vector<std::string>> BanditCatalogue::Draw(
    std::size_t count, std::size_t held_count, const std::function<bool(const std::string&)>& held,
    Random& random) {
  std::vector<std::string> asked;
  if (!where_.empty()) {
    // A search may give those that are held, too.
    if (!request_) Ask(count + held_count, random, {});
    if (Status status = TakeAnswer(&asked); !status.ok()) return status;
  }
  const std::vector<std::string>& all = IsUrl(where_) ? asked : items_;
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<std::string> drawn;
  for (std::size_t i = 0; i < order.size() && drawn.size() < count; ++i) {
    std::swap(order[i], order[i + static_cast<std::size_t>(random.Below(order.size() - i))]);
    const std::string& id = all[order[i]];
    if (!held(id)) drawn.push_back(id);
  }
  return drawn;
}

std::vector<std::string> WithoutRepeats(const std::vector<std::string>& ids) {
  std::unordered_set<std::string_view> seen;
  std::vector<std::string> distinct;
  distinct.reserve(ids.size());
  seen.reserve(ids.size());
  for (const std::string& id : ids) {
    if (seen.insert(id).second) distinct.push_back(id);
  }
  return distinct;
}

Result<std::vector<std::string>> CatalogueLines(std::string_view text) {
  std::vector<std::string> ids;
  JsonDocument document;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = line.substr(std::min(line.find_first_not_of(kSpace), line.size()));
    line = line.substr(0, line.find_last_not_of(kSpace) + 1);
    if (line.empty()) continue;
    std::optional<std::string> id;
    if (line.starts_with('{')) {
      const Status status = document.Parse(line);
      if (!status.ok())
        return InvalidArgument(fmt::format("line {}: {}", number, status.message()));
      id = IdOf(document.root(), {"id", "item"});
    } else if (line.size() <= kMaxItemBytes && IsValidUtf8(line)) {
      id = line;
    }
    if (!id) return InvalidArgument(BadId(fmt::format("line {}", number)));
    ids.push_back(std::move(*id));
  }
  return WithoutRepeats(ids);
}

Result<std::vector<std::string>> CatalogueAnswer(std::string_view json) {
  JsonDocument document;
  if (Status status = document.Parse(json); !status.ok()) return status;
  const JsonValue* list = &document.root();
  if (const JsonValue* items = FindPath(document.root(), "items")) list = items;
  const JsonValue* const hits = FindPath(document.root(), "hits.hits");
  if (hits != nullptr) list = hits;
  if (!list->IsArray()) {
    return InvalidArgument("the answer must be an array, or have one in items or hits.hits");
  }
  std::vector<std::string> ids;
  for (rapidjson::SizeType i = 0; i < list->Size(); ++i) {
    const JsonValue& item = (*list)[i];
    auto id = hits != nullptr ? IdOf(item, {"_id"}) : IdOf(item, {"id", "item"});
    if (!id) return InvalidArgument(BadId(fmt::format("item {} of the answer", i + 1)));
    ids.push_back(std::move(*id));
  }
  return WithoutRepeats(ids);
}

}  // namespace rivulet
