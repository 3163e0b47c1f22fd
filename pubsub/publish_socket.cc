#include "pubsub/publish_socket.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "http/upload.h"
#include "pubsub/topic.h"

namespace rivulet {

void PublishAnswers::Published(const Batch& batch) {
  all_.published += batch.messages;
  all_.last_offset = batch.last_offset;
  publisher_->Await(this);
  unsafe_bytes_ += batch.bytes;
  if (unsafe_bytes_ >= kMaxUnsafeUploadBytes) PauseReading(true);
}

void PublishAnswers::PauseReading(bool paused) {
  if (paused != std::exchange(paused_, paused)) stream_->PauseReading(paused);
}

bool PublishAnswers::OnSafe(std::uint64_t commit) {
  const std::uint64_t before = safe_.published;
  while (!commits_.empty() && commits_.front().number <= commit) {
    safe_ = commits_.front().progress;
    commits_.pop_front();
  }
  if (safe_.published != before) stream_->Wake();
  if (safe_.published != all_.published) return true;
  unsafe_bytes_ = 0;
  PauseReading(false);
  return false;
}

void PublishAnswers::Fail(const Status& why) {
  if (!close_.empty()) return;
  close_ = WebSocketCloseFrame(kCloseInternal, why.message());
  PauseReading(false);
  stream_->Wake();
}

void PublishAnswers::Drain() {
  draining_ = true;
  stream_->Wake();
}

void PublishAnswers::NextFrame() {
  frame_sent_ = 0;
  frame_.clear();
  if (safe_.published > told_) {
    told_ = safe_.published;
    frame_ = WebSocketFrame(
        WebSocketOpcode::kText,
        fmt::format("{{\"published\":{},\"offset\":{}}}", safe_.published, safe_.last_offset));
    return;
  }
  if (draining_ && safe_.published == all_.published && close_.empty()) {
    close_ = WebSocketCloseFrame(kCloseGoingAway, "the daemon is going down");
  }
  if (close_.empty()) return;
  frame_ = close_;
  last_ = true;
}

StreamSource::Gathered PublishAnswers::Gather(std::span<iovec> pieces, std::size_t max_bytes) {
  if (frame_sent_ == frame_.size()) {
    if (last_) return {.end = true};
    NextFrame();
    if (frame_.empty()) return {};
  }
  const std::size_t left = frame_.size() - frame_sent_;
  const std::size_t bytes = std::min(left, max_bytes);
  pieces[0] = {frame_.data() + frame_sent_, bytes};
  return {.pieces = 1, .end = last_ && bytes == left, .splits_message = bytes < left};
}

void PublishAnswers::Consume(std::size_t bytes) { frame_sent_ += bytes; }

PublishSocket::PublishSocket(Publisher* publisher, PublishParams params, PublishAnswers* answers)
    : publisher_(publisher), params_(std::move(params)), answers_(answers) {}

// Its topic is asked for each time: it may have been forgotten while it had no message.
std::string PublishSocket::OnMessage(std::string_view payload, bool /*text*/) {
  if (answers_->ended()) return {};
  Status refused = publisher_->Admit();
  auto topic = publisher_->Find(params_.topic);
  if (refused.ok() && !topic.ok()) refused = topic.status();
  if (refused.ok() && params_.format == PublishParams::Format::kLines) {
    refused = Publisher::CheckLines(payload);
  }
  if (!refused.ok()) {
    answers_->Fail(refused);
    return {};
  }
  const std::uint64_t messages = params_.format == PublishParams::Format::kLines
                                     ? publisher_->PublishLines(*topic, payload)
                                     : publisher_->PublishMessage(*topic, payload);
  if (messages > 0) answers_->Published({messages, (*topic)->next_offset() - 1, payload.size()});
  return {};
}

}  // namespace rivulet
