#include "queuereader/frames.h"

#include <algorithm>
#include <charconv>

namespace rivulet {
namespace {

struct Header {
  std::size_t header_size = 0;  // with its newline; zero: no header
  std::size_t body_size = 0;
};

Header ReadHeader(std::string_view answer, std::size_t at) {
  Header header;
  const char* begin = answer.data() + at;
  const char* end = answer.data() + answer.size();
  auto [stop, error] = std::from_chars(begin, end, header.body_size);
  if (error != std::errc() || stop == end || *stop != '\n') return {};
  header.header_size = static_cast<std::size_t>(stop - begin) + 1;
  return header;
}

}  // namespace

std::size_t CutFrames(std::string_view answer, std::uint32_t origin, std::vector<Delivery>* out) {
  std::size_t at = 0;
  while (at < answer.size()) {
    Header header = ReadHeader(answer, at);
    if (header.header_size == 0) break;
    std::size_t body = at + header.header_size;
    if (header.body_size >= answer.size() - body) break;
    std::size_t end = body + header.body_size;
    if (answer[end] != '\n') break;
    out->push_back({body, header.body_size, origin, false});
    at = end + 1;
  }
  return at;
}

bool LooksFramed(std::string_view answer) { return ReadHeader(answer, 0).header_size != 0; }

void CutLines(std::string_view answer, std::uint32_t origin, std::vector<Delivery>* out) {
  for (std::size_t at = 0; at < answer.size();) {
    std::size_t end = std::min(answer.find('\n', at), answer.size());
    if (end > at) out->push_back({at, end - at, origin, false});
    at = end + 1;
  }
}

}  // namespace rivulet
