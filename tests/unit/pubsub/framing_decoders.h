// Readers of every framing, written from what the framings are specified to be (RFC 2046, WHATWG
// HTML 9.2.6, RFC 6455 5.2, base/frames.h), not from the code that writes them. For tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "pubsub/framing.h"

namespace rivulet::decoders {

struct Decoded {
  std::string position;  // empty where the framing has none
  std::string body;

  bool operator==(const Decoded&) const = default;
};

[[noreturn]] inline void Malformed(const char* what) { throw std::runtime_error(what); }

/// Takes what stands before the next `delimiter`, and the delimiter.
inline std::string_view TakeUntil(std::string_view* rest, std::string_view delimiter) {
  const std::size_t end = rest->find(delimiter);
  if (end == std::string_view::npos) Malformed("a delimiter is missing");
  const std::string_view taken = rest->substr(0, end);
  rest->remove_prefix(end + delimiter.size());
  return taken;
}

inline std::string_view TakeBytes(std::string_view* rest, std::size_t bytes) {
  if (bytes > rest->size()) Malformed("the stream ends in a message");
  const std::string_view taken = rest->substr(0, bytes);
  rest->remove_prefix(bytes);
  return taken;
}

inline void Expect(std::string_view* rest, std::string_view bytes) {
  if (TakeBytes(rest, bytes.size()) != bytes) Malformed("other bytes than the framing has here");
}

inline std::size_t Number(std::string_view digits) {
  if (digits.empty() || digits.size() > 15) Malformed("no number");
  std::size_t number = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') Malformed("no number");
    number = number * 10 + static_cast<std::size_t>(c - '0');
  }
  return number;
}

/// A position of so many words and the space behind it: 1, or 3 where a feed is of several topics.
inline std::string TakePosition(std::string_view* rest, int words) {
  std::string position;
  for (int i = 0; i < words; ++i) {
    if (i > 0) position += ' ';
    position += TakeUntil(rest, " ");
  }
  return position;
}

struct Event {
  std::string type;
  std::string data;
  std::string last_event_id;
};

/// 9.2.6: interprets an event stream; an event that is not ended by an empty line is not
/// dispatched.
class EventStream {
 public:
  std::vector<Event> Read(std::string_view stream) {
    std::size_t at = 0;
    while (at < stream.size()) {
      const std::size_t end = stream.find_first_of("\r\n", at);
      if (end == std::string_view::npos) break;
      Line(stream.substr(at, end - at));
      at = end + (stream.substr(end, 2) == "\r\n" ? 2 : 1);
    }
    return std::move(events_);
  }

 private:
  void Line(std::string_view line) {
    if (line.empty()) return Dispatch();
    if (line.front() == ':') return;
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    std::string_view value;
    if (colon != std::string_view::npos) value = line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "event") {
      type_ = value;
    } else if (name == "data") {
      data_.append(value).push_back('\n');
    } else if (name == "id" && value.find('\0') == std::string_view::npos) {
      id_ = value;
    }
  }
  void Dispatch() {
    if (!data_.empty()) {
      data_.pop_back();
      events_.push_back({type_.empty() ? "message" : type_, data_, id_});
    }
    data_.clear();
    type_.clear();
  }

  std::string type_;
  std::string data_;
  std::string id_;
  std::vector<Event> events_;
};

struct Frame {
  int opcode = 0;
  std::string payload;
};

/// RFC 6455 5.2, as a client reads it: final, unmasked, no reserved bit, the shortest size.
inline Frame TakeWebSocketFrame(std::string_view* rest) {
  const std::string_view head = TakeBytes(rest, 2);
  const auto first = static_cast<unsigned char>(head[0]);
  const auto second = static_cast<unsigned char>(head[1]);
  if ((first & 0xF0) != 0x80) Malformed("not final, or a reserved bit");
  if ((second & 0x80) != 0) Malformed("masked");
  std::size_t size = second;
  if (second >= 126) {
    const std::string_view more = TakeBytes(rest, second == 126 ? 2 : 8);
    size = 0;
    for (const char c : more) size = size << 8 | static_cast<unsigned char>(c);
    if (size < (second == 126 ? 126U : 65536U)) Malformed("not the shortest size");
  }
  return {first & 0x0F, std::string(TakeBytes(rest, size))};
}

/// The first message of `*rest` (of a stream without its preamble), which moves behind it.
/// `position_words`: see TakePosition. Of kLines and kLinesAt no message may hold a newline.
inline Decoded TakeMessage(Framing framing, int position_words, std::string_view* rest) {
  switch (framing) {
    case Framing::kMultipart: {
      Expect(rest, "content-type: */*\r\ncontent-length: ");
      const std::size_t size = Number(TakeUntil(rest, "\r\n\r\n"));
      Decoded decoded{"", std::string(TakeBytes(rest, size))};
      Expect(rest, "\r\n--xXPubSubXx\r\n");
      return decoded;
    }
    case Framing::kLines:
      return {"", std::string(TakeUntil(rest, "\n"))};
    case Framing::kLinesAt: {
      std::string position = TakePosition(rest, position_words);
      return {std::move(position), std::string(TakeUntil(rest, "\n"))};
    }
    case Framing::kFramed:
    case Framing::kFramedAt: {
      Decoded decoded;
      if (framing == Framing::kFramedAt) decoded.position = TakePosition(rest, position_words);
      decoded.body = TakeBytes(rest, Number(TakeUntil(rest, "\n")));
      Expect(rest, "\n");
      return decoded;
    }
    case Framing::kSse: {
      const std::size_t end = rest->find("\n\n");
      if (end == std::string_view::npos) Malformed("an event does not end");
      const std::vector<Event> events = EventStream().Read(TakeBytes(rest, end + 2));
      if (events.size() != 1 || events[0].type != "message") Malformed("not one message");
      return {events[0].last_event_id, events[0].data};
    }
    case Framing::kWebSocket:
    case Framing::kWebSocketAt: {
      const Frame frame = TakeWebSocketFrame(rest);
      if (frame.opcode != 1 && frame.opcode != 2) Malformed("not a message");
      std::string_view body = frame.payload;
      std::string position;
      if (framing == Framing::kWebSocketAt) position = TakePosition(&body, position_words);
      return {std::move(position), std::string(body)};
    }
  }
  Malformed("no framing");
}

/// What a reader of an event stream makes of a message: CRLF and CR become LF.
inline std::string WithLineFeeds(std::string_view message) {
  std::string made;
  for (std::size_t i = 0; i < message.size(); ++i) {
    if (message[i] != '\r') {
      made += message[i];
    } else if (message.substr(i, 2) != "\r\n") {
      made += '\n';
    }
  }
  return made;
}

}  // namespace rivulet::decoders
