#include "tasks/bandit_catalogue.h"

#include <doctest/doctest.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "tasks/http_fetch.h"
#include "tests/unit/tasks/bandit_support.h"
#include "tests/unit/tasks/temp_file.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

using Names = std::vector<std::string>;

bool None(const std::string&) { return false; }

}  // namespace

TEST_CASE("bandit catalogue: a file has an id a line, or an object") {
  const auto ids = CatalogueLines(
      "a\r\n\n  b c \n{\"id\":\"d\",\"price\":1}\n{\"item\":12}\na\n\xc3\xa4|b\nlast");
  REQUIRE_MESSAGE(ids.ok(), ids.status().message());
  CHECK(*ids == Names{"a", "b c", "d", "12", "\xc3\xa4|b", "last"});
  CHECK(CatalogueLines("")->empty());
  for (const std::string& wrong : {std::string("{\"name\":\"a\"}"), std::string("{\"id\":\"\"}"),
                                   std::string("{\"id\":1.5}"), std::string("{\"id\":null}"),
                                   std::string("{"), std::string(257, 'x'), std::string("\xff")}) {
    CAPTURE(wrong);
    const Status status = CatalogueLines("a\n" + wrong + "\nb").status();
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(status.message().starts_with("line 2"));
  }
}

TEST_CASE("bandit catalogue: an answer is an array, or has one; a search has hits") {
  const auto ids = [](const char* json) {
    const auto answer = CatalogueAnswer(json);
    return answer.ok() ? *answer : Names{"wrong: " + answer.status().message()};
  };
  CHECK(ids(R"(["a",7,"a"])") == Names{"a", "7"});
  CHECK(ids(R"([{"id":"a"},{"item":"b"}])") == Names{"a", "b"});
  CHECK(ids(R"({"items":[{"id":1},"x"],"total":2})") == Names{"1", "x"});
  CHECK(ids(R"({"took":1,"hits":{"total":{"value":2},"hits":[{"_index":"p","_id":"a","_score":1},
                {"_index":"p","_id":"b","_source":{"id":"c"}}]}})") == Names{"a", "b"});
  CHECK(ids(R"({"hits":{"hits":[]}})").empty());
  for (const char* wrong : {"", "{}", "7", "[[]]", "[null]", R"([{"id":{}}])", "[\"\"]",
                            R"({"items":7})", R"({"hits":{"hits":[{"_score":1}]}})",
                            R"({"hits":{"hits":[{"_source":{"id":"b"}}]}})", R"([{"_id":"a"}])"}) {
    CAPTURE(wrong);
    CHECK_FALSE(CatalogueAnswer(wrong).ok());
  }
  CHECK(CatalogueAnswer("[\"a\",[]]").status().message().starts_with("item 2"));
}

TEST_CASE("bandit catalogue: draws are even, without repeats, and of none that is held") {
  Names all;
  for (int i = 0; i < 10; ++i) all.push_back(std::to_string(i));
  BanditCatalogue catalogue(all);
  Random random(11);
  const auto held = [](const std::string& id) { return id == "3" || id == "5"; };
  std::map<std::string, int> drawn;
  for (int i = 0; i < 2000; ++i) {
    const auto some = catalogue.Draw(4, 2, held, random);
    REQUIRE(some.ok());
    REQUIRE(std::set<std::string>(some->begin(), some->end()).size() == 4);
    for (const std::string& id : *some) ++drawn[id];
  }
  CHECK(drawn.size() == 8);
  CHECK(drawn.count("3") + drawn.count("5") == 0);
  // 1,000 each: 5 sigma are 112.
  for (const auto& [id, count] : drawn) CHECK(std::abs(count - 1000) < 112);
  CHECK(catalogue.Draw(20, 2, held, random)->size() == 8);
  CHECK(catalogue.Draw(0, 0, None, random)->empty());
}

TEST_CASE("bandit catalogue: a file is read again when it has changed; one that is wrong is told") {
  const TempFile file("a\nb\n");
  BanditCatalogue catalogue(file.path());
  Random random(1);
  CHECK(catalogue.Draw(5, 0, None, random)->size() == 2);
  file.Write("a\nb\nc\n");
  CHECK(catalogue.Draw(5, 0, None, random)->size() == 3);
  file.Write("a\n{\nc\n");
  const Status wrong = catalogue.Draw(5, 0, None, random).status();
  CHECK(wrong.message().find(file.path() + ": line 2") != std::string::npos);
  file.Remove();
  CHECK(catalogue.Draw(5, 0, None, random).status().code() == StatusCode::kIoError);
  file.Write("d\n");
  CHECK(*catalogue.Draw(5, 0, None, random) == Names{"d"});
  file.Write(std::string(kMaxFetchedBytes + 1, 'x'));
  CHECK(catalogue.Draw(5, 0, None, random).status().code() == StatusCode::kTooLarge);
  BanditCatalogue folder("/tmp");
  CHECK(folder.Draw(5, 0, None, random).status().message() == "/tmp: it must be a regular file");
}

TEST_CASE("bandit catalogue: a file system that hangs holds nobody, and has one thread") {
  const TempFile file("a\n");
  std::promise<void> release;
  const auto released = release.get_future().share();
  const auto begun = std::make_shared<std::atomic<int>>(0);
  CatalogueFiles files;
  files.patience = std::chrono::milliseconds(1);
  files.read = [released, begun](const std::string&, std::size_t) -> Result<std::string> {
    ++*begun;
    released.wait();
    return std::string("a\nb\n");
  };
  BanditCatalogue catalogue(file.path(), files);
  Random random(1);
  MonoTime now{};
  for (int i = 0; i < 3; ++i, now += std::chrono::hours(1)) {
    catalogue.Ask(5, random, now);
    const Status late = catalogue.Draw(5, 0, None, random).status();
    CHECK(late.code() == StatusCode::kUnavailable);
    CHECK(late.message() == file.path() + ": it has not been read within 1ms");
  }
  release.set_value();
  // What it read in the end is drawn from; the thread needs some time for it.
  auto drawn = catalogue.Draw(5, 0, None, random);
  while (!drawn.ok()) drawn = catalogue.Draw(5, 0, None, random);
  CHECK(drawn->size() == 2);
  CHECK(begun->load() == 1);
}

