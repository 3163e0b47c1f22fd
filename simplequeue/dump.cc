#include "simplequeue/dump.h"

#include <string>

namespace rivulet {

namespace {

// Messages may leave between two gatherings, so each portion is copied: at most kMaxGatherBytes, or
// one larger message.
class DumpSource final : public StreamSource {
 public:
  explicit DumpSource(const Queue& queue) : queue_(queue), left_(queue.depth()) {}

  void Attached(Stream*) override {}

  Gathered Gather(std::span<iovec> pieces, std::size_t max_bytes) override {
    if (sent_ == portion_.size()) Refill();
    const std::size_t size = std::min(max_bytes, portion_.size() - sent_);
    if (size == 0) return {0, true};
    pieces[0] = {portion_.data() + sent_, size};
    return {1, false};
  }

  void Consume(std::size_t bytes) override { sent_ += bytes; }
  void Drain() override {}

 private:
  void Refill() {
    portion_.clear();
    sent_ = 0;
    Queue::Message message;
    while (left_ > 0 && portion_.size() < kMaxGatherBytes && queue_.Next(&cursor_, &message)) {
      --left_;
      portion_.append(message.body).push_back('\n');
    }
  }

  const Queue& queue_;
  Queue::Cursor cursor_;
  std::uint64_t left_;  // so that a dump of a busy queue comes to an end
  std::string portion_;
  std::size_t sent_ = 0;
};

}  // namespace

std::unique_ptr<StreamSource> MakeDumpSource(const Queue& queue) {
  return std::make_unique<DumpSource>(queue);
}

}  // namespace rivulet
