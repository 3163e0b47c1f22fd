"""Graphs: what the task `graph` counts, alone and with others in a store, and what rivulet-graph makes of it,
against a straightforward count and NetworkX."""

import collections
import json
import os
import shutil
import sys
import tempfile
import unittest
import xml.dom.minidom

from harness import ROOT, Daemon, get, post, program_path, run_program, wait_until
from redis_server import RedisServer

sys.path.append("/usr/lib/python3/dist-packages")  # of Debian's python3-networkx
try:
    import networkx
except ImportError:
    networkx = None

CLICKS = os.path.join(ROOT, "../shared/data/usagov_clicks.jsonl")
SHARED = "--task=graph:from=r,to=u,store=shared,name=clicks"


def counted(lines):
    """{(from, to): how often} of the lines that are clicks."""
    edges = collections.Counter()
    for line in lines:
        try:
            click = json.loads(line)
        except ValueError:
            continue
        if isinstance(click.get("r"), str) and isinstance(click.get("u"), str):
            edges[click["r"], click["u"]] += 1
    return dict(edges)


def exported_of(text):
    """{(from, to): weight} of node-link JSON."""
    graph = json.loads(text)
    names = [node["id"] for node in graph["nodes"]]
    assert len(names) == len(set(names)), names
    return {(link["source"], link["target"]): link["weight"] for link in graph["links"]}


def made_up(count):
    """Clicks with a bit of everything that a name may hold."""
    names = ["direct", "", "a b", "<&\"'>", "\\n\\", "caf\u00e9 \U0001f600", "http://x/?a=1&b=2", "tab\tbed"]
    return [json.dumps({"r": names[i * i % 7], "u": names[i % 8] + str(i % 5), "i": i}) for i in range(count)]


class GraphCase(unittest.TestCase):
    def setUp(self):
        for name in ("queuereader", "rivulet-graph", "simplequeue"):
            program_path(name)
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def path(self, name):
        return os.path.join(self.folder, name)

    def reader(self, queue, *args):
        reader = Daemon("queuereader", "--source=" + queue.url(), "--http-address=127.0.0.1:0",
                        "--failed-message-dir=" + self.path("failed"), *args, listens=True)
        self.addCleanup(reader.kill)
        return reader

    def read_file(self, lines, *args):
        """A reader over a file, to its end."""
        with open(self.path("clicks.jsonl"), "w", encoding="utf-8") as file:
            file.write("".join(line.rstrip("\n") + "\n" for line in lines))
        done = run_program("queuereader", "--source=file:" + self.path("clicks.jsonl"),
                           "--failed-message-dir=" + self.path("failed"), *args)
        self.assertEqual(done.returncode, 0, done.stderr)

    def graph(self, *args, status=0, input=None):
        done = run_program("rivulet-graph", *args, input=input)
        self.assertEqual(done.returncode, status, done.stderr)
        if status != 0:
            self.assertEqual((done.stdout, done.stderr.count("\n")), ("", 1), done.stderr)
            return done.stderr
        return done.stdout

    def exported(self, *args):
        return exported_of(self.graph(*args, "--format=json", "export"))


