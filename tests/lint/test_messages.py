"""The table of messages is kept equal to the source: does that hold?"""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import messages  # noqa: E402
import messages_page  # noqa: E402

SOURCE = r'''
#define PLACE "/proc/mounts"
#define LONG \
	"cannot start a thread; end " \
	"some programs"

static char *explain(int rc)
{
	/* "this stands in a comment" */
	if (strstr(text, "what others say to us"))
		return g_strdup("two words");
	log_warning("saved: %s", x);
	log_debug("this is for developers only");
	(void)fprintf(stderr, "mount.pycloud: usage\n");
	*ret_why = g_strdup_printf("cannot read " PLACE ": %" PRIu64, n);
	m->why = g_strdup(LONG);
	return client_error(2, "%s is \"%-8s\" and %zu", a, b, c);
}

static const struct row table[] = {
	{ "The quota is used up (", "): ask for less." },
	{ "word", "two words" },
	{ ", and goes on", "PRAGMA user_version" },
};
'''
FOUND = ["two words", "saved: %s", "usage", "cannot read /proc/mounts: %d",
         "cannot start a thread; end some programs",
         '%s is "%s" and %d', "The quota is used up (%s): ask for less."]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A project of one file; writes its table."""
    for folder in ("fs", "common"):
        (tmp_path / folder).mkdir()
    (tmp_path / "fs" / "some.c").write_text(SOURCE)
    monkeypatch.setattr(messages, "ROOT", tmp_path)
    monkeypatch.setattr(messages, "NO_MESSAGES", {})

    def write(rows):
        text = "# what it is\n\n== Area\n\n" + "\n".join(
            f"{row}\n\twhat it means\n" for row in rows)
        (tmp_path / "fs" / "messages").write_text(text)
        return list(messages.compare())

    return write


def test_messages_are_found_where_people_meet_them(tree):
    assert tree([]) and \
        [message for _, _, message in messages.messages()] == FOUND


def test_table_that_is_equal_is_good(tree):
    assert tree(FOUND) == []


def test_missing_row_is_printed_as_it_is_to_be_added(tree):
    ((name, line, text),) = tree(FOUND[1:])
    assert (name, line) == ("fs/some.c", 11)
    assert text.splitlines()[-1] == "two words"


def test_row_of_no_message_is_named_with_its_line(tree):
    ((name, line, text),) = tree(["gone"] + FOUND)
    assert (name, line) == ("fs/messages", 5) and "gone" in text


def test_row_that_is_there_twice(tree):
    ((_, _, text),) = tree(FOUND + FOUND[:1])
    assert "in line 5 already" in text


def test_exceptions_must_be_in_the_source(tree, monkeypatch):
    monkeypatch.setattr(messages, "NO_MESSAGES",
                        {"fs/some.c": {"two words", "gone"}})
    ((name, _, text),) = tree(FOUND[1:])
    assert name == "tests/lint/messages.py" and text.endswith(": gone")


@pytest.mark.parametrize("table, what", [
    ("message\n\tx\n", "before the first"),
    ("== A\nmessage\n\nother\n\tx\n", "have no explanation"),
    ("== A\n\tx\n", "without a message"),
])
def test_table_that_cannot_be_read_stops_the_build(tmp_path, table, what):
    (tmp_path / "t").write_text(table)
    with pytest.raises(SystemExit, match=what):
        messages_page.read(tmp_path / "t")


def test_page_shows_messages_as_people_read_them(tmp_path):
    (tmp_path / "t").write_text(
        "== An area\n\n%s: '%d' is `no` \"-n\" ~ \\\n.dot\n"
        "\twhat\n\tto do\n")
    page = "".join(messages_page.page(messages_page.read(tmp_path / "t")))
    assert ".SH AN AREA\n.TP\n.B \\&...: \\(aq...\\(aq is \\(gano\\(ga " \
        "\\(dq\\-n\\(dq \\(ti \\e\n.TQ\n.B \\&.dot\nwhat\nto do\n" in page
