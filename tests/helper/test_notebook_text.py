"""Of a notebook's file only outputs and counts change."""
import importlib
import json
import random

import pytest

import pod

assert pod.COMMON.is_dir()
text_module = importlib.import_module("notebook_text")
outputs_module = importlib.import_module("notebook_outputs")
Notebook = text_module.Notebook


def stream(text, name="stdout"):
    output = outputs_module.Output("stream", {"name": name})
    output.pieces = [text]
    return output


def cell(source, **more):
    return dict({"cell_type": "code", "execution_count": None, "metadata": {},
                 "outputs": [], "source": source}, **more)


def book(*cells, **more):
    return dict({"cells": list(cells), "metadata": {}, "nbformat": 4,
                 "nbformat_minor": 5}, **more)


STRANGE = r"""{
    "zzz": [1.10, 1e400, -0.0, 12345678901234567890, 1E5, NaN, 0.300000000004],
    "cells" : [ {"cell_type":"code",
        "source": ["print('\u00e9')\n", "2"], "outputs"  : [ {"output_type":
            "stream", "name": "stdout", "text": "old"} ],
        "metadata": {"tags": ["a"], "unknown": {"b": 1.0, "a": 2.50, "b": 3}},
        "execution_count":   7  , "unknown": "\/\ud83d\ude00\ud800"},
      {"cell_type": "markdown", "source": "Gr\u00fc\u00dfe, 日本"}
    ],
    "nbformat_minor": 2, "nbformat": 4, "metadata": {}, "a": null   }  """


def change(data, text="new\n", count=3):
    notebook = Notebook(data)
    for each in notebook.cells:
        if each.is_code:
            each.outputs, each.count = [stream(text)], count
    return notebook.render()


@pytest.mark.parametrize("data", [
    STRANGE, STRANGE + "\n", STRANGE.replace("\n", "\r\n"), "\ufeff" + STRANGE,
    STRANGE.replace("\n", " ")])
def test_what_is_not_output_is_kept_to_the_byte(data):
    data = data.encode()
    assert Notebook(data).render() == data
    new = change(data)
    head, rest = data.split(b'"outputs"  : ')
    middle = rest[rest.index(b'"metadata": {"tags"'):]
    middle, tail = middle.split(b"7  ,")
    assert new.startswith(head + b'"outputs"  : [')
    assert new.endswith(middle + b"3  ," + tail)
    added = new[len(head) + len(b'"outputs"  : '):-len(middle + tail) - 4]
    assert json.loads(added.rstrip(b", \r\n")) == [
        {"name": "stdout", "output_type": "stream", "text": ["new\n"]}]
    assert b"\r\n" not in data or b"\n" not in added.replace(b"\r\n", b"")


@pytest.mark.parametrize("style", [
    dict(indent=1), dict(indent=4), dict(indent="\t"), dict(indent=0),
    dict(separators=(",", ":")), dict(separators=(", ", ": "))])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_new_text_is_written_as_the_old(style, ascii_only):
    def dump(*outputs, count):
        return json.dumps(book(cell("é", outputs=list(outputs),
                                    execution_count=count), cell("")),
                          ensure_ascii=ascii_only, **style).encode()
    new = {"name": "stdout", "output_type": "stream", "text": ["ü\n", "b"]}
    notebook = Notebook(dump(count=None))
    notebook.cells[0].outputs = [stream("ü\nb")]
    notebook.cells[0].count = 12
    assert notebook.render() == dump(new, count=12)
    again = Notebook(dump(new, new, count=12))
    again.cells[0].outputs = []
    assert again.render() == dump(count=None)


def test_missing_members_are_added():
    data = b'{"nbformat":4,"cells":[ { "cell_type":"code","source":"1"}]}'
    new = json.loads(change(data))
    assert list(new["cells"][0]) == ["execution_count", "outputs",
                                     "cell_type", "source"]
    assert new["cells"][0]["outputs"][0]["text"] == ["new\n"]


def test_of_members_that_come_twice_the_last_counts():
    data = (b'{"nbformat": 4, "cells": 5, "cells": [{"cell_type": "code", '
            b'"source": "1", "outputs": [1], "source": "2", "outputs": [2], '
            b'"execution_count": 1}]}')
    assert Notebook(data).cells[0].source == "2"
    new = change(data)
    assert b'"outputs": [1], "source": "2", "outputs": [{' in new


def test_half_characters_are_kept():
    data = json.dumps(book(cell("1"))).encode()
    new = change(data, "a\ud800b")
    assert json.loads(new)["cells"][0]["outputs"][0]["text"] == ["a\ud800b"]


@pytest.mark.parametrize("data, message", [
    (b"", "not JSON: line 1"), (b'{\n\n"a" 1}', "not JSON: line 3"),
    (b"[]", "not a notebook"), (b'{"a":\n"\xff"}', "not UTF-8: line 2"),
    (b'{"nbformat": 3, "worksheets": []}', "its nbformat is 3"),
    (b'{"nbformat": 5, "cells": []}', "its nbformat is 5"),
    (b'{"cells": []}', "its nbformat is null"),
    (b'{"nbformat": 4}', "it has no cells"),
    (b'{"nbformat": 4, "cells": {}}', "not a notebook"),
    (b'{"nbformat": 4, "cells": [1]}', "not a notebook"),
    (b'{"nbformat": 4, "cells": []} x', "not JSON"),
    (b"[" * 100000, "nested too deeply")])
