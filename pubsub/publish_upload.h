// A chunked body of /pub that is published as it comes: `tail -f log | curl -T - URL`.
//
// Each line, or each frame (base/frames.h), is a message as soon as its last byte is there; a half
// line at the end of the body is one, too. What was published before an error stays published; the
// error says how many messages that was. With a log the answer waits for the last one's commit.
//
// Memory: the message that is half received, at most max_message_bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "http/upload.h"
#include "pubsub/params.h"

namespace rivulet {

class Publisher;
class Topic;
struct PublishedUnderKey;

class PublishUpload final : public Upload {
 public:
  /// `publisher` must outlive it. params.format: lines or framed.
  PublishUpload(Publisher* publisher, PublishParams params, std::size_t max_message_bytes);

  Status Receive(std::string_view bytes) override;
  std::uint64_t safe_mark() override;
  bool between_messages() const override { return half_.empty(); }
  void Finish(Reply& reply) override;

 private:
  Status Take(std::string_view bytes);
  Status TakeLines(Topic* topic, std::string_view bytes);
  Status TakeFrames(Topic* topic, std::string_view bytes);
  /// Publishes the whole frames at the beginning of `*rest` and takes them off.
  Status TakeWholeFrames(Topic* topic, std::string_view* rest);
  Status TooLarge() const;
  Status Told(const Status& error) const;
  /// Gives large memory back.
  void ClearHalf();
  void Count(Topic* topic, std::uint64_t messages);

  Publisher* publisher_;
  PublishParams params_;
  std::size_t max_message_bytes_;
  std::string half_;               // the beginning of a message
  std::uint64_t taken_bytes_ = 0;  // of the body, in whole frames
  std::uint64_t messages_ = 0;
  std::uint64_t first_offset_ = 0;  // of the first of them
};

/// "Published N messages to M clients.", with X-Offset when there was a message.
void AnswerPublished(Reply& reply, const PublishedUnderKey& what);

}  // namespace rivulet
