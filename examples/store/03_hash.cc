// Hashes. A hash is a small table of its own at one key: fields, with a value each. A count for
// each country is one hash "clicks" with a field for each country, and HINCRBY clicks US 1 counts a
// click from there (HSET sets a field, HGET reads one, HGETALL all). Counts in one hash are read in
// one command, and deleted in one.
//
// Click events, one JSON object a line with the country in "c", come on standard input. A command a
// click would be a round trip a click; so the commands are gathered, and sent five hundred at a
// time.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "base/json_field.h"
#include "examples/store/example.h"

using example::Must;
using rivulet::StoreBatch;
using rivulet::StoreItem;

int main(int argc, char** argv) {
  const auto store = example::StoreOf(argc, argv, "03_hash", "count clicks by country in a hash");

  rivulet::JsonFieldReader country("c");
  StoreBatch batch;
  const auto send = [&] {
    // A batch answers a reply for each command; each may have failed for itself.
    for (const auto& reply : Must(store->Run(batch))) Must(reply.status);
    batch.Clear();
  };
  for (std::string line; std::getline(std::cin, line);) {
    if (line.find("\"_heartbeat_\"") != std::string::npos) continue;
    const bool known = country.Read(line) == rivulet::JsonFieldReader::Found::kText;
    batch.HashIncrement("clicks", known ? country.text() : "(unknown)", 1);
    if (batch.size() == 500) send();
  }
  send();

  std::vector<StoreItem> counts = Must(store->HashAll("clicks"));
  std::sort(counts.begin(), counts.end(), [](const StoreItem& a, const StoreItem& b) {
    const long long left = std::stoll(a.text), right = std::stoll(b.text);
    return left != right ? left > right : a.name < b.name;
  });
  std::printf("%zu countries\n", counts.size());
  for (const StoreItem& count : counts) {
    std::printf("%8s  %s\n", count.text.c_str(), count.name.c_str());
  }
  return 0;
}
