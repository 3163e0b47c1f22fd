#include "journal/format.h"

#include <doctest/doctest.h>

#include <string>

using namespace rivulet;

TEST_CASE("journal format: a segment's name has twenty digits, and nothing else is one") {
  CHECK(SegmentName(1) == "00000000000000000001.journal");
  CHECK(SegmentName(UINT64_MAX) == "18446744073709551615.journal");
  CHECK(SegmentNumber("00000000000000000042.journal") == 42);
  CHECK(SegmentNumber("18446744073709551615.journal") == UINT64_MAX);
  for (const char* name :
       {"", "lock", "1.journal", "18446744073709551616.journal", "0000000000000000004x.journal",
        "00000000000000000042.journal.bad", "00000000000000000042.Journal"}) {
    CAPTURE(name);
    CHECK(!SegmentNumber(name));
  }
}

TEST_CASE("journal format: a segment's header stands byte by byte as the table says") {
  const std::string bytes = EncodeSegmentHeader({0x0102, 0x0304, 0x05, 0x1122334455667788, "me"});
  REQUIRE(bytes.size() == 64);
  CHECK(bytes.substr(0, 12) == std::string("rivuletJ\1\0\0\0", 12));
  CHECK(bytes.substr(16, 8) == std::string("\2\1\0\0\0\0\0\0", 8));
  CHECK(bytes.substr(24, 8) == std::string("\4\3\0\0\0\0\0\0", 8));
  CHECK(bytes.substr(32, 8) == std::string("\5\0\0\0\0\0\0\0", 8));
  CHECK(bytes.substr(40, 8) == "\x88\x77\x66\x55\x44\x33\x22\x11");
  CHECK(bytes.substr(48) == std::string("me") + std::string(14, '\0'));
}

TEST_CASE("journal format: a segment's header comes back, and not with any bit flipped") {
  const SegmentHeader header{7, 1ULL << 40, 3, 0xfeedULL << 44, "sixteen bytes ok"};
  std::string bytes = EncodeSegmentHeader(header);
  const auto back = DecodeSegmentHeader(bytes);
  REQUIRE(back.has_value());
  CHECK(back->number == 7);
  CHECK(back->start == 1ULL << 40);
  CHECK(back->oldest == 3);
  CHECK(back->salt == 0xfeedULL << 44);
  CHECK(back->owner == "sixteen bytes ok");
  CHECK(!DecodeSegmentHeader(std::string_view(bytes).substr(0, 63)));
  for (std::size_t bit = 0; bit < 64 * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    CHECK(!DecodeSegmentHeader(bytes));
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  }
}

TEST_CASE("journal format: a batch passes its check at its place and nowhere else") {
  std::string batch = std::string(16, '\0') + "records";
  SealBatch(batch.data(), batch.size(), 99, 1000, 900);
  const auto header = CheckBatch(batch + "more", 99, 1000);
  REQUIRE(header.has_value());
  CHECK(header->bytes == 7);
  CHECK(header->synced_back == 100);
  CHECK(!header->is_void);
  CHECK(batch.substr(4, 12) == std::string("\7\0\0\0\x64\0\0\0\0\0\x72\x4a", 12));
  CHECK(!CheckBatch(batch, 99, 1001));
  CHECK(!CheckBatch(batch, 98, 1000));
  for (std::size_t size = 0; size < batch.size(); ++size) {
    CHECK(!CheckBatch(std::string_view(batch).substr(0, size), 99, 1000));
  }
  for (std::size_t bit = 0; bit < batch.size() * 8; ++bit) {
    batch[bit / 8] = static_cast<char>(batch[bit / 8] ^ (1 << bit % 8));
    CHECK(!CheckBatch(batch, 99, 1000));
    batch[bit / 8] = static_cast<char>(batch[bit / 8] ^ (1 << bit % 8));
  }
}

TEST_CASE("journal format: a batch of no records, a void one, and one synced too far back") {
  std::string batch(16, '\0');
  CHECK(!CheckBatch(batch, 0, 0));  // zeros are no batch
  SealBatch(batch.data(), batch.size(), 0, 0, 0);
  CHECK(CheckBatch(batch, 0, 0)->bytes == 0);
  SealBatch(batch.data(), batch.size(), 0, 8, 8, true);
  CHECK(CheckBatch(batch, 0, 8)->is_void);
  CHECK(CheckBatch(batch, 0, 8)->synced_back == 0);
  SealBatch(batch.data(), batch.size(), 0, 1ULL << 33, 5);
  CHECK(CheckBatch(batch, 0, 1ULL << 33)->synced_back == kSyncedUnknown);
}

TEST_CASE("journal format: varints, by hand") {
  const struct {
    std::uint64_t value;
    std::string bytes;
  } cases[] = {{0, std::string(1, '\0')},
               {127, "\x7f"},
               {128, "\x80\x01"},
               {300, "\xac\x02"},
               {UINT64_MAX, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}};
  for (const auto& c : cases) {
    std::string out;
    AppendVarint(&out, c.value);
    CHECK(out == c.bytes);
    const std::string followed = out + "x";
    std::string_view rest = followed;
    CHECK(TakeVarint(&rest) == c.value);
    CHECK(rest == "x");
    std::string_view cut = std::string_view(out).substr(0, out.size() - 1);
    CHECK(!TakeVarint(&cut));
    CHECK(cut.size() == out.size() - 1);
  }
  const std::string too_long("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
  std::string_view rest = too_long;
  CHECK(!TakeVarint(&rest));
}

TEST_CASE("journal format: records are taken one by one, and half a one is none") {
  std::string records;
  for (const std::string& record : {std::string("a"), std::string(), std::string(200, 'z')}) {
    AppendVarint(&records, record.size());
    records += record;
  }
  std::string_view rest = records;
  CHECK(TakeRecord(&rest) == "a");
  CHECK(TakeRecord(&rest) == "");
  std::string_view half = rest.substr(0, rest.size() - 1);
  CHECK(!TakeRecord(&half));
  CHECK(half.size() == rest.size() - 1);
  CHECK(TakeRecord(&rest)->size() == 200);
  CHECK(!TakeRecord(&rest));
}

TEST_CASE("journal format: the check of a batch is the same when it comes in pieces") {
  for (const std::size_t size : {0, 1, 7, 240, 241, 1024, 100'000}) {
    CAPTURE(size);
    std::string batch(kBatchHeaderBytes, '\0');
    for (std::size_t i = 0; i < size; ++i) batch += static_cast<char>(i * i % 251);
    SealBatch(batch.data(), batch.size(), 77, 4096, 4000);
    REQUIRE(PeekBatch(batch));
    CHECK(PeekBatch(batch)->bytes == size);
    for (const std::size_t piece : {1, 64, 1000}) {
      BatchCheck check(std::string_view(batch).substr(0, kBatchHeaderBytes), 77, 4096);
      for (std::size_t at = kBatchHeaderBytes; at < batch.size(); at += piece) {
        check.Add(std::string_view(batch).substr(at, piece));
      }
      CHECK(check.Passes());
    }
    BatchCheck elsewhere(std::string_view(batch).substr(0, kBatchHeaderBytes), 77, 4097);
    elsewhere.Add(std::string_view(batch).substr(kBatchHeaderBytes));
    CHECK(!elsewhere.Passes());
    CHECK(!PeekBatch(std::string_view(batch).substr(0, kBatchHeaderBytes - 1)));
    batch[14] = 'x';
    CHECK(!PeekBatch(batch));
  }
}
