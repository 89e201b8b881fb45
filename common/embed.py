"""Writes helper_py.c: what a kernel is asked to execute, as a C string.

usage: embed.py helper_py.c MODULE.py... -- TEXT.py...

The modules are the helper's and come in the order they are imported; the rest
is what other processes in the pod execute, as texts by name for helper.main().
The code finds out whether it was executed before.
"""
import pathlib
import sys

LOAD = """\
import sys as _sys, types as _types
def _pycloud_load(name, source):
    module = _sys.modules[name] = _types.ModuleType(name)
    exec(compile(source, name + '.py', 'exec'), module.__dict__)
    return module
if 'helper' not in _sys.modules:
"""


def bootstrap(modules: list, texts: list) -> str:
    code = LOAD
    for path in modules:
        code += "    _pycloud_load(%r, %s)\n" % (path.stem, literal(path))
    code += "    _sys.modules['helper'].main(get_ipython().kernel, {%s})\n" % (
        ", ".join("%r: %s" % (p.stem, literal(p)) for p in texts))
    compile(code, "bootstrap", "exec")
    return code


def literal(path: pathlib.Path) -> str:
    text = path.read_bytes().decode("ascii")  # it travels as JSON
    compile(text, str(path), "exec")
    return repr(text)


def c_string(text: str) -> str:
    pieces = [text[i:i + 60] for i in range(0, len(text), 60)]
    lines = []
    for piece in pieces:
        for plain, quoted in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"),
                              ("?", "\\?")):
            piece = piece.replace(plain, quoted)
        lines.append('\t"%s"' % piece)
    return "\n".join(lines)


def main() -> None:
    target, *names = sys.argv[1:]
    middle = names.index("--")
    modules = [pathlib.Path(n) for n in names[:middle]]
    texts = [pathlib.Path(n) for n in names[middle + 1:]]
    pathlib.Path(target).write_text(
        "/* Made by embed.py from the Python beside it. */\n"
        '#include "config.h"\n\n#include "helper_py.h"\n\n'
        "const char helper_py[] =\n%s;\n"
        % c_string(bootstrap(modules, texts)))


if __name__ == "__main__":
    main()
