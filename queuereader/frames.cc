#include "queuereader/frames.h"

#include <algorithm>

#include "base/frames.h"

namespace rivulet {

std::size_t CutFrames(std::string_view answer, std::uint32_t origin, std::vector<Delivery>* out) {
  std::string_view rest = answer;
  while (const auto message = TakeFrame(&rest)) {
    const auto at = static_cast<std::size_t>(message->data() - answer.data());
    out->push_back({at, message->size(), origin, false});
  }
  return answer.size() - rest.size();
}

bool LooksFramed(std::string_view answer) {
  const std::size_t digits = answer.find_first_not_of("0123456789");
  return digits != 0 && digits != std::string_view::npos && answer[digits] == '\n';
}

void CutLines(std::string_view answer, std::uint32_t origin, std::vector<Delivery>* out) {
  for (std::size_t at = 0; at < answer.size();) {
    std::size_t end = std::min(answer.find('\n', at), answer.size());
    if (end > at) out->push_back({at, end - at, origin, false});
    at = end + 1;
  }
}

}  // namespace rivulet
