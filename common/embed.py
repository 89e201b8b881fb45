"""Writes helper_py.c: what a kernel is asked to execute, as a C string.

usage: embed.py helper_py.c helper_runs.py helper.py supervisor.py

The modules come in the order they are imported; the last file is text that
helper.main() is given. The code finds out whether it was executed before.
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


def bootstrap(modules: list, supervisor: pathlib.Path) -> str:
    code = LOAD
    for path in modules:
        code += "    _pycloud_load(%r, %s)\n" % (path.stem, literal(path))
    code += "    _sys.modules['helper'].main(get_ipython().kernel, %s)\n" % (
        literal(supervisor))
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
    target, *modules, supervisor = map(pathlib.Path, sys.argv[1:])
    target.write_text(
        "/* Made by embed.py from helper*.py and supervisor.py. */\n"
        '#include "config.h"\n\n#include "helper_py.h"\n\n'
        "const char helper_py[] =\n%s;\n"
        % c_string(bootstrap(modules, supervisor)))


if __name__ == "__main__":
    main()
