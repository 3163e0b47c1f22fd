#include "tests/unit/pubsub/subscriber_support.h"

#include <utility>

namespace rivulet::test {

namespace {

using Kind = Event::Kind;

std::uint64_t ToNumber(std::string_view text) {
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  CHECK(read.ec == std::errc());
  return number;
}

// Takes from the front of `*text` what stands before `separator`, and the separator.
std::string_view Take(std::string_view* text, std::string_view separator) {
  const std::size_t at = text->find(separator);
  REQUIRE(at != std::string_view::npos);
  const std::string_view taken = text->substr(0, at);
  text->remove_prefix(at + separator.size());
  return taken;
}

std::string_view TakeBytes(std::string_view* text, std::size_t bytes) {
  REQUIRE(text->size() >= bytes);
  const std::string_view taken = text->substr(0, bytes);
  text->remove_prefix(bytes);
  return taken;
}

// "17 x" and "5 clicks 3 x" of the framings with positions, "- x" of notices. Numbers and names of
// topics do not begin as the bodies of these tests, with m, x or {.
std::string TakePosition(std::string_view* text) {
  std::string position(Take(text, " "));
  if (position != "-" && text->starts_with("t")) {
    position.append(" ").append(Take(text, " "));
    position.append(" ").append(Take(text, " "));
  }
  return position;
}

Event Told(std::string position, std::string_view body) {
  Event event{Kind::kMessage, std::move(position), std::string(body)};
  if (body.starts_with("{\"_gap_\":")) event.kind = Kind::kGap;
  if (body.starts_with("{\"_heartbeat_\":")) event.kind = Kind::kHeartbeat;
  if (body.starts_with("ERROR_TOO_SLOW. kicked for having ")) event.kind = Kind::kKicked;
  return event;
}

Event TakePart(std::string_view* text) {
  CHECK(Take(text, "\r\n") == "content-type: */*");
  std::string_view size = Take(text, "\r\n\r\n");
  CHECK(Take(&size, ": ") == "content-length");
  const std::string_view body = TakeBytes(text, ToNumber(size));
  CHECK(TakeBytes(text, 16) == "\r\n--xXPubSubXx\r\n");
  return Told({}, body);
}

Event TakeFramed(std::string_view* text, bool has_position) {
  std::string position;
  std::string_view head = Take(text, "\n");
  if (has_position) {
    const std::size_t size_at = head.rfind(' ') + 1;
    position = head.substr(0, size_at - 1);
    head.remove_prefix(size_at);
  }
  const std::string_view body = TakeBytes(text, ToNumber(head));
  CHECK(TakeBytes(text, 1) == "\n");
  return Told(std::move(position), body);
}

Event TakeLine(std::string_view* text, bool has_position) {
  std::string position = has_position ? TakePosition(text) : std::string();
  return Told(std::move(position), Take(text, "\n"));
}

Event TakeSse(std::string_view* text) {
  std::string_view block = Take(text, "\n\n");
  Event event;
  bool first = true;
  while (!block.empty()) {
    const std::string_view line = block.substr(0, block.find('\n'));
    block.remove_prefix(std::min(line.size() + 1, block.size()));
    if (line.starts_with(": heartbeat")) event.kind = Kind::kHeartbeat;
    if (line.starts_with(": the") || line.starts_with(": until")) event.kind = Kind::kEnd;
    if (line == "event: gap") event.kind = Kind::kGap;
    if (line == "event: kicked") event.kind = Kind::kKicked;
    if (line.starts_with("id: ")) event.position = line.substr(4);
    if (!line.starts_with("data: ")) continue;
    if (!std::exchange(first, false)) event.body.push_back('\n');
    event.body.append(line.substr(6));
  }
  return event;
}

Event TakeFrame(std::string_view* text, bool has_position) {
  const std::string_view head = TakeBytes(text, 2);
  const auto byte = [](char c) { return static_cast<unsigned char>(c); };
  std::size_t size = byte(head[1]);
  CHECK(size < 128);  // unmasked
  if (size >= 126) {
    const std::string_view wide = TakeBytes(text, size == 126 ? 2 : 8);
    size = 0;
    for (const char c : wide) size = size << 8 | byte(c);
  }
  std::string_view payload = TakeBytes(text, size);
  if (byte(head[0]) == 0x89) return {Kind::kHeartbeat, {}, std::string(payload)};
  if (byte(head[0]) == 0x88) {
    const int code = byte(payload[0]) << 8 | byte(payload[1]);
    Event event{Kind::kEnd, std::to_string(code), std::string(payload.substr(2))};
    if (code == 1008) event.kind = Kind::kKicked;
    return event;
  }
  CHECK((byte(head[0]) == 0x81 || byte(head[0]) == 0x82));
  std::string position = has_position ? TakePosition(&payload) : std::string();
  return Told(std::move(position), payload);
}

Event TakeEvent(Framing framing, std::string_view* text) {
  switch (framing) {
    case Framing::kMultipart:
      return TakePart(text);
    case Framing::kLines:
    case Framing::kLinesAt:
      return TakeLine(text, framing == Framing::kLinesAt);
    case Framing::kFramed:
    case Framing::kFramedAt:
      return TakeFramed(text, framing == Framing::kFramedAt);
    case Framing::kSse:
      return TakeSse(text);
    case Framing::kWebSocket:
    case Framing::kWebSocketAt:
      return TakeFrame(text, framing == Framing::kWebSocketAt);
  }
  return {};
}

std::string_view Preamble(Framing framing) {
  if (framing == Framing::kMultipart) return "--xXPubSubXx\r\n";
  if (framing == Framing::kLines) return "\r\n";
  if (framing == Framing::kSse) return "retry: 1000\n\n";
  return "";
}

}  // namespace

std::vector<Event> ReadStream(Framing framing, std::string_view stream) {
  std::string_view left = stream;
  CHECK(TakeBytes(&left, Preamble(framing).size()) == Preamble(framing));
  std::vector<Event> events;
  while (!left.empty()) {
    events.push_back(TakeEvent(framing, &left));
    events.back().end = stream.size() - left.size();
  }
  return events;
}

std::vector<std::string> Bodies(const std::vector<Event>& events) {
  std::vector<std::string> bodies;
  for (const Event& event : events) {
    if (event.kind == Kind::kMessage) bodies.push_back(event.body);
  }
  return bodies;
}

Gap ReadGap(std::string_view body) {
  Gap gap;
  Take(&body, "\"missed\":");
  const std::string_view missed = Take(&body, ",\"next\":");
  if (missed != "null") gap.missed = ToNumber(missed);
  gap.next = ToNumber(Take(&body, "}"));
  return gap;
}

Socket::Socket(TopicSet* topics, Feed* feed, SubscriberConfig config, const ReplayStart& start,
               ReplayBuffer* buffer)
    : source(std::make_unique<Subscriber>(
          feed, std::move(config),
          Subscriber::Shared{topics, buffer == nullptr ? &own_buffer : buffer, &loop, &clock,
                             this})) {
  start_status = source->Start(start);
  if (start_status.ok()) source->Attached(this);
}

void Socket::Wake() {
  while (!ended && room > 0) {
    iovec pieces[4];
    const std::size_t max_bytes = promised.empty() ? kMaxGatherBytes : promised.size();
    const auto gathered = source->Gather(pieces, max_bytes);
    if (ended) return;
    std::string bytes;
    for (std::size_t i = 0; i < gathered.pieces; ++i) {
      bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
    }
    REQUIRE(bytes.size() <= max_bytes);
    REQUIRE((promised.empty() || bytes == promised));
    if (bytes.empty()) {
      ended = gathered.end;
      return;
    }
    const std::size_t taken = std::min(bytes.size(), room);
    (gathered.splits_message ? splits : ends).push_back(got.size() + bytes.size());
    got.append(bytes, 0, taken);
    room -= taken;
    promised = bytes.substr(taken);
    source->Consume(taken);
    if (!promised.empty()) return;
  }
}

}  // namespace rivulet::test

