#include "tasks/bandit_catalogue.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <numeric>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/json.h"
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

std::optional<std::string> IdOf(const JsonValue& value) {
  if (value.IsObject()) {
    for (const char* path : {"_id", "id", "item", "_source.id", "_source.item"}) {
      const JsonValue* member = FindPath(value, path);
      if (member != nullptr && !member->IsObject()) return IdOf(*member);
    }
    return std::nullopt;
  }
  std::string id;
  if (value.IsString()) id = JsonText(value);
  if (value.IsInt64() || value.IsUint64()) AppendJson(&id, value);
  return id.empty() || id.size() > kMaxItemBytes ? std::nullopt : std::optional(std::move(id));
}

std::string BadId(std::string_view where) {
  return fmt::format(
      "{} must be an id of 1 to {} bytes or a whole number, or an object with such an "
      "\"id\" or \"item\"",
      where, kMaxItemBytes);
}

}  // namespace

BanditCatalogue::BanditCatalogue(std::string where) : where_(std::move(where)) {}

Status BanditCatalogue::Check() { return where_.empty() || IsUrl(where_) ? Status() : ReadFile(); }

Status BanditCatalogue::ReadFile() {
  struct stat info {};
  if (stat(where_.c_str(), &info) != 0) return IoError(where_, errno);
  std::string version = fmt::format("{}.{} {} {}", info.st_mtim.tv_sec, info.st_mtim.tv_nsec,
                                    info.st_size, info.st_ino);
  if (version == version_) return {};
  std::string text(kMaxFetchedBytes + 1, '\0');
  std::ifstream file(where_, std::ios::binary);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || !file.is_open()) return IoError(where_, errno);
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFetchedBytes) {
    return {StatusCode::kTooLarge,
            fmt::format("{}: a catalogue must have at most {} bytes", where_, kMaxFetchedBytes)};
  }
  auto ids = CatalogueLines(text);
  if (!ids.ok()) return {ids.status().code(), where_ + ": " + ids.status().message()};
  items_ = std::move(*ids);
  version_ = std::move(version);
  return {};
}

Result<std::vector<std::string>> BanditCatalogue::Ask(std::size_t size, std::uint64_t seed) const {
  std::string query;
  if (IsSearch(where_)) {
    query = fmt::format(R"({{"size":{},"_source":false,"query":{{"function_score":{{)"
                        R"("query":{{"match_all":{{}}}},)"
                        R"("random_score":{{"seed":{},"field":"_seq_no"}}}}}}}})",
                        std::min(size, kMaxSearchSize), seed);
  }
  auto answer = FetchUrl(where_, query);
  if (!answer.ok()) return answer.status();
  auto ids = CatalogueAnswer(*answer);
  if (!ids.ok()) {
    return Status(ids.status().code(), ShownUrl(where_) + ": " + ids.status().message());
  }
  return ids;
}

Result<std::vector<std::string>> BanditCatalogue::Draw(
    std::size_t count, std::size_t held_count, const std::function<bool(const std::string&)>& held,
    Random& random) {
  std::vector<std::string> asked;
  if (IsUrl(where_)) {
    // A search may give those that are held, too.
    auto ids = Ask(count + held_count, random.Below(kMaxSearchSeed));
    if (!ids.ok()) return ids.status();
    asked = std::move(*ids);
  } else if (Status status = Check(); !status.ok()) {
    return status;
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
      id = IdOf(document.root());
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
  for (const char* path : {"hits.hits", "items"}) {
    if (const JsonValue* found = FindPath(document.root(), path)) list = found;
  }
  if (!list->IsArray()) {
    return InvalidArgument("the answer must be an array, or have one in items or hits.hits");
  }
  std::vector<std::string> ids;
  for (rapidjson::SizeType i = 0; i < list->Size(); ++i) {
    auto id = IdOf((*list)[i]);
    if (!id) return InvalidArgument(BadId(fmt::format("item {} of the answer", i + 1)));
    ids.push_back(std::move(*id));
  }
  return WithoutRepeats(ids);
}

}  // namespace rivulet
