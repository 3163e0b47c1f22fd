// Selections of topics: any text is taken or refused as the rule says, and what is taken matches a
// name exactly when one of its items does by itself.
//
// The input is the selection, a newline, and names to ask it about, one a line.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "pubsub/selection.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// [A-Za-z0-9._-]{0,64}, by table.
bool OfNameBytes(std::string_view text) {
  constexpr std::string_view kBytes =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return text.size() <= 64 && text.find_first_not_of(kBytes) == std::string_view::npos;
}

bool IsItem(std::string_view item) {
  if (item.empty()) return false;
  if (item.back() == '*') item.remove_suffix(1);
  return OfNameBytes(item);
}

bool Matches(const std::vector<std::string_view>& items, std::string_view name) {
  for (const std::string_view item : items) {
    if (item == name) return true;
    if (item.back() != '*') continue;
    const std::string_view prefix = item.substr(0, item.size() - 1);
    if (name.substr(0, prefix.size()) == prefix) return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  const std::size_t first = data.find('\n');
  const std::string_view text = data.substr(0, first);
  const std::vector<std::string_view> items = Split(text, ',');
  bool right = items.size() <= 64;
  for (const std::string_view item : items) right = right && IsItem(item);

  const auto selection = rivulet::Selection::Parse(text);
  Require(selection.ok() == right);
  if (!right) {
    Require(selection.status().code() == rivulet::StatusCode::kInvalidArgument);
    return 0;
  }
  const auto again = rivulet::Selection::Parse(selection->text());
  Require(again.ok() && again->text() == selection->text() && again->names() == selection->names());
  Require(selection->text().size() <= text.size());
  Require(!selection->single() || selection->text() == selection->names().front());
  for (const std::string& name : selection->names()) Require(selection->Matches(name));
  if (first == std::string_view::npos) return 0;
  for (const std::string_view name : Split(data.substr(first + 1), '\n')) {
    Require(selection->Matches(name) == Matches(items, name));
    Require(again->Matches(name) == Matches(items, name));
  }
  return 0;
}
