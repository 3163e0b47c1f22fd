// Uploads that are faster than what they send is made safe.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <memory>
#include <string>

#include "http/upload.h"
#include "tests/unit/http/hold_fixture.h"

namespace rivulet {
namespace {

struct UploadFixture : HoldFixture {
  struct Counting final : Upload {
    explicit Counting(UploadFixture* upload_fixture) : fixture(upload_fixture) {}
    Status Receive(std::string_view bytes) override {
      fixture->received += bytes.size();
      return Status::Ok();
    }
    std::uint64_t safe_mark() override { return fixture->mark; }
    bool between_messages() const override { return true; }
    void Finish(Reply& reply) override {
      reply.HoldUntil(fixture->mark);
      reply.Text(200, "all.");
    }
    UploadFixture* fixture;
  };

  UploadFixture() {
    router.Add(kActs, "/up", [](const Request&, Reply& reply) { reply.Text(200, "gathered."); });
    router.AddUpload("/up",
                     [this](const Request&, Reply&) { return std::make_unique<Counting>(this); });
    rest = fmt::format("{:x}\r\n", kBody) + std::string(kBody, 'x') + "\r\n0\r\n\r\n";
    client.Send("POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  }
  // As much as the server reads now.
  void SendOn() {
    for (int idle = 0; idle < 20;) {
      const std::size_t before = received;
      const ssize_t sent = send(client.fd(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent > 0) rest.erase(0, static_cast<std::size_t>(sent));
      loop.RunOnce(std::chrono::milliseconds(1));
      idle = sent > 0 || received != before ? 0 : idle + 1;
    }
  }

  static constexpr std::size_t kBody = 5 * kMaxUnsafeUploadBytes / 2;
  std::size_t received = 0;
  std::string rest;
  LoopClient client{loop, server->bound()};
};

TEST_CASE("upload: a client is read no further than some MiB beyond what is safe") {
  UploadFixture f;
  constexpr std::size_t kRead = 64 * 1024;
  f.SendOn();
  CHECK(f.received >= kMaxUnsafeUploadBytes);
  CHECK(f.received < kMaxUnsafeUploadBytes + kRead);
  f.mark = 2;
  f.server->Release(1);
  f.SendOn();
  CHECK(f.received >= 2 * kMaxUnsafeUploadBytes);
  CHECK(f.received < 2 * (kMaxUnsafeUploadBytes + kRead));
  f.server->Release(2);
  f.SendOn();
  CHECK(f.received == f.kBody);
  CHECK(Bodies(f.client.ReadUntil("all.")) == "all.");
}

TEST_CASE("upload: what is not made safe is the upload's answer") {
  UploadFixture f;
  f.SendOn();
  f.server->FailHeld(507, "the disk is full");
  const std::string answer = f.client.ReadUntil("the disk is full\n");
  CHECK(answer.find("HTTP/1.1 507 ") == 0);
  CHECK(answer.find("Connection: close") != std::string::npos);
}

}  // namespace
}  // namespace rivulet
