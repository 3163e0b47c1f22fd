#include "queuereader/runner/message_name.h"

#include <algorithm>
#include <charconv>

namespace rivulet {
namespace {

char* Append(char* out, std::string_view text) { return std::copy(text.begin(), text.end(), out); }

/// Of 64 bits at most 20 digits, which there is room for.
char* Append(char* out, std::uint64_t number, int base) {
  return std::to_chars(out, out + 20, number, base).ptr;
}

}  // namespace

std::size_t WriteNameEnd(const MessageName& name, char* out) {
  using Kind = MessageName::Kind;
  if (name.kind == Kind::kPlain || name.kind == Kind::kCall) return 0;
  const bool leased = name.kind == Kind::kLeased;
  char* end = Append(Append(out, leased ? " message " : " byte "), name.number, 10);
  if (leased && name.incarnation != 0) end = Append(Append(end, "-"), name.incarnation, 16);
  return static_cast<std::size_t>(end - out);
}

}  // namespace rivulet