namespace rivulet {
namespace {

TEST_CASE("subscriber support: every framing is read as its format says") {
  using test::ReadStream;
  const auto sse = ReadStream(Framing::kSse,
                              "retry: 1000\n\nid: 7\ndata: a\ndata: b\n\nevent: gap\ndata: "
                              "{\"missed\":null,\"next\":9}\n\n: heartbeat 5\n\n");
  REQUIRE(sse.size() == 3);
  CHECK(sse[0].position == "7");
  CHECK(sse[0].body == "a\nb");
  CHECK(sse[1].kind == test::Event::Kind::kGap);
  CHECK_FALSE(test::ReadGap(sse[1].body).missed.has_value());
  CHECK(test::ReadGap(sse[1].body).next == 9);
  CHECK(sse[2].kind == test::Event::Kind::kHeartbeat);
  const auto frames = ReadStream(Framing::kWebSocketAt, std::string_view("\x81\x04"
                                                                         "17 m\x88\x02\x03\xe8",
                                                                         10));
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].position == "17");
  CHECK(frames[0].body == "m");
  CHECK(frames[1].position == "1000");
  const auto framed = ReadStream(Framing::kFramedAt, "3 t1 2 5\nhello\n- 3\n{}}\n");
  REQUIRE(framed.size() == 2);
  CHECK(framed[0].position == "3 t1 2");
  CHECK(framed[1].position == "-");
}

}  // namespace
}  // namespace rivulet
