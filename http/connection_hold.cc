// The held answers of Connection: kept in unsent_ until what they promise is safe.
#include <fmt/format.h>

#include "base/json.h"
#include "http/connection.h"
#include "http/request.h"
#include "http/server.h"

namespace rivulet {

void Connection::HoldUntil(std::uint64_t mark, const Request* request) {
  if (hold_count_ > 0 && mark <= holds_[hold_count_ - 1].mark) return;
  if (hold_count_ == holds_.size()) {
    holds_.back().mark = mark;
    return;
  }
  if (hold_count_ == 0) server_.AddHolding(this);
  Hold& hold = holds_[hold_count_++];
  hold = {};
  hold.mark = mark;
  hold.begin = unsent_.size() + (dispatching_ ? server_.out_.size() : 0);
  if (request == nullptr) return;
  hold.is_head = request->is_head();
  hold.wants_json = request->accepts_json();
}

void Connection::CountHeld() {
  ++holds_[hold_count_ - 1].answers;
  const int answers = holds_[0].answers + (hold_count_ > 1 ? holds_[1].answers : 0);
  if (answers < kMaxPipelined && unsent_.size() + server_.out_.size() < kFlushBytes) return;
  hold_full_ = true;
  UpdateReading();
}

void Connection::LetGo(std::uint64_t mark) {
  const std::uint8_t held = hold_count_;
  while (hold_count_ > 0 && holds_[0].mark <= mark) {
    holds_[0] = holds_[1];
    --hold_count_;
  }
  if (hold_count_ > 0) server_.AddHolding(this);
  if (hold_count_ == held) return;
  hold_full_ = false;
  if (FlushUnsent()) GoOn();
}

// What waited behind held answers goes on from the loop: a stream, or requests read ahead.
void Connection::GoOn() {
  const bool reads = state_ == State::kHead || state_ == State::kBody;
  if (state_ == State::kStreaming || (reads && !read_ahead_.empty())) {
    SetBlocked(true);
  } else if (finished()) {
    Close();
  } else {
    UpdateReading();
  }
}

bool Connection::finished() const {
  if (half_closed_ && unsent_.empty() && hold_count_ == 0) return true;
  return server_.draining_ && idle();
}

void Connection::FailHeld(int status, std::string_view message) {
  DropOwed();
  const Hold first = holds_[0];
  unsent_.resize(sendable_bytes());
  hold_count_ = 0;
  hold_full_ = false;
  std::string body;
  std::string_view content_type = kTextPlain;
  if (first.wants_json) {
    content_type = kApplicationJson;
    body = fmt::format("{{\"status\":{},\"error\":", status);
    AppendJsonString(&body, message);
    body.append("}\n");
  } else {
    body.append(message).push_back('\n');
  }
  server_.RenewDate();
  fmt::format_to(std::back_inserter(unsent_),
                 "HTTP/1.1 {} {}\r\n{}Content-Length: {}\r\nContent-Type: {}\r\n{}"
                 "Connection: close\r\n\r\n",
                 status, ReasonPhrase(status), server_.date_line_, body.size(), content_type,
                 status == 503 || status == 507 ? "Retry-After: 1\r\n" : "");
  if (!first.is_head) unsent_.append(body);
  ++server_.stats_.answers[static_cast<std::size_t>(status / 100)];
  close_after_answer_ = true;
  state_ = State::kLingering;
  if (FlushUnsent() && half_closed_) Close();
}

// The client is told of a failure: what was to come behind it does not.
void Connection::DropOwed() {
  if (pending_ != nullptr) pending_->connection_ = nullptr;
  pending_ = nullptr;
  upload_.reset();
  if (!source_) return;
  websocket_ = nullptr;
  server_.ended_sources_.push_back(std::move(source_));
  server_.free_buried_.Schedule();
  end_by_ = MonoTime::max();
}

}  // namespace rivulet
