#include "pubsub/subscriber.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "http/websocket.h"

namespace rivulet {

namespace {

// A kicked client that reads again within this time learns why its stream ends.
constexpr Duration kKickGrace = std::chrono::seconds(30);

// In these framings a gap at the beginning is told in the stream: a browser's script does not see
// the head of the answer.
bool TellsFirstGap(Framing framing) { return framing == Framing::kSse || IsWebSocket(framing); }

}  // namespace

std::string_view KickReasonName(KickReason reason) {
  switch (reason) {
    case KickReason::kTooSlow:
      return "too_slow";
    case KickReason::kFellOff:
      return "fell_off";
    case KickReason::kUnreadable:
      return "unreadable";
  }
  return "";
}

Subscriber::Subscriber(Feed* feed, SubscriberConfig config, const Shared& shared)
    : feed_(feed),
      config_(std::move(config)),
      shared_(shared),
      own_words_(FramingPreamble(config_.framing)),
      subscription_(feed, config_.framing, this, config_.until) {}

Subscriber::~Subscriber() {
  replay_.reset();
  subscription_.Leave();
  shared_.observer->OnGone(*this);
}

Status Subscriber::Start(const ReplayStart& start) {
  if (config_.until != Subscription::kNoEnd && !feed_->selection().single()) {
    shared_.topics->WatchEnds(feed_);
  }
  bool at_end = false;
  bool caught_up = true;
  if (start.kind == ReplayStart::Kind::kNow) {
    first_position_ = EndPosition();
    at_end = first_position_ >= config_.until;
  } else {
    replay_ = std::make_unique<Replay>(shared_.topics, feed_, config_.framing, config_.until,
                                       shared_.replay_buffer);
    if (Status status = replay_->Start(start); !status.ok()) return status;
    first_position_ = replay_->position();
    first_gap_ = replay_->gap();
    replay_->ClearGap();
    if (first_gap_.has_value() && TellsFirstGap(config_.framing)) {
      own_words_ += EncodedGap(config_.framing, *first_gap_);
    }
    at_end = replay_->at_end();
    caught_up = replay_->caught_up();
  }
  if (at_end) {
    End(EncodedEnd(config_.framing, false));
  } else if (caught_up) {
    replay_.reset();
    subscription_.GoLive();
  }
  return Status::Ok();
}

void Subscriber::Attached(Stream* stream) {
  stream_ = stream;
  if (config_.heartbeat <= Duration::zero() || ended_) return;
  heartbeat_ = std::make_unique<Timer>(*shared_.loop, [this] {
    heartbeat_due_ = true;
    stream_->Wake();
  });
  heartbeat_->StartEvery(config_.heartbeat);
}

// Nothing is promised, and no message is half sent.
bool Subscriber::at_boundary() const {
  return stream_->promised_bytes() == 0 &&
         !(replay_ ? replay_->mid_message() : subscription_.mid_message());
}

std::uint64_t Subscriber::EndPosition() const {
  return feed_->selection().single() ? feed_->next_position() : shared_.topics->end_sequence();
}

StreamSource::Gathered Subscriber::Gather(std::span<iovec> pieces, std::size_t max_bytes) {
  if (!has_words() && !ended_ && at_boundary()) PrepareWords();
  if (!has_words() && !ended_) {
    const Gathered gathered =
        replay_ ? GatherPast(pieces, max_bytes) : GatherLive(pieces, max_bytes);
    if (gathered.pieces > 0 || (!has_words() && !ended_)) return gathered;
  }
  return GatherWords(pieces, max_bytes);
}

void Subscriber::PrepareWords() {
  if (gap_due_.has_value()) own_words_ += EncodedGap(config_.framing, *gap_due_);
  gap_due_.reset();
  if (std::exchange(heartbeat_due_, false)) {
    own_words_ += EncodedHeartbeat(config_.framing, shared_.clock->WallNow());
  }
  if (draining_ && replay_) End(EncodedEnd(config_.framing, true));
}

StreamSource::Gathered Subscriber::GatherWords(std::span<iovec> pieces,
                                               std::size_t max_bytes) const {
  if (unreadable_) return {};  // to be aborted: it must not end well
  Gathered gathered;
  const std::string_view rest = rest_.bytes().substr(rest_sent_);
  const std::string_view own_words = std::string_view(own_words_).substr(own_words_sent_);
  std::size_t left = max_bytes;
  for (const std::string_view part : {rest, own_words}) {
    const std::size_t bytes = std::min(part.size(), left);
    if (bytes > 0) pieces[gathered.pieces++] = {const_cast<char*>(part.data()), bytes};
    left -= bytes;
  }
  const std::size_t bytes = max_bytes - left;
  gathered.end = ended_ && bytes == rest.size() + own_words.size();
  // Where the messages of the rest end is not known, nor where the notices do: both end well.
  gathered.splits_message = bytes != rest.size() && bytes != rest.size() + own_words.size();
  return gathered;
}

StreamSource::Gathered Subscriber::GatherPast(std::span<iovec> pieces, std::size_t max_bytes) {
  const Result<Replay::Gathered> gathered = replay_->Gather(pieces, max_bytes);
  if (!gathered.ok()) {
    EndUnreadable(gathered.status());
  } else if (gathered->pieces > 0) {
    return {.pieces = gathered->pieces, .splits_message = gathered->splits_message};
  } else if (const std::optional<Gap> gap = replay_->gap(); gap.has_value()) {
    if (config_.skips_when_slow) {
      SkipBehind(gap->missed.value_or(0), gap->next);
      replay_->ClearGap();
      PrepareWords();
    } else {
      const std::uint64_t pending = pending_bytes();
      Kick(KickReason::kFellOff, pending, EncodedKickNotice(config_.framing, pending));
    }
  } else if (replay_->at_end()) {
    End(EncodedEnd(config_.framing, false));
  } else if (replay_->caught_up()) {
    replay_.reset();
    subscription_.GoLive();
    return GatherLive(pieces, max_bytes);
  } else {
    ComeBack();
  }
  return {};
}

StreamSource::Gathered Subscriber::GatherLive(std::span<iovec> pieces, std::size_t max_bytes) {
  const std::size_t filled = subscription_.Gather(pieces, max_bytes);
  if (filled > 0) {
    std::size_t bytes = 0;
    for (const iovec& piece : pieces.first(filled)) bytes += piece.iov_len;
    // What is less ends with a message (LogCursor::Gather).
    const bool splits_message = bytes == max_bytes && !subscription_.EndsMessage(bytes);
    return {.pieces = filled, .splits_message = splits_message};
  }
  if (subscription_.at_end() || EndPosition() >= config_.until) {
    End(EncodedEnd(config_.framing, false));
  } else if (draining_) {
    End(EncodedEnd(config_.framing, true));
  } else {
    subscription_.Wait();
  }
  return {};
}

void Subscriber::Consume(std::size_t bytes) {
  if (has_words()) return ConsumeWords(bytes);
  CountSent(replay_ ? replay_->Consume(bytes) : subscription_.Consume(bytes));
}

void Subscriber::ConsumeWords(std::size_t bytes) {
  const std::size_t of_rest = std::min(bytes, rest_.bytes().size() - rest_sent_);
  rest_sent_ += of_rest;
  if (of_rest > 0 && rest_sent_ == rest_.bytes().size()) {
    CountSent(rest_.messages());
    rest_ = Remainder();
    rest_sent_ = 0;
  }
  own_words_sent_ += bytes - of_rest;
  if (own_words_sent_ == own_words_.size()) {
    own_words_ = std::string();
    own_words_sent_ = 0;
  }
}

void Subscriber::CountSent(std::uint64_t messages) {
  if (messages == 0) return;
  sent_messages_ += messages;
  shared_.observer->OnSent(messages);
}

void Subscriber::Drain() {
  draining_ = true;
  stream_->Wake();
}

// It is no longer of its feed: nobody is to wait for the client to take the last words.
void Subscriber::End(const std::string& last_words) {
  own_words_ += last_words;
  ended_ = true;
  heartbeat_.reset();
  replay_.reset();
  subscription_.Leave();
}

void Subscriber::Kick(KickReason reason, std::uint64_t pending_bytes,
                      const std::string& last_words) {
  End(last_words);
  kicked_ = true;
  shared_.observer->OnKicked(*this, reason, pending_bytes);
  stream_->EndWithin(kKickGrace);
}

void Subscriber::OnTooSlow() {
  // While words are in hand, they are all that was promised.
  const std::size_t promised_bytes = has_words() ? 0 : stream_->promised_bytes();
  const std::uint64_t pending = subscription_.pending_bytes();
  Remainder rest;
  std::uint64_t missed = 0;
  if (config_.skips_when_slow) {
    missed = subscription_.Skip(promised_bytes, &rest);
  } else {
    rest = subscription_.Cut(promised_bytes);
  }
  if (!rest.bytes().empty()) rest_ = std::move(rest);
  if (!config_.skips_when_slow) {
    Kick(KickReason::kTooSlow, pending, EncodedKickNotice(config_.framing, pending));
  } else if (missed > 0) {
    SkipBehind(missed, EndPosition());
  }
  stream_->Wake();
}

// A client that takes nothing for long is told of all that it misses at once.
void Subscriber::SkipBehind(std::uint64_t missed, std::uint64_t next) {
  const std::uint64_t due = gap_due_.has_value() ? gap_due_->missed.value_or(0) : 0;
  gap_due_ = Gap{.missed = due + missed, .next = next};
  skipped_messages_ += missed;
  shared_.observer->OnSkipped(*this, missed);
}

// The end of the answer stays away, so that nobody takes what came for all there is. A WebSocket is
// told.
void Subscriber::EndUnreadable(const Status& why) {
  LogError("subscriber {} {}: {}", config_.id, peer(), why.message());
  const bool told = IsWebSocket(config_.framing);
  Kick(KickReason::kUnreadable, pending_bytes(),
       told ? WebSocketCloseFrame(kCloseInternal, "the past cannot be read") : std::string());
  if (told) return;
  unreadable_ = true;
  ComeBack();  // not from within the stream's own call
}

// Others have their turn first.
void Subscriber::ComeBack() {
  if (!come_back_) {
    come_back_ = std::make_unique<Timer>(*shared_.loop, [this] {
      if (unreadable_) return stream_->Abort();
      stream_->Wake();
    });
  }
  come_back_->Start(Duration::zero());
}

std::uint64_t Subscriber::pending_bytes() const {
  const std::uint64_t words =
      rest_.bytes().size() - rest_sent_ + own_words_.size() - own_words_sent_;
  return words + (replay_ ? replay_->lag_bytes() : subscription_.pending_bytes());
}

std::uint64_t Subscriber::lag_messages() const {
  return replay_ ? replay_->lag_messages() : subscription_.lag_messages();
}

}  // namespace rivulet
