#include "queuereader/source/frames.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using rivulet::CutFrames;
using rivulet::CutLeases;
using rivulet::CutLines;
using rivulet::CutPopped;
using rivulet::Delivery;
using rivulet::MissedReceipt;
using rivulet::ReadIncarnation;
using rivulet::ReadReceipt;
using rivulet::ReadReceiptAnswer;

namespace {

std::vector<std::string> Bodies(const std::string& text, const std::vector<Delivery>& cut) {
  std::vector<std::string> bodies;
  bodies.reserve(cut.size());
  for (const Delivery& d : cut) bodies.push_back(text.substr(d.offset, d.size));
  return bodies;
}

}  // namespace

TEST_CASE("frames: bodies of any bytes are cut by their length") {
  std::string text("3\na\nb\n0\n\n4\n\0x\n\n\n", 16);
  std::vector<Delivery> cut;
  CHECK(CutFrames(text, 2, &cut) == text.size());
  CHECK(Bodies(text, cut) == std::vector<std::string>{"a\nb", "", std::string("\0x\n\n", 4)});
  CHECK(cut[0].origin == 2);
}

TEST_CASE("frames: an answer cut short anywhere gives its whole frames alone") {
  const std::string text = "5\nhello\n2\nhi\n";
  for (std::size_t size = 0; size < text.size(); ++size) {
    std::string cut_short = text.substr(0, size);
    std::vector<Delivery> cut;
    std::size_t whole = size < 8 ? 0 : 8;  // "5\nhello\n" is eight bytes
    CHECK(CutFrames(cut_short, 0, &cut) == whole);
    CHECK(cut.size() == (whole ? 1 : 0));
  }
}

TEST_CASE("frames: what is no frame is left") {
  for (const char* text : {"x", "-1\na\n", "+1\na\n", "1 \na\n", "2\nab", "1\nab\n", "\n",
                           "99999999999999999999999\na\n", "18446744073709551615\na\n"}) {
    CAPTURE(text);
    std::vector<Delivery> cut;
    CHECK(CutFrames(text, 0, &cut) == 0);
    CHECK(cut.empty());
  }
}

TEST_CASE("frames: bare numbers of a queue that frames nothing are messages, each of them") {
  const std::string text = "2\n10\n1\n7\n42";
  std::vector<Delivery> cut;
  CHECK(CutPopped(text, 0, false, true, &cut) == text.size());
  CHECK(Bodies(text, cut) == std::vector<std::string>{"2", "10", "1", "7", "42"});
}

TEST_CASE("frames: lines are cut with and without a last newline, empty ones skipped") {
  const std::vector<std::string> expected{"{\"a\":1}", "{\"a\":2}"};
  for (const char* text : {"{\"a\":1}\n{\"a\":2}", "{\"a\":1}\n\n{\"a\":2}\n"}) {
    std::vector<Delivery> cut;
    CutLines(text, 0, &cut);
    CHECK(Bodies(text, cut) == expected);
  }
}

TEST_CASE("frames: messages under a lease carry receipt, number and attempts") {
  const std::string text = "1-42-7-9f02c1ab 3 5\nhello\n1-18446744073709551615-8-00000000 1 0\n\n";
  std::vector<Delivery> cut;
  CHECK(CutLeases(text, 1, &cut) == text.size());
  REQUIRE(cut.size() == 2);
  CHECK(Bodies(text, cut) == std::vector<std::string>{"hello", ""});
  CHECK(text.substr(cut[0].receipt_offset, cut[0].receipt_size) == "1-42-7-9f02c1ab");
  CHECK(text.substr(cut[1].receipt_offset, cut[1].receipt_size) ==
        "1-18446744073709551615-8-00000000");
  CHECK(cut[0].id == 42);
  CHECK(cut[1].id == UINT64_MAX);
  CHECK(cut[0].attempts == 3);
  CHECK(cut[0].origin == 1);
}

TEST_CASE("frames: leases cut short anywhere give the whole ones alone") {
  const std::string first = "1-1-1-0a0b0c0d 1 2\nhi\n";
  const std::string text = first + "1-2-1-0a0b0c0d 1 1\nx\n";
  for (std::size_t size = 0; size < text.size(); ++size) {
    std::vector<Delivery> cut;
    const std::size_t whole = size < first.size() ? 0 : 1;
    CHECK(CutLeases(text.substr(0, size), 0, &cut) == whole * first.size());
    CHECK(cut.size() == whole);
  }
}

