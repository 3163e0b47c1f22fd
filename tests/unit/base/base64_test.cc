#include "base/base64.h"

#include <doctest/doctest.h>

namespace rivulet {

TEST_CASE("base64: the test vectors of RFC 4648 section 10, and bytes that are no text") {
  struct Case {
    std::string_view bytes;
    std::string_view text;
  };
  const Case cases[] = {{"", ""},
                        {"f", "Zg=="},
                        {"fo", "Zm8="},
                        {"foo", "Zm9v"},
                        {"foob", "Zm9vYg=="},
                        {"fooba", "Zm9vYmE="},
                        {"foobar", "Zm9vYmFy"},
                        // By coreutils' base64.
                        {{"\0\xff\xfe\x80", 4}, "AP/+gA=="}};
  for (const Case& c : cases) {
    std::string out = "before ";
    AppendBase64(&out, c.bytes);
    CHECK(out == "before " + std::string(c.text));
  }
}

}  // namespace rivulet