class StoredGraphTest(GraphCase):
    """In a folder, which needs no server."""

    def test_a_graph_of_names_of_all_kinds_is_counted_and_exported_as_it_is(self):
        lines = made_up(500)
        store = "--store=file:" + self.path("store")
        self.read_file(lines, store, SHARED)
        edges = counted(lines)
        self.assertEqual(self.exported(store), edges)
        top = json.loads(self.graph(store, "--json", "top", "1000"))["edges"]
        self.assertEqual({(e["source"], e["target"]): e["weight"] for e in top}, edges)
        self.assertEqual([e["weight"] for e in top], sorted(edges.values(), reverse=True))
        around = json.loads(self.graph(store, "--json", "neighbors", "a b"))
        self.assertEqual({e["node"]: e["weight"] for e in around["out"]},
                         {to: n for (source, to), n in edges.items() if source == "a b"})
        into = collections.Counter()
        for (_, to), weight in edges.items():
            into[to] += weight
        nodes = json.loads(self.graph(store, "--json", "--by=in", "top", "1000"))["nodes"]
        self.assertEqual({n["node"]: n["weight"] for n in nodes}, dict(into))
        xml.dom.minidom.parseString(self.graph(store, "--format=graphml", "export"))
        if networkx:
            self.assert_networkx_reads(store, edges)
        if shutil.which("dot"):
            svg = xml.dom.minidom.parseString(self.graph(store, "--format=svg", "export"))
            self.assertEqual(svg.documentElement.tagName, "svg")
            self.assertEqual(len([g for g in svg.getElementsByTagName("g")
                                  if g.getAttribute("class") == "edge"]), len(edges))

    def assert_networkx_reads(self, store, edges):
        expected = networkx.DiGraph()
        expected.add_weighted_edges_from((*edge, weight) for edge, weight in edges.items())
        ranks = _pagerank(expected)
        components = sorted(map(sorted, networkx.weakly_connected_components(expected)))
        strong = sorted(map(sorted, networkx.strongly_connected_components(expected)))
        args = (store, "--pagerank", "--components", "export")
        self.graph("--format=graphml", "--output=" + self.path("g.graphml"), *args)
        written = networkx.read_graphml(self.path("g.graphml"))
        names = dict(written.nodes(data="name", default=""))
        self.assertEqual(len(names), len(set(names.values())))
        for graph in (_node_link_graph(self.graph("--format=json", *args)),
                      networkx.relabel_nodes(written, names)):
            self.assertTrue(graph.is_directed())
            self.assertEqual({(a, b): w for a, b, w in graph.edges(data="weight")}, edges)
            for name, rank in graph.nodes(data="pagerank"):
                self.assertAlmostEqual(rank, ranks[name], delta=1e-8)
            for attribute, groups in (("component", components), ("strong_component", strong)):
                found = collections.defaultdict(list)
                for name, number in graph.nodes(data=attribute):
                    found[number].append(name)
                self.assertEqual(sorted(map(sorted, found.values())), groups)

    def test_options_that_a_command_does_not_use_are_refused(self):
        store = "--store=file:" + self.path("store")
        for args, says in ((("--format=svg", "top"), "--format=svg is of export"),
                           (("--pagerank", "top"), "--by=pagerank"),
                           (("--components", "path", "a", "b"), "--components is of export"),
                           (("--undirected", "neighbors", "a"), "--undirected is of top"),
                           (("--limit=3", "top"), "top 3"),
                           (("--limit=3", "path", "a", "b"), "--limit=3 is of"),
                           (("--json", "export"), "--format=json"),
                           (("--layout=neato", "export"), "needs --format=svg")):
            done = run_program("rivulet-graph", store, *args)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn(says, done.stderr)
        for option in ("--at=5", "--prefix=x", "--store-password-file=x"):
            done = run_program("rivulet-graph", "--file=-", option, "top", input="{}")
            self.assertEqual(done.returncode, 2, option)
            self.assertIn(" needs --store", done.stderr)

    def test_names_that_look_alike_and_long_ones_are_nodes_of_their_own(self):
        names = ["\x01", "\x02", "a\tb", "a\nb", "a b", "\ufffd", "L" * 20000]
        with open(self.path("g.json"), "w") as file:
            json.dump({"links": [{"source": "hub", "target": name} for name in names]}, file)
        file = "--file=" + self.path("g.json")
        self.assertEqual(self.exported(file), {("hub", name): 1 for name in names})
        graph = xml.dom.minidom.parseString(self.graph(file, "--format=graphml", "export"))
        self.assertEqual(len({n.getAttribute("id") for n in graph.getElementsByTagName("node")}), 1 + len(names))
        if shutil.which("dot"):
            svg = xml.dom.minidom.parseString(self.graph(file, "--format=svg", "export"))
            self.assertEqual(len([g for g in svg.getElementsByTagName("g")
                                  if g.getAttribute("class") == "node"]), 1 + len(names))

    def test_what_a_failing_graphviz_says_is_told(self):
        with open(self.path("dot"), "w") as file:
            file.write("#!/bin/sh\necho 'Error: it is raining' >&2; echo more >&2; exit 3\n")
        os.chmod(self.path("dot"), 0o755)
        done = run_program("rivulet-graph", "--file=-", "--format=svg", "export",
                           input='{"links":[{"source":"a","target":"b"}]}',
                           env={"PATH": self.folder + ":/usr/bin:/bin"})
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, "rivulet-graph: dot ended with 3: Error: it is raining\n")

    def test_undirected_edges_are_one_edge_in_an_undirected_graph(self):
        store = "--store=file:" + self.path("store")
        self.read_file(['{"r":"a","u":"b"}', '{"r":"b","u":"a"}', '{"r":"b","u":"c"}'], store,
                       "--task=graph:from=r,to=u,undirected,store=shared,prefix=both|")
        self.assertEqual(self.exported(store, "--prefix=both|"),
                         {("a", "b"): 2, ("b", "a"): 2, ("b", "c"): 1, ("c", "b"): 1})
        graph = json.loads(self.graph(store, "--prefix=both|", "--undirected", "--format=json", "export"))
        self.assertEqual((graph["directed"], len(graph["links"])), (False, 2))
        self.assertTrue(self.graph(store, "--prefix=both|", "--undirected", "export").startswith("graph {"))
        link = '{"links":[{"source":"a","target":"b"}]}'
        self.assertIn("no path", self.graph("--file=-", "path", "b", "a", input=link, status=1))
        self.assertEqual(json.loads(self.graph("--file=-", "--undirected", "--json", "path", "b", "a",
                                               input=link))["path"], ["b", "a"])
        pair = '{"directed":false,"links":[{"source":"a","target":"b"}]}'
        self.assertEqual(len(exported_of(self.graph("--file=-", "--max-edges=1", "--format=json", "export",
                                                    input=pair))), 2)

    def test_decayed_weights_are_shown_as_of_a_time(self):
        store = "--store=file:" + self.path("store")
        self.read_file(['{"r":"a","u":"b","t":1331920000}', '{"r":"a","u":"b","t":1331923600}'], store,
                       "--task=graph:from=r,to=u,decay=1h,time=t,store=shared")
        self.assertAlmostEqual(self.exported(store, "--at=1331927200")["a", "b"], 0.75)

    def test_paths(self):
        store = "--store=file:" + self.path("store")
        self.read_file(['{"r":"%s","u":"%s","w":%d}' % edge for edge in
                        (("a", "z", 1), ("a", "b", 9), ("b", "z", 1))], store,
                       "--task=graph:from=r,to=u,weight=w,store=shared")
        self.assertEqual(json.loads(self.graph(store, "--json", "path", "a", "z"))["path"], ["a", "z"])
        likely = json.loads(self.graph(store, "--json", "--by=likelihood", "path", "a", "z"))
        self.assertEqual((likely["path"], likely["weights"]), (["a", "b", "z"], [9, 1]))
        self.assertAlmostEqual(likely["probability"], 0.9)
        self.assertIn("no path from 'z' to 'a'", self.graph(store, "path", "z", "a", status=1))
        self.assertIn("no node 'q'", self.graph(store, "path", "q", "a", status=1))
        self.assertIn("more than 2 edges", self.graph(store, "--max-edges=2", "top", status=1))
        missing = self.graph("--store=file:" + self.path("nowhere"), "top", status=1)
        self.assertIn("nowhere", missing)

    @unittest.skipUnless(os.path.exists(CLICKS), "../shared/data is absent")
    def test_referrers_to_targets_of_the_real_clicks_equal_a_plain_count(self):
        with open(CLICKS, encoding="utf-8") as file:
            lines = list(file)
        store = "--store=file:" + self.path("store")
        self.read_file(lines, store, SHARED)
        self.assertEqual(self.exported(store), counted(lines))

    def test_without_graphviz_the_package_is_named(self):
        with open(self.path("g.json"), "w") as file:
            file.write('{"links":[{"source":"a","target":"b"}]}')
        done = run_program("rivulet-graph", "--file=" + self.path("g.json"), "--format=svg", "export",
                           env={"PATH": "/nonexistent"})
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("install the package graphviz", done.stderr)


