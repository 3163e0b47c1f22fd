#include "simplequeue/identity.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <string_view>

#include "base/replace_file.h"

namespace rivulet {
namespace {

constexpr std::string_view kHead = "rivulet identity 1";

/// 0 when there is none.
std::uint64_t Read(const std::string& path) {
  std::ifstream file(path);
  std::string head;
  std::string digits;
  if (!std::getline(file, head) || head != kHead || !std::getline(file, digits)) return 0;
  std::uint64_t identity = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, identity, 16);
  return error == std::errc() && stop == end ? identity : 0;
}

}  // namespace

Result<std::uint64_t> KeepIdentity(const std::string& folder, bool fresh, std::uint64_t drawn) {
  const std::string path = folder + "/identity";
  if (const std::uint64_t kept = fresh ? 0 : Read(path); kept != 0) return kept;
  Status status = ReplaceFile(path, fmt::format("{}\n{:016x}\n", kHead, drawn));
  if (!status.ok()) return status;
  return drawn;
}

}  // namespace rivulet
