// Streaming answers, pulled: the connection asks its source for bytes when the socket can take
// them, so nothing is copied or buffered here, and a slow reader costs its source a cursor and no
// more.
//
// The protocol between the two, all on the loop's thread:
//   1. The handler gives a StreamSource to Reply::Stream(); Attached() is called once.
//   2. When bytes come to be, the source calls stream->Wake(). It writes at once unless blocked.
//   3. The connection calls Gather(pieces, max_bytes): the source points at up to max_bytes of its
//      next bytes without forgetting them. Bytes once gathered are promised: later calls give the
//      same bytes first, until Consume(n) says that the first n are in the kernel's hands.
//      stream->promised_bytes() tells how many are promised and not yet consumed; on HTTP/1.1 they
//      are one chunk, whose size is already on the wire.
//   4. A source that returns end = true is finished once its bytes are consumed; the stream then
//   ends
//      as HTTP asks (last chunk, or close on HTTP/1.0).
//   5. The source is destroyed when the stream has ended or the client has gone, whichever is
//   first.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <string_view>

#include "base/clock.h"

namespace rivulet {

/// The most that is gathered, and so promised, at a time. A chunk of it with its frame is below
/// what the kernel sends as one piece (64 KiB with the headers): a little more costs a second, tiny
/// piece each time, and a third of the write path's CPU.
inline constexpr std::size_t kMaxGatherBytes = 60 * 1024;

class Stream {
 public:
  virtual ~Stream() = default;
  /// The source has something to send, or has come to its end. Cheap when the stream is blocked.
  virtual void Wake() = 0;
  /// True while the socket takes no more: the client is slow.
  virtual bool blocked() const = 0;
  virtual std::size_t promised_bytes() const = 0;
  /// The client is not read any more, until it is again: of a WebSocket, whose messages cannot be
  /// dealt with faster. A client that goes is noticed later. Of others nothing is read anyway.
  virtual void PauseReading(bool /*paused*/) {}
  /// Cuts the connection now, without an end. The source is destroyed later, not in this call.
  virtual void Abort() = 0;
  /// From now on the stream must have ended within `limit`, or it is aborted.
  virtual void EndWithin(Duration limit) = 0;
  /// "127.0.0.1:4711"
  virtual std::string_view peer() const = 0;
};

class StreamSource {
 public:
  struct Gathered {
    std::size_t pieces = 0;       // how many of `pieces` were filled
    bool end = false;             // nothing comes after these bytes
    bool splits_message = false;  // they end inside a message: nothing may be put behind them
  };

  virtual ~StreamSource() = default;
  /// `stream` outlives this source.
  virtual void Attached(Stream* stream) = 0;
  /// Fills at most pieces.size() pieces with at most max_bytes in all. They must stay in place
  /// until this source's next call of Gather or Consume, or another's Gather. max_bytes is never 0,
  /// and at most kMaxGatherBytes.
  virtual Gathered Gather(std::span<iovec> pieces, std::size_t max_bytes) = 0;
  /// The first `bytes` of what was gathered have been written.
  virtual void Consume(std::size_t bytes) = 0;
  /// The daemon is going down: say a last word if the framing has one, and end.
  virtual void Drain() = 0;
};

}  // namespace rivulet
