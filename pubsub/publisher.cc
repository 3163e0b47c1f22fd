#include "pubsub/publisher.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "pubsub/durability.h"
#include "pubsub/topic_set.h"

namespace rivulet {

Publisher::Publisher(Parts parts)
    : parts_(std::move(parts)), end_turn_(*parts_.loop, [this] { EndTurn(); }) {}

Status Publisher::Admit() {
  if (parts_.durability == nullptr) return Status::Ok();
  Status admitted = parts_.durability->Admit();
  // A disk that is found full early is told by no hook, because no answer must become an error for
  // it.
  if (admitted.ok() == refusing_) {
    refusing_ = !admitted.ok();
    if (refusing_) {
      LogError("messages are refused: {}", admitted.message());
    } else {
      LogInfo("messages are taken again");
    }
  }
  return admitted;
}

Result<Topic*> Publisher::Find(std::string_view name) {
  auto topic = parts_.topics->Get(name);
  if (topic.ok() || topic.status().code() != StatusCode::kExhausted) return topic;
  return Status(StatusCode::kUnavailable, topic.status().message());
}

std::uint64_t Publisher::PublishMessage(Topic* topic, std::string_view body) {
  parts_.topics->Publish(topic, body, Now());
  parts_.received->Add();
  return 1;
}

Status Publisher::CheckCount(std::size_t messages) {
  if (messages <= kMaxBodyMessages) return Status::Ok();
  return {StatusCode::kTooLarge,
          fmt::format("the body has {} messages: it must have at most {}; send it in parts, or "
                      "chunked, which is published as it comes",
                      messages, kMaxBodyMessages)};
}

Status Publisher::CheckLines(std::string_view body) {
  if (body.size() <= kMaxBodyMessages) return Status::Ok();
  const auto newlines = static_cast<std::size_t>(std::count(body.begin(), body.end(), '\n'));
  return CheckCount(newlines + (body.back() == '\n' ? 0 : 1));
}

std::uint64_t Publisher::PublishLines(Topic* topic, std::string_view body) {
  const std::uint64_t messages = parts_.topics->PublishLines(topic, body, Now());
  parts_.received->Add(messages);
  return messages;
}

WallTime Publisher::Now() {
  if (!now_) {
    now_ = parts_.clock->WallNow();
    end_turn_.Schedule();
  }
  return *now_;
}

void Publisher::EndTurn() {
  now_.reset();
  parts_.deliver();
  if (published_.empty()) return;
  const std::uint64_t commit = last_commit();
  for (CommitListener* listener : std::exchange(published_, {})) listener->OnAppended(commit);
  if (parts_.durability == nullptr) TellSafe(commit);
}

std::uint64_t Publisher::last_commit() const {
  return parts_.durability == nullptr ? 0 : parts_.durability->last_commit();
}

void Publisher::Await(CommitListener* listener) {
  listeners_.insert(listener);
  published_.insert(listener);
}

void Publisher::Forget(CommitListener* listener) {
  listeners_.erase(listener);
  published_.erase(listener);
}

void Publisher::OnCommitted(std::uint64_t commit) {
  end_turn_.Schedule();
  TellSafe(commit);
}

void Publisher::TellSafe(std::uint64_t commit) {
  for (auto listener = listeners_.begin(); listener != listeners_.end();) {
    listener = (*listener)->OnSafe(commit) ? std::next(listener) : listeners_.erase(listener);
  }
}

void Publisher::OnFailed(const Status& why) {
  refusing_ = true;  // and logged
  published_.clear();
  for (CommitListener* listener : std::exchange(listeners_, {})) listener->OnUnsafe(why);
}

int HttpStatusOf(const Status& refused) {
  switch (refused.code()) {
    case StatusCode::kInvalidArgument:
      return 400;
    case StatusCode::kTooLarge:
      return 413;
    case StatusCode::kExhausted:
      return 507;
    default:
      return 503;
  }
}

}  // namespace rivulet
