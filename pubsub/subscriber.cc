#include "pubsub/subscriber.h"

#include <algorithm>
#include <utility>

namespace rivulet {

namespace {

// A kicked client that reads again within this time learns why its stream ends.
constexpr Duration kKickGrace = std::chrono::seconds(30);

}  // namespace

Subscriber::Subscriber(Topic* topic, Framing framing, Info info, SubscriberObserver* observer)
    : observer_(observer),
      info_(std::move(info)),
      topic_name_(topic->name()),
      preamble_(FramingPreamble(framing)),
      subscription_(topic, framing, this) {}

Subscriber::~Subscriber() { observer_->OnGone(*this); }

StreamSource::Gathered Subscriber::Gather(std::span<iovec> pieces, std::size_t max_bytes) {
  if (!preamble_.empty()) {
    const std::size_t bytes = std::min(preamble_.size(), max_bytes);
    pieces[0] = {const_cast<char*>(preamble_.data()), bytes};
    return {.pieces = 1};
  }
  if (kicked_) return GatherLastWords(pieces, max_bytes);
  const std::size_t filled = subscription_.Gather(pieces, max_bytes);
  if (filled > 0) return {.pieces = filled};
  if (draining_) return {.end = true};
  subscription_.Wait();
  return {};
}

StreamSource::Gathered Subscriber::GatherLastWords(std::span<iovec> pieces,
                                                   std::size_t max_bytes) const {
  Gathered gathered;
  std::size_t skip = last_words_sent_;
  for (const std::string_view part : {rest_.bytes(), std::string_view(notice_)}) {
    const std::size_t bytes = std::min(part.size() - std::min(skip, part.size()), max_bytes);
    if (bytes > 0) {
      pieces[gathered.pieces++] = {const_cast<char*>(part.data()) + skip, bytes};
      max_bytes -= bytes;
    }
    skip -= std::min(skip, part.size());
  }
  gathered.end = last_words_sent_ == rest_.bytes().size() + notice_.size();
  return gathered;
}

void Subscriber::Consume(std::size_t bytes) {
  if (!preamble_.empty()) {
    preamble_.remove_prefix(bytes);
  } else if (kicked_) {
    last_words_sent_ += bytes;
  } else if (const std::uint64_t messages = subscription_.Consume(bytes); messages > 0) {
    observer_->OnSent(messages);
  }
}

void Subscriber::OnTooSlow() {
  const std::uint64_t pending_bytes = subscription_.pending_bytes();
  // While the preamble is in hand, it is all that was promised.
  rest_ = subscription_.Cut(preamble_.empty() ? stream_->promised_bytes() : 0);
  notice_ = EncodedKickNotice(subscription_.framing(), pending_bytes);
  kicked_ = true;
  observer_->OnKicked(*this, pending_bytes);
  stream_->EndWithin(kKickGrace);
  stream_->Wake();
}

}  // namespace rivulet
