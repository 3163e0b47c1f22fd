// Where tasks send what they emit: --output=NAME=URL, each a POST destination (a pubsub's /pub, a
// queue's /put or /mput) with a log of its own, batches, retries for ever, in order.
//
// Emissions are numbered from 1 over all outputs. What a destination refuses for good (4xx) goes to
// the dead letters of --failed-message-dir, and counts as delivered.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/options.h"
#include "base/status.h"

namespace rivulet {

struct OutputOptions {
  std::vector<std::string> outputs;  // "NAME=URL", or "NAME=file:PATH" (- is standard output)
  std::string output_auth_token_file;
};
void AddOutputOptions(Options* options, OutputOptions* values);

struct OutputStats {
  std::string name;
  std::string url;  // without its query
  std::uint64_t emitted = 0;
  std::uint64_t delivered = 0;
  std::uint64_t refused = 0;
  std::uint64_t pending = 0;
  std::uint64_t retries = 0;
  std::string last_error;
};

class Outputs {
 public:
  /// `dead_letter_path`: where refused messages go; made when the first does. `on_progress` is
  /// called from the loop after something was delivered.
  static Result<std::unique_ptr<Outputs>> Open(EventLoop& loop, const Clock& clock,
                                               const OutputOptions& values,
                                               const std::string& dead_letter_path,
                                               std::function<void()> on_progress);
  ~Outputs();

  const std::vector<std::string>& names() const;
  /// Takes a message for the output of that index; it is sent when the loop comes to it.
  void Emit(std::uint32_t output, std::string_view message);
  /// The number of the last emission.
  std::uint64_t emitted() const;
  /// All emissions up to this number were delivered.
  std::uint64_t delivered() const;
  /// So much is pending that no task should run now; until has_room().
  bool full() const;
  bool has_room() const;
  /// Nothing more comes: what is pending is tried at once. For the end.
  void Flush();

  std::vector<OutputStats> stats() const;
  /// What is pending, as bytes; empty when nothing is.
  std::string Save() const;
  /// Emits again what was pending. Before the first Emit(). An output that is gone: an error that
  /// names it, because its messages would be lost.
  Status Load(std::string_view saved);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  explicit Outputs(std::unique_ptr<Impl> impl);
};

}  // namespace rivulet
