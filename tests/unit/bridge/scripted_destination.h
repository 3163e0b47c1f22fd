// A destination that answers what a test says, on the loop of the bridge that sends to it.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bridge/delivery.h"
#include "bridge/message_log.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"
#include "tests/unit/bridge/scripted_source.h"

namespace rivulet::test {

class ScriptedDestination {
 public:
  struct Taken {
    std::string query;
    std::string body;
  };

  explicit ScriptedDestination(EventLoop& loop) {
    router_.Add(kActs, "/put", [this](const Request& request, Reply& reply) {
      taken.push_back({std::string(request.query()), std::string(request.body())});
      if (hangs) {
        hung.push_back(reply.Defer());
        return;
      }
      const int code = answer(taken.back());
      if (!retry_after.empty()) reply.AddHeader("Retry-After", retry_after);
      code < 400 ? reply.Text(code, "") : reply.Error(code, "because of the test");
    });
    server_ = std::make_unique<Server>(loop, clock_, ServerConfig{}, router_, metrics_);
    ListenAddress address;
    address.port = 0;
    REQUIRE(server_->Listen(address).ok());
  }

  std::string url() const { return "http://" + server_->bound() + "/put"; }

  std::vector<Taken> taken;  // in the order they came
  std::function<int(const Taken&)> answer = [](const Taken&) { return 200; };
  std::string retry_after;
  bool hangs = false;
  std::vector<PendingReply> hung;

 private:
  SystemClock clock_;
  MetricRegistry metrics_;
  Router router_{&metrics_};
  std::unique_ptr<Server> server_;
};

inline DeliveryConfig DeliverTo(const std::vector<std::string>& urls, WindowConfig window = {}) {
  DeliveryConfig config;
  window.backoff = {std::chrono::milliseconds(2), std::chrono::milliseconds(4)};
  for (const auto& url : urls) {
    DestinationConfig destination;
    destination.post = true;
    destination.post_url = url;
    destination.batched = window.batch > 1;
    config.destinations.push_back(destination);
    config.forwarder.destinations.push_back(window);
  }
  return config;
}

/// A delivery from memory, with a loop that runs until it is done.
struct Bridge {
  Bridge(EventLoop& event_loop, const DeliveryConfig& config, DeadLetters* dead_letters = nullptr)
      : loop(event_loop),
        delivery(event_loop, clock, config, &log, dead_letters, [this] { ++progress; }) {}

  void Append(const std::vector<std::string>& messages) {
    for (const auto& message : messages) delivery.Append(message);
  }
  void RunUntilDone() {
    RunUntil(loop, [this] { return delivery.counts().pending == 0; });
  }
  const DestinationStats& stats(std::size_t destination = 0) const {
    return delivery.destination(destination).stats();
  }

  EventLoop& loop;
  SystemClock clock;
  MessageLog log{UINT64_MAX};
  int progress = 0;
  HttpDelivery delivery;
};

}  // namespace rivulet::test
