#include "pubsub/publish_upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/frames.h"
#include "base/units.h"
#include "http/reply.h"
#include "pubsub/publish_keys.h"
#include "pubsub/publisher.h"
#include "pubsub/topic.h"

namespace rivulet {

namespace {

constexpr std::size_t kMostSizeDigits = 20;
constexpr std::size_t kKeptBytes = 64 * 1024;

}  // namespace

void AnswerPublished(Reply& reply, const PublishedUnderKey& what) {
  if (what.messages > 0) reply.AddHeader("X-Offset", fmt::format_int(what.first_offset).str());
  fmt::memory_buffer answer;
  fmt::format_to(std::back_inserter(answer), "Published {} messages to {} clients.\n",
                 what.messages, what.clients);
  reply.Text(200, {answer.data(), answer.size()});
}

PublishUpload::PublishUpload(Publisher* publisher, PublishParams params,
                             std::size_t max_message_bytes)
    : publisher_(publisher), params_(std::move(params)), max_message_bytes_(max_message_bytes) {}

Status PublishUpload::Receive(std::string_view bytes) {
  Status taken = Take(bytes);
  return taken.ok() ? taken : Told(taken);
}

std::uint64_t PublishUpload::safe_mark() { return publisher_->last_commit(); }

// Its topic is asked for each time: it may have been forgotten while it had no message.
Status PublishUpload::Take(std::string_view bytes) {
  if (Status admitted = publisher_->Admit(); !admitted.ok()) return admitted;
  const auto topic = publisher_->Find(params_.topic);
  if (!topic.ok()) return topic.status();
  return params_.format == PublishParams::Format::kFramed ? TakeFrames(*topic, bytes)
                                                          : TakeLines(*topic, bytes);
}

Status PublishUpload::TakeLines(Topic* topic, std::string_view bytes) {
  if (!half_.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view rest_of_line = bytes.substr(0, end);
    if (half_.size() + rest_of_line.size() > max_message_bytes_) return TooLarge();
    half_.append(rest_of_line);
    if (end == std::string_view::npos) return Status::Ok();
    Count(topic, publisher_->PublishMessage(topic, half_));
    ClearHalf();
    bytes.remove_prefix(end + 1);
  }
  while (bytes.size() > max_message_bytes_) {
    // Only with a small --max-body-size: here a whole line may be too large.
    const std::size_t end = bytes.find('\n');
    if (end > max_message_bytes_) return TooLarge();
    Count(topic, publisher_->PublishMessage(topic, bytes.substr(0, end)));
    bytes.remove_prefix(end + 1);
  }
  const std::size_t lines_end = bytes.rfind('\n') + 1;  // npos + 1 is 0
  Count(topic, publisher_->PublishLines(topic, bytes.substr(0, lines_end)));
  bytes.remove_prefix(lines_end);
  half_.append(bytes);
  return Status::Ok();
}

Status PublishUpload::TakeFrames(Topic* topic, std::string_view bytes) {
  std::string_view rest = bytes;
  if (!half_.empty()) {
    half_.append(bytes);
    rest = half_;
  }
  if (Status s = TakeWholeFrames(topic, &rest); !s.ok()) return s;
  if (rest.empty()) {
    ClearHalf();
  } else if (half_.empty()) {
    half_.append(rest);
  } else {
    half_.erase(0, half_.size() - rest.size());
  }
  return Status::Ok();
}

Status PublishUpload::TakeWholeFrames(Topic* topic, std::string_view* rest) {
  while (!rest->empty()) {
    const std::size_t before = rest->size();
    if (const auto message = TakeFrame(rest)) {
      if (message->size() > max_message_bytes_) return TooLarge();
      Count(topic, publisher_->PublishMessage(topic, *message));
      taken_bytes_ += before - rest->size();
      continue;
    }
    // The beginning of a frame, or none.
    const std::size_t size_end = rest->find('\n');
    const std::string_view digits = rest->substr(0, std::min(size_end, kMostSizeDigits + 1));
    const auto size = ParseUint(digits);
    const bool whole_size = size_end != std::string_view::npos;
    if (!size.ok() || digits.size() > kMostSizeDigits ||
        (whole_size && *size < rest->size() - size_end - 1)) {
      return InvalidArgument(fmt::format(
          "format=framed: at byte {} there must be a message's size in digits, a newline, so many "
          "bytes, and a newline",
          taken_bytes_));
    }
    if (*size > max_message_bytes_) return TooLarge();
    return Status::Ok();
  }
  return Status::Ok();
}

void PublishUpload::Finish(Reply& reply) {
  Status error = publisher_->Admit();
  auto topic = publisher_->Find(params_.topic);
  if (error.ok() && !topic.ok()) error = topic.status();
  if (error.ok() && !half_.empty()) {
    if (params_.format == PublishParams::Format::kFramed) {
      error = InvalidArgument(
          fmt::format("format=framed: the body ends inside the frame at byte {}", taken_bytes_));
    } else {
      Count(*topic, publisher_->PublishMessage(*topic, half_));
    }
  }
  reply.HoldUntil(publisher_->last_commit());
  if (!error.ok()) return reply.Error(HttpStatusOf(error), Told(error).message());
  AnswerPublished(reply, {first_offset_, messages_, (*topic)->subscribers(), {}});
}

Status PublishUpload::TooLarge() const {
  return {StatusCode::kTooLarge,
          fmt::format("message {} of the body has more than {}, which --max-body-size allows",
                      messages_ + 1, FormatByteCount(max_message_bytes_))};
}

Status PublishUpload::Told(const Status& error) const {
  return {error.code(),
          fmt::format("{}; {} messages before it were published", error.message(), messages_)};
}

void PublishUpload::ClearHalf() {
  half_.clear();
  if (half_.capacity() > kKeptBytes) std::string().swap(half_);
}

void PublishUpload::Count(Topic* topic, std::uint64_t messages) {
  if (messages == 0) return;
  if (messages_ == 0) first_offset_ = topic->next_offset() - messages;
  messages_ += messages;
}

}  // namespace rivulet
