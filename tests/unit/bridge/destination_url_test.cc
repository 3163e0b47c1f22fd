// How a message is put into a URL.
#include "bridge/destination_url.h"

#include <doctest/doctest.h>

#include <string>

namespace rivulet {
namespace {

TEST_CASE("percent encoding: passes the original's characters and no other byte") {
  // Note 35 of the recorded answers: !$'()*,-./0-9:=@A-Z_a-z~
  const std::string safe =
      "!$'()*,-./0123456789:=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    std::string encoded;
    AppendPercentEncoded(&encoded, one);
    if (safe.find(one) != std::string::npos) {
      CHECK(encoded == one);
    } else {
      char expected[4];
      std::snprintf(expected, sizeof expected, "%%%02X", static_cast<unsigned>(byte));
      CHECK(encoded == expected);
    }
  }
  // Case 234.
  std::string encoded;
  AppendPercentEncoded(&encoded, "a b&c=d+e%");
  CHECK(encoded == "a%20b%26c=d%2Be%25");
}

TEST_CASE("destination URL: one %s after the host is the message, any other % is text") {
  CHECK(ParseGetUrl("http://h/put?a=%20%d&data=%s&b=%")->For("x y") ==
        "http://h/put?a=%20%d&data=x%20y&b=%");
  CHECK(ParseGetUrl("http://h:80/%s")->For("%s") == "http://h:80/%25s");
  for (const char* bad :
       {"http://h/put?data=", "http://h/%s%s", "http://h%s/", "http://%s", "%s", "ftp://h/%s",
        "http:///%s", "http://h/ %s", "", "http://h:99999/%s", "http://h:x/%s", "http://[::1/%s"}) {
    CAPTURE(bad);
    CHECK_FALSE(ParseGetUrl(bad).ok());
  }
}

}  // namespace
}  // namespace rivulet
