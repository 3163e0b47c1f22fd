// Subscribers and filters for the tests of feeds and topics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "pubsub/feed.h"

namespace rivulet {

// Reads at most `appetite` bytes, as a socket would.
struct FeedListener final : SubscriptionListener {
  explicit FeedListener(Feed* feed, Framing framing = Framing::kLines,
                        std::uint64_t until = Subscription::kNoEnd)
      : subscription(feed, framing, this, until) {
    subscription.GoLive();
    subscription.Wait();
  }
  void OnMessages() override {
    ++notified;
    Read();
  }
  void OnTooSlow() override {
    ++too_slow;
    subscription.Cut(0);
  }
  void Read() {
    iovec pieces[16];
    while (appetite > 0) {
      const std::size_t count = subscription.Gather(pieces, appetite);
      if (count == 0) break;
      for (std::size_t i = 0; i < count; ++i) {
        got.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
        appetite -= pieces[i].iov_len;
        subscription.Consume(pieces[i].iov_len);
      }
    }
    if (subscription.pending_bytes() == 0) subscription.Wait();
  }

  std::size_t appetite = 1'000'000'000;
  int notified = 0;
  int too_slow = 0;
  std::string got;
  Subscription subscription;
};

// Keeps messages that hold a text.
class FakeFilter final : public Filter {
 public:
  explicit FakeFilter(std::string wanted) : wanted_(std::move(wanted)) {}
  bool Keeps(const TopicMessage& message) override {
    ++evaluated_;
    const bool keeps = message.body.find(wanted_) != std::string_view::npos;
    if (keeps) ++kept_;
    return keeps;
  }
  const std::string& text() const override { return wanted_; }
  std::uint64_t evaluated() const override { return evaluated_; }
  std::uint64_t kept() const override { return kept_; }

 private:
  std::string wanted_;
  std::uint64_t evaluated_ = 0;
  std::uint64_t kept_ = 0;
};

}  // namespace rivulet
