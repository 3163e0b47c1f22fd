#include "bandit/arms_views.h"

#include <utility>

#include "bandit/posterior_svg.h"
#include "http/message.h"

namespace rivulet {

namespace {

constexpr std::string_view kSvg = "image/svg+xml; charset=utf-8";
// Ids are data of others: nothing but what we say they are.
constexpr std::string_view kFields =
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; sandbox\r\n"
    "Cache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\n";

}  // namespace

ArmsViews::ArmsViews(EventLoop& loop, Report report)
    : report_(std::move(report)), next_part_(loop, [this] { MakePart(); }) {}

void ArmsViews::Answer(PendingReply reply, const ArmsLook& look) {
  waiting_.push_back({std::move(reply), look, nullptr});
  if (!next_part_.active()) next_part_.Start(Duration::zero());
}

void ArmsViews::MakePart() {
  while (!waiting_.empty() && !waiting_.front().reply.alive()) waiting_.pop_front();
  if (waiting_.empty()) return;
  ++parts_;
  Waiting& now = waiting_.front();
  if (now.look.as_picture) {
    Send(&now, kSvg, Picture(report_(now.look).picker));
    waiting_.pop_front();
  } else {
    if (now.json == nullptr) {
      now.json = std::make_unique<ArmsJson>(report_(now.look), &likely_, &history_);
    }
    if (now.json->Continue(kArmsJsonPart)) {
      Send(&now, kApplicationJson, now.json->text());
      waiting_.pop_front();
    }
  }
  if (!waiting_.empty()) next_part_.Start(Duration::zero());
}

void ArmsViews::Send(Waiting* waiting, std::string_view content_type, std::string_view body) {
  waiting->reply.Send(200, content_type, body, kFields);
}

const std::string& ArmsViews::Picture(const Picker& picker) {
  if (picture_.empty() || picker.arms() != pictured_) {
    picture_ = PosteriorSvg(picker);
    pictured_ = picker.arms();
  }
  return picture_;
}

}  // namespace rivulet