class LiveGraphTest(GraphCase):
    def test_a_running_reader_shows_its_graph_which_the_tool_reads(self):
        lines = made_up(300)
        with Daemon("simplequeue") as queue:
            reader = self.reader(queue, "--task=graph:from=r,to=u,name=clicks")
            post(queue.url("/mput"), "\n".join(lines))
            task = reader.url("/tasks/clicks")
            wait_until(lambda: get(task + "?view=json").json()["count"] == 300)
            shown = get(task + "?view=graph").body.decode()
            self.assertEqual(exported_of(shown), counted(lines))
            self.assertEqual(json.loads(self.graph("--file=-", "--json", "top", "3", input=shown)),
                             {"edges": [{"source": e["from"], "target": e["to"], "weight": e["weight"]}
                                        for e in get(task + "?view=json").json()["top_edges"][:3]]})
            svg = xml.dom.minidom.parseString(get(task + "?view=svg").body)
            self.assertEqual(len(svg.getElementsByTagName("path")), 30)
            self.assertTrue(get(task + "?view=dot").body.startswith(b"digraph {"))
            reader.stop()


class RedisGraphTest(GraphCase):
    def test_two_readers_of_which_one_is_killed_count_each_click_once(self):
        lines = made_up(3000)
        edges = counted(lines)
        with RedisServer() as redis, Daemon("simplequeue", "--data-path=" + self.path("queue")) as queue:
            store = "--store=" + redis.url
            first = self.reader(queue, store, SHARED, "--lease=1s")
            killed = self.reader(queue, store, SHARED, "--lease=1s")
            for i in range(0, len(lines), 500):
                post(queue.url("/mput"), "\n".join(lines[i:i + 500]))
                if i == 1000:
                    wait_until(lambda: redis.ask("DBSIZE") > 3)
                    killed.kill()
                    killed = self.reader(queue, store, SHARED, "--lease=1s")
            wait_until(lambda: queue.stats()["finished"] == len(lines), 60)
            self.assertEqual(self.exported(store), edges)
            shown = get(first.url("/tasks/clicks?view=graph")).body.decode()
            self.assertEqual(exported_of(shown), edges)
            # As the tutorial has it: a sorted set a node.
            self.assertEqual(redis.sorted_set("graph:direct"),
                             {to: n for (source, to), n in edges.items() if source == "direct"})
            first.stop()
            killed.stop()
            redis.ask("ZINCRBY", "graph:direct", "5", "a client's")
            self.assertEqual(self.exported(store)["direct", "a client's"], 5)
            redis.ask("SET", "graph:other", "no graph")
            self.assertEqual(len(self.exported(store)), len(edges) + 1)

    @unittest.skipUnless(os.path.exists(CLICKS), "../shared/data is absent")
    def test_the_real_clicks_in_redis_equal_a_plain_count(self):
        with open(CLICKS, encoding="utf-8") as file:
            lines = list(file)
        with RedisServer() as redis:
            self.read_file(lines, "--store=" + redis.url, SHARED)
            self.assertEqual(self.exported("--store=" + redis.url), counted(lines))


def _node_link_graph(text):
    """What `links` are called is told to the NetworkX that asks for it."""
    try:
        return networkx.node_link_graph(json.loads(text), edges="links")
    except TypeError:
        return networkx.node_link_graph(json.loads(text))


def _pagerank(graph):
    """NetworkX's without numpy, where it has that."""
    from networkx.algorithms.link_analysis import pagerank_alg
    plain = getattr(pagerank_alg, "_pagerank_python", networkx.pagerank)
    return plain(graph, tol=1e-13, max_iter=1000)


if __name__ == "__main__":
    unittest.main()