def test_what_is_no_notebook_says_why(data, message):
    with pytest.raises(text_module.NotebookError) as seen:
        Notebook(data)
    assert message in str(seen.value)


def test_strange_cells_do_no_harm():
    strange = {"cell_type": "code", "source": 5, "metadata": [], "outputs": 1}
    data = json.dumps(book(strange, {}, {"cell_type": ["code"]},
                           cell(["a", 5, "b"], metadata={"tags": 1})))
    cells = Notebook(data.encode()).cells
    assert [c.source for c in cells] == ["", "", "", "ab"]
    assert [c.is_code for c in cells] == [True, False, False, True]


def test_numbers_of_many_digits(tmp_path):
    data = json.dumps(book(cell("1"))).replace('"metadata": {}', '"metadata":'
                                               ' {"n": %s}' % ("9" * 9000))
    assert b"9" * 9000 in change(data.encode())


def test_random_notebooks_come_out_as_they_went_in():
    chance = random.Random(5)

    def value(depth):
        kind = chance.randrange(7 if depth else 5)
        if kind == 5:
            return [value(depth - 1) for _ in range(chance.randrange(4))]
        if kind == 6:
            return {chance.choice("abcö\"\\") * chance.randrange(4): value(
                depth - 1) for _ in range(chance.randrange(4))}
        return [None, True, chance.random() * 10 ** chance.randrange(-9, 9),
                chance.randrange(10 ** 20), "x\n\u2028\0é\U0001f600"][kind]

    for _ in range(200):
        made = book(*(cell("1", extra=value(3), metadata=value(3))
                      for _ in range(chance.randrange(4))), other=value(3))
        data = json.dumps(made, ensure_ascii=chance.random() < .5,
                          indent=chance.choice((None, 1, 2))).encode()
        assert Notebook(data).render() == data
        new = json.loads(change(data))
        for each in new["cells"]:
            each.update(outputs=[], execution_count=None)
        assert new == made


class FakeCell:
    def __init__(self):
        self.outputs = []

    def seen(self):
        return [o.to_json() for o in self.outputs]


@pytest.fixture
def sheet():
    return outputs_module.Sheet()


def say(sheet, to, kind, **content):
    return sheet.take(to, kind, content)


def test_streams_are_joined_while_they_are_the_same(sheet):
    one = FakeCell()
    for name, text in (("stdout", "a"), ("stdout", "b\nc"), ("stderr", "d"),
                       ("stdout", "e")):
        say(sheet, one, "stream", name=name, text=text)
    assert [(o["name"], o["text"]) for o in one.seen()] == [
        ("stdout", ["ab\n", "c"]), ("stderr", ["d"]), ("stdout", ["e"])]


def test_data_is_split_as_jupyter_does(sheet):
    one = FakeCell()
    say(sheet, one, "display_data", metadata={"m": 1}, transient={}, data={
        "text/plain": "a\nb", "image/svg+xml": "<s>\n</s>",
        "image/png": "aGk=\n", "application/json": {"z": "a\nb", "a": 1}})
    assert one.seen() == [{
        "data": {"application/json": {"z": "a\nb", "a": 1},
                 "image/png": "aGk=\n", "image/svg+xml": ["<s>\n", "</s>"],
                 "text/plain": ["a\n", "b"]},
        "metadata": {"m": 1}, "output_type": "display_data"}]


def test_displays_are_updated_wherever_they_are(sheet):
    one, two = FakeCell(), FakeCell()
    for each in (one, two):
        say(sheet, each, "display_data", data={"text/plain": "1"}, metadata={},
            transient={"display_id": "d"})
    say(sheet, two, "update_display_data", data={"text/plain": "2"},
        metadata={}, transient={"display_id": "d"})
    say(sheet, two, "update_display_data", data={}, metadata={},
        transient={"display_id": "unknown"})
    assert one.seen() == two.seen()
    assert one.seen()[0]["data"] == {"text/plain": ["2"]}


def test_clearing_waits_if_told_to(sheet):
    one = FakeCell()
    say(sheet, one, "stream", name="stdout", text="a")
    say(sheet, one, "clear_output", wait=True)
    assert len(one.seen()) == 1
    say(sheet, one, "stream", name="stdout", text="b")
    assert [o["text"] for o in one.seen()] == [["b"]]
    say(sheet, one, "clear_output", wait=False)
    assert one.seen() == []


def test_what_a_notebook_takes_is_bounded(sheet, monkeypatch):
    monkeypatch.setattr(sheet, "left", 10)
    one = FakeCell()
    assert say(sheet, one, "stream", name="", text="12345")
    assert not say(sheet, one, "stream", name="", text="1234567")
    assert one.seen()[0]["text"] == ["12345"]
