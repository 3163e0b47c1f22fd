"""Several sources in one translation unit, so that what they include is read once.

    scripts/joined.py [--by-library | --any-folder] SIZE FOLDER SOURCE...

writes FOLDER/NAME.cc for each group of at most SIZE of the sources, unless it is as it was, takes away
what else is there, and prints the names.

A file that is joined is not alone with its names. Where two files declare one name for themselves (in a
namespace without a name), or a header declares what is one file's own, that file's name gets a number
behind it; the headers stand before all, so that no name of theirs is touched. Where the headers that
the file includes say the name too, or it may be a member's, one cannot tell which is meant: that file
stands in another group. This goes by the look of lines, as the formatter leaves them; what slips through
is an error of the compiler, and whoever joins then takes the files one by one.

Those of one folder are joined; with --any-folder, whatever fits. With --by-library only those of a
folder that need the same libraries, themselves or through what they include: a program that asks for
one of them then links no library that it would not link anyway.
"""

import functools
import glob
import os
import re
import sys

_KEYWORDS = frozenset("""alignas auto bool char const constexpr decltype double enum explicit extern final
float for if inline int long namespace noexcept operator return short signed sizeof static static_assert
struct switch template thread_local typename union unsigned using virtual void volatile while""".split())
_DECLARED = re.compile(r"(?<!:)\b([A-Za-z_]\w*)(?=\s*(?:[(\[{;=]|final\b|:\s|$))")
_MACRO = re.compile(r"^\s*#\s*define\s+(\w+)", re.M)
_LIBRARY = re.compile(r"^#include <(curl|event2|hiredis|openssl|re2|wslay|zlib|zstd)\b", re.M)
_INCLUDED = re.compile(r'^#include "([^"]+)"', re.M)
_USED = re.compile(r"^using (?!namespace)[\w:]*::(\w+);", re.M)
_ANONYMOUS = re.compile(r"^namespace \{$(.*?)(?:^\}  // namespace$|\Z)", re.M | re.S)


@functools.lru_cache(maxsize=None)
def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _declared(text):
    """The names that lines of the outermost level declare; rather too many than too few."""
    names = set()
    for line in text.split("\n"):
        if not re.match(r"[A-Za-z_\[]", line) or line.startswith(("TEST_CASE", "using namespace")):
            continue
        if line.startswith("using ") and " = " not in line:
            continue
        line = re.sub(r"\[\[.*?\]\]|//.*", "", line)
        of_type = re.match(r"(?:struct|class|enum class|enum|union) (\w+)", line)
        if of_type:
            names.add(of_type.group(1))
            continue
        names.update(_DECLARED.findall(re.sub(r" = .*", " =", line)))
    return names - _KEYWORDS


def _own_names(text):
    """What a source declares for itself alone."""
    names = set(_MACRO.findall(text))
    for block in _ANONYMOUS.findall(text):
        names |= _declared(block)
    names.update(re.findall(r"^using (\w+) = ", text, re.M))
    return names | _declared("\n".join(re.findall(r"^static .*", text, re.M)))


def _headers_of(path, seen):
    """Adds every header of the project that the file includes, however deep."""
    for name in _INCLUDED.findall(_read(path)):
        if name not in seen and os.path.exists(name):
            seen.add(name)
            _headers_of(name, seen)


def _libraries_of(source):
    """The libraries whose headers the source includes, or a header of the project, or what is built
    from that header's sources, NAME.cc and NAME_*.cc."""
    libraries = set()
    seen = {source}
    waiting = [source]
    while waiting:
        text = _read(waiting.pop())
        libraries.update(_LIBRARY.findall(text))
        for header in _INCLUDED.findall(text):
            name = header[:-len(".h")]
            for path in [header, name + ".cc", *glob.glob(name + "_*.cc")]:
                if path not in seen and os.path.exists(path):
                    seen.add(path)
                    waiting.append(path)
    return tuple(sorted(libraries))


