#include "collector/remote_address.h"

#include <doctest/doctest.h>

namespace rivulet {
namespace {

TEST_CASE("remote address: what is kept of a peer") {
  struct Case {
    const char* peer;
    const char* full;
    const char* truncated;
  };
  const Case cases[] = {
      {"203.0.113.77:4711", "203.0.113.77", "203.0.113.0"},
      {"203.0.113.77", "203.0.113.77", "203.0.113.0"},
      {"[2001:db8:7:8:9::1]:4711", "2001:db8:7:8:9::1", "2001:db8:7::"},
      {"2001:DB8:0007::1", "2001:db8:7::1", "2001:db8:7::"},
      {"[::1]:80", "::1", "::"},
      {"[fe80::1%eth0]:80", "fe80::1", "fe80::"},
      // IPv4 on a socket of both.
      {"[::ffff:203.0.113.77]:80", "203.0.113.77", "203.0.113.0"},
      {"", "", ""},
      {"unix:", "", ""},
      {"unknown", "", ""},
      {"203.0.113.777:1", "", ""},
      {"[::1", "", ""},
      {"<script>", "", ""},
      {"1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21.22.23.24", "", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.peer);
    CHECK(KeptAddress(c.peer, RemoteAddress::kFull) == c.full);
    CHECK(KeptAddress(c.peer, RemoteAddress::kTruncated) == c.truncated);
    CHECK(KeptAddress(c.peer, RemoteAddress::kNone).empty());
  }
}

TEST_CASE("remote address: behind a proxy the last address of the header counts") {
  constexpr const char* kProxy = "127.0.0.1:9";
  CHECK(ForwardedPeer(kProxy, "") == kProxy);
  CHECK(ForwardedPeer(kProxy, "198.51.100.7") == "198.51.100.7");
  CHECK(ForwardedPeer(kProxy, "10.0.0.1, 192.0.2.1 ,198.51.100.7 ") == "198.51.100.7");
  CHECK(KeptAddress(ForwardedPeer(kProxy, "spoofed, \"[2001:db8::1]:4711\""),
                    RemoteAddress::kFull) == "2001:db8::1");
  // Whoever it was, it was not our proxy.
  CHECK(ForwardedPeer(kProxy, "198.51.100.7, unknown").empty());
  CHECK(ForwardedPeer(kProxy, "198.51.100.7,").empty());
}

TEST_CASE("remote address: the option's values") {
  CHECK(ParseRemoteAddress("none").value() == RemoteAddress::kNone);
  CHECK(ParseRemoteAddress("truncated").value() == RemoteAddress::kTruncated);
  CHECK(ParseRemoteAddress("full").value() == RemoteAddress::kFull);
  CHECK(ParseRemoteAddress("some").status().message() == "'some' must be none, truncated or full");
}

}  // namespace
}  // namespace rivulet
