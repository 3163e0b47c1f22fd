// Keys and values. A store is a table from keys to values that outlives the program, and that
// several programs share: SET writes a value at a key, GET reads it, INCR adds to a number, EXPIRE
// lets a key go after some time. What is here is the same in Redis (SET name rivulet, GET name,
// INCR visits, PEXPIRE token 100); with --store=redis://HOST redis-cli sees what this program
// wrote.
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>

#include "examples/store/example.h"

using example::Must;

int main(int argc, char** argv) {
  const auto store = example::StoreOf(argc, argv, "02_set", "set, get, count and expire");

  const auto show = [&](const std::string& key) {
    const std::optional<std::string> value = Must(store->Get(key));
    std::printf("get %s: %s\n", key.c_str(), value ? value->c_str() : "(nothing)");
  };

  // A value is bytes. Setting it again replaces it.
  Must(store->Set("name", "rivulet"));
  show("name");
  show("nobody");

  // A counter needs no value to begin with, and two programs that count at once lose nothing: the
  // store adds, not they.
  for (int i = 0; i < 3; ++i) {
    std::printf("visits: %lld\n", static_cast<long long>(Must(store->Increment("visits", 1))));
  }

  // Read, modify, write, as one: the longest word so far. The function is called again if another
  // program wrote there in between.
  for (const char* word : {"brook", "rivulet", "creek"}) {
    Must(store->Modify("longest", [&](const std::optional<std::string>& old) {
      return old && old->size() >= std::string(word).size() ? *old : std::string(word);
    }));
  }
  show("longest");

  // A key may go by itself.
  Must(store->Set("token", "secret"));
  Must(store->Expire("token", std::chrono::milliseconds(100)));
  show("token");
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  show("token");

  // A number cannot be added to a word: the message names the key.
  const auto wrong = store->Increment("name", 1);
  std::printf("increment name: %s\n", wrong.ok() ? "?" : "refused");
  return 0;
}
