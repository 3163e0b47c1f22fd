// A queue that answers what a test says, and a listener that keeps what a source tells, on one
// loop.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/metrics.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/router.h"
#include "http/server.h"
#include "queuereader/source/queue_source.h"
#include "queuereader/source/source.h"

namespace rivulet::test {

class ScriptedQueue {
 public:
  struct Asked {
    std::string target;  // "/mget?items=5"
    std::string body;
  };
  struct Answer {
    int code = 200;
    std::string body{};
    std::string message_ids{};  // X-Message-Ids; empty: none
    std::string format{};       // X-Format; empty: none
  };

  explicit ScriptedQueue(EventLoop& loop) : loop_(loop) {
    for (const char* path :
         {"/mget", "/get", "/put", "/finish", "/requeue", "/bury", "/touch", "/stats"}) {
      router_.Add(kActs, path, [this, path](const Request& request, Reply& reply) {
        std::string target = path;
        if (!request.query().empty()) target.append("?").append(request.query());
        asked.push_back({std::move(target), std::string(request.body())});
        const auto given = answer(asked.back());
        if (!given) return hung.push_back(reply.Defer());
        if (!given->message_ids.empty()) reply.AddHeader("X-Message-Ids", given->message_ids);
        if (!given->format.empty()) reply.AddHeader("X-Format", given->format);
        reply.Body(given->code, "application/octet-stream", given->body);
      });
    }
    Open();
  }

  /// Nobody is there, until Open().
  void Close() {
    hung.clear();
    server_.reset();
  }
  void Open() {
    server_ = std::make_unique<Server>(loop_, clock_, ServerConfig{}, router_, metrics_);
    ListenAddress address;
    address.port = port_;
    REQUIRE(server_->Listen(address).ok());
    const std::string bound = server_->bound();
    port_ = static_cast<std::uint16_t>(std::stoi(bound.substr(bound.rfind(':') + 1)));
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::size_t connections() const { return server_->connections(); }

  std::vector<std::string> targets() const {
    std::vector<std::string> all;
    for (const Asked& one : asked) all.push_back(one.target);
    return all;
  }

  std::vector<Asked> asked;
  /// Nothing: the request hangs.
  std::function<std::optional<Answer>(const Asked&)> answer = [](const Asked&) {
    return Answer{404, "no script\n"};
  };
  std::vector<PendingReply> hung;

 private:
  EventLoop& loop_;
  SystemClock clock_;
  MetricRegistry metrics_;
  Router router_{&metrics_};
  std::uint16_t port_ = 0;
  std::unique_ptr<Server> server_;
};

/// A source, and what it told.
struct Listening {
  Listening(EventLoop& event_loop, const Clock& clock, QueueSourceConfig config)
      : loop(event_loop) {
    auto opened = OpenQueueSource(loop, clock, std::move(config));
    REQUIRE_MESSAGE(opened.ok(), opened.status().message());
    source = std::move(opened).value();
    source->Listen({
        .fetched = [this](Batch batch) { batches.push_back(std::move(batch)); },
        .settled =
            [this](std::uint64_t token, Settled how, const Status& why) {
              settled[token] = how;
              if (!why.ok()) whys.push_back(why.message());
            },
        .lost =
            [this](std::uint32_t origin, const std::vector<std::string>& receipts) {
              for (const std::string& receipt : receipts) lost.emplace_back(origin, receipt);
            },
        .doubted = [this](std::uint32_t) { ++doubted; },
    });
  }

  void RunUntil(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      loop.RunOnce(std::chrono::milliseconds(1));
    }
  }
  /// Asks for the next batch and waits for it.
  Batch Fetch() {
    const std::size_t before = batches.size();
    source->Fetch();
    RunUntil([&] { return batches.size() > before; });
    return std::move(batches.back());
  }
  void SettleAll(std::vector<Settlement> settlements) {
    source->Settle(std::move(settlements));
    RunUntil([this] { return source->unsettled() == 0; });
  }

  EventLoop& loop;
  std::unique_ptr<Source> source;
  std::vector<Batch> batches;
  std::map<std::uint64_t, Settled> settled;
  std::vector<std::string> whys;
  std::vector<std::pair<std::uint32_t, std::string>> lost;
  int doubted = 0;
};

inline std::vector<std::string> Bodies(const Batch& batch) {
  std::vector<std::string> bodies;
  for (const Delivery& message : batch.messages) bodies.emplace_back(batch.body(message));
  return bodies;
}

inline Settlement SettleAs(Fate fate, std::uint64_t token, std::string receipt,
                           std::string body = {}, Duration delay = {}) {
  Settlement settlement;
  settlement.token = token;
  settlement.receipt = std::move(receipt);
  settlement.fate = fate;
  settlement.delay = delay;
  settlement.body = std::move(body);
  return settlement;
}

}  // namespace rivulet::test