def _without_comments(text):
    return re.sub(r"//[^\n]*", "", text)


@functools.lru_cache(maxsize=None)
def _header_facts(path):
    """What a header declares, and every word in it."""
    text = _without_comments(_read(path))
    return frozenset(_declared(text)), frozenset(re.findall(r"[A-Za-z_]\w*", text))


class Group:
    """Sources to be joined, in order, and the names that each must give up: {name: another}."""

    def __init__(self):
        self.sources = []
        self.renamed = []
        self._taken = set()  # the sources' own names
        self._used = set()  # what they take from another namespace
        self._headers = set()

    def add(self, source):
        """False, and nothing is changed, where the source does not fit."""
        text = _without_comments(_read(source))
        own = _own_names(_read(source))
        headers = set()
        _headers_of(source, headers)
        headers.discard(source)
        used = set(_USED.findall(text))
        # What the others call their own must not be what a header of this one declares.
        if any(_header_facts(header)[0] & (self._taken | self._used) for header in headers - self._headers):
            return False
        # With its own headers it agrees.
        of_others = set().union(*(_header_facts(header)[0] for header in self._headers - headers))
        if used & (of_others | self._taken):
            return False
        giving_up = own & (of_others | self._taken | self._used)
        words = set(_MACRO.findall(text)).union(*(_header_facts(header)[1] for header in headers))
        for name in giving_up:
            if name in words or re.search(r"(?:\.|->|::)%s\b" % name, text):
                return False
        number = len(self.sources) + 1
        self.sources.append(source)
        self.renamed.append({name: "%s_%d" % (name, number) for name in sorted(giving_up)})
        self._taken |= own - giving_up
        self._used |= used
        self._headers |= headers
        return True

    def includes(self):
        """Every line of the sources that includes something, once."""
        return list(dict.fromkeys(line for source in self.sources
                                  for line in re.findall(r"^#include .*", _read(source), re.M)))


def groups(sources, size, by_library=False, any_folder=False):
    """Groups of at most `size` of the sources, those of a group of one folder unless `any_folder`.
    Whether two of them have a main() is not looked at."""
    alike = {}
    for source in sorted(sources):
        folder = "" if any_folder else os.path.dirname(source)
        needs = _libraries_of(source) if by_library else ()
        alike.setdefault((folder, needs), []).append(source)
    result = []
    for _, members in sorted(alike.items()):
        made = []
        for source in members:
            if not any(len(group.sources) < size and group.add(source) for group in made):
                made.append(Group())
                made[-1].add(source)
        result += made
    return result


def _joined_text(group):
    if len(group.sources) == 1:
        return '#include "%s"\n' % group.sources[0]
    lines = group.includes() if any(group.renamed) else []
    for source, renamed in zip(group.sources, group.renamed):
        lines += ["#define %s %s" % pair for pair in renamed.items()]
        lines.append('#include "%s"' % source)
        lines += ["#undef " + name for name in renamed]
    return "\n".join(lines) + "\n"


def write(size, folder, sources, **how):
    """Writes the groups as files that include their sources; returns the files' names."""
    os.makedirs(folder, exist_ok=True)
    written = {}
    for group in groups(sources, size, **how):
        name = os.path.join(folder, os.path.splitext(group.sources[0])[0].replace("/", "__") + ".cc")
        written[name] = _joined_text(group)
    for name, text in written.items():
        if not os.path.exists(name) or _read(name) != text:
            with open(name, "w", encoding="utf-8") as file:
                file.write(text)
    for old in set(glob.glob(os.path.join(folder, "*.cc"))) - set(written):
        os.unlink(old)
    return sorted(written)


if __name__ == "__main__":
    options = [argument for argument in sys.argv[1:] if argument.startswith("--")]
    size, folder, *sources = (argument for argument in sys.argv[1:] if not argument.startswith("--"))
    print("\n".join(write(int(size), folder, sources, by_library="--by-library" in options,
                          any_folder="--any-folder" in options)))
