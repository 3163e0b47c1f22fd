#include "pubsub/publish_upload.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "base/frames.h"
#include "pubsub/publisher.h"
#include "pubsub/topic_set.h"

namespace rivulet {
namespace {

using Format = PublishParams::Format;

struct Setup {
  explicit Setup(Format format, std::size_t max_message_bytes = 1000)
      : topics({10, {1ULL << 30, {}}}),
        publisher({&topics, nullptr, &loop, &clock, &received, [] {}}),
        upload(&publisher, PublishParams{"t", format, ""}, max_message_bytes) {}

  // What was published, in order.
  std::vector<std::string> Messages() {
    std::vector<std::string> messages;
    Topic* const topic = topics.Find("t");
    if (topic == nullptr) return messages;
    auto place = topic->past()->At(0);
    REQUIRE(place.ok());
    while (true) {
      const auto message = topic->past()->Next(&*place);
      REQUIRE(message.ok());
      if (!*message) return messages;
      messages.emplace_back((*message)->body);
    }
  }
  // In pieces of at most so many bytes.
  Status Send(std::string_view body, std::size_t piece) {
    while (!body.empty()) {
      if (Status s = upload.Receive(body.substr(0, piece)); !s.ok()) return s;
      body.remove_prefix(std::min(piece, body.size()));
    }
    return Status::Ok();
  }

  EventLoop loop;
  FakeClock clock;
  Counter received;
  TopicSet topics;
  Publisher publisher;
  PublishUpload upload;
};

TEST_CASE("upload: a line is published as soon as its newline is there") {
  Setup setup(Format::kLines);
  REQUIRE(setup.Send("a\nb", 100).ok());
  CHECK(setup.Messages() == std::vector<std::string>{"a"});
  CHECK_FALSE(setup.upload.between_messages());
  REQUIRE(setup.Send("c\n", 100).ok());
  CHECK(setup.Messages() == std::vector<std::string>{"a", "bc"});
  CHECK(setup.upload.between_messages());
  CHECK(setup.received.value() == 2);
}

TEST_CASE("upload: a frame is published as soon as its last newline is there") {
  Setup setup(Format::kFramed);
  REQUIRE(setup.Send("3\na\nb", 100).ok());
  CHECK(setup.Messages().empty());
  REQUIRE(setup.Send("\n0", 100).ok());
  CHECK(setup.Messages() == std::vector<std::string>{"a\nb"});
  REQUIRE(setup.Send("\n\n", 100).ok());
  CHECK(setup.Messages() == std::vector<std::string>{"a\nb", ""});
  CHECK(setup.upload.between_messages());
}

TEST_CASE("upload: however the body is cut, the same messages come") {
  std::mt19937 random(7);
  for (const Format format : {Format::kLines, Format::kFramed}) {
    for (int round = 0; round < 50; ++round) {
      std::vector<std::string> messages;
      std::string body;
      for (int i = 0; i < 20; ++i) {
        std::string message(random() % 40, '\0');
        for (char& c : message) c = "ab0123456789\r\0"[random() % 14];
        if (format == Format::kFramed) {
          if (!message.empty() && random() % 2 == 0) message[0] = '\n';
          AppendFrame(&body, message);
        } else {
          body.append(message).push_back('\n');
        }
        messages.push_back(message);
      }
      Setup setup(format);
      REQUIRE(setup.Send(body, 1 + random() % 60).ok());
      CHECK(setup.Messages() == messages);
    }
  }
}

TEST_CASE("upload: what is no frame is refused at its byte, and what came before stays") {
  for (const char* wrong : {"x", "\n", " 1\na\n", "-1\n", "+1\na\n", "1\nab", "1x\n"}) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{100}}) {
      CAPTURE(wrong);
      Setup setup(Format::kFramed);
      const Status status = setup.Send(std::string("2\nok\n") + wrong, piece);
      CHECK(status.code() == StatusCode::kInvalidArgument);
      CHECK(status.message().find("at byte 5 ") != std::string::npos);
      CHECK(status.message().find("; 1 messages before it were published") != std::string::npos);
      CHECK(setup.Messages() == std::vector<std::string>{"ok"});
    }
  }
}

TEST_CASE("upload: a message may be as large as it may be, and no larger") {
  const std::string most(1000, 'm');
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{999}, std::size_t{1000}, std::size_t{5000}}) {
    Setup lines(Format::kLines);
    REQUIRE(lines.Send("a\n" + most + "\n", piece).ok());
    CHECK(lines.Messages() == std::vector<std::string>{"a", most});
    const Status status = lines.Send(most + "m\n", piece);
    CHECK(status.code() == StatusCode::kTooLarge);
    CHECK(status.message().find("message 3 of the body has more than 1000") != std::string::npos);

    Setup framed(Format::kFramed);
    REQUIRE(framed.Send("1000\n" + most + "\n", piece).ok());
    // It is refused by its size, before its bytes are there.
    CHECK(framed.Send("1001\n", piece).code() == StatusCode::kTooLarge);
    CHECK(framed.Messages() == std::vector<std::string>{most});
  }
}

TEST_CASE("upload: a topic that cannot be made is a refusal that may pass") {
  Setup setup(Format::kLines);
  for (int i = 0; i < 10; ++i) {
    setup.publisher.PublishMessage(*setup.publisher.Find("t" + std::to_string(i)), "m");
  }
  const Status status = setup.Send("a\n", 100);
  CHECK(status.code() == StatusCode::kUnavailable);
  CHECK(HttpStatusOf(status) == 503);
}

}  // namespace
}  // namespace rivulet
