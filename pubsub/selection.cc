#include "pubsub/selection.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/names.h"

namespace rivulet {

namespace {

constexpr std::size_t kMaxItems = 64;

bool IsPrefix(std::string_view text) { return text.empty() || IsName(text); }

void SortUnique(std::vector<std::string>* texts) {
  std::sort(texts->begin(), texts->end());
  texts->erase(std::unique(texts->begin(), texts->end()), texts->end());
}

// `prefixes` is sorted, and none begins with another: of those that are not behind the text, only
// the last can be its beginning.
bool Covers(const std::vector<std::string>& prefixes, std::string_view text) {
  const auto behind = std::upper_bound(prefixes.begin(), prefixes.end(), text);
  return behind != prefixes.begin() && text.starts_with(*std::prev(behind));
}

}  // namespace

Result<Selection> Selection::Parse(std::string_view text) {
  Selection selection;
  std::vector<std::string> prefixes;
  std::size_t items = 0;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string_view item = text.substr(begin, end - begin);
    begin = end + 1;
    if (++items > kMaxItems) {
      return InvalidArgument(fmt::format("topic: {} items must be at most {}",
                                         std::count(text.begin(), text.end(), ',') + 1, kMaxItems));
    }
    if (IsName(item)) {
      selection.names_.emplace_back(item);
    } else if (item.ends_with('*') && IsPrefix(item.substr(0, item.size() - 1))) {
      prefixes.emplace_back(item.substr(0, item.size() - 1));
    } else {
      return InvalidArgument(fmt::format(
          "topic: item {} {}, or the beginning of a name and one * at its end", items, kNameRule));
    }
  }
  SortUnique(&prefixes);
  // A beginning stands before what begins with it.
  for (std::string& prefix : prefixes) {
    if (!Covers(selection.prefixes_, prefix)) selection.prefixes_.push_back(std::move(prefix));
  }
  SortUnique(&selection.names_);
  std::erase_if(selection.names_,
                [&](const std::string& name) { return Covers(selection.prefixes_, name); });

  std::vector<std::string> kept = selection.names_;
  for (const std::string& prefix : selection.prefixes_) kept.push_back(prefix + "*");
  std::sort(kept.begin(), kept.end());
  selection.text_ = fmt::format("{}", fmt::join(kept, ","));
  return selection;
}

bool Selection::Matches(std::string_view topic) const {
  return std::binary_search(names_.begin(), names_.end(), topic) || Covers(prefixes_, topic);
}

}  // namespace rivulet