TEST_CASE("bandit catalogue: what a slow file system was waited for is used, and grows old") {
  using std::chrono::seconds;
  const TempFile file("a\n");
  auto gate = std::make_shared<std::promise<void>>();
  CatalogueFiles files;
  files.read = [&gate](const std::string&, std::size_t) -> Result<std::string> {
    gate->get_future().wait();
    return std::string("a\n");
  };
  BanditCatalogue catalogue(file.path(), files);
  Random random(1);
  catalogue.Ask(5, random, MonoTime(seconds(0)));
  CHECK_FALSE(catalogue.IsReady(MonoTime(seconds(1))));
  gate->set_value();
  catalogue.Await(seconds(60));
  CHECK(catalogue.IsReady(MonoTime(seconds(3))));
  CHECK_FALSE(catalogue.IsReady(MonoTime(seconds(0)) + kFreshAnswer));
  // Asked for before there was any need of it: it may have changed.
  gate = std::make_shared<std::promise<void>>();
  catalogue.Ask(5, random, MonoTime(seconds(0)) + kFreshAnswer);
  gate->set_value();
  catalogue.Await(seconds(60));
  CHECK(catalogue.IsReady(MonoTime(seconds(0)) + kFreshAnswer));
  CHECK_FALSE(catalogue.IsReady(MonoTime(seconds(3)) + kFreshAnswer));
}

TEST_CASE("bandit catalogue: a file for which memory does not suffice is tried again") {
  const TempFile file("a\n");
  const auto fails = std::make_shared<std::atomic<bool>>(true);
  CatalogueFiles files;
  files.read = [fails](const std::string&, std::size_t) -> Result<std::string> {
    if (*fails) throw std::bad_alloc();
    return std::string("a\n");
  };
  BanditCatalogue catalogue(file.path(), files);
  Random random(1);
  CHECK(catalogue.Draw(5, 0, None, random).status().message() ==
        file.path() + ": it could not be read: std::bad_alloc");
  *fails = false;
  CHECK(*catalogue.Draw(5, 0, None, random) == Names{"a"});
}

TEST_CASE("bandit catalogue: while it fails the set stays, and learns; then it is tried again") {
  MemoryStore store;
  const TempFile file("a\nb\nc\nd\ne\nf\n");
  const auto task =
      MakeBandit("bandit:catalogue=" + file.path() + ",arms=3,refresh=5,seed=1", &store);
  const BanditArms first = BanditIn(store);
  file.Remove();
  WallTime now = FakeContext().at;
  const std::string item = first.arms[0].id;
  for (int i = 0; i < 9; ++i) {
    RunFeedback(*task, std::vector{Impression(item)}, now);
    now += std::chrono::seconds(3);
  }
  // With the 5th impression; then 12 s later.
  CHECK(FakeSummary(*task).counts["catalogue_failures"] == 2);
  CHECK(BanditIn(store).round == 1);
  CHECK(BanditIn(store).experiments == 9);
  CHECK(BanditIn(store).arms[0].impressions == 10);
  file.Write("a\nb\nc\nd\ne\nf\n");
  RunFeedback(*task, std::vector{Impression(item)}, now + std::chrono::seconds(20));
  CHECK(BanditIn(store).round == 2);
  CHECK(BanditIn(store).arms.size() == 3);
}

TEST_CASE("bandit catalogue: where there is no thread to ask it, that is a failure as any other") {
  MemoryStore store;
  const TempFile file("a\nb\nc\nd\n");
  const auto task =
      MakeBandit("bandit:catalogue=" + file.path() + ",arms=2,refresh=2,seed=1", &store);
  const std::string item = BanditIn(store).arms[0].id;
  WallTime now = FakeContext().at;
  const auto learn_twice = [&] {
    for (int i = 0; i < 2; ++i) RunFeedback(*task, std::vector{Impression(item)}, now);
  };
  pthread_attr_t usual;
  REQUIRE(pthread_getattr_default_np(&usual) == 0);
  pthread_attr_t huge = usual;
  REQUIRE(pthread_attr_setstacksize(&huge, std::size_t{1} << 50) == 0);
  REQUIRE(pthread_setattr_default_np(&huge) == 0);
  learn_twice();
  REQUIRE(pthread_setattr_default_np(&usual) == 0);
  CHECK(FakeSummary(*task).counts["catalogue_failures"] == 1);
  CHECK(BanditIn(store).round == 1);
  now += std::chrono::minutes(1);
  learn_twice();
  CHECK(BanditIn(store).round == 2);
}

TEST_CASE("bandit catalogue: a URL that nobody answers fails, and shows no password") {
  BanditCatalogue catalogue("http://user:secret@127.0.0.1:1/items?x=1");
  Random random(1);
  const Status status = catalogue.Draw(5, 0, None, random).status();
  CHECK(status.code() == StatusCode::kUnavailable);
  CHECK(status.message().starts_with("http://127.0.0.1:1/items?x=1: "));
  CHECK(ShownUrl("https://h/a@b") == "https://h/a@b");
  CHECK(ShownUrl("http://a:b@h@x/") == "http://x/");
  CHECK(ShownUrl("none") == "none");
}