TEST_CASE("frames: what is no lease is left") {
  for (const char* text :
       {"5\nhello\n", "x 1 1\na\n", "1-1-1-0a0b0c0d 1\na\n", "1-1-1-0a0b0c0d  1 1\na\n",
        "1-1-1-0a0b0c0 1 1\na\n", "1-1-1-0a0b0c0dd 1 1\na\n", "1-1-1-0a0b0c0g 1 1\na\n",
        "1-1-0a0b0c0d 1 1\na\n", "-1-1-1-0a0b0c0d 1 1\na\n", "1-1-1-0a0b0c0d -1 1\na\n",
        "1-18446744073709551616-1-0a0b0c0d 1 1\na\n", "1-1-1-0a0b0c0d 1 1\nab", "{\"a\":1}\n"}) {
    CAPTURE(text);
    std::vector<Delivery> cut;
    CHECK(CutLeases(text, 0, &cut) == 0);
    CHECK(cut.empty());
  }
}

TEST_CASE("frames: what left its queue is a message, even what is no frame in a whole answer") {
  std::vector<Delivery> cut;
  CHECK(CutPopped("1\na\n9\nbc", 0, true, false, &cut) == 4);
  CHECK(cut.size() == 1);
  cut.clear();
  const std::string text = "1\na\n9\nbc";
  CHECK(CutPopped(text, 0, true, true, &cut) == text.size());
  CHECK(Bodies(text, cut) == std::vector<std::string>{"a", "9\nbc"});
}

TEST_CASE("frames: the incarnation is nought where numbers last, and else never") {
  CHECK(ReadIncarnation("lasting", 7) == 0);
  CHECK(ReadIncarnation("lasting 8000000000000001", 7) == 0x8000'0000'0000'0001);
  CHECK(ReadIncarnation("lasting 80000000000000", 7) == 0);
  CHECK(ReadIncarnation("of 00000000", 7) == 0x1'0000'0000);
  CHECK(ReadIncarnation("of 9f02c1ab", 7) == 0x1'9f02'c1ab);
  CHECK(ReadIncarnation("", 0x9f02c1ab) == 0x1'9f02'c1ab);
  // Queues of one server count for themselves.
  CHECK(rivulet::IncarnationOf(7, "default") == 7);
  CHECK(rivulet::IncarnationOf(7, "clicks") != 7);
  CHECK(rivulet::IncarnationOf(7, "clicks") == rivulet::IncarnationOf(7, "clicks"));
  CHECK(rivulet::IncarnationOf(7, "clicks") != rivulet::IncarnationOf(7, "views"));
  CHECK(rivulet::IncarnationOf(0, "clicks") == 0);
  CHECK(ReadIncarnation("something new", 0) != 0);
  CHECK(ReadReceipt("1-42-7-9f02c1ab")->epoch == 0x9f02c1ab);
}

TEST_CASE("frames: an answer about receipts tells those that no longer hold") {
  std::vector<MissedReceipt> stale;
  CHECK(ReadReceiptAnswer("finished 2\n", "finished", &stale));
  CHECK(stale.empty());
  CHECK(ReadReceiptAnswer("finished 1\n1-1-1-0a0b0c0d\n1-2-1-0a0b0c0d\n", "finished", &stale));
  CHECK(stale == std::vector<MissedReceipt>{{"1-1-1-0a0b0c0d", ""}, {"1-2-1-0a0b0c0d", ""}});
  stale.clear();
  CHECK(ReadReceiptAnswer("finished 0\n1-1-1-0a0b0c0d gone\n1-2-1-0a0b0c0d some other thing\n\n",
                          "finished", &stale));
  CHECK(stale == std::vector<MissedReceipt>{{"1-1-1-0a0b0c0d", "gone"},
                                            {"1-2-1-0a0b0c0d", "some other thing"}});
  for (const char* text :
       {"", "finished", "finished \n", "finished x\n", "finished 1", "touched 1\n"}) {
    CAPTURE(text);
    CHECK_FALSE(ReadReceiptAnswer(text, "finished", &stale));
  }
}
