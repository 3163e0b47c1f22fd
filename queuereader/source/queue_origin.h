// One of the simplequeues that a reader reads: how it is asked, and what its answers mean to who
// asked.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "http/client.h"
#include "queuereader/source/queue_source.h"

namespace rivulet {

struct QueueOrigin {
  std::string url;         // without parameters, and no slash at its end
  std::string parameters;  // "&queue=clicks&token=…", or empty
  std::string queue;
  std::string auth_token;

  /// A request for that; `path` may have parameters: "/mget?items=5".
  ClientRequest Ask(std::string_view path) const;
  /// The URL without user and password.
  std::string shown_url() const;
  std::string name() const { return shown_url() + " queue " + queue; }
};

/// The origin that a URL of the configuration names, and the lease that it asks for.
struct ParsedQueueUrl {
  QueueOrigin origin;
  std::optional<Duration> lease;
};
Result<ParsedQueueUrl> ParseQueueUrl(const std::string& url, const QueueSourceConfig& config);

/// For people, all of them: "http://127.0.0.1:8081, http://127.0.0.1:8082 queue clicks".
std::string NameOf(const std::vector<QueueOrigin>& origins);
/// Source::Load() of queues: kQueuePlace, or nothing.
Status LoadQueuePlace(std::string_view saved);

/// May the same request be answered otherwise later, without anybody changing it?
bool MayHeal(const ClientResponse& response);
/// "POST http://…: answered 400: lease: must be …"; `body` is what was answered.
std::string DescribeAnswer(const ClientResponse& response, std::string_view body);

/// "30s", "1500ms": a time as parameters take it, rounded up to whole milliseconds.
std::string TimeParameter(Duration time);

/// Asks all queues whether anything is ready, deferred or in flight there.
class DrainedQuestion {
 public:
  /// `client` must outlive it. `answer` is called once, from the loop.
  DrainedQuestion(Client& client, const std::vector<QueueOrigin>& origins,
                  std::function<void(bool drained)> answer);

 private:
  void OnStats(const ClientResponse& response);

  std::vector<ClientCall> calls_;
  std::size_t awaited_;
  bool drained_ = true;
  std::function<void(bool)> answer_;
};

}  // namespace rivulet
